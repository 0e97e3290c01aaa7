# SPDX-License-Identifier: Apache-2.0
# dpkg.sh - the bench's work for the package tools, offline: packs a package,
# lists and unpacks it, installs it into a system of its own, and asks the
# installed one.
set -e
export SOURCE_DATE_EPOCH=1700000000
mkdir -p p/DEBIAN p/opt
cp -r /usr/lib/python3.11/asyncio /usr/lib/python3.11/email \
	/usr/share/perl/5.36/Pod p/opt
find p -name __pycache__ -prune -exec rm -r {} +
printf '%s\n' 'Package: sample' 'Version: 1' 'Architecture: all' \
	'Maintainer: A <a@b>' 'Description: a sample' >p/DEBIAN/control
(cd p && find opt -type f -exec md5sum {} + | LC_ALL=C sort -k 2) >sums
cp sums p/DEBIAN/md5sums
dpkg-deb --root-owner-group --threads-max=1 -Zxz -z3 --build p sample.deb
md5sum sample.deb
dpkg-deb -c sample.deb | wc
dpkg-deb -x sample.deb x
(cd x && md5sum --quiet -c ../sums)
mkdir -p root/var/lib/dpkg/info root/var/lib/dpkg/updates
cp /var/lib/dpkg/status root/var/lib/dpkg/
cp /var/lib/dpkg/info/*.list root/var/lib/dpkg/info/
dpkg --root="$PWD/root" --force-not-root --force-unsafe-io --log=/dev/null \
	-i sample.deb
dpkg --root="$PWD/root" --verify sample
dpkg-query --root="$PWD/root" -W sample
dpkg -S bin/env bin/perl /usr/lib/python3.11/json
dpkg --verify perl-base dpkg libc6 coreutils
dpkg -l | md5sum
