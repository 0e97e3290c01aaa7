/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.h - everything that Doppel asks of what it runs on. linux/ implements
 * it for an ordinary process; bare metal will, later. Floors above include
 * this and nothing of the host itself (cmd/ and backend/ excepted).
 *
 * Errors are negative errno values. Functions may be called from any thread
 * unless said otherwise. All of them preserve the vector registers and x87
 * state of their caller, which may be the guest's.
 */
#ifndef DOPPEL_HOST_HOST_H
#define DOPPEL_HOST_HOST_H

#include "base/base.h"
#include "base/cpuid_regs.h"
#include "base/err.h"

/* --- log --- one line, newline added; safe from any thread. */
enum host_log_level { HOST_LOG_ERROR, HOST_LOG_WARN, HOST_LOG_INFO,
		      HOST_LOG_TRACE };
void host_log(enum host_log_level level, const char *line);
void host_log_trace(const char *line); /* HOST_LOG_TRACE, for trace_sink */
/* Where lines of HOST_LOG_TRACE and others go; default is stderr. */
void host_log_to_fd(int fd);
/* The terminal is raw: lines end in CR LF. */
void host_log_raw(bool raw);

/* --- heap --- zeroed, 16-byte aligned; NULL when there is none. free accepts
 * NULL. */
void *host_alloc(size_t bytes) MUST_CHECK;
void host_free(void *p);

/* --- pages ---
 * Guest RAM: a memory file, so that other processes may map it later. Not
 * committed until touched. *@fd stays open until host_ram_free. */
int host_ram_alloc(u64 bytes, hva_t *p, int *fd) MUST_CHECK;
void host_ram_free(hva_t p, u64 bytes, int fd);
/* Gives [@p, @p + @bytes), which is at @offset of the file, back to the host;
 * it reads as zero afterwards. Whole pages. */
int host_ram_discard(hva_t p, u64 bytes, int fd, u64 offset);
/* Private zero pages, lazily committed, for big tables. */
void *host_pages_alloc(u64 bytes) MUST_CHECK;
/* The same for what is looked up at random, all over it: on huge pages, if the
 * host grants them, each of which is committed as a whole when it is touched.
 * Aligned to them from 2 MiB on; less is as above. */
void *host_pages_alloc_huge(u64 bytes) MUST_CHECK;
void host_pages_free(void *p, u64 bytes);
/* Any access to these of them faults from now on. */
int host_pages_forbid(void *p, u64 bytes) MUST_CHECK;

/* --- windows --- address space in which guest RAM is shown, page by page, at
 * addresses of the caller's choice. Inaccessible where nothing is. All but
 * reserve and free may be called from the handler of a processor fault. */
void *host_window_reserve(u64 bytes) MUST_CHECK; /* NULL: none left */
void host_window_free(void *p, u64 bytes);
/* [@at, @at + @bytes) becomes @offset of the file @fd that host_ram_alloc
 * gave; whole pages. @touch: so that the first access does not fault. */
int host_window_map(void *at, u64 bytes, int fd, u64 offset, bool write,
		    bool touch) MUST_CHECK;
int host_window_protect(void *at, u64 bytes, bool write) MUST_CHECK;
/* To be called, too, after a failed host_window_map(). */
int host_window_unmap(void *at, u64 bytes) MUST_CHECK;

/* --- code memory --- two views of one file: never writable where it is
 * executable. *@rx and *@rw are @bytes long (a multiple of 2 MiB). Where the
 * host lets us, rx is so near to the program's own code that a rel32 call
 * reaches it: host_code_reaches(). */
struct host_code {
	u8 *rx;
	u8 *rw;
	u64 bytes;
};
int host_code_alloc(struct host_code *c, u64 bytes) MUST_CHECK;
void host_code_free(struct host_code *c);
/* @bytes at @offset, multiples of 2 MiB, are full: huge pages shall hold them
 * if the host can. Takes a millisecond each. */
void host_code_settle(struct host_code *c, u64 offset, u64 bytes);
/* Can a rel32 branch anywhere in @c->rx reach @target? */
bool host_code_reaches(const struct host_code *c, const void *target);

/* --- clock --- */
u64 host_now_ns(void); /* monotonic, of unknown origin */
u64 host_realtime_ns(void); /* since 1970-01-01 00:00 UTC */
u64 host_tsc_hz(void); /* measured or told by CPUID; never 0 */
static inline u64 host_tsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

/* --- processor --- */
void host_cpuid(u32 leaf, u32 subleaf, struct x86_cpuid_regs *r);
/* How many of them we may keep busy. */
unsigned host_cpu_count(void);
/* The gs base of the calling thread, through which generated code reaches
 * its virtual CPU. */
void host_set_gs_base(void *p);

/* --- threads --- */
struct host_thread;
int host_thread_create(struct host_thread **t, const char *name,
		       void (*fn)(void *), void *arg) MUST_CHECK;
void host_thread_join(struct host_thread *t); /* and frees it; NULL is fine */
/* How long the calling thread has waited for a processor although it could
 * run, since it began; ~0 if the host does not say. */
u64 host_thread_delay_ns(void);

struct host_mutex {
	_Alignas(16) u8 opaque[48];
};
void host_mutex_init(struct host_mutex *m);
void host_mutex_fini(struct host_mutex *m);
void host_mutex_lock(struct host_mutex *m);
void host_mutex_unlock(struct host_mutex *m);
/* Lets other threads have the processor, while one waits by looking. */
void host_yield(void);

/* A flag that one thread waits for and any thread or signal handler sets. */
struct host_event {
	u32 state;
};
void host_event_init(struct host_event *e);
void host_event_set(struct host_event *e); /* async-signal-safe */
/* Waits until set or until host_now_ns() >= @deadline_ns (~0: for ever);
 * clears it. Returns true if it was set. */
bool host_event_wait(struct host_event *e, u64 deadline_ns);

/*
 * A one-shot alarm for the calling thread: @fn(@arg) is called on it, as a
 * signal handler, at or soon after the deadline. One per thread.
 */
struct host_alarm;
int host_alarm_create(struct host_alarm **a, void (*fn)(void *), void *arg)
	MUST_CHECK;
/*
 * Replaces the deadline; ~0 is never. Cheap when the new deadline is later
 * than the old one: no system call is made, the signal comes at the old time
 * and is not passed on.
 */
void host_alarm_set(struct host_alarm *a, u64 deadline_ns);
/* On its own thread; @fn is not called any more. NULL is fine. */
void host_alarm_destroy(struct host_alarm *a);

/* --- processor faults in generated code ---
 * The handler sees and may change the interrupted state; it runs as a signal
 * handler on the faulting thread's own stack. It returns true to go on with
 * the changed state, false for "not mine": then the process dies by the
 * signal as usual. */
struct host_fault {
	u8 vector; /* x86 exception: #DE #UD #GP #PF #MF #AC #XM.. */
	u32 error;
	u64 addr; /* for #PF */
	bool no_memory; /* #PF that only says that the host has no page left */
	u64 pc, sp, rflags;
	u64 gpr[16]; /* x86 encoding order; [4] is sp again */
	void *xsave; /* the interrupted vector state, may be changed */
};
typedef bool (*host_fault_fn)(struct host_fault *f);
/* Process-wide; called once, before threads. */
int host_fault_install(host_fault_fn fn) MUST_CHECK;

/* --- stopping --- a bug of ours: logs and aborts (see base.h). */

/* @fn is called once when the process is about to die of a bug or a fault that
 * is nobody's: as a signal handler, on any thread. NULL: nothing is. */
void host_on_crash(void (*fn)(void));

#endif
