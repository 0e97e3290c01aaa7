#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""usage_test DOPPEL - every wrong command line gets one clear line on standard
error and status 1; help and versions go to standard output with status 0."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap

doppel = os.path.abspath(sys.argv[1])
work = tempfile.TemporaryDirectory()
os.chdir(work.name)
open("empty", "w").close()
with open("junk", "wb") as f:
    f.write(b"this is no kernel" * 1000)
with open("odd.img", "wb") as f:
    f.write(b"x" * 1000)


def run(*args):
    return subprocess.run([doppel, *args], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=30)


def error(args, *wanted):
    p = run(*args)
    lines = p.stderr.splitlines()
    ok = (p.returncode == 1 and not p.stdout and len(lines) == 1 and
          lines[0].startswith("doppel: ") and
          all(w in lines[0] for w in wanted))
    tap.check(ok, "wrong: doppel " + " ".join(args)[:60],
              "status %d" % p.returncode, p.stdout, p.stderr,
              "wanted %r" % (wanted,))


def fine(args, *wanted):
    p = run(*args)
    tap.check(p.returncode == 0 and not p.stderr and
              all(w in p.stdout for w in wanted),
              "fine: doppel " + " ".join(args), p)


p = run()
tap.check(p.returncode == 1 and p.stderr.startswith("usage: doppel run") and
          not p.stdout, "no arguments: usage", p)

fine(["--help"], "doppel run", "doppel help trace")
fine(["-h"], "doppel run")
fine(["help"], "doppel run")
fine(["help", "run"], "--kernel FILE", "--no-reboot")
fine(["help", "trace"], "uart", "all")
fine(["run", "--help"], "--kernel FILE")
fine(["--version"], "doppel 0.")
fine(["run", "--version"], "doppel 0.")
fine(["--dump-options", "man"], ".It", "test-options")
fine(["--dump-options", "bash"], "complete -F", "--memory")

error(["rnu"], "did you mean 'run'?")
error(["frobnicate"], "unknown command", "doppel help")
error(["--kernel", "x"], "doppel run --kernel")
error(["help", "rune"], "no help on 'rune'")
error(["--dump-options"], "man or bash")
error(["run"], "needs a kernel", "--kernel FILE")
error(["run", "--memroy", "1G"], "did you mean '--memory'?")
error(["run", "vmlinuz"], "'--kernel FILE'")
error(["run", "-k"], "needs a value")
error(["run", "-k", "junk", "-m", "lots"], "'--memory'", "256M")
error(["run", "-k", "no/such"], "kernel 'no/such'", "No such file")
error(["run", "-k", "."], "Is a directory")
error(["run", "-k", "empty"], "empty")
error(["run", "-k", "junk"], "bzImage")
error(["run", "-k", "junk", "-i", "none"], "initrd 'none'", "No such file")
error(["run", "-k", "junk", "-d", "none"], "no disk image none")
error(["run", "-k", "junk", "-d", "odd.img"], "odd.img")
error(["run", "-k", "junk", "-d", "."], "directory")
error(["run", "-k", "junk", "-c", "65"], "1 to 64")
error(["run", "-k", "junk", "-m", "4000000G"], "memory")
error(["run", "-k", "junk", "-m", "16000000T"], "16 TiB")
error(["run", "-k", "junk", "-m", "17592186044416T"], "too large")
tap.done()
