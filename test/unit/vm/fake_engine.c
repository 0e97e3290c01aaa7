/* SPDX-License-Identifier: Apache-2.0 */
/* fake_engine.c - see fake_engine.h. */
#include "fake_engine.h"

#include <string.h>

struct fake_vm fake;

void x86_state_reset(struct x86_state *s, bool init, bool bsp)
{
	u64 tsc_offset = s->tsc_offset;

	memset(s, 0, sizeof(*s));
	if (init)
		s->tsc_offset = tsc_offset;
	s->rip = 0xfff0;
	s->rflags = FLAG_FIXED | FLAG_IF; /* our guests cannot do STI */
	s->activity = bsp ? X86_RUNNING : X86_WAIT_SIPI;
}

void x86_cpuid_init(struct x86_cpuid *c, x86_cpuid_fn host, unsigned cpus,
		    u64 tsc_hz)
{
	c->cpus = cpus;
	c->tsc_hz = tsc_hz;
}

void x86_cpuid_read(const struct x86_cpuid *c, const struct x86_state *s,
		    u32 apic_id, u32 leaf, u32 subleaf,
		    struct x86_cpuid_regs *r)
{
	memset(r, 0, sizeof(*r));
}

bool fake_idle(struct fake_cpu *c)
{
	return false;
}

bool fake_busy(struct fake_cpu *c)
{
	return true;
}

static int probe(struct err *e)
{
	return 0;
}

static int fake_vm_init(struct vm *vm, const struct engine_options *o,
			struct err *e)
{
	if (fake.vm_init_error)
		return fake.vm_init_error;
	fake.vms++;
	return 0;
}

static void fake_vm_fini(struct vm *vm)
{
	fake.vms--;
}

static int fake_vcpu_init(struct vcpu *v, struct err *e)
{
	if (fake.vcpu_init_error && v->index == fake.vcpu_init_error_at)
		return err_set(e, fake.vcpu_init_error, "the fake fails");
	fake.vcpus++;
	return 0;
}

static void fake_vcpu_fini(struct vcpu *v)
{
	fake.vcpus--;
}

/* Tests look at these from other threads. */
static void count(u64 *n)
{
	__atomic_fetch_add(n, 1, __ATOMIC_RELEASE);
}

/* Delivers what is deliverable; true if there was something. */
static bool deliver(struct fake_cpu *c)
{
	struct vcpu *v = &c->v;
	u32 r = vcpu_requests(v);
	bool any = false;

	if ((r & VCPU_REQ_NMI) && !v->x86.nmi_masked) {
		vcpu_clear_request(v, VCPU_REQ_NMI);
		count(&c->nmis);
		any = true;
	}
	if ((r & VCPU_REQ_INTR) && (v->x86.rflags & FLAG_IF)) {
		vcpu_clear_request(v, VCPU_REQ_INTR);
		count(&c->interrupts);
		any = true;
	}
	if (any)
		v->x86.activity = X86_RUNNING;
	return any;
}

static enum vm_exit run(struct vcpu *v)
{
	struct fake_cpu *c = container_of(v, struct fake_cpu, v);
	const u32 not_ours = VCPU_REQ_TIMER | VCPU_REQ_STOP | VCPU_REQ_INIT |
			     VCPU_REQ_SIPI | VCPU_REQ_TURN;

	count(&c->runs);
	for (;;) {
		u32 r = vcpu_requests(v);

		if (r & not_ours)
			return VM_EXIT_REQUEST;
		if (r & VCPU_REQ_FLUSH)
			vcpu_clear_request(v, VCPU_REQ_FLUSH);
		deliver(c);
		if (v->x86.activity == X86_HALTED)
			return VM_EXIT_HLT;
		if (fake.triple_fault)
			return VM_EXIT_SHUTDOWN;
		count(&c->steps);
		if (!fake.guest(c))
			v->x86.activity = X86_HALTED;
	}
}

static void kick(struct vcpu *v)
{
	struct fake_cpu *c = container_of(v, struct fake_cpu, v);

	__atomic_fetch_add(&c->kicks, 1, __ATOMIC_RELAXED);
}

static void state_changed(struct vcpu *v)
{
	count(&container_of(v, struct fake_cpu, v)->state_changes);
}

static void memory_changed(struct vm *vm, u64 gpa, u64 len)
{
}

static void dump(struct vcpu *v)
{
}

const struct engine_ops fake_engine = {
	.name = "fake",
	.probe = probe,
	.vm_init = fake_vm_init,
	.vm_fini = fake_vm_fini,
	.vcpu_bytes = sizeof(struct fake_cpu),
	.vcpu_init = fake_vcpu_init,
	.vcpu_fini = fake_vcpu_fini,
	.run = run,
	.kick = kick,
	.state_changed = state_changed,
	.memory_changed = memory_changed,
	.dump = dump,
};
