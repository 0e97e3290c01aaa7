# SPDX-License-Identifier: Apache-2.0
"""parts - what the machines are made of: Debian's kernel, a Debian tree and
the bench's own programs, all below guest/out and kept where that is safe."""
import os
import shutil
import subprocess
import sys
import tarfile

from rows import MEMORY, MEMORY_COMMAND, ROWS

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(TOP, "guest", "out")
WORK = os.path.join(OUT, "bench")
INSIDE = os.path.join(TOP, "bench", "inside")
ENTER = os.path.join(TOP, "bench", "enter")


def say(*words):
    print("bench:", *words, file=sys.stderr, flush=True)


def sh(*args, **more):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, **more).stdout.strip()


class Parts:
    def __init__(self):
        fetch = os.path.join(TOP, "guest", "fetch")
        kernel_dir = sh(fetch, "cloud")
        busybox = os.path.join(sh(fetch, "busybox"), "busybox")
        debian = sh(os.path.join(TOP, "guest", "debian"))
        self.kernel = os.path.join(kernel_dir, "vmlinuz")
        self.tree = os.path.join(debian, "tree")
        self.image = os.path.join(debian, "image")
        self.initramfs = os.path.join(WORK, "initramfs.cpio")
        self.bench = os.path.join(WORK, "bench")
        self.tar = os.path.join(WORK, "bench.tar")
        self.log = os.path.join(WORK, "log")
        # Another tree at any time: the one below may be from another commit.
        for old in (self.bench, self.log):
            shutil.rmtree(old, ignore_errors=True)
        os.makedirs(self.log)
        self.make_bench(busybox)
        self.make_initramfs(kernel_dir)

    def make_bench(self, busybox):
        shutil.copytree(INSIDE, self.bench)
        os.makedirs(os.path.join(self.bench, "bin"))
        shutil.copy(busybox, os.path.join(self.bench, "bin"))
        rows = os.path.join(self.bench, "rows")
        os.makedirs(rows)

        def write(name, what, text):
            with open(os.path.join(rows, name + "." + what), "w") as f:
                f.write(text + "\n")

        for row in ROWS:
            write(row.name, "prepare", row.prepare)
            write(row.name, "own" if row.unit else "timed", row.command)
        write(MEMORY, "prepare", "")
        write(MEMORY, "own", MEMORY_COMMAND)
        sh(ENTER, self.tree, self.bench, "/bin/sh", "/bench/make")
        with tarfile.open(self.tar, "w") as tar:
            tar.add(self.bench, ".")

    def make_initramfs(self, kernel_dir):
        extra = os.path.join(WORK, "extra")
        os.makedirs(extra, exist_ok=True)
        shutil.copy(os.path.join(INSIDE, "script"), extra)
        sh(os.path.join(TOP, "guest", "initramfs", "build"), kernel_dir,
           self.initramfs, extra)
