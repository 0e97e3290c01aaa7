#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""boot_test DOPPEL KERNEL LIMIT [OPTION]... - a stock Debian kernel (cloud or
generic) boots to a userland that works: test/boot/script does the same things
as "expected" says, its disks hold what it wrote, its clock runs, and it powers
off. LIMIT is in seconds; OPTIONs are given to "doppel run".

With "qemu" as DOPPEL it runs in QEMU's TCG: a test of this test.
"""
import os
import select
import subprocess
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
top = os.path.dirname(os.path.dirname(here))
sys.path.insert(0, os.path.join(top, "test", "cmd"))
import tap

doppel, kernel, limit = sys.argv[1], sys.argv[2], float(sys.argv[3])
options = sys.argv[4:]
# mke2fs and debugfs are where only root looks.
os.environ["PATH"] += ":/usr/sbin:/sbin"
folder = os.path.join(top, "guest", "out", kernel)
if not os.path.exists(os.path.join(folder, "package")):
    tap.skip_all("guest/out has no %s kernel: run guest/fetch %s" %
                 (kernel, kernel))

work = tempfile.TemporaryDirectory()


def path(name):
    return os.path.join(work.name, name)


def make_disks():
    os.mkdir(path("tree"))
    with open(path("tree/marker"), "w") as f:
        f.write("the disk is mounted\n")
    with open(path("tree/noise"), "wb") as f:
        x = 1
        for _ in range(4096):
            x = x * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
            f.write(x.to_bytes(8, "little") * 64)
    for name, tree in (("a", ["-d", path("tree")]), ("b", [])):
        subprocess.run(["mke2fs", "-q", "-t", "ext4", *tree, path(name),
                        "16M"], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    with open(path("c"), "wb") as f:
        f.truncate(4 << 20)


def make_initramfs():
    os.mkdir(path("overlay"))
    with open(os.path.join(here, "script")) as f, \
            open(path("overlay/script"), "w") as g:
        g.write(f.read())
    subprocess.run([os.path.join(top, "guest", "initramfs", "build"), folder,
                    path("initramfs"), path("overlay")], check=True,
                   stdin=subprocess.DEVNULL)


def command():
    boot = os.path.join(folder, "vmlinuz")
    if doppel == "qemu":
        return ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m",
                "512", "-kernel", boot, "-initrd", path("initramfs"),
                "-append", "console=ttyS0 quiet", "-no-reboot", "-nodefaults",
                "-display", "none", "-serial", "stdio", "-device",
                "virtio-rng-pci", "-drive", "if=virtio,format=raw,readonly=on,"
                "file=" + path("a")] + [
                    a for d in "bc" for a in
                    ("-drive", "if=virtio,format=raw,file=" + path(d))]
    return [doppel, "run", "-k", boot, "-i", path("initramfs"), "-a", "quiet",
            "-m", "512M", "-d", path("a") + ",readonly", "-d", path("b"),
            "-d", path("c"), "--no-reboot", *options]


def run():
    """Returns the status (or None) and (host time, line) of all output."""
    p = subprocess.Popen(command(), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    end = time.monotonic() + limit
    lines = []
    rest = b""
    while True:
        left = end - time.monotonic()
        if left <= 0 or not select.select([p.stdout], [], [], left)[0]:
            p.kill()
            p.wait()
            return None, lines + [(0, rest.decode(errors="replace"))]
        data = os.read(p.stdout.fileno(), 65536)
        now = time.time()
        if not data:
            return p.wait(), lines
        *whole, rest = (rest + data).split(b"\n")
        lines += [(now, w.decode(errors="replace").rstrip("\r"))
                  for w in whole]


def compare(lines):
    words = [w for _, w in lines]
    if not tap.check("@begin" in words, "boots to userland",
                     "\n".join(words[-40:])):
        return
    got = words[words.index("@begin") + 1:]
    tap.check("@end" in got, "comes to the end", "\n".join(got[-40:]))
    if "@end" in got:
        got = got[:got.index("@end")]
    with open(os.path.join(here, "expected")) as f:
        want = [w for w in f.read().splitlines() if not w.startswith("#")]
    plain = [w for w in got if not w.startswith("time ")]
    for i, w in enumerate(want):
        tap.equal(plain[i] if i < len(plain) else None, w,
                  "line %d" % (i + 1))
    tap.equal(plain[len(want):], [], "and no other")


def check_clock(lines):
    times = [(now, *map(float, line.split()[1:])) for now, line in lines
             if line.startswith("time ")]
    if not tap.equal(len(times), 2, "two looks at the clock"):
        return
    (host0, up0, date0), (host1, up1, date1) = times
    inside, outside = up1 - up0, host1 - host0
    # Machines for tests are busy: late is no fault, early is.
    tap.check(inside >= 0.99 and abs(inside - outside) < 0.3 + 0.1 * outside,
              "a second lasts %.2f s, %.2f s outside" % (inside, outside))
    tap.check(abs(date1 - host1) < 3, "the date is right",
              "off by %.1f s" % (date1 - host1))


def check_disks():
    with open(path("c"), "rb") as f:
        tap.check(f.read(2 << 20) == b"0123456\n" * (1 << 18) and
                  not f.read().strip(b"\0"), "the raw disk holds it")
    got = subprocess.run(["debugfs", "-R", "cat /new", path("b")],
                         capture_output=True).stdout
    tap.equal(got, b"hello\n", "the file system holds it")
    clean = subprocess.run(["e2fsck", "-fn", path("b")], capture_output=True)
    tap.equal(clean.returncode, 0, "and is clean")


make_disks()
make_initramfs()
status, lines = run()
tap.equal(status, 0, "powers off")
compare(lines)
check_clock(lines)
check_disks()
tap.done()
