# SPDX-License-Identifier: Apache-2.0
"""machines - ways to run the rows: the host itself, Doppel, QEMU's TCG.

Each is a command that runs bench/inside/each, whose words this listens to. A
machine that ends too early or says nothing for too long costs only the row that
it was at: another one runs what is left.
"""
import os
import re
import select
import signal
import subprocess
import time

from parts import ENTER, TOP, say
from rows import HOLD_MIB, MEMORY

MEMORY_MIB = 1024
WORD = re.compile(rb"@(\w+) ?(.*)")


class Result:
    """Of one row in one round. The state is a reason why there is none."""

    def __init__(self):
        self.state = "no result"
        self.seconds = self.cpu = self.answer = None
        self.skewed = False
        self.took = 0  # with all preparation


class Round:
    """What one machine did in one round."""

    def __init__(self):
        self.rows = {}
        self.figures = {}  # name -> number: what is not a row


class Machine:
    def __init__(self, name, command, affinity=None, guest=True):
        self.name = name
        self.command = command  # of a comma-separated list of rows
        self.affinity = affinity
        self.guest = guest

    def run(self, rows, limit, log, progress):
        """One round of the rows of these names."""
        todo = list(rows)
        if self.guest and MEMORY not in todo:
            # After the small rows: what the large ones have read would count.
            at = [r for r in todo if progress.small(r)]
            todo.insert(len(at), MEMORY)
        got = Round()
        number = 0
        while todo:
            number += 1
            with open("%s%s" % (log, "-%d" % number if number > 1 else ""),
                      "wb") as f:
                listener = Listener(self, got, f, progress)
                how = listener.listen(self.command(",".join(todo)), limit)
            if not how:
                break
            if listener.row is None:
                say("%s %s before the first row; its last words are in %s" %
                    (self.name, how, f.name))
                break
            say("%s %s in row %s; see %s" %
                (self.name, how, listener.row, f.name))
            got.rows.setdefault(listener.row, Result()).state = how
            todo = todo[todo.index(listener.row) + 1:]
        got.rows.pop(MEMORY, None)
        return got


class Listener:
    """One life of a machine."""

    def __init__(self, machine, got, log, progress):
        self.machine = machine
        self.got = got
        self.log = log
        self.progress = progress
        self.row = None
        self.ended = False

    def listen(self, command, limit):
        """Returns why the machine did not run everything, or None."""
        affinity = self.machine.affinity
        self.born = self.turned = time.monotonic()
        # Its own group: a wrapper script and all that it starts.
        p = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=affinity and
            (lambda: os.sched_setaffinity(0, affinity)))
        self.pid = p.pid
        try:
            for line in self.lines(p.stdout.fileno(), limit):
                self.hear(line)
            p.wait(10)
        except (TimeoutError, subprocess.TimeoutExpired):
            if not self.ended:
                return "hung"
        finally:
            if p.poll() is None:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()
            p.stdout.close()
        return None if self.ended else "died"

    def lines(self, fd, limit):
        """All lines. A row may take as many seconds as limit says."""
        rest = b""
        while True:
            left = self.turned + limit - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise TimeoutError
            data = os.read(fd, 65536)
            if not data:
                return
            self.log.write(data)
            self.log.flush()
            *whole, rest = (rest + data).split(b"\n")
            yield from whole

    def hear(self, line):
        now = time.monotonic()
        found = WORD.search(line)
        if not found:
            return
        words = found[2].decode(errors="replace").split()
        on = getattr(self, "on_" + found[1].decode(), None)
        if on:
            try:
                on(now, *words)
            except (TypeError, ValueError, KeyError, AttributeError):
                say("%s said what nobody understands: %r" %
                    (self.machine.name, line))

    def turn(self, now, name):
        if self.row:
            result = self.got.rows[self.row]
            result.took = now - self.turned
            self.progress.did(self.machine, self.row, result)
        self.row = name
        self.turned = now

    def on_init(self, now, uptime):
        # A second life has nothing new to tell.
        self.got.figures.setdefault("boot", now - self.born)
        self.got.figures.setdefault("boot inside", float(uptime))

    def on_row(self, now, name):
        self.turn(now, name)
        self.got.rows[name] = Result()
        self.progress.begins(self.machine, name)

    def on_begin(self, now, name):
        self.began, self.began_cpu = now, cpu_seconds(self.pid)

    def on_result(self, now, name, nanoseconds, count, cpu):
        result = self.got.rows[name]
        inside, count = int(nanoseconds) / 1e9, int(count)
        result.state = None
        result.seconds = inside / count
        result.cpu = int(cpu) / 1e9 / count
        if self.machine.guest:
            result.cpu = (cpu_seconds(self.pid) - self.began_cpu) / count
        # Starting the program is not in its own time.
        result.skewed = abs(now - self.began - inside) > 0.1 * inside + 0.2

    def on_answer(self, now, name, word):
        self.got.rows[name].answer = word

    def on_failed(self, now, name, status):
        self.got.rows[name].state = "failed"
        say("%s: row %s failed (%s); see %s" %
            (self.machine.name, name, status, self.log.name))

    def on_rest(self, now):
        self.got.figures["idle memory"] = pss_mib(self.pid)

    def on_held(self, now, mib):
        self.got.figures["held memory"] = pss_mib(self.pid)

    def on_end(self, now):
        self.turn(now, None)
        self.ended = True


def cpu_seconds(pid):
    """The processor time of all of a process's threads that still are."""
    total = 0
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
                total += int(f.read().split()[0])
    except OSError:
        pass  # one has ended meanwhile
    return total / 1e9


def pss_mib(pid):
    """What a process takes of the host's memory, shared pages in part."""
    try:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            for line in f:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return None


def machines(parts, cpus):
    doppel = os.environ.get("DOPPEL", os.path.join(TOP, "build", "doppel"))
    words = "quiet panic=-1 CPUS=%d ROWS=" % cpus
    own = sorted(os.sched_getaffinity(0))[-cpus:]

    def native(rows):
        return [ENTER, parts.tree, parts.bench, "/usr/bin/env", "-i",
                "ROWS=" + rows, "CPUS=%d" % cpus, "/bin/sh", "/bench/each"]

    def in_doppel(rows):
        return [doppel, "run", "--kernel", parts.kernel,
                "--initrd", parts.initramfs, "--memory", "%dM" % MEMORY_MIB,
                "--cpus", str(cpus), "--append", words + rows, "--no-reboot",
                "--disk", parts.image + ",readonly",
                "--disk", parts.tar + ",readonly"]

    def in_qemu(rows):
        drive = "file=%s,format=raw,if=virtio,readonly=on"
        return ["qemu-system-x86_64", "-accel", "tcg,thread=multi",
                "-cpu", "max", "-smp", str(cpus), "-m", str(MEMORY_MIB),
                "-kernel", parts.kernel, "-initrd", parts.initramfs,
                "-append", "console=ttyS0 " + words + rows, "-no-reboot",
                "-nodefaults", "-display", "none", "-serial", "stdio",
                "-drive", drive % parts.image, "-drive", drive % parts.tar]

    # Natively as many processors as the guests have.
    return {
        "native": Machine("native", native, set(own), guest=False),
        "doppel": Machine("doppel", in_doppel),
        "qemu": Machine("qemu", in_qemu),
    }
