/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c - see session.h.
 *
 * Locks: the device lock around the console's input functions and .starved.
 * Everything else belongs to the session's thread while it runs.
 */
#include "cmd/session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "vm/vm.h"

static void wake(struct session *s)
{
	eventfd_write(s->wake_fd, 1);
}

/* --- console_ops: on a vCPU's thread, with the device lock held --- */

static void console_write(struct console *c, const u8 *p, size_t n)
{
	struct session *s = container_of(c, struct session, console);

	outbox_add(&s->out, p, n);
}

static void console_ready(struct console *c)
{
	struct session *s = container_of(c, struct session, console);

	if (s->starved) {
		s->starved = false;
		wake(s);
	}
}

static const struct console_ops console_ops = { console_write, console_ready };

/* --- the session's thread --- */

/* ORDER: .ending is set before the stop, which a reset that is under way may
 * forget; who resets looks at .ending afterwards. */
static void stop_machine(struct session *s)
{
	__atomic_store_n(&s->ending, true, __ATOMIC_SEQ_CST);
	if (s->vm)
		vm_stop(s->vm, VM_INTERRUPTED);
}

bool session_is_ending(const struct session *s)
{
	return __atomic_load_n(&s->ending, __ATOMIC_SEQ_CST);
}

static void end(struct session *s)
{
	/* Who is asked a second time does not wait for anything. */
	if (s->signal || s->left) {
		tty_give(&s->tty);
		_exit(128 + (s->signal ? s->signal : SIGINT));
	}
	stop_machine(s);
	outbox_hurry(&s->out);
}

static void push_key(struct session *s, u8 byte)
{
	/* Full only at a terminal, whose Ctrl-A must be seen in any case:
	 * keys that a guest does not want for so long are dropped. */
	if (s->key_count == sizeof(s->keys))
		return;
	s->keys[(s->key_first + s->key_count++) % sizeof(s->keys)] = byte;
}

static void take_key(struct session *s, u8 byte)
{
	switch (escape_key(&s->escape, &byte)) {
	case ESCAPE_INPUT:
		push_key(s, byte);
		break;
	case ESCAPE_NOTHING:
		break;
	case ESCAPE_LEAVE:
		end(s);
		s->left = true;
		break;
	case ESCAPE_HELP:
		outbox_add(&s->out, (const u8 *)escape_help,
			   strlen(escape_help));
		break;
	}
}

static void read_input(struct session *s)
{
	u8 buf[sizeof(s->keys)];
	size_t room = sizeof(s->keys) - s->key_count;
	ssize_t n = read(s->in, buf, s->tty.present ? sizeof(buf) : room);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* The end of the input is not the end of the machine. */
	if (n <= 0) {
		s->end_of_input = true;
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (s->tty.present)
			take_key(s, buf[i]);
		else
			push_key(s, buf[i]);
	}
}

/* Gives the device what it has room for; ready() tells of more room. */
static void deliver(struct session *s)
{
	vm_lock(s->vm);
	while (s->key_count) {
		size_t n = s->console.room(s->console.dev);

		n = min_u64(n, s->key_count);
		n = min_u64(n, sizeof(s->keys) - s->key_first);
		if (!n)
			break;
		s->console.input(s->console.dev, s->keys + s->key_first, n);
		s->key_first = (s->key_first + n) % sizeof(s->keys);
		s->key_count -= n;
	}
	s->starved = s->key_count != 0;
	vm_unlock(s->vm);
}

static void read_signal(struct session *s)
{
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGTSTP:
		/* Stop as anybody does, but leave the terminal in order. */
		tty_give(&s->tty);
		raise(SIGSTOP);
		break;
	case SIGCONT:
		/* Perhaps after a SIGSTOP, of which nothing was known. */
		tty_take(&s->tty);
		break;
	default:
		end(s);
		if (!s->signal)
			s->signal = (int)info.ssi_signo;
		break;
	}
}

static void session_thread(void *arg)
{
	struct session *s = arg;

	while (!__atomic_load_n(&s->quit, __ATOMIC_ACQUIRE)) {
		/* At a terminal keys are read even if there is no room for
		 * them; see push_key. */
		bool hungry = !s->end_of_input &&
			      (s->tty.present ?
				       tty_ours(&s->tty) :
				       s->key_count < sizeof(s->keys));
		struct pollfd fds[] = {
			{ .fd = s->signal_fd, .events = POLLIN },
			{ .fd = s->wake_fd, .events = POLLIN },
			{ .fd = hungry ? s->in : -1, .events = POLLIN },
		};
		eventfd_t count;

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[0].revents)
			read_signal(s);
		if (fds[1].revents)
			eventfd_read(s->wake_fd, &count);
		if (fds[2].revents)
			read_input(s);
		deliver(s);
	}
}

/* --- for the thread that owns the machine --- */

/* Nobody reads our output any more, or it cannot be stored. */
static void output_failed(void *arg)
{
	struct session *s = arg;

	stop_machine(s);
}

/* A signal that whoever started us wants ignored (nohup) stays so. */
static void add_unless_ignored(sigset_t *set, int sig)
{
	struct sigaction sa;

	if (!sigaction(sig, NULL, &sa) && sa.sa_handler != SIG_IGN)
		sigaddset(set, sig);
}

int session_init(struct session *s, int in, int out, struct err *e)
{
	static const int sig_tab[] = { SIGINT,	SIGTERM, SIGHUP,
				       SIGQUIT, SIGTSTP, SIGCONT };
	sigset_t set;
	int r;

	*s = (struct session){ .in = in, .wake_fd = -1, .signal_fd = -1 };
	s->console.ops = &console_ops;
	tty_init(&s->tty, in);

	/* A reader that goes away is an error of write, not the end. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(sig_tab); i++)
		add_unless_ignored(&set, sig_tab[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);

	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->wake_fd < 0 || s->signal_fd < 0) {
		r = err_set(e, -errno, "cannot set up the console: %s",
			    strerror(errno));
		goto close;
	}
	r = outbox_init(&s->out, out, output_failed, s, e);
	if (r)
		goto close;
	return 0;
close:
	session_fini(s);
	return r;
}

int session_start(struct session *s, struct vm *vm, struct err *e)
{
	int r;

	s->vm = vm;
	r = host_thread_create(&s->thread, "session", session_thread, s);
	if (r)
		return err_set(e, r, "cannot start the console's thread");
	tty_take(&s->tty);
	return 0;
}

void session_finish(struct session *s)
{
	/* Its reader may be slow, and a signal may cut the waiting short: the
	 * session's thread still runs. */
	int r = outbox_finish(&s->out);

	if (s->thread) {
		__atomic_store_n(&s->quit, true, __ATOMIC_RELEASE);
		wake(s);
		host_thread_join(s->thread);
		s->thread = NULL;
	}
	if (r != -ETIMEDOUT)
		s->output_error = -r;
	if (s->tty.raw) {
		tty_give(&s->tty);
		/* What follows begins on a line of its own. */
		if (s->out.last != '\n' && !r)
			r = (int)write(s->out.fd, "\n", 1);
	}
}

void session_fini(struct session *s)
{
	outbox_fini(&s->out);
	if (s->wake_fd > 0)
		close(s->wake_fd);
	if (s->signal_fd > 0)
		close(s->signal_fd);
	*s = (struct session){ 0 };
}
