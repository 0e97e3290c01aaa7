# SPDX-License-Identifier: Apache-2.0
"""tap.py - the Test Anything Protocol for test programs in Python."""
import sys

_count = 0
_failed = 0


def check(ok, name, *details):
    """One claim; details are shown if it does not hold."""
    global _count, _failed
    _count += 1
    print("%s %d - %s" % ("ok" if ok else "not ok", _count, name))
    if not ok:
        _failed += 1
        for d in details:
            for line in str(d).splitlines() or [""]:
                print("#", line)
    sys.stdout.flush()
    return ok


def equal(got, want, name):
    return check(got == want, name, "got  %r" % (got,), "want %r" % (want,))


def skip_all(why):
    print("1..0 # SKIP", why)
    sys.exit(0)


def done():
    print("1..%d" % _count)
    sys.exit(1 if _failed else 0)
