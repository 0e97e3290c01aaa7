# SPDX-License-Identifier: Apache-2.0
# commands.sh - many small programs, as a configure script has them: the
# dynamic linker and the kernel's exec are most of it.
set -e
i=0
while [ $i -lt 30 ]; do
	i=$((i + 1))
	echo "int f$i(void) { return $i; }" >"f$i.c"
	name=$(basename "$(dirname "/usr/lib/x$i/y")")
	sed "s/f$i/$name/" "f$i.c" | grep -c "$name" >count
	expr "$(cat count)" + $i
	tr a-z A-Z <"f$i.c" | cut -d ' ' -f 2- | sort | head -n 1
	test -x /usr/bin/env && env X=$i printenv X
	[ "$(uname -m)" = x86_64 ] && mv "f$i.c" "g$i.c"
	awk "BEGIN { print $i * 2 }"
done
ls
