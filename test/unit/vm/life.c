/* SPDX-License-Identifier: Apache-2.0 */
/* life.c - how machines are made, paused, reset and ended. */
#include <string.h>

#include "fake_engine.h"
#include "tap.h"

static struct vm vm;

static struct vm_config config(unsigned cpus)
{
	return (struct vm_config){ .memory_bytes = MiB(2), .cpus = cpus,
				   .engine = &fake_engine };
}

static void sleep_ms(unsigned ms)
{
	struct host_event never;

	host_event_init(&never);
	host_event_wait(&never, host_now_ns() + ms * 1000000ull);
}

static void test_failures(void)
{
	struct vm_config c = config(0);
	struct err e = { "" };

	tap_check(vm_init(&vm, &c, &e) == -EINVAL && e.text[0], "%s", e.text);
	vm_fini(&vm);
	c.cpus = VM_MAX_CPUS + 1;
	tap_equal(vm_init(&vm, &c, NULL), -EINVAL, "too many processors");
	vm_fini(&vm);
	c = config(1);
	c.memory_bytes = 12345;
	tap_equal(vm_init(&vm, &c, NULL), -EINVAL, "odd memory");
	vm_fini(&vm);

	c = config(1);
	fake.vm_init_error = -ENOSYS;
	e.text[0] = 0;
	tap_check(vm_init(&vm, &c, &e) == -ENOSYS && e.text[0], "%s", e.text);
	vm_fini(&vm);
	fake.vm_init_error = 0;

	c = config(4);
	fake.vcpu_init_error = -ENOMEM;
	fake.vcpu_init_error_at = 2;
	e.text[0] = 0;
	tap_check(vm_init(&vm, &c, &e) == -ENOMEM &&
			  !strcmp(e.text, "the fake fails"),
		  "the first sentence stays: %s", e.text);
	tap_check(!fake.vms && !fake.vcpus, "all undone");
	vm_fini(&vm);
	fake.vcpu_init_error = 0;
	memset(&vm, 0, sizeof(vm));
	vm_fini(&vm);
	tap_check(true, "fini takes zeroes");
}

static void stop_soon(void *arg)
{
	sleep_ms(2);
	vm_stop(&vm, (enum vm_end)(intptr_t)arg);
}

static void test_ends(void)
{
	struct vm_config c = config(2);
	struct host_thread *t;

	fake.guest = fake_busy;
	if (vm_init(&vm, &c, NULL) || vm_start(&vm, NULL))
		return;
	if (host_thread_create(&t, "stop", stop_soon,
			       (void *)(intptr_t)VM_POWEROFF))
		return;
	vm_wait(&vm);
	vm_join(&vm);
	host_thread_join(t);
	tap_equal(vm.end, VM_POWEROFF, "powered off");
	vm_kill(&vm, "too late");
	tap_check(vm.end == VM_POWEROFF && !vm.why[0], "the first wins");

	vm_reset(&vm);
	tap_check(!vm_is_ending(&vm) && !vm_start(&vm, NULL), "starts again");
	vm_kill(&vm, "port %#x is %s", 0x99, "cursed");
	vm_stop(&vm, VM_POWEROFF);
	vm_join(&vm);
	vm_wait(&vm);
	tap_check(vm.end == VM_KILLED && !strcmp(vm.why, "port 0x99 is cursed"),
		  "killed: %s", vm.why);

	/* Stopped before it starts. */
	vm_reset(&vm);
	vm_stop(&vm, VM_INTERRUPTED);
	tap_check(!vm_start(&vm, NULL), "start");
	vm_join(&vm);
	tap_equal(vm.end, VM_INTERRUPTED, "ends at once");

	vm_reset(&vm);
	fake.triple_fault = true;
	tap_check(!vm_start(&vm, NULL), "start");
	vm_wait(&vm);
	vm_join(&vm);
	fake.triple_fault = false;
	tap_check(vm.end == VM_RESET && strstr(vm.why, "triple fault"), "%s",
		  vm.why);
	vm_fini(&vm);
	tap_check(!fake.vms && !fake.vcpus, "nothing left");
}

static u64 guest_tsc(void)
{
	return host_tsc() + vm.cpus[0]->x86.tsc_offset;
}

/* What the TSC counts in so many nanoseconds, and a little more. */
static u64 at_most(u64 ns)
{
	return (ns + 100000) / 1000 * (host_tsc_hz() / 990000);
}

static void test_pause(void)
{
	struct vm_config c = config(2);
	u64 ns, tsc, start;
	struct fake_cpu *cpu;

	fake.guest = fake_busy;
	if (vm_init(&vm, &c, NULL))
		return;
	cpu = fake_cpu(&vm, 0);
	sleep_ms(20);
	start = host_now_ns();
	if (vm_start(&vm, NULL))
		return;
	tsc = guest_tsc();
	tap_check(tsc <= at_most(host_now_ns() - start), "the TSC starts at 0");
	sleep_ms(5);
	vm_pause(&vm);
	vm_join(&vm);
	ns = clock_now_ns(&vm.clock);
	tsc = vm.stopped_tsc + cpu->v.x86.tsc_offset;
	tap_check(cpu->steps > 0 && !vm_is_ending(&vm), "ran, and paused");
	tap_check(ns >= 4000000 && tsc >= host_tsc_hz() / 250, "time went by");
	sleep_ms(50);
	tap_equal(clock_now_ns(&vm.clock), ns, "and stands");
	cpu->state_changes = 0;
	start = host_now_ns();
	tap_check(!vm_start(&vm, NULL), "goes on");
	ns = clock_now_ns(&vm.clock) - ns;
	tsc = guest_tsc() - tsc;
	start = host_now_ns() - start;
	tap_check(ns <= start && tsc <= at_most(start), "from where it was");
	vm_stop(&vm, VM_POWEROFF);
	vm_join(&vm);
	tap_check(cpu->state_changes, "the engine is told of the new offset");
	tap_equal(vm.cpus[0]->x86.tsc_offset, vm.cpus[1]->x86.tsc_offset,
		  "all counters agree");
	vm_fini(&vm);
}

/* Each start, stop and reset is raced by a stop from elsewhere. */
static void test_stress(void)
{
	struct vm_config c = config(3);
	bool ok = true;

	fake.guest = fake_idle;
	if (vm_init(&vm, &c, NULL))
		return;
	for (int i = 0; i < 100; i++) {
		struct host_thread *t;

		ok &= !host_thread_create(&t, "stop", stop_soon,
					  (void *)(intptr_t)VM_RESET);
		if (i % 3)
			sleep_ms((unsigned)i % 5);
		ok &= !vm_start(&vm, NULL);
		vm_wait(&vm);
		vm_join(&vm);
		host_thread_join(t);
		ok &= vm.end == VM_RESET;
		vm_reset(&vm);
	}
	tap_check(ok, "100 lives");
	vm_fini(&vm);
}

struct dev {
	struct device d;
	int resets, finis;
};

static void dev_reset(struct device *d)
{
	container_of(d, struct dev, d)->resets++;
}

static void dev_fini(struct device *d)
{
	container_of(d, struct dev, d)->finis++;
}

static void test_devices(void)
{
	static const struct field no_fields[] = { FIELD_END };
	static const struct device_class cls = { "dev", 1, sizeof(struct dev),
						 no_fields, dev_reset, NULL,
						 dev_fini };
	struct vm_config c = config(1);
	struct dev a = { .resets = 0 }, b = { .resets = 0 };
	static const u64 n[3] = { 1, 20, 300 };
	static const struct stat_desc tab[2] = { { "n", "", 0 } };
	struct stat_group g1 = { .tab = &tab[0], .base = &n[0] },
			  g2 = { .tab = &tab[1], .base = &n[1] },
			  g3 = { .tab = &tab[0], .base = &n[2] }, *first;

	if (vm_init(&vm, &c, NULL))
		return;
	vm_add_device(&vm, &a.d, &cls, "dev0");
	vm_add_device(&vm, &b.d, &cls, "a-name-of-more-than-twenty-four");
	tap_check(vm.devices == &a.d && a.d.next == &b.d, "in order");
	tap_check(!strcmp(b.d.id, "a-name-of-more-than-twe"), "%s", b.d.id);
	first = vm.stats; /* the processors' own */
	vm_add_stats(&vm, &g1);
	vm_add_stats(&vm, &g2);
	vm_add_stats(&vm, &g3);
	tap_check(first->next == &g1 && g1.next == &g2 && !g2.next,
		  "groups in order");
	tap_check(stat_value(&g1, 0) == 301 && stat_value(&g2, 0) == 20,
		  "those of one kind are summed up");
	vm_reset(&vm);
	tap_check(a.resets == 1 && b.resets == 1, "reset");
	vm_fini(&vm);
	tap_check(a.finis == 1 && b.finis == 1, "fini");
}

int main(void)
{
	test_failures();
	test_ends();
	test_pause();
	test_stress();
	test_devices();
	return tap_done();
}
