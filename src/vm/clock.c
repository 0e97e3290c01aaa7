/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c - the VM's time, and timers in a sorted list: a machine has about a
 * dozen, most of them disarmed.
 */
#include "vm/clock.h"

#include "host/host.h"

static struct timer *timer_of(struct list *link)
{
	return container_of(link, struct timer, link);
}

void clock_init(struct clock *c)
{
	*c = (struct clock){ .time = c };
	list_init(&c->timers);
}

void clock_init_following(struct clock *c, const struct clock *time)
{
	clock_init(c);
	c->time = time;
}

void clock_start(struct clock *c)
{
	if (c->running)
		return;
	c->origin_ns = host_now_ns() - c->stopped_ns;
	c->running = true;
}

void clock_stop(struct clock *c)
{
	if (!c->running)
		return;
	c->stopped_ns = clock_now_ns(c);
	c->running = false;
}

u64 clock_now_ns(const struct clock *c)
{
	const struct clock *t = c->time;

	return t->running ? host_now_ns() - t->origin_ns : t->stopped_ns;
}

u64 clock_next_ns(const struct clock *c)
{
	return list_empty(&c->timers) ? CLOCK_NEVER :
					timer_of(c->timers.next)->deadline_ns;
}

static void tell(struct clock *c)
{
	if (c->rearm && !c->in_run)
		c->rearm(c->rearm_ctx, clock_next_ns(c));
}

void clock_run(struct clock *c)
{
	u64 now = clock_now_ns(c);
	struct list due;

	/* What is due moves to a list of its own first; a timer function may
	 * still disarm or move any of them there. */
	list_init(&due);
	while (clock_next_ns(c) <= now) {
		struct list *e = c->timers.next;

		list_del(e);
		list_add_tail(&due, e);
	}
	c->in_run = true;
	while (!list_empty(&due)) {
		struct timer *t = timer_of(due.next);

		list_del(&t->link);
		t->deadline_ns = CLOCK_NEVER;
		t->fn(t->arg, now);
	}
	c->in_run = false;
	tell(c);
}

void timer_init(struct timer *t, struct clock *c,
		void (*fn)(void *arg, u64 now_ns), void *arg)
{
	*t = (struct timer){ .clock = c,
			     .deadline_ns = CLOCK_NEVER,
			     .fn = fn,
			     .arg = arg };
	list_init(&t->link);
}

void timer_arm(struct timer *t, u64 deadline_ns)
{
	struct clock *c = t->clock;
	u64 before = clock_next_ns(c);
	struct list *at;

	list_del(&t->link);
	t->deadline_ns = deadline_ns;
	if (deadline_ns != CLOCK_NEVER) {
		/* Before the first that is later: equal ones keep the order
		 * in which they were armed. */
		list_for_each(at, &c->timers)
			if (timer_of(at)->deadline_ns > deadline_ns)
				break;
		list_add_tail(at, &t->link);
	}
	if (clock_next_ns(c) != before)
		tell(c);
}
