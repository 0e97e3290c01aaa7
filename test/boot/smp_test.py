#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""smp_test DOPPEL CPUS LIMIT [OPTION]... - a stock kernel finds all processors,
works on each of them and on all at once (test/boot/smp_script), takes one away
and brings it back, and powers off. LIMIT is in seconds.

With "qemu" as DOPPEL it runs in QEMU's TCG: a test of this test.
"""
import os
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
top = os.path.dirname(os.path.dirname(here))
sys.path.insert(0, os.path.join(top, "test", "cmd"))
import tap

doppel, cpus, limit = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
options = sys.argv[4:]
folder = os.path.join(top, "guest", "out", "cloud")
if not os.path.exists(os.path.join(folder, "package")):
    tap.skip_all("guest/out has no cloud kernel: run guest/fetch cloud")


def expected():
    want = ["nproc %d" % cpus, str(cpus)]
    want += ["alone 4501500 on %d" % i for i in range(cpus)]
    want += ["%d %s" % (2 * cpus, word) for word in
             ("796dff5e", "b2d1236c", "copied")]
    want += ["400", "calls" if cpus > 1 else "no calls"]
    if cpus > 1:
        want += [str(cpus - 1)] * 3 + [str(cpus), "back on %d" % (cpus - 1)]
    return want


def command(initramfs):
    boot = os.path.join(folder, "vmlinuz")
    if doppel == "qemu":
        return ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu",
                "max", "-m", "512", "-smp", str(cpus), "-kernel", boot,
                "-initrd", initramfs, "-append", "console=ttyS0 quiet",
                "-no-reboot", "-nodefaults", "-display", "none", "-serial",
                "stdio"]
    return [doppel, "run", "-k", boot, "-i", initramfs, "-a", "quiet", "-m",
            "512M", "-c", str(cpus), "--no-reboot", *options]


with tempfile.TemporaryDirectory() as work:
    overlay = os.path.join(work, "overlay")
    initramfs = os.path.join(work, "initramfs")
    os.mkdir(overlay)
    with open(os.path.join(here, "smp_script")) as f, \
            open(os.path.join(overlay, "script"), "w") as g:
        g.write(f.read())
    subprocess.run([os.path.join(top, "guest", "initramfs", "build"), folder,
                    initramfs, overlay], check=True, stdin=subprocess.DEVNULL)
    p = subprocess.Popen(command(initramfs), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        out, status = p.communicate(timeout=limit)[0], p.returncode
    except subprocess.TimeoutExpired:
        p.kill()
        out, status = p.communicate()[0], None

lines = [w.rstrip("\r") for w in
         out.decode(errors="replace").splitlines()]
tap.equal(status, 0, "powers off")
if tap.check("@begin" in lines and "@end" in lines, "comes to the end",
             "\n".join(lines[-40:])):
    got = lines[lines.index("@begin") + 1:lines.index("@end")]
    want = expected()
    for i, w in enumerate(want):
        tap.equal(got[i] if i < len(got) else None, w, "line %d" % (i + 1))
    tap.equal(got[len(want):], [], "and no other")
tap.done()
