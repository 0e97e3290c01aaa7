/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - "doppel run": makes a machine of what the command line says, boots
 * it, boots it again when the guest resets itself, and says how it ended.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "backend/disk_file.h"
#include "backend/entropy_host.h"
#include "base/trace.h"
#include "board/pc.h"
#include "boot/boot.h"
#include "cmd/cmd.h"
#include "cmd/disasm.h"
#include "cmd/file.h"
#include "cmd/options.h"
#include "cmd/session.h"
#include "engine/engines.h"

/*
 * The serial port is the only console of the machine; Linux does not look for
 * one by itself. All else is as the kernel's own defaults have it: what it
 * boots into is what it would boot into elsewhere.
 */
#define COMMAND_LINE "console=ttyS0"

struct machine {
	const struct run_options *options;
	struct file kernel, initrd;
	char *command_line;
	struct session session;
	struct vm vm;
	struct pc pc;
	struct disk *disks[RUN_DISKS_MAX];
	struct entropy entropy;
};

static int make_command_line(struct machine *m, struct err *e)
{
	const char *more = m->options->append;

	if (asprintf(&m->command_line, "%s%s%s", COMMAND_LINE, more ? " " : "",
		     more ? more : "") < 0) {
		m->command_line = NULL;
		return err_set(e, -ENOMEM, "no memory for the command line");
	}
	return 0;
}

static int open_disks(struct machine *m, struct err *e)
{
	for (unsigned i = 0; i < m->options->disk_count; i++) {
		const struct disk_file_config c = {
			.path = m->options->disks[i].path,
			.readonly = m->options->disks[i].readonly,
			.lock = &m->vm.lock,
		};
		int r = disk_file_open(&m->disks[i], &c, e);

		if (r)
			return r;
	}
	return 0;
}

/* Everything but the kernel in memory. What was made is undone by
 * machine_fini, also after a failure. */
static int machine_init(struct machine *m, const struct run_options *o,
			struct err *e)
{
	struct vm_config vm = {
		.memory_bytes = o->memory_bytes,
		.cpus = o->cpus,
		.engine_options = &o->engine_options,
	};
	struct pc_config pc = {
		.com1 = &m->session.serial.console,
		.debug = o->debug_exit ? &m->session.serial.console : NULL,
		.debug_exit = o->debug_exit,
		.disks = m->disks,
		.disk_count = o->disk_count,
		.entropy = &m->entropy,
	};
	int r;

	m->options = o;
	r = make_command_line(m, e);
	if (r)
		return r;
	/* Threads inherit the signal mask that this sets. */
	r = session_init(&m->session, STDIN_FILENO, STDOUT_FILENO, e);
	if (r)
		return r;
	r = engine_choose(o->engine, &vm.engine, e);
	if (r)
		return r;
	r = vm_init(&m->vm, &vm, e);
	if (r)
		return r;
	r = open_disks(m, e);
	if (r)
		return r;
	entropy_host_init(&m->entropy);
	return pc_init(&m->pc, &m->vm, &pc, e);
}

static void machine_fini(struct machine *m)
{
	for (unsigned i = 0; i < RUN_DISKS_MAX; i++) {
		if (m->disks[i])
			m->disks[i]->ops->close(m->disks[i]);
	}
	vm_fini(&m->vm);
	pc_fini(&m->pc);
	session_fini(&m->session);
	file_fini(&m->kernel);
	file_fini(&m->initrd);
	free(m->command_line);
}

/* The kernel into memory, and the boot processor to its first instruction. */
static int load(struct machine *m, struct err *e)
{
	const struct run_options *o = m->options;
	struct vcpu *bsp = m->vm.cpus[0];
	struct boot_source src = { .cmdline = m->command_line };
	int r;

	r = file_read(&m->kernel, o->kernel, "kernel", e);
	if (!r && o->initrd)
		r = file_read(&m->initrd, o->initrd, "initrd", e);
	if (r)
		return r;
	src.kernel = m->kernel.p;
	src.kernel_bytes = m->kernel.bytes;
	src.initrd = m->initrd.p;
	src.initrd_bytes = m->initrd.bytes;
	r = boot_load(&m->vm.mem, &src, m->vm.cpu_count, &bsp->x86, e);
	/* Firmware sets up the memory types of all processors alike. */
	for (unsigned i = 1; i < m->vm.cpu_count; i++)
		m->vm.cpus[i]->x86.mtrr_def_type = bsp->x86.mtrr_def_type;
	if (r)
		return r;
	gmem_written(&m->vm.mem, 0, m->vm.mem.low_bytes);
	gmem_written(&m->vm.mem, GMEM_HIGH_BASE, m->vm.mem.high_bytes);
	m->vm.engine->state_changed(bsp);
	file_drop(&m->kernel);
	file_drop(&m->initrd);
	return 0;
}

/* Runs until the machine has ended for good. */
static int run(struct machine *m, struct err *e)
{
	int r = load(m, e);

	if (!r)
		r = session_start(&m->session, &m->vm, e);
	while (!r) {
		r = vm_start(&m->vm, e);
		if (r)
			break;
		vm_join(&m->vm);
		if (m->vm.end != VM_RESET || m->options->no_reboot)
			break;
		vm_reset(&m->vm);
		/* vm_reset forgets a stop that came a moment before. */
		if (session_is_ending(&m->session))
			vm_stop(&m->vm, VM_INTERRUPTED);
		r = pc_setup(&m->pc, e);
		if (!r)
			r = load(m, e);
	}
	session_finish(&m->session);
	return r;
}

static void print_stats(const struct vm *vm)
{
	for (const struct stat_group *g = vm->stats; g; g = g->next) {
		fprintf(stderr, "%s\n", g->title);
		for (size_t i = 0; i < g->count; i++) {
			if (!stat_value(g, i))
				continue;
			fprintf(stderr, "  %-24s %16llu  %s\n", g->tab[i].name,
				(unsigned long long)stat_value(g, i),
				g->tab[i].help);
		}
	}
}

static int interrupted_status(const struct session *s)
{
	if (s->output_error == EPIPE)
		return CMD_SIGNAL + SIGPIPE;
	if (s->output_error && s->output_error != ETIMEDOUT)
		return cmd_fail("cannot write the console's output: %s",
				strerror(s->output_error));
	return CMD_SIGNAL + (s->signal ? s->signal : SIGINT);
}

/* Says how the machine ended if that is not plain; returns the status. */
static int end_status(const struct machine *m)
{
	const struct vm *vm = &m->vm;

	/* Whatever the guest did, its output was not seen. */
	if (m->session.output_error)
		return interrupted_status(&m->session);
	switch ((enum vm_end)vm->end) {
	case VM_POWEROFF:
		return CMD_OK;
	case VM_RESET:
		cmd_fail("the guest reset itself%s%s", vm->why[0] ? ": " : "",
			 vm->why);
		return CMD_RESET;
	case VM_KILLED:
		cmd_fail("the machine was killed: %s", vm->why);
		for (unsigned i = 0; i < vm->cpu_count; i++)
			vm->engine->dump(vm->cpus[i]);
		return CMD_KILLED;
	case VM_DEBUG_EXIT:
		return vm->exit_code & 0xff;
	case VM_INTERRUPTED:
		return interrupted_status(&m->session);
	case VM_RUNNING:
		break;
	}
	return cmd_fail("the machine stopped without a reason");
}

static int run_machine(const struct run_options *o)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct err e = { "" };
	int status, r;

	if (!m)
		return cmd_fail("no memory");
	m->vm.mem.fd = -1;
	r = machine_init(m, o, &e);
	if (!r)
		r = run(m, &e);
	status = r ? cmd_fail("%s", e.text[0] ? e.text : strerror(-r))
		   : end_status(m);
	if (o->stats && m->vm.engine)
		print_stats(&m->vm);
	machine_fini(m);
	free(m);
	return status;
}

int cmd_run(int argc, char **argv)
{
	struct run_options o;
	struct err e = { "" };
	int status;

	options_init(&o);
	if (options_parse(&o, argc, argv, &e)) {
		status = cmd_fail("%s", e.text);
	} else if (o.help || o.version) {
		if (o.help)
			cmd_print_run_help();
		else
			cmd_print_version();
		status = CMD_OK;
	} else if (!o.kernel) {
		status = cmd_fail("run needs a kernel: doppel run --kernel "
				  "FILE; see 'doppel help run'");
	} else {
		trace_mask = o.trace_mask;
		trace_sink = host_log_trace;
		trace_disassemble = disasm;
		status = run_machine(&o);
	}
	options_fini(&o);
	return status;
}
