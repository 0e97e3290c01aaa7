#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""session_test DOPPEL-ECHO - the console, the terminal, signals and statuses,
with the engine of echo_engine.c in place of a real one."""
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap

doppel = os.path.abspath(sys.argv[1])
LIMIT = 20  # seconds that nothing here takes
work = tempfile.TemporaryDirectory()
kernel = os.path.join(work.name, "kernel")
base = 0x100000
with open(kernel, "wb") as f:
    # A multiboot header with load addresses, and one HLT that is never
    # executed.
    magic, flags = 0x1badb002, 0x10000
    f.write(struct.pack("<8I", magic, flags, -(magic + flags) & 0xffffffff,
                        base, base, base + 36, base + 36, base + 32))
    f.write(b"\xf4\0\0\0")
command = [doppel, "run", "-m", "16M", "-k", kernel]


def run(data, *args, **more):
    """Input from a pipe; returns status, output, errors."""
    p = subprocess.run(command + list(args), input=data, capture_output=True,
                       timeout=LIMIT, **more)
    return p.returncode, p.stdout, p.stderr.decode()


def start(*args, **more):
    return subprocess.Popen(command + list(args), stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            preexec_fn=default_signals, **more)


def default_signals():
    """Whoever runs this test may ignore some."""
    for sig in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(sig, signal.SIG_DFL)


def statuses():
    tap.equal(run(b"P"), (0, b"ready\r\n", ""), "power off")
    tap.equal(run(b"abc\x01x\x03P")[1], b"ready\r\nabc\x01x\x03",
              "a pipe's bytes all go to the guest")
    many = bytes(b"0123456789abcdefghijklmnopqrstuvwxyz\n") * 3000
    tap.equal(run(many + b"P")[1], b"ready\r\n" + many,
              "100 KB of input arrive at the guest's pace")
    status, out, err = run(b"O")
    tap.equal((status, len(out), err), (0, 7 + (1 << 20), ""),
              "a MiB of output arrives before the end")
    status, out, err = run(b"R", "--no-reboot")
    tap.check(status == 3 and "reset" in err and err.count("\n") == 1,
              "--no-reboot", status, err)
    status, out, err = run(b"T", "--no-reboot")
    tap.check(status == 3 and err.count("\n") == 1, "triple fault", status,
              err)
    status, out, err = run(b"K")
    tap.check(status == 2 and "the test wants it" in err, "killed", err)
    tap.equal(run(b"D", "--debug-exit")[0], 11, "debug exit 5")
    tap.equal(run(b"DP")[0], 0, "no debug exit unless asked for")


def streams():
    p = start()
    p.stdin.write(b"a")
    p.stdin.close()
    # The end of the input is no reason to end.
    got = b""
    while not got.endswith(b"a"):
        got += p.stdout.read1(100)
    tap.equal(p.poll(), None, "the machine outlives its input")
    p.terminate()
    tap.equal(p.wait(LIMIT), 128 + signal.SIGTERM, "SIGTERM")
    p.stdout.close()
    p.stderr.close()

    # What a reset finds in the FIFO is lost, so one at a time.
    p = start()
    for last in (b"R", b"T", b"P"):
        tap.equal(p.stdout.read(7), b"ready\r\n", "boots before " + str(last))
        p.stdin.write(last)
        p.stdin.flush()
    tap.equal(p.wait(LIMIT), 0, "a reset and a triple fault boot again")
    p.stdin.close()
    p.stdout.close()
    p.stderr.close()

    p = start()
    p.stdout.read1(100)
    p.stdout.close()
    p.stdin.write(b"x")
    p.stdin.close()
    tap.equal(p.wait(LIMIT), 128 + signal.SIGPIPE, "a reader that left")
    tap.equal(p.stderr.read(), b"", "is nothing to talk about")
    p.stderr.close()

    with open("/dev/full", "wb") as full:
        p = subprocess.run(command, input=b"x", stdout=full,
                           stderr=subprocess.PIPE, timeout=LIMIT)
    tap.check(p.returncode == 1 and b"No space left" in p.stderr,
              "a full disk", p)

    # A reader that sleeps through the end of the machine, and then reads.
    p = start()
    p.stdin.write(b"O")
    p.stdin.close()
    time.sleep(1.5)
    got = p.stdout.read()
    tap.equal((p.wait(LIMIT), len(got)), (0, 7 + (1 << 20)),
              "a sleepy reader gets everything")
    p.stdout.close()
    p.stderr.close()

    # One that never reads does not keep us when we are told to go.
    p = start()
    p.stdin.write(b"O")
    p.stdin.close()
    time.sleep(0.5)
    p.terminate()
    tap.equal(p.wait(LIMIT), 128 + signal.SIGTERM, "SIGTERM, nobody reads")
    p.stdout.close()
    p.stderr.close()

    p = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        preexec_fn=lambda: (default_signals(), signal.signal(
            signal.SIGHUP, signal.SIG_IGN)))
    p.stdout.read1(100)
    p.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    tap.equal(p.poll(), None, "nohup")
    p.send_signal(signal.SIGINT)
    tap.equal(p.wait(LIMIT), 128 + signal.SIGINT, "SIGINT")
    p.stdout.close()


class Terminal:
    """Doppel on a terminal of its own."""

    def __init__(self, *args):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            default_signals()
            # Wait until the parent has seen the modes.
            sys.stdin.readline()
            os.execv(doppel, command + list(args))
        self.modes = termios.tcgetattr(self.fd)
        self.got = b""
        os.write(self.fd, b"\n")

    def send(self, data):
        os.write(self.fd, data)

    def expect(self, want):
        """Waits for @want, from where the last one ended."""
        end = time.monotonic() + LIMIT
        while want not in self.got:
            left = end - time.monotonic()
            if left < 0 or not select.select([self.fd], [], [], left)[0]:
                return False
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            if not data:
                return want in self.got
            self.got += data
        self.got = self.got.split(want, 1)[1]
        return True

    def raw(self):
        return not termios.tcgetattr(self.fd)[3] & termios.ICANON

    def becomes_raw(self):
        end = time.monotonic() + LIMIT
        while not self.raw() and time.monotonic() < end:
            time.sleep(0.01)
        return self.raw()

    def restored(self):
        return termios.tcgetattr(self.fd) == self.modes

    def end(self):
        """The status, negative for a signal."""
        for _ in range(LIMIT * 10):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.1)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return "timeout"

    def finish(self, status, name):
        got = self.end()
        tap.equal(got, status, name)
        tap.check(self.restored(), name + ": terminal restored")
        os.close(self.fd)


def terminal():
    t = Terminal()
    tap.check(t.expect(b"ready\r\n"), "a terminal shows output")
    tap.check(t.becomes_raw(), "it is raw")
    t.send(b"q\x03\x1a")
    tap.check(t.expect(b"q\x03\x1a"), "^C and ^Z go to the guest")
    t.send(b"\x01\x01")
    tap.check(t.expect(b"\x01"), "Ctrl-A Ctrl-A")
    t.send(b"\x01h")
    tap.check(t.expect(b"Ctrl-A x"), "Ctrl-A h")
    t.send(b"\x01x")
    t.finish(130, "Ctrl-A x")

    t = Terminal()
    t.expect(b"ready")
    t.send(b"H" + b"z" * 9000)
    time.sleep(0.3)
    t.send(b"\x01x")
    t.finish(130, "Ctrl-A x of a deaf guest")

    for key, status, name in ((b"P", 0, "power off"), (b"K", 2, "kill"),
                              (b"C", -signal.SIGSEGV, "crash"),
                              (b"B", -signal.SIGABRT, "bug")):
        t = Terminal()
        t.expect(b"ready")
        t.send(key)
        t.finish(status, name)

    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP,
                signal.SIGQUIT):
        t = Terminal()
        t.expect(b"ready")
        os.kill(t.pid, sig)
        t.finish(128 + sig, sig.name)

    t = Terminal()
    t.expect(b"ready")
    os.kill(t.pid, signal.SIGABRT)
    t.finish(-signal.SIGABRT, "SIGABRT")

    t = Terminal()
    t.expect(b"ready")
    os.kill(t.pid, signal.SIGTSTP)
    os.waitpid(t.pid, os.WUNTRACED)
    tap.check(t.restored(), "stopped: terminal restored")
    os.kill(t.pid, signal.SIGCONT)
    tap.check(t.becomes_raw(), "continued: raw again")
    t.send(b"w")
    tap.check(t.expect(b"w"), "continued: it goes on")
    t.send(b"P")
    t.finish(0, "after a stop")


statuses()
streams()
terminal()
tap.done()
