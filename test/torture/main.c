/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - torture [OPTION]... [NAME]...: runs the tortures, or those whose
 * name has one of the words in it, one after the other.
 *
 *	--threads N	so many threads [as many as processors, at least 2]
 *	--passes N	so many times [1]
 *	--seconds N	again and again until so much time has gone by
 *	--scale N	percent of the usual number of operations [100]
 *	--limit N	seconds after which a torture counts as hung [300]
 *	--seed N	for the random numbers [1]
 *
 * A line says what has been done so far. The last line, "torture: all held" or
 * "torture: FAILED", and the status say how it came out.
 */
#include "torture.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WRONG_SHOWN 5

static const struct torture *const tabs[] = { lock_tab, lockless_tab,
					      atomic_tab, order_tab,
					      memory_tab };

static struct options {
	unsigned long threads, passes, seconds, scale, limit, seed;
} options = { .passes = 1, .scale = 100, .limit = 300, .seed = 1 };

static const struct torture *current;
static struct worker workers[THREADS_MAX];
static pthread_barrier_t barrier;
static unsigned wrong_count, wrong_total;

void wrong(const char *format, ...)
{
	char text[160];
	va_list args;

	if (__atomic_fetch_add(&wrong_count, 1, __ATOMIC_RELAXED) >=
	    WRONG_SHOWN)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("torture: %s: WRONG: %s\n", current->name, text);
}

bool gone_wrong(void)
{
	return __atomic_load_n(&wrong_count, __ATOMIC_RELAXED) > 100;
}

void rendezvous(void)
{
	pthread_barrier_wait(&barrier);
}

void wait_a_little(unsigned *patience)
{
	if (++*patience % 32)
		__builtin_ia32_pause();
	else
		sched_yield();
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *thread(void *arg)
{
	struct worker *w = arg;

	rendezvous();
	current->work(w);
	return NULL;
}

static unsigned long done_by(unsigned threads)
{
	unsigned long done = 0;

	for (unsigned i = 0; i < threads; i++)
		done += __atomic_load_n(&workers[i].done, __ATOMIC_RELAXED);
	return done;
}

static void say_hung(unsigned threads)
{
	printf("torture: %s: WRONG: hangs;", current->name);
	for (unsigned i = 0; i < threads; i++)
		printf(" %lu", __atomic_load_n(&workers[i].done,
					       __ATOMIC_RELAXED));
	printf(" of %lu operations\ntorture: FAILED\n", workers[0].operations);
	exit(1);
}

static void join(pthread_t *id, unsigned threads)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += (time_t)options.limit;
	for (unsigned i = 0; i < threads; i++)
		if (pthread_timedjoin_np(id[i], NULL, &end) == ETIMEDOUT)
			say_hung(threads);
}

static void run(const struct torture *t, unsigned long pass)
{
	unsigned threads = (unsigned)options.threads / t->multiple;
	unsigned long each;
	pthread_t id[THREADS_MAX];
	double begin = now();

	threads = (threads ? threads : 1) * t->multiple;
	each = t->operations * options.scale / 100 / threads + 1;
	current = t;
	wrong_count = 0;
	if (t->prepare && !t->prepare(threads, each)) {
		printf("torture: %s: cannot be done here\n", t->name);
		return;
	}
	pthread_barrier_init(&barrier, NULL, threads);
	for (unsigned i = 0; i < threads; i++) {
		workers[i] = (struct worker){
			.index = i,
			.threads = threads,
			.operations = each,
			.random = (options.seed + pass) * 1000003 + i,
		};
		if (pthread_create(&id[i], NULL, thread, &workers[i])) {
			perror("torture: a thread");
			exit(1);
		}
	}
	join(id, threads);
	pthread_barrier_destroy(&barrier);
	if (t->check)
		t->check(threads, each);
	printf("torture: %s: %lu operations by %u threads, %.2f s: %s\n",
	       t->name, done_by(threads), threads, now() - begin,
	       wrong_count ? "FAILED" : "held");
	wrong_total += wrong_count;
}

static bool is_wanted(const struct torture *t, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (strstr(t->name, *names))
			return true;
	return false;
}

static unsigned run_all(char **names, double end, unsigned long pass)
{
	unsigned ran = 0;

	for (unsigned i = 0; i < ARRAY_LEN(tabs); i++)
		for (const struct torture *t = tabs[i]; t->name; t++) {
			if (!is_wanted(t, names))
				continue;
			ran++;
			run(t, pass);
			if (end > 0 && now() > end)
				return ran;
		}
	return ran;
}

static void usage(void)
{
	fprintf(stderr,
		"usage: torture [--threads N] [--passes N] [--seconds N]"
		" [--scale N] [--limit N] [--seed N] [NAME]...\n");
	exit(2);
}

static char **arguments(char **arg)
{
	const struct {
		const char *name;
		unsigned long *value;
	} tab[] = {
		{ "--threads", &options.threads },
		{ "--passes", &options.passes },
		{ "--seconds", &options.seconds },
		{ "--scale", &options.scale },
		{ "--limit", &options.limit },
		{ "--seed", &options.seed },
	};

	for (arg++; *arg && **arg == '-'; arg += 2) {
		unsigned i = 0;
		char *end;

		while (i < ARRAY_LEN(tab) && strcmp(*arg, tab[i].name))
			i++;
		if (i == ARRAY_LEN(tab) || !arg[1])
			usage();
		*tab[i].value = strtoul(arg[1], &end, 10);
		if (*end || end == arg[1])
			usage();
	}
	return arg;
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	double end = 0, begin = now();
	unsigned long pass = 0;
	unsigned ran = 0;
	char **names;

	setvbuf(stdout, NULL, _IOLBF, 0);
	names = arguments(argv);
	if (!options.threads)
		options.threads = cpus > 2 ? (unsigned long)cpus : 2;
	if (options.threads > THREADS_MAX)
		options.threads = THREADS_MAX;
	if (options.seconds)
		end = begin + (double)options.seconds;
	printf("torture: %lu threads on %ld processors\n", options.threads,
	       cpus);
	do
		ran += run_all(names, end, pass);
	while (++pass < options.passes || (end > 0 && now() < end));
	if (!ran)
		usage();
	printf("torture: %lu passes, %.1f s\n", pass, now() - begin);
	printf("torture: %s\n", wrong_total ? "FAILED" : "all held");
	return wrong_total != 0;
}
