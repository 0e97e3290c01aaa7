/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c - see session.h. All but what serial.h says belongs to the
 * session's thread while it runs.
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
	outbox_hurry(&s->serial.out);
}

static size_t room(struct session *s)
{
	size_t n;

	vm_lock(s->vm);
	n = serial_room(&s->serial);
	vm_unlock(s->vm);
	return n;
}

/* Takes our own keys out of @p; returns how many are left for the guest. */
static size_t take_keys(struct session *s, u8 *p, size_t n)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		u8 key = p[i];

		switch (escape_key(&s->escape, &key)) {
		case ESCAPE_INPUT:
			p[left++] = key;
			break;
		case ESCAPE_NOTHING:
			break;
		case ESCAPE_LEAVE:
			end(s);
			s->left = true;
			break;
		case ESCAPE_HELP:
			outbox_add(&s->serial.out, (const u8 *)escape_help,
				   strlen(escape_help));
			break;
		}
	}
	return left;
}

/*
 * At a terminal keys are read even if there is no room for them, since Ctrl-A
 * may be among them: those that a guest does not want for so long are dropped.
 * Everybody else is kept waiting.
 */
static bool hungry(struct session *s)
{
	if (s->end_of_input)
		return false;
	return s->tty.present ? tty_ours(&s->tty) : room(s) != 0;
}

static void read_input(struct session *s)
{
	u8 buf[SERIAL_KEYS];
	ssize_t n = read(s->in, buf, s->tty.present ? sizeof(buf) : room(s));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* The end of the input is not the end of the machine. */
	if (n <= 0) {
		s->end_of_input = true;
		return;
	}
	if (s->tty.present)
		n = (ssize_t)take_keys(s, buf, (size_t)n);
	vm_lock(s->vm);
	serial_send(&s->serial, buf, (size_t)n);
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
		struct pollfd fds[] = {
			{ .fd = s->signal_fd, .events = POLLIN },
			{ .fd = s->wake_fd, .events = POLLIN },
			{ .fd = hungry(s) ? s->in : -1, .events = POLLIN },
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
	serial_init(&s->serial, s->wake_fd);
	r = outbox_init(&s->serial.out, out, output_failed, s, e);
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
	int r = outbox_finish(&s->serial.out);

	if (s->thread) {
		__atomic_store_n(&s->quit, true, __ATOMIC_RELEASE);
		wake(s);
		host_thread_join(s->thread);
		s->thread = NULL;
	}
	s->output_error = -r;
	if (s->tty.raw) {
		tty_give(&s->tty);
		/* What follows begins on a line of its own. */
		if (s->serial.out.last != '\n' && !r)
			r = (int)write(s->serial.out.fd, "\n", 1);
	}
}

void session_fini(struct session *s)
{
	outbox_fini(&s->serial.out);
	if (s->wake_fd > 0)
		close(s->wake_fd);
	if (s->signal_fd > 0)
		close(s->signal_fd);
	*s = (struct session){ 0 };
}
