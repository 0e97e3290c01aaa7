/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C half of running code under test.
 */
#include "desc.h"
#include "machine.h"
#include "pages.h"

#ifndef __x86_64__
struct cpu only_cpu;
#endif

void trap_reset(void)
{
	struct cpu *c = this_cpu();

	memset(c->handlers, 0, sizeof(c->handlers));
	c->recovery_sp = 0;
}

void trap_handle(unsigned vector, handler_fn *fn)
{
	this_cpu()->handlers[vector] = fn;
}

void trap_print(const struct regs *r)
{
	print("# vector %lu error %#lx rip %#lx cs %#lx flags %#lx rsp %#lx "
	      "ss %#lx cr2 %#lx\n",
	      r->vector, r->error, r->rip, r->cs, r->rflags, r->rsp, r->ss,
	      r->cr2);
	print("# ax %#lx cx %#lx dx %#lx bx %#lx bp %#lx si %#lx di %#lx\n",
	      r->rax, r->rcx, r->rdx, r->rbx, r->rbp, r->rsi, r->rdi);
}

void trap_arrived(struct regs *r)
{
	ulong cr2 = r->vector == V_PF ? read_cr2() : 0;
	struct cpu *c = this_cpu();

	if (c->handlers[r->vector] && c->handlers[r->vector](r))
		return;
	memcpy(&c->last_trap, r, offsetof(struct regs, cr2));
	c->last_trap.cr2 = cr2;
	if (!c->recovery_sp) {
		control_reset();
		trap_print(&c->last_trap);
		bail("cpu %u: trap outside of any test", c->index);
	}
	trap_recover(c);
}

void regs_init(struct regs *r, const void *code, int ring)
{
	ulong sp = (ulong)this_cpu()->run_stacks[ring ? 1 : 0] + STACK_SIZE - 64;

	memset(r, 0, sizeof(*r));
	r->rip = (ulong)code;
	r->rsp = sp;
	r->rflags = FL_ONE;
	r->cs = ring ? SEL_USER : SEL_CODE;
	r->ss = ring ? SEL_USER_DATA : SEL_DATA;
	if (ring) {
		r->rip += USER_ALIAS;
		r->rsp += USER_ALIAS;
	}
#ifndef __x86_64__
	r->ds = r->es = r->ss;
#endif
}

void run(struct regs *r)
{
	trap_enter(r);
	*r = this_cpu()->last_trap;
}

struct regs run_code(const void *code, int ring)
{
	struct regs r;

	regs_init(&r, code, ring);
	run(&r);
	return r;
}

struct regs trap_of_arg(void (*fn)(ulong), ulong arg)
{
	struct regs none = { .vector = V_NONE };

	return trap_call(fn, arg) ? this_cpu()->last_trap : none;
}

static void call_plain(ulong fn)
{
	((void (*)(void))fn)();
}

struct regs trap_of(void (*fn)(void))
{
	return trap_of_arg(call_plain, (ulong)fn);
}
