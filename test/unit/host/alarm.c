/* SPDX-License-Identifier: Apache-2.0 */
/* alarm.c - alarms ring once, not early, and the latest deadline wins. */
#include <stdlib.h>

#include "host/host.h"
#include "tap.h"

static volatile u64 rang_at;
static volatile int rings;

static void ring(void *arg)
{
	rang_at = host_now_ns();
	rings++;
}

#define MS 1000000ull

static void busy(u64 ns)
{
	u64 end = host_now_ns() + ns;

	while (host_now_ns() < end)
		;
}

/* Waits for ring number @n; patiently, for the machine may be busy. */
static bool heard(int n)
{
	u64 end = host_now_ns() + 5000 * MS;

	while (rings < n && host_now_ns() < end)
		;
	return rings == n;
}

static void test_one(struct host_alarm *a)
{
	u64 at = host_now_ns() + 5 * MS;

	rings = 0;
	host_alarm_set(a, at);
	tap_check(heard(1), "rings");
	tap_check(rang_at >= at, "not before its time");
	busy(20 * MS);
	tap_equal(rings, 1, "once");
	host_alarm_set(a, 1);
	tap_check(heard(2), "a deadline long past rings at once");
	host_alarm_set(a, 0);
	tap_check(heard(3), "so does the beginning of time");
}

static void test_moved(struct host_alarm *a)
{
	u64 now = host_now_ns(), at = now + 20 * MS;

	rings = 0;
	host_alarm_set(a, now + 3 * MS);
	host_alarm_set(a, at);
	tap_check(heard(1) && rang_at >= at,
		  "moved later: silent at the old time, rings at the new one");

	now = host_now_ns();
	host_alarm_set(a, now + 100000 * MS);
	host_alarm_set(a, now + 3 * MS);
	tap_check(heard(2), "moved earlier");

	host_alarm_set(a, host_now_ns() + 10000 * MS);
	host_alarm_set(a, host_now_ns() + 3 * MS);
	host_alarm_set(a, ~0ull);
	busy(20 * MS);
	/* 3 ms may have been over before it was set to never. */
	tap_check(rings == 2 || rings == 3, "never is never");
	rings = 0;
	host_alarm_set(a, host_now_ns() + 3 * MS);
	tap_check(heard(1), "and can be taken back");
	host_alarm_set(a, ~0ull - 1);
	busy(5 * MS);
	tap_equal(rings, 1, "the end of time is far");
}

/* Thousands of moves, with signals between: none may get lost. */
static void test_storm(struct host_alarm *a)
{
	int lost = 0, early = 0;

	srand(1);
	for (int i = 0; i < 2000; i++) {
		u64 now = host_now_ns(), at;
		int before, moves = rand() % 6;

		for (int m = 0; m < moves; m++)
			host_alarm_set(a, now + (u64)(rand() % 200000));
		/* Nothing else may ring from here on. */
		host_alarm_set(a, ~0ull);
		before = rings;
		at = host_now_ns() + (u64)(rand() % 50000);
		host_alarm_set(a, at);
		while (rings == before && host_now_ns() < at + 5000 * MS)
			;
		lost += rings == before;
		early += rings != before && rang_at < at;
	}
	tap_equal(lost, 0, "lost alarms");
	tap_equal(early, 0, "early alarms");
}

static void on_thread(void *arg)
{
	struct host_alarm *a;

	*(int *)arg = host_alarm_create(&a, ring, NULL);
	if (*(int *)arg)
		return;
	rings = 0;
	host_alarm_set(a, host_now_ns() + 2 * MS);
	*(int *)arg = heard(1) ? 0 : -ETIME;
	host_alarm_set(a, host_now_ns() + 2 * MS);
	host_alarm_destroy(a);
	busy(10 * MS); /* the signal, if it comes, finds nothing */
}

int main(void)
{
	struct host_alarm *a, *b;
	struct host_thread *t;
	int result = -1;

	if (!tap_check(!host_alarm_create(&a, ring, NULL), "create"))
		return tap_done();
	tap_equal(host_alarm_create(&b, ring, NULL), -EBUSY, "one per thread");
	test_one(a);
	test_moved(a);
	test_storm(a);
	if (!host_thread_create(&t, "alarm", on_thread, &result)) {
		host_thread_join(t);
		tap_equal(result, 0, "on another thread");
	}
	host_alarm_destroy(a);
	host_alarm_destroy(NULL);
	return tap_done();
}
