#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""memory_test DOPPEL - a machine of 256 MiB costs the host what the guest has
touched and at most 64 MiB more: after it has run enough code to fill the code
cache, all that the process has, page tables included, is counted."""
import os
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
top = os.path.dirname(os.path.dirname(here))
sys.path.insert(0, os.path.join(top, "test", "cmd"))
import tap

LIMIT_KIB = 64 << 10
SCRIPT = """
i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done
dd if=/dev/zero bs=64k count=200 2>/dev/null | md5sum >/dev/null
dd if=/dev/zero bs=64k count=20 2>/dev/null | sha256sum >/dev/null
dd if=/dev/zero bs=64k count=20 2>/dev/null | gzip -9 | gunzip >/dev/null
for i in 1 2 3 4 5; do
	for c in $(busybox --list); do busybox $c --help >/dev/null 2>&1; done
done
find / -xdev 2>/dev/null | sort | awk '{ n += length($0) } END { print n }' \\
	>/dev/null
echo now; read wait
"""

os.environ["DOPPEL"] = os.path.abspath(sys.argv[1])
if not os.path.exists(os.path.join(top, "guest", "out", "cloud", "package")):
    tap.skip_all("guest/out has no cloud kernel: run guest/fetch cloud")


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(w) for w in f.read().split()]


def find(pid):
    """The process of that family that runs DOPPEL."""
    if os.path.realpath("/proc/%d/exe" % pid) == os.path.realpath(
            os.environ["DOPPEL"]):
        return pid
    for child in children(pid):
        if found := find(child):
            return found
    return None


def sum_of(path, key):
    with open(path) as f:
        return sum(int(line.split()[1]) for line in f
                   if line.startswith(key + ":"))


def touched(pid):
    """KiB of the guest's memory file that exist."""
    for fd in os.listdir("/proc/%d/fd" % pid):
        name = "/proc/%d/fd/%s" % (pid, fd)
        if "doppel-ram" in os.readlink(name):
            return os.stat(name).st_blocks // 2
    return 0


p = subprocess.Popen([os.path.join(top, "guest", "run"), "--memory", "256M"],
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
p.stdin.write(SCRIPT.encode())
p.stdin.flush()
for line in p.stdout:
    if line.strip() == b"now":
        break
pid = find(p.pid)
tap.check(pid, "the machine runs")
ram = touched(pid)
whole = sum_of("/proc/%d/smaps_rollup" % pid, "Pss")
tables = sum_of("/proc/%d/status" % pid, "VmPTE")
more = whole + tables - ram
print("# %d KiB of guest memory, %d more, %d of these page tables" %
      (ram, more, tables))
tap.check(ram > 32 << 10, "the guest's memory was found")
tap.check(more <= LIMIT_KIB, "no more than 64 MiB beyond it",
          "%d KiB" % more)
p.stdin.write(b"\n")
p.stdin.close()
tap.equal(p.wait(), 0, "and it powers off")
tap.done()
