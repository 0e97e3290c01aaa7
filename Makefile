# SPDX-License-Identifier: Apache-2.0
# The doors of the house; Meson and the scripts do the work. Packages that are
# missing are installed (as root) or named (tools/setup).
.PHONY: all run check bench install clean
MAKEFLAGS += --no-print-directory
PREFIX = /usr/local

all:
	@tools/setup build </dev/null
	@tools/build </dev/null

# A Debian kernel and a shell, see guest/run. ARGS="--cpus 2" are passed on.
run:
	@tools/setup run </dev/null
	@tools/build </dev/null
	@guest/run $(ARGS)

check:
	@tools/setup check </dev/null
	@tools/build </dev/null
	@tools/check

bench:
	@tools/setup bench </dev/null
	@tools/build </dev/null
	@bench/run $(ARGS)

install: all
	@tools/install "$(PREFIX)" "$(DESTDIR)"

clean:
	@rm -rf build
