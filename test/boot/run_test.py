#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""run_test DOPPEL - what "make run" does (guest/run): a shell at a terminal,
and the commands of a pipe."""
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

here = os.path.dirname(os.path.abspath(__file__))
top = os.path.dirname(os.path.dirname(here))
sys.path.insert(0, os.path.join(top, "test", "cmd"))
import tap

LIMIT = 180
run = os.path.join(top, "guest", "run")
os.environ["DOPPEL"] = os.path.abspath(sys.argv[1])
os.environ["TERM"] = "vt220"
if not os.path.exists(os.path.join(top, "guest", "out", "cloud", "package")):
    tap.skip_all("guest/out has no cloud kernel: run guest/fetch cloud")


def batch(script, *wanted):
    p = subprocess.run([run], input=script.encode(), stdout=subprocess.PIPE,
                       timeout=LIMIT)
    lines = p.stdout.decode(errors="replace").splitlines()
    lines = [w for w in lines if not w.startswith("[")]  # the kernel's
    tap.equal((p.returncode, lines), (0, list(wanted)),
              "a pipe: " + repr(script)[:50])


def talk(*talk):
    """At a terminal: waits for the first of each pair, types the second."""
    pid, fd = pty.fork()
    if not pid:
        os.execv(run, [run])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", 37, 101, 0, 0))
    got, whole = b"", b""
    talk = list(talk)
    end = time.monotonic() + LIMIT
    while select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        got += data
        whole += data
        while talk and talk[0][0] in got:
            want, keys = talk.pop(0)
            got = got.split(want, 1)[1]
            time.sleep(0.2)
            os.write(fd, keys)
    else:
        os.kill(pid, 9)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    tap.check(not talk and status == 0, "a terminal", "status %d" % status,
              "unsaid: %r" % talk, whole.decode(errors="replace"))


batch("echo $((6 * 7))\nread x\na  b\necho \"<$x>\"\n"
      "cat <<E | tr a-z A-Z\nhere\nE\nsleep 1; tty >/dev/null && echo end",
      "42", "<a  b>", "HERE", "end")
batch("x=1\n" * 5000 + "echo $x\n", "1")
batch("cat\nrest", "rest")
batch("poweroff -f\n" + "echo no\n" * 3)
talk((b"# ", b"stty size; echo $TERM\r"), (b"37 101\r\nvt220\r\n", b""),
     (b"# ", b"sleep 1000\r"), (b"sleep 1000", b"\x03"),
     (b"# ", b"echo o\x7fok\r"), (b"ok\r\n", b"exit\r"))
talk((b"# ", b"\x01x"))
tap.done()
