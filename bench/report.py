# SPDX-License-Identifier: Apache-2.0
"""report - the bench's tables, from results[machine] = list of Round."""
import math
import os
import platform
import re
import shutil
import statistics
import subprocess
import time

from parts import TOP, sh
from rows import GROUPS, HOLD_MIB

DOC = os.path.join(TOP, "doc", "performance.md")
ALL = ("native", "doppel", "qemu")
HEAD = ["", "native", "Doppel", "QEMU TCG", "Doppel / native",
        "QEMU / native", "QEMU / Doppel"]


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def seconds(v):
    if v is None:
        return "-"
    for unit, factor in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if v * factor >= 1:
            return "%.3g %s" % (v * factor, unit)
    return "%.3g ns" % (v * 1e9)


def ratio(v):
    if v is None:
        return "-"
    return "%.2fx" % v if v < 100 else "%.0fx" % v


def quotient(a, b):
    return a / b if a and b else None


def quotients(n, d, q):
    return [quotient(d, n), quotient(q, n), quotient(q, d)]


class Report:
    def __init__(self, results, rows, cpu_time):
        self.results = results
        self.rows = rows
        self.cpu_time = cpu_time
        self.wrong = self.answers()

    def of(self, who, name):
        return [r.rows[name] for r in self.results.get(who, ())
                if name in r.rows]

    def answers(self):
        """Sets the state of all results that differ from the first machine's
        first, which is the host's own where that takes part."""
        wrong = []
        for row in self.rows:
            right = None
            for who in ALL:
                for result in self.of(who, row.name):
                    if result.state:
                        wrong.append((who, row.name, result.state))
                        continue
                    right = right or result.answer
                    if not result.answer or result.answer != right:
                        result.state = "WRONG"
                        wrong.append((who, row.name, "WRONG: %s, not %s" %
                                      (result.answer, right)))
                missing = len(self.results.get(who, ())) - \
                    len(self.of(who, row.name))
                if missing:
                    wrong.append((who, row.name, "not run"))
        return wrong

    def value(self, who, name):
        return median((r.cpu if self.cpu_time else r.seconds)
                      for r in self.of(who, name) if not r.state)

    def cell(self, who, name):
        got = self.of(who, name)
        text = seconds(self.value(who, name))
        bad = sorted({r.state for r in got if r.state})
        if bad:
            text = " ".join(([] if text == "-" else [text]) + bad)
        if sum(r.skewed for r in got) * 2 > len(got):
            text += " (!)"
        return text

    def table(self):
        """The rows of the table, the first being its head."""
        out = [HEAD]
        every = []
        for group, title in GROUPS.items():
            of_group = []
            for row in self.rows:
                if row.group != group:
                    continue
                values = quotients(*(self.value(w, row.name) for w in ALL))
                of_group.append(values)
                name = row.title + (", per " + row.unit if row.unit else "")
                out.append([name] + [self.cell(w, row.name) for w in ALL] +
                           [ratio(v) for v in values])
            if len(of_group) > 1:
                out.append(self.mean(title, of_group))
            every += of_group
        if every and len({r.group for r in self.rows}) > 1:
            out.append(self.mean("all programs", every))
        return out + self.figures()

    def mean(self, title, lines):
        cells = []
        for column in zip(*lines):
            known = [math.log(v) for v in column if v]
            cells.append("**%s**" % ratio(math.exp(statistics.mean(known)))
                         if known else "-")
        return ["**%s, geometric mean**" % title, "", "", ""] + cells

    def figures(self):
        out = []
        for key, title, show in (
                ("boot", "boot, from start to init", seconds),
                ("boot inside", "boot, by the guest's clock", seconds),
                ("idle memory", "host memory (PSS), after small programs",
                 mib),
                ("held memory", "host memory (PSS), guest holds %d MiB more" %
                 HOLD_MIB, mib)):
            d, q = (median(r.figures.get(key)
                           for r in self.results.get(who, ()))
                    for who in ALL[1:])
            if d or q:
                out.append([title, "", show(d), show(q), "", "",
                            ratio(quotient(q, d))])
        return out


def mib(v):
    return "%.0f MiB" % v if v else "-"


def markdown(rows):
    lines = ["| " + " | ".join(rows[0]) + " |",
             "|" + "---|" + "--:|" * (len(rows[0]) - 1)]
    lines += ["| " + " | ".join(r) + " |" for r in rows[1:]]
    return "\n".join(lines) + "\n"


def plain(rows):
    rows = [[c.replace("*", "") for c in r] for r in rows]
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(c.ljust(w) if not i else c.rjust(w)
                  for i, (c, w) in enumerate(zip(r, widths))).rstrip()
        for r in rows) + "\n"


def commit():
    try:
        return sh("git", "-C", TOP, "describe", "--always", "--dirty",
                  stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def circumstances(args):
    """One paragraph: what was measured, where and how."""
    model = "unknown processor"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    qemu = ""
    if shutil.which("qemu-system-x86_64"):
        qemu = " " + sh("qemu-system-x86_64", "--version").splitlines()[0]
    return ("Commit %s. Host: %s, %d CPUs, Linux %s.%s Machines of %s. "
            "Medians of %s of %s, %s." %
            (commit(), model, os.cpu_count(), platform.release(),
             qemu and qemu + ".",
             "1 CPU" if args.cpus == 1 else "%d CPUs" % args.cpus,
             "1 round" if args.rounds == 1 else "%d rounds" % args.rounds,
             "processor time" if args.cpu_time else "elapsed time",
             time.strftime("%Y-%m-%d")))


def write_doc(text):
    with open(DOC) as f:
        old = f.read()
    new = re.sub(r"(<!-- begin: made by bench/run --write -->\n).*?"
                 r"(<!-- end -->)",
                 lambda m: m[1] + text + m[2], old, flags=re.S)
    with open(DOC, "w") as f:
        f.write(new)
