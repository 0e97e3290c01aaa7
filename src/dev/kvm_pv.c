/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvm_pv.c - KVM's paravirtual interface: see kvm_pv.h.
 *
 * Stolen time. The guest names 64 bytes for each processor. There we write how
 * long its thread has waited for a processor of the host although it had work;
 * the guest's scheduler leaves that out of its accounts.
 *
 * Lazy TLB flushes. In the same place a processor whose thread sleeps is marked
 * PREEMPTED. Another that wants its TLB flushed then need not wake it: it adds
 * FLUSH_TLB by a locked instruction, and if that succeeds we flush when the
 * processor wakes, before it executes or looks at its page tables. Sleeping is
 * all that is marked. A thread that the host has taken off its processor does
 * not say so, and gets its interrupt.
 *
 * Hypercalls are called by the processor's thread without the device lock.
 *
 * Not offered: PV_SCHED_YIELD (13), which only serves processors that are
 * marked though they have work; asynchronous page faults (4, 14); REALTIME
 * hint, for the host promises nothing.
 *
 * References: Linux, Documentation/virt/kvm/x86/msr.rst, cpuid.rst and
 * hypercalls.rst.
 */
#include "dev/kvm_pv.h"

#include "base/trace.h"
#include "dev/lapic.h"
#include "host/host.h"

#define MSR_STEAL_TIME 0x4b564d03u
#define MSR_PV_EOI 0x4b564d04u

#define ENABLE 1ull
#define STEAL_RESERVED 0x3eull

/* MIRRORS: the guest's struct kvm_steal_time. */
struct steal_time {
	u64 steal; /* ns */
	u32 version; /* odd while it changes */
	u32 flags;
	u8 preempted;
	u8 pad[47];
};
_Static_assert(sizeof(struct steal_time) == 64, "guest ABI");

#define PREEMPTED BIT(0)
#define FLUSH_TLB BIT(1)

/* EAX of CPUID leaf 0x40000001. */
#define FEATURE_STEAL_TIME BIT(5)
#define FEATURE_PV_EOI BIT(6)
#define FEATURE_PV_UNHALT BIT(7)
#define FEATURE_PV_TLB_FLUSH BIT(9)
#define FEATURE_PV_SEND_IPI BIT(11)

#define HC_KICK_CPU 5u
#define HC_SEND_IPI 10u
#define HC_EINVAL (-22)
#define HC_ENOSYS (-1000)

u32 kvm_pv_features(const struct kvm_pv *k)
{
	u32 f = FEATURE_PV_EOI;

	if (k->w.delay_ns)
		f |= FEATURE_STEAL_TIME;
	if (k->w.cpus > 1)
		f |= FEATURE_PV_UNHALT | FEATURE_PV_SEND_IPI;
	/* Guests take it only together with stolen time. */
	if (k->w.cpus > 1 && k->w.delay_ns)
		f |= FEATURE_PV_TLB_FLUSH;
	return f;
}

/* --- stolen time --- */

/* NULL if the guest wants none, or named no memory. */
static struct steal_time *steal_area(struct kvm_pv *k, const struct vcpu *v)
{
	u64 msr = k->steal_msr[v->index];

	if (!(msr & ENABLE))
		return NULL;
	return (void *)gmem_hva(k->w.mem, msr & ~ENABLE,
				sizeof(struct steal_time));
}

static void steal_written(struct kvm_pv *k, const struct vcpu *v)
{
	gmem_written(k->w.mem, k->steal_msr[v->index] & ~ENABLE,
		     sizeof(struct steal_time));
}

static void publish(struct kvm_pv *k, const struct vcpu *v)
{
	struct steal_time *s = steal_area(k, v);
	u32 odd;

	if (!s)
		return;
	/* PAIRS: the guest's loop on the version, on any processor. */
	odd = (__atomic_load_n(&s->version, __ATOMIC_RELAXED) | 1) + 2;
	__atomic_store_n(&s->version, odd, __ATOMIC_RELEASE);
	__atomic_store_n(&s->steal, k->steal_ns[v->index], __ATOMIC_RELEASE);
	__atomic_store_n(&s->version, odd + 1, __ATOMIC_RELEASE);
	steal_written(k, v);
}

/* Guests look at it at each of their ticks, which are 1 ms apart at least. */
#define STEAL_EVERY_NS 1000000u

/* For the host's processors, and for other vCPUs. */
static u64 delay_ns(const struct kvm_pv *k, const struct vcpu *v)
{
	return k->w.delay_ns() + v->turn.waited_ns;
}

static void account(struct kvm_pv *k, const struct vcpu *v, u64 now_ns)
{
	unsigned n = v->index;
	u64 delay = delay_ns(k, v), more = delay - k->thread[n].delay_ns;

	k->thread[n].delay_ns = delay;
	k->thread[n].asked_ns = now_ns;
	if (more && (s64)more > 0) {
		k->steal_ns[n] += more;
		publish(k, v);
	}
}

static void thread_begins(void *dev, struct vcpu *v)
{
	struct kvm_pv *k = dev;

	if (!k->w.delay_ns || v->index >= KVM_PV_CPUS)
		return;
	k->thread[v->index].delay_ns = delay_ns(k, v);
	k->thread[v->index].asked_ns = host_now_ns();
}

static void thread_ticks(void *dev, struct vcpu *v)
{
	struct kvm_pv *k = dev;
	u64 now;

	if (v->index >= KVM_PV_CPUS || !(k->steal_msr[v->index] & ENABLE))
		return;
	now = host_now_ns();
	if (now - k->thread[v->index].asked_ns >= STEAL_EVERY_NS)
		account(k, v, now);
}

/* --- lazy TLB flushes --- */

static struct steal_time *mark_area(struct kvm_pv *k, const struct vcpu *v)
{
	return v->index < KVM_PV_CPUS && k->w.cpus > 1 ? steal_area(k, v) :
							 NULL;
}

static void thread_sleeps(void *dev, struct vcpu *v)
{
	struct steal_time *s = mark_area(dev, v);

	/* PAIRS: the guest's compare-and-exchange: from here on we touch
	 * nothing by way of the guest's page tables. */
	if (s) {
		__atomic_store_n(&s->preempted, (u8)PREEMPTED,
				 __ATOMIC_SEQ_CST);
		steal_written(dev, v);
	}
}

static void thread_wakes(void *dev, struct vcpu *v)
{
	struct kvm_pv *k = dev;
	struct steal_time *s = mark_area(k, v);
	u8 was;

	if (!s)
		return;
	was = __atomic_exchange_n(&s->preempted, 0, __ATOMIC_SEQ_CST);
	steal_written(k, v);
	if (was & FLUSH_TLB)
		k->w.flush_tlb(v);
}

const struct watch_ops kvm_pv_watch_ops = {
	.begins = thread_begins,
	.sleeps = thread_sleeps,
	.wakes = thread_wakes,
	.ticks = thread_ticks,
};

/* --- MSRs --- */

static bool write_steal(struct kvm_pv *k, struct vcpu *v, u64 value)
{
	/* GUEST: an address that is no RAM is found out at each use. */
	if (!k->w.delay_ns || (value & STEAL_RESERVED))
		return false;
	k->steal_msr[v->index] = value;
	publish(k, v);
	return true;
}

static struct lapic *lapic_of(struct kvm_pv *k, u64 apic_id)
{
	return apic_id < k->w.bus->count ? k->w.bus->cpu[apic_id] : NULL;
}

static bool msr_read(void *dev, struct vcpu *v, u32 msr, u64 *value)
{
	struct kvm_pv *k = dev;
	struct lapic *l = lapic_of(k, v->index);

	if (!l || v->index >= KVM_PV_CPUS)
		return false;
	if (msr == MSR_PV_EOI)
		*value = l->pv_eoi_msr;
	else if (k->w.delay_ns)
		*value = k->steal_msr[v->index];
	else
		return false;
	return true;
}

static bool msr_write(void *dev, struct vcpu *v, u32 msr, u64 value)
{
	struct kvm_pv *k = dev;
	struct lapic *l = lapic_of(k, v->index);

	if (!l || v->index >= KVM_PV_CPUS)
		return false;
	return msr == MSR_PV_EOI ? lapic_set_pv_eoi(l, value) :
				   write_steal(k, v, value);
}

/* --- hypercalls --- */

#define ICR_REFUSED 0xc0800u /* logical, shorthands */
#define ICR_MODE(v) ((u8)((v) >> 8 & 7))

/* Bit n of @map: the processor with id @first + n. */
static s64 send_to(struct kvm_pv *k, const struct apic_msg *m, u64 map,
		   u64 first)
{
	s64 sent = 0;

	for (; map; map &= map - 1) {
		u64 n = (u64)__builtin_ctzll(map);
		struct lapic *l = first + n < first ? NULL :
						      lapic_of(k, first + n);

		sent += l && lapic_accept(l, m);
	}
	return sent;
}

static s64 send_ipi(struct kvm_pv *k, const struct vcpu *v, const u64 arg[4])
{
	const struct apic_msg m = { .mode = ICR_MODE(arg[3]),
				    .vector = (u8)arg[3] };
	unsigned bits = x86_is_64bit(&v->x86) ? 64 : 32;
	u64 first = (u32)arg[2];

	if ((arg[3] & ICR_REFUSED) || (m.mode != APIC_FIXED &&
				       m.mode != APIC_NMI))
		return HC_EINVAL;
	return send_to(k, &m, arg[0], first) +
	       send_to(k, &m, arg[1], first + bits);
}

static s64 hypercall(void *dev, struct vcpu *v, u64 nr, const u64 arg[4])
{
	struct kvm_pv *k = dev;

	if (k->w.cpus < 2)
		return HC_ENOSYS; /* as CPUID says */
	switch (nr) {
	case HC_KICK_CPU:
		if (lapic_of(k, arg[1]))
			k->w.unhalt(k->w.ctx, (unsigned)arg[1]);
		return 0;
	case HC_SEND_IPI:
		return send_ipi(k, v, arg);
	}
	return HC_ENOSYS;
}

/* --- life --- */

static void kvm_pv_cpu_init(struct device *d, unsigned cpu)
{
	struct kvm_pv *k = container_of(d, struct kvm_pv, dev);

	if (cpu < KVM_PV_CPUS)
		k->steal_msr[cpu] = 0;
}

static void kvm_pv_reset(struct device *d)
{
	struct kvm_pv *k = container_of(d, struct kvm_pv, dev);

	for (unsigned i = 0; i < KVM_PV_CPUS; i++)
		k->steal_msr[i] = k->steal_ns[i] = 0;
}

void kvm_pv_init(struct kvm_pv *k, const struct kvm_pv_wiring *w)
{
	k->w = *w;
	k->msrs = (struct msr_range){ .first = MSR_STEAL_TIME,
				      .last = MSR_PV_EOI,
				      .own = true,
				      .read = msr_read,
				      .write = msr_write,
				      .dev = k };
	k->calls = (struct hypercall_range){ .first = HC_KICK_CPU,
					     .last = HC_SEND_IPI,
					     .call = hypercall,
					     .dev = k };
	kvm_pv_reset(&k->dev);
}

static int kvm_pv_loaded(struct device *d)
{
	struct kvm_pv *k = container_of(d, struct kvm_pv, dev);

	for (unsigned i = 0; i < KVM_PV_CPUS; i++)
		if (k->steal_msr[i] & STEAL_RESERVED)
			return -EINVAL;
	return 0;
}

static const struct field kvm_pv_fields[] = {
	FIELD_ARRAY(struct kvm_pv, steal_msr, FIELD_U64, 1),
	FIELD_ARRAY(struct kvm_pv, steal_ns, FIELD_U64, 1),
	FIELD_END,
};

const struct device_class kvm_pv_class = {
	.name = "kvm_pv",
	.version = 1,
	.bytes = sizeof(struct kvm_pv),
	.fields = kvm_pv_fields,
	.reset = kvm_pv_reset,
	.loaded = kvm_pv_loaded,
	.cpu_init = kvm_pv_cpu_init,
};
