/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvmclock.c - KVM's paravirtual clock. The guest names an address for each
 * processor; we write there how to turn its time stamp counter into VM time.
 * With a constant TSC it has to be written only once.
 *
 * References: Linux, Documentation/virt/kvm/x86/msr.rst and cpuid.rst.
 *
 * The numbers after these are those of kvm_pv.c.
 */
#include "dev/kvmclock.h"

#include "base/fmt.h"
#include "base/muldiv.h"
#include "base/trace.h"
#include "host/host.h"

#define MSR_KVM_WALL_OLD 0x11u
#define MSR_KVM_SYSTEM_OLD 0x12u
#define MSR_KVM_WALL 0x4b564d00u
#define MSR_KVM_SYSTEM 0x4b564d01u

#define SYSTEM_ENABLE 1ull
#define PVCLOCK_TSC_STABLE 0x01 /* all processors agree */

#define NS_PER_S 1000000000ull

/* MIRRORS: the guest's struct pvclock_vcpu_time_info. */
struct pvclock_system {
	u32 version; /* odd while it changes */
	u32 pad0;
	u64 tsc_timestamp;
	u64 system_time; /* ns at that time stamp */
	u32 tsc_to_system_mul; /* 32-bit fraction */
	s8 tsc_shift;
	u8 flags;
	u8 pad[2];
};
_Static_assert(sizeof(struct pvclock_system) == 32, "guest ABI");

/* MIRRORS: the guest's struct pvclock_wall_clock. */
struct pvclock_wall {
	u32 version;
	u32 sec;
	u32 nsec;
};
_Static_assert(sizeof(struct pvclock_wall) == 12, "guest ABI");

/*
 * ns = (tsc << shift) * mul / 2^32, with a negative shift to the right.
 * Chooses the shift so that mul has its top bit set, hence most precision.
 */
static void scale_of(u64 tsc_hz, u32 *mul, s8 *shift)
{
	u64 hz = tsc_hz ? tsc_hz : NS_PER_S;
	s8 s = 0;

	/* mul < 2^32 needs NS_PER_S < hz << s. */
	while (hz > 2 * NS_PER_S) {
		hz >>= 1;
		s--;
	}
	while (hz <= NS_PER_S) {
		hz <<= 1;
		s++;
	}
	/* Shifting right lost bits of hz: do it in one go. */
	*mul = (u32)(s < 0 ? muldiv(NS_PER_S << -s, BIT64(32), tsc_hz) :
			     muldiv(NS_PER_S, BIT64(32), hz));
	*shift = s;
}

/*
 * Writes @bytes that begin with a version word, so that a guest reading at
 * the same time on another processor notices: odd before, even after.
 */
static void publish(struct gmem *m, gpa_t gpa, const u32 *p, u32 bytes)
{
	/* GUEST: the address may be anything; the ABI wants it aligned. */
	hva_t h = gpa & 3 ? NULL : gmem_hva(m, gpa, bytes);
	u32 *version = (u32 *)(void *)h, odd;

	if (!h)
		return;
	/* PAIRS: the guest's loop on the version. A string instruction's
	 * stores stay between those before and after it. */
	odd = (*version | 1) + 2;
	__atomic_store_n(version, odd, __ATOMIC_RELEASE);
	copy_bytes(version + 1, p + 1, bytes - 4);
	__atomic_store_n(version, odd + 1, __ATOMIC_RELEASE);
	gmem_written(m, gpa, bytes);
}

static void take_moment(struct kvmclock *k, const struct vcpu *v)
{
	if (k->has_moment)
		return;
	k->moment_tsc = host_tsc() + v->x86.tsc_offset - v->x86.tsc_adjust;
	k->moment_ns = clock_now_ns(k->w.clock);
	k->has_moment = true;
}

void kvmclock_refresh(struct kvmclock *k, const struct vcpu *v)
{
	struct pvclock_system s = {
		.tsc_to_system_mul = k->tsc_to_ns_mul,
		.tsc_shift = k->tsc_shift,
		.flags = PVCLOCK_TSC_STABLE,
	};
	u64 msr;

	if (v->index >= KVMCLOCK_CPUS)
		return;
	msr = k->system_msr[v->index];
	if (!(msr & SYSTEM_ENABLE))
		return;
	take_moment(k, v);
	s.tsc_timestamp = k->moment_tsc + v->x86.tsc_adjust;
	s.system_time = k->moment_ns;
	publish(k->w.mem, msr & ~SYSTEM_ENABLE, &s.version, sizeof(s));
}

/* The time of day at which VM time was 0. */
static void write_wall(struct kvmclock *k, gpa_t gpa)
{
	u64 ns = host_realtime_ns() - clock_now_ns(k->w.clock);
	struct pvclock_wall wall = {
		.sec = (u32)(ns / NS_PER_S),
		.nsec = (u32)(ns % NS_PER_S),
	};

	publish(k->w.mem, gpa, &wall.version, sizeof(wall));
}

static bool msr_read(void *dev, struct vcpu *v, u32 msr, u64 *value)
{
	struct kvmclock *k = dev;

	switch (msr) {
	case MSR_KVM_WALL_OLD:
	case MSR_KVM_WALL:
		*value = k->wall_msr;
		return true;
	case MSR_KVM_SYSTEM_OLD:
	case MSR_KVM_SYSTEM:
		if (v->index >= KVMCLOCK_CPUS)
			return false;
		*value = k->system_msr[v->index];
		return true;
	}
	return false;
}

static bool msr_write(void *dev, struct vcpu *v, u32 msr, u64 value)
{
	struct kvmclock *k = dev;

	TRACE(CPU, "cpu %u: kvmclock %x <- %llx", v->index, msr,
	      (unsigned long long)value);
	switch (msr) {
	case MSR_KVM_WALL_OLD:
	case MSR_KVM_WALL:
		k->wall_msr = value;
		write_wall(k, value);
		return true;
	case MSR_KVM_SYSTEM_OLD:
	case MSR_KVM_SYSTEM:
		if (v->index >= KVMCLOCK_CPUS)
			return false;
		k->system_msr[v->index] = value;
		kvmclock_refresh(k, v);
		return true;
	}
	return false;
}

void kvmclock_forget(struct kvmclock *k)
{
	k->has_moment = false;
}

static void kvmclock_reset(struct device *d)
{
	struct kvmclock *k = container_of(d, struct kvmclock, dev);

	k->wall_msr = 0;
	for (unsigned i = 0; i < KVMCLOCK_CPUS; i++)
		k->system_msr[i] = 0;
	kvmclock_forget(k);
	k->moment_tsc = k->moment_ns = 0;
}

static void kvmclock_cpu_init(struct device *d, unsigned cpu)
{
	struct kvmclock *k = container_of(d, struct kvmclock, dev);

	if (cpu < KVMCLOCK_CPUS)
		k->system_msr[cpu] = 0;
}

void kvmclock_init(struct kvmclock *k, const struct kvmclock_wiring *w)
{
	k->w = *w;
	scale_of(w->tsc_hz, &k->tsc_to_ns_mul, &k->tsc_shift);
	for (unsigned i = 0; i < ARRAY_SIZE(k->msrs); i++)
		k->msrs[i] = (struct msr_range){
			.first = i ? MSR_KVM_WALL : MSR_KVM_WALL_OLD,
			.last = i ? MSR_KVM_SYSTEM : MSR_KVM_SYSTEM_OLD,
			.read = msr_read,
			.write = msr_write,
			.dev = k,
		};
	kvmclock_reset(&k->dev);
}

static const struct field kvmclock_fields[] = {
	FIELD(struct kvmclock, wall_msr, FIELD_U64, 1),
	FIELD_ARRAY(struct kvmclock, system_msr, FIELD_U64, 1),
	FIELD(struct kvmclock, has_moment, FIELD_BOOL, 1),
	FIELD(struct kvmclock, moment_tsc, FIELD_U64, 1),
	FIELD(struct kvmclock, moment_ns, FIELD_U64, 1),
	FIELD_END,
};

/* No .loaded: addresses are checked whenever they are used. */
const struct device_class kvmclock_class = {
	.name = "kvmclock",
	.version = 1,
	.bytes = sizeof(struct kvmclock),
	.fields = kvmclock_fields,
	.reset = kvmclock_reset,
	.cpu_init = kvmclock_cpu_init,
};
