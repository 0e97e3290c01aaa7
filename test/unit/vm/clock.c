/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - timers in order, hostile periods, and time that stands still. */
#include <stdlib.h>

#include "host/host.h"
#include "tap.h"
#include "vm/clock.h"

static u64 rearmed;
static int rearms;

static void rearm(void *ctx, u64 deadline_ns)
{
	rearmed = deadline_ns;
	rearms++;
}

static char order[64];
static int rings;

static void ring(void *arg, u64 now_ns)
{
	order[rings++ % 64] = (char)(intptr_t)arg;
}

static void init(struct clock *c)
{
	clock_init(c);
	c->rearm = rearm;
	rearms = rings = 0;
	rearmed = 0;
}

static void test_order(void)
{
	struct clock c;
	struct timer t[4];

	init(&c);
	for (int i = 0; i < 4; i++)
		timer_init(&t[i], &c, ring, (void *)(intptr_t)('a' + i));
	tap_equal(clock_next_ns(&c), CLOCK_NEVER, "nothing armed");
	timer_arm(&t[0], 30);
	timer_arm(&t[1], 10);
	timer_arm(&t[2], 20);
	timer_arm(&t[3], 20);
	tap_check(rearms == 2 && rearmed == 10, "told of the earliest only");
	timer_arm(&t[1], CLOCK_NEVER);
	tap_check(rearms == 3 && rearmed == 20, "and when it goes");
	timer_arm(&t[1], 15);
	timer_arm(&t[1], 5);
	tap_equal(clock_next_ns(&c), 5, "moved");
	c.stopped_ns = 20;
	clock_run(&c);
	tap_check(rings == 3 && order[0] == 'b' && order[1] == 'c' &&
			  order[2] == 'd',
		  "by deadline, then by age");
	tap_check(t[1].deadline_ns == CLOCK_NEVER && rearmed == 30,
		  "one-shot; the next is told");
	timer_arm(&t[0], CLOCK_NEVER);
	timer_arm(&t[0], CLOCK_NEVER);
	tap_check(clock_next_ns(&c) == CLOCK_NEVER && rearmed == CLOCK_NEVER,
		  "disarmed");
}

/* A timer that always wants to be in the past. */
static struct timer greedy, victim, mover;

static void again(void *arg, u64 now_ns)
{
	rings++;
	timer_arm(&greedy, 0);
}

static void disarm_others(void *arg, u64 now_ns)
{
	rings++;
	timer_arm(&victim, CLOCK_NEVER);
	timer_arm(&mover, now_ns + 1000);
}

static void test_hostile(void)
{
	struct clock c;
	struct timer first;

	init(&c);
	timer_init(&greedy, &c, again, NULL);
	timer_arm(&greedy, 1);
	c.stopped_ns = 5;
	clock_run(&c);
	tap_equal(rings, 1, "runs once a call");
	tap_equal(rearmed, 0, "and asks for the next call at once");
	clock_run(&c);
	tap_equal(rings, 2, "again");
	timer_arm(&greedy, CLOCK_NEVER);

	init(&c);
	timer_init(&first, &c, disarm_others, NULL);
	timer_init(&victim, &c, ring, NULL);
	timer_init(&mover, &c, ring, NULL);
	timer_arm(&first, 1);
	timer_arm(&victim, 2);
	timer_arm(&mover, 3);
	c.stopped_ns = 10;
	clock_run(&c);
	tap_equal(rings, 1, "due ones can be disarmed and moved by others");
	tap_equal(clock_next_ns(&c), 1010, "moved");

	init(&c);
	timer_init(&first, &c, ring, NULL);
	timer_arm(&first, CLOCK_NEVER - 1);
	clock_start(&c);
	tap_equal(clock_to_host_ns(&c, CLOCK_NEVER - 1), CLOCK_NEVER,
		  "beyond the end of time is never");
	clock_run(&c);
	tap_equal(rings, 0, "and does not ring");
	timer_arm(&first, CLOCK_NEVER);
}

static void test_time(void)
{
	struct clock c;
	u64 a, b, before, end = host_now_ns() + 3000000;

	init(&c);
	tap_equal(clock_now_ns(&c), 0, "begins at 0");
	clock_start(&c);
	clock_start(&c);
	while (host_now_ns() < end)
		;
	clock_stop(&c);
	a = clock_now_ns(&c);
	tap_check(a > 1000000, "goes");
	end = host_now_ns() + 3000000;
	while (host_now_ns() < end)
		;
	clock_stop(&c);
	tap_equal(clock_now_ns(&c), a, "stands");
	before = host_now_ns();
	clock_start(&c);
	b = clock_now_ns(&c);
	tap_check(b >= a && b - a <= host_now_ns() - before,
		  "goes on from there");
	tap_equal(clock_to_host_ns(&c, 0), c.origin_ns, "host time of 0");
	tap_equal(clock_to_host_ns(&c, CLOCK_NEVER), CLOCK_NEVER, "never");
}

/* Two clocks of one time. */
static void test_following(void)
{
	struct clock c, own;
	struct timer a, b;

	init(&c);
	clock_init_following(&own, &c);
	timer_init(&a, &c, ring, (void *)(intptr_t)'a');
	timer_init(&b, &own, ring, (void *)(intptr_t)'b');
	c.stopped_ns = 1000;
	tap_equal(clock_now_ns(&own), 1000, "the same time");
	timer_arm(&b, 900);
	timer_arm(&a, 950);
	tap_check(rearms == 1 && rearmed == 950, "each has its own deadline");
	clock_run(&c);
	tap_check(rings == 1 && order[0] == 'a', "and runs its own timers");
	clock_run(&own);
	tap_check(rings == 2 && order[1] == 'b', "each");
	tap_check(!clock_is_running(&own), "both stand");
	clock_start(&c);
	tap_check(clock_is_running(&own) && clock_now_ns(&own) >= 1000,
		  "and go together");
	tap_equal(clock_to_host_ns(&own, 5), c.origin_ns + 5, "host time");
}

/* Random arming against a plain array. */
static void test_random(void)
{
	struct clock c;
	struct timer t[16];
	bool ok = true;

	init(&c);
	srand(3);
	for (int i = 0; i < 16; i++)
		timer_init(&t[i], &c, ring, NULL);
	for (int n = 0; n < 20000; n++) {
		u64 least = CLOCK_NEVER;

		timer_arm(&t[rand() % 16], rand() % 4 ? c.stopped_ns +
				  (u64)(rand() % 50) : CLOCK_NEVER);
		if (rand() % 3 == 0) {
			c.stopped_ns += (u64)(rand() % 20);
			clock_run(&c);
		}
		for (int i = 0; i < 16; i++)
			least = min_u64(least, t[i].deadline_ns);
		ok &= clock_next_ns(&c) == least;
		ok &= rearms == 0 || rearmed == least;
	}
	tap_check(ok, "next and rearm always tell the least");
}

int main(void)
{
	test_order();
	test_hostile();
	test_time();
	test_following();
	test_random();
	return tap_done();
}
