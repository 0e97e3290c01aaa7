/* SPDX-License-Identifier: Apache-2.0 */
/*
 * echo_engine.c - an "engine" that executes no guest code but one built-in
 * program: it says "ready" on the serial port and sends back what it gets.
 * With it in place of the real one, doppel's own conduct - the terminal, the
 * signals, the statuses - is tested without depending on any guest.
 *
 * Some bytes do more:
 *	P power off	R reset		T triple fault	K have the VM killed
 *	D debug exit	C crash		B a bug of ours
 *	O write a MiB of output and power off
 *	H go deaf: never read the serial port again
 */
#include <signal.h>

#include "host/host.h"
#include "vm/pc_map.h"
#include "vm/vm.h"

#define UART(reg) (PC_PORT_COM1 + (reg))
#define LSR_DR 1
#define MCR_DTR_RTS 3

static bool deaf, greeted;

static void out(struct vcpu *v, u8 byte)
{
	vm_pio_write(v, UART(0), byte, 1);
}

static void out_text(struct vcpu *v, const char *s)
{
	while (*s)
		out(v, (u8)*s++);
}

static enum vm_exit obey(struct vcpu *v, u8 byte)
{
	switch (byte) {
	case 'O':
		for (unsigned i = 0; i < MiB(1); i++)
			out(v, i % 64 == 63 ? '\n' : (u8)('0' + i % 64));
		__attribute__((fallthrough));
	case 'P':
		vm_pio_write(v, PC_PORT_PM1A_CNT, BIT(13) | PC_S5_SLP_TYP << 10,
			     2);
		break;
	case 'R':
		greeted = false;
		vm_pio_write(v, PC_PORT_RESET, PC_RESET_VALUE, 1);
		break;
	case 'T':
		greeted = false;
		return VM_EXIT_SHUTDOWN;
	case 'K':
		vm_kill(v->vm, "the test wants it");
		break;
	case 'D':
		vm_pio_write(v, PC_PORT_DEBUG_EXIT, 5, 1);
		break;
	case 'C':
		raise(SIGSEGV);
		break;
	case 'B':
		BUG_ON(byte);
		break;
	case 'H':
		deaf = true;
		break;
	default:
		out(v, byte);
	}
	return VM_EXIT_REQUEST;
}

static enum vm_exit echo_run(struct vcpu *v)
{
	if (!greeted) {
		greeted = true;
		vm_pio_write(v, UART(4), MCR_DTR_RTS, 1);
		out_text(v, "ready\r\n");
	}
	if (!deaf && (vm_pio_read(v, UART(5), 1) & LSR_DR))
		return obey(v, (u8)vm_pio_read(v, UART(0), 1));
	if (!vcpu_requests(v))
		host_event_wait(&v->wake, host_now_ns() + 50000);
	return VM_EXIT_REQUEST;
}

static bool no_fault(struct host_fault *f)
{
	return false;
}

static int echo_probe(struct err *e)
{
	return 0;
}

static int echo_vm_init(struct vm *vm, const struct engine_options *o,
			struct err *e)
{
	return host_fault_install(no_fault);
}

static void echo_vm_fini(struct vm *vm)
{
}

static int echo_vcpu_init(struct vcpu *v, struct err *e)
{
	return 0;
}

static void echo_nothing(struct vcpu *v)
{
}

static void echo_memory_changed(struct vm *vm, u64 gpa, u64 len)
{
}

extern const struct engine_ops translate_ops;
const struct engine_ops translate_ops = {
	.name = "echo",
	.probe = echo_probe,
	.vm_init = echo_vm_init,
	.vm_fini = echo_vm_fini,
	.vcpu_bytes = sizeof(struct vcpu),
	.vcpu_init = echo_vcpu_init,
	.vcpu_fini = echo_nothing,
	.run = echo_run,
	.kick = echo_nothing,
	.state_changed = echo_nothing,
	.memory_changed = echo_memory_changed,
	.dump = echo_nothing,
};
