# SPDX-License-Identifier: Apache-2.0
"""rows - what the bench runs, in this order.

A row is a fixed amount of work with an answer, at most a second or two of it
on a processor of today. Commands are of the shell and run in an empty folder in
the Debian tree (guest/debian); their own programs lie in /bench (bench/inside).
What stands under prepare is not timed: it copies inputs and reads programs that
are large, so that no disk is measured.

A row with a unit times itself (bench/inside/work.c) for so many of them; all
others are timed as a whole, and their output is the answer.
"""
import collections

Row = collections.namedtuple("Row", "name group title unit prepare command",
                             defaults=("", ""))

GROUPS = {
    "small": "small programs",
    "real": "real programs",
    "parallel": "parallel programs",
}

TEXT = ("cat /usr/lib/python3.11/*.py /usr/include/*.h /usr/share/perl/5.36/"
        "*.pm | head -c %d >text; ")
BINARY = "cat /usr/lib/x86_64-linux-gnu/libpython3*.so.1.0 " \
    "/usr/bin/perl /usr/bin/git | head -c %d >binary; "
MIB = 1 << 20


def small(name, title, unit):
    return Row(name, "small", title, unit, "", "work " + name)


def real(name, title, command, prepare=""):
    return Row(name, "real", title, "", prepare, command)


def read(*paths):
    return "cat %s >/dev/null; " % " ".join(paths)


LIB = "/usr/lib/x86_64-linux-gnu/"

ROWS = [
    small("integer", "integer loop", "4 KiB"),
    small("float", "floating-point loop", "step"),
    small("pointers", "dependent loads", "load"),
    Row("shell", "small", "shell loop", "", read("/bench/bin/busybox"),
        "busybox sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done;"
        " echo $i'"),
    Row("md5", "small", "md5sum of zeros", "", read("/bench/bin/busybox"),
        "busybox dd if=/dev/zero bs=64k count=1600 2>/dev/null |"
        " busybox md5sum"),
    small("syscall", "system call", "call"),
    small("exec", "fork and exec", "process"),
    small("pipe", "pipe round trip", "trip"),
    small("fault", "page fault", "fault"),

    real("gcc", "gcc and make: Lua",
         "make -C lua/src -j$CPUS CC=gcc MYCFLAGS=-O1 CFLAGS='-O1 -std=gnu99"
         " -DLUA_USE_POSIX' MYLIBS= LIBS=-lm lua >/dev/null;"
         " md5sum lua/src/lua;"
         " lua/src/lua -e 'print(_VERSION, #string.rep(\"ab\", 99))'",
         "cp -r /usr/src/lua .; " +
         read("/usr/lib/gcc/x86_64-linux-gnu/12/cc1", LIB + "libbfd*.so",
              "/usr/bin/*-as")),
    real("python", "Python", "python3 /bench/python.py",
         read("/usr/bin/python3")),
    real("perl", "Perl", "perl /bench/perl.pl /usr/lib/python3.11/[a-e]*.py",
         read("/usr/bin/perl", "/usr/lib/python3.11/*.py")),
    real("node", "Node.js", "node /bench/node.js",
         read("/usr/bin/node", LIB + "libnode.so.*", LIB + "libicu*.so.*")),
    real("sqlite", "SQLite in memory",
         "sqlite3 :memory: </bench/sqlite.sql",
         read("/usr/bin/sqlite3", LIB + "libsqlite3.so.*")),
    real("redis", "Redis and its clients", "sh -e /bench/redis.sh",
         read("/usr/bin/redis*")),
    real("git", "git", "sh -e /bench/git.sh",
         read("/usr/bin/git", "$(find /usr/lib/python3.11 -name '*.py')")),
    real("dpkg", "dpkg and dpkg-deb", "sh -e /bench/dpkg.sh",
         read("/var/lib/dpkg/info/*") +
         "dpkg --verify perl-base dpkg libc6 coreutils || true"),
    real("apt", "apt", "sh -e /bench/apt.sh",
         read("/var/lib/apt/lists/*.debian*", LIB + "libapt*")),
    real("gzip", "gzip", "gzip -n -6 text; gzip -dc text.gz | md5sum; "
         "md5sum text.gz", TEXT % (8 * MIB)),
    real("xz", "xz", "xz -3 -T1 text; xz -dc text.xz | md5sum; md5sum text.xz",
         TEXT % (2 * MIB)),
    real("zstd", "zstd", "zstd -q --single-thread -7 binary;"
         " zstd -q --single-thread -19 text;"
         " cat *.zst | zstd -dc | md5sum; md5sum *.zst",
         TEXT % MIB + BINARY % (6 * MIB)),
    real("aes", "OpenSSL: AES", "crypto cipher aes-128-ctr 600;"
         " crypto cipher aes-256-cbc 200"),
    real("sha", "OpenSSL: SHA", "crypto digest sha256 150;"
         " crypto digest sha512 100; crypto digest sha1 150"),
    real("rsa", "OpenSSL: RSA 2048", "crypto sign /bench/key.pem 800"),
    real("matrix", "matrix product", "matrix 512 12"),
    real("commands", "many small commands", "sh -e /bench/commands.sh",
         read("/usr/bin/sed", "/usr/bin/mawk", "/usr/bin/grep")),
    real("mix", "kernel mix", "mix 8"),

    Row("compute", "parallel", "parallel compute load", "", "",
        "i=0; while [ $i -lt $CPUS ]; do i=$((i+1));"
        " work integer $((80000 / CPUS)) >c$i & done; wait; grep -h @answer c*"),
]

BY_NAME = {r.name: r for r in ROWS}

# Not a row of the table's: guests say how much memory they take.
MEMORY = "memory"
HOLD_MIB = 128
MEMORY_COMMAND = "echo @rest; sleep 1; sleep 2 | work hold %d" % HOLD_MIB
