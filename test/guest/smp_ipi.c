/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts from one processor to another: none is lost, none comes twice,
 * each finds its way, halted processors wake. SDM 3A 10.6 "Issuing
 * Interprocessor Interrupts", 10.12.9 "ICR Operation in x2APIC Mode".
 */
#include "lib/irq.h"
#include "lib/smp.h"

#define V_PING 0x61
#define V_PONG 0x62
#define V_LOW 0x41

static struct {
	volatile unsigned count;
	u8 pad[60];
} got[CPUS_MAX] __attribute__((aligned(64)));

static volatile bool stop;
static volatile unsigned ready;

static bool count(struct regs *r)
{
	got[this_cpu()->index].count++;
	apic_eoi();
	return true;
}

static bool count_nmi(struct regs *r)
{
	got[this_cpu()->index].count++;
	return true;
}

static bool nothing(struct regs *r)
{
	apic_eoi();
	return true;
}

static void clear(void)
{
	stop = false;
	ready = 0;
	for (unsigned i = 0; i < CPUS_MAX; i++)
		got[i].count = 0;
}

/* Takes interrupts until told to stop: halted, or spinning. */
static void receive(ulong halted)
{
	trap_handle(V_PING, count);
	trap_handle(V_LOW, count);
	trap_handle(V_NMI, count_nmi);
	ATOMIC_ADD(&ready, 1);
	while (!stop) {
		if (halted)
			asm volatile("sti; hlt; cli" ::: "memory");
		else
			sti_nop();
	}
	cli();
}

static void begin_receivers(ulong halted)
{
	clear();
	for (unsigned i = 1; i < smp_cpus; i++)
		cpu_begin(i, receive, halted);
	if (!wait_equal(&ready, smp_cpus - 1))
		bail("only %u receive", ready);
}

static void end_receivers(void)
{
	stop = true;
	apic_ipi(0, ICR_OTHERS | V_WAKE);
	for (unsigned i = 1; i < smp_cpus; i++)
		cpu_wait(i);
}

/* Everybody whose bit is set has got exactly n, and nobody else any. */
static void expect(u64 mask, unsigned n)
{
	for (unsigned i = 0; i < smp_cpus; i++) {
		context("cpu %u of mask %#llx", i, (long long)mask);
		if (mask >> i & 1)
			CHECK(wait_equal(&got[i].count, n));
		else
			CHECK_EQ(got[i].count, 0);
	}
}

/* Spinning ones are few: each answer may wait for the host's time slices. */
static void one_by_one(u32 icr)
{
	if (!smp_start(2))
		return;
	for (ulong halted = 0; halted < 2; halted++) {
		unsigned rounds = shared(halted ? 500 : 30);

		begin_receivers(halted);
		for (unsigned n = 1; n <= rounds; n++)
			for (unsigned i = 1; i < smp_cpus; i++) {
				apic_ipi(i, icr);
				CHECK(wait_equal(&got[i].count, n));
			}
		end_receivers();
	}
}

static void fixed(void)
{
	one_by_one(V_PING);
}

static void nmi(void)
{
	one_by_one(ICR_NMI);
}

/* An NMI wakes one that is halted with interrupts off; others do not. */
static volatile unsigned woke;

static void halt_without_if(ulong arg)
{
	trap_handle(V_NMI, count_nmi);
	trap_handle(V_PING, nothing);
	ready = 1;
	asm volatile("cli; hlt" ::: "memory");
	woke = 1;
}

static void nmi_without_if(void)
{
	if (!smp_start(2))
		return;
	for (unsigned i = 0; i < scaled(20); i++) {
		clear();
		woke = 0;
		cpu_begin(1, halt_without_if, 0);
		CHECK(wait_equal(&ready, 1));
		apic_ipi(1, V_PING);
		delay_ms(1);
		CHECK_EQ(woke, 0);
		apic_ipi(1, ICR_NMI);
		cpu_wait(1);
		CHECK_EQ(woke, 1);
		CHECK_EQ(got[1].count, 1);
	}
}

static void shorthands(void)
{
	u64 all, others;

	if (!smp_start(2))
		return;
	all = BIT(smp_cpus) - 1;
	others = all & ~1ull;
	trap_handle(V_PING, count);
	for (ulong halted = 0; halted < 2; halted++) {
		const struct {
			u32 dest, icr;
			u64 mask;
		} sent[] = {
			{ 0, ICR_OTHERS, others },
			{ 0, ICR_ALL, all },
			{ 0, ICR_SELF, 1 },
			{ this_cpu()->x2apic ? ~0u : 0xff, 0, all },
			{ 0, 0, 1 },
		};

		for (unsigned k = 0; k < ARRAY_LEN(sent); k++) {
			begin_receivers(halted);
			apic_ipi(sent[k].dest, sent[k].icr | V_PING);
			sti_nop();
			expect(sent[k].mask, 1);
			cli();
			end_receivers();
			expect(sent[k].mask, 1);
		}
	}
}

/* x2APIC: cluster and bits; xAPIC, flat: bits of LDR, which the library set. */
static void logical(void)
{
	if (!smp_start(2))
		return;
	trap_handle(V_PING, count);
	for (unsigned mask = 1; mask < 1u << (smp_cpus < 8 ? smp_cpus : 8);
	     mask++) {
		if (mask > 8 && mask % 5)
			continue;
		begin_receivers(mask & 1);
		apic_ipi(mask, ICR_LOGICAL | V_PING);
		sti_nop();
		expect(mask, 1);
		cli();
		end_receivers();
		expect(mask, 1);
	}
}

/* Lowest priority: exactly one of those named. */
static unsigned sum_of_counts(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < smp_cpus; i++)
		n += got[i].count;
	return n;
}

static void lowest_priority(void)
{
	u64 end;

	if (!smp_start(2))
		return;
	trap_handle(V_PING, count);
	begin_receivers(0);
	for (unsigned n = 1; n <= scaled(100); n++) {
		unsigned mask = n % 3 ? 3 : (1u << (smp_cpus & 7)) - 2;

		/* x2APIC mode has none: SDM 3A 10.12.9. */
		apic_ipi(mask, ICR_LOGICAL | V_PING |
			       (this_cpu()->x2apic ? 0 : ICR_LOWEST));
		if (this_cpu()->x2apic)
			break;
		sti_nop();
		for (end = rdtsc() + LIMIT; sum_of_counts() < n &&
		     rdtsc() < end;)
			pause();
		cli();
		CHECK_EQ(sum_of_counts(), n);
	}
	end_receivers();
}

/*
 * A storm: everybody sends to everybody and waits for nobody. Two of a vector
 * may become one, but whoever sends after a receiver's last look must be
 * heard: the receiver sees all of what the sender had written.
 */
static volatile unsigned sent[CPUS_MAX][CPUS_MAX], seen[CPUS_MAX][CPUS_MAX];

static bool look(struct regs *r)
{
	unsigned me = this_cpu()->index;

	apic_eoi();
	for (unsigned i = 0; i < smp_cpus; i++)
		seen[me][i] = LOAD(&sent[i][me]);
	return true;
}

static void storm_on(ulong n)
{
	unsigned me = this_cpu()->index;
	struct random rnd = random_seed(me);

	trap_handle(V_PING, look);
	barrier();
	sti();
	for (unsigned k = 1; k <= n; k++) {
		unsigned to = random_below(&rnd, smp_cpus);

		sent[me][to]++;
		apic_ipi(to, V_PING);
		if (random_below(&rnd, 16) == 0)
			asm volatile("cli; sti; nop" ::: "memory");
	}
	for (unsigned i = 0; i < smp_cpus; i++) {
		context("from %u to %u", me, i);
		CHECK(wait_equal(&seen[i][me], sent[me][i]));
	}
	/* All have seen all: nobody leaves while another waits. */
	barrier();
	cli();
}

static void storm(void)
{
	if (!smp_start(2))
		return;
	memset((void *)sent, 0, sizeof(sent));
	memset((void *)seen, 0, sizeof(seen));
	on_all(storm_on, shared(3000));
}

/* HLT and IPI in turn: each wakes the other one. */
static struct {
	volatile unsigned turn; /* odd: the second one's */
	unsigned rounds;
} game;

static void play(ulong arg)
{
	unsigned me = this_cpu()->index;

	trap_handle(V_PONG, nothing);
	barrier();
	for (unsigned n = me; n < 2 * game.rounds; n += 2) {
		while (LOAD(&game.turn) != n)
			asm volatile("sti; hlt; cli" ::: "memory");
		STORE(&game.turn, n + 1);
		apic_ipi(!me, V_PONG);
	}
}

static void ping_pong(void)
{
	if (!smp_start(2))
		return;
	game.turn = 0;
	/* A wake-up between cores takes 50 us on poor hosts. */
	game.rounds = scaled(10000);
	on_first(2, play, 0);
	CHECK_EQ(game.turn, 2 * game.rounds);
}

/* The same spinning, all pairs at once. */
static struct {
	volatile unsigned turn;
	u8 pad[60];
} pairs[CPUS_MAX / 2] __attribute__((aligned(64)));

static bool answer(struct regs *r)
{
	volatile unsigned *turn = &pairs[this_cpu()->index / 2].turn;

	++*turn;
	apic_eoi();
	return true;
}

static void play_in_pairs(ulong rounds)
{
	unsigned me = this_cpu()->index;
	volatile unsigned *turn = &pairs[me / 2].turn;

	if ((me ^ 1) >= smp_cpus)
		return;
	trap_handle(V_PONG, answer);
	barrier();
	if (me & 1) {
		sti();
		wait_equal(turn, 2 * rounds);
		cli();
		return;
	}
	for (unsigned n = 0; n < rounds; n++) {
		/* Odd after the answer; then even again, by ourselves. */
		apic_ipi(me ^ 1, V_PONG);
		if (!wait_equal(turn, 2 * n + 1)) {
			CHECK_EQ(*turn, 2 * n + 1);
			return;
		}
		STORE(turn, 2 * n + 2);
	}
}

static void ping_pong_in_pairs(void)
{
	if (!smp_start(2))
		return;
	for (unsigned i = 0; i < CPUS_MAX / 2; i++)
		pairs[i].turn = 0;
	on_first(smp_cpus & ~1u, play_in_pairs,
		 shared(600));
}

/* Self IPIs meanwhile: to oneself they come at once. */
static void to_self(ulong n)
{
	volatile unsigned *mine = &got[this_cpu()->index].count;

	trap_handle(V_PING, count);
	sti();
	for (unsigned k = 1; k <= n; k++) {
		if (k & 1)
			apic_self_ipi(V_PING);
		else
			apic_ipi(this_cpu()->index, V_PING);
		if (!wait_equal(mine, k)) {
			CHECK_EQ(*mine, k);
			return;
		}
	}
	cli();
	CHECK_EQ(*mine, n);
}

static void selves(void)
{
	if (!smp_start(2))
		return;
	clear();
	on_all(to_self, shared(3000));
}

/* With TPR up it waits; the more urgent one comes first. */
static volatile unsigned order[CPUS_MAX][2];

static bool note_order(struct regs *r)
{
	unsigned me = this_cpu()->index;

	order[me][got[me].count++ & 1] = r->vector;
	apic_eoi();
	return true;
}

static void wait_behind_tpr(ulong arg)
{
	trap_handle(V_LOW, note_order);
	trap_handle(V_PING, note_order);
	apic_write(APIC_TPR, 0xe0); /* V_WAKE may pass */
	barrier();
	sti();
	barrier(); /* all have been sent */
	while (!apic_bit(APIC_IRR, V_LOW) || !apic_bit(APIC_IRR, V_PING))
		pause();
	CHECK_EQ(got[this_cpu()->index].count, 0);
	apic_write(APIC_TPR, 0);
	CHECK(wait_equal(&got[this_cpu()->index].count, 2));
	cli();
	CHECK_EQ(order[this_cpu()->index][0], V_PING);
	CHECK_EQ(order[this_cpu()->index][1], V_LOW);
}

static void send_behind_tpr(ulong arg)
{
	if (this_cpu()->index) {
		wait_behind_tpr(0);
		return;
	}
	barrier();
	apic_ipi(0, ICR_OTHERS | V_LOW);
	apic_ipi(0, ICR_OTHERS | V_PING);
	barrier();
}

static void priorities(void)
{
	if (!smp_start(2))
		return;
	for (unsigned i = 0; i < scaled(20); i++) {
		clear();
		on_all(send_behind_tpr, 0);
	}
}

const struct test tests[] = {
	{ "fixed, to one at a time, running and halted", fixed },
	{ "NMI, running and halted", nmi },
	{ "NMI to one halted without IF", nmi_without_if },
	{ "shorthands and broadcast", shorthands },
	{ "logical destinations", logical },
	{ "lowest priority", lowest_priority },
	{ "a storm", storm },
	{ "HLT and IPI in turn", ping_pong },
	{ "all pairs in turn", ping_pong_in_pairs },
	{ "self IPIs on all at once", selves },
	{ "TPR and order", priorities },
	{ NULL },
};
