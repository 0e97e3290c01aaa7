# SPDX-License-Identifier: Apache-2.0
# apt.sh - the bench's work for apt: reads the package lists that are there and
# solves what an upgrade and an installation would need.
set -e
set -- -o "Dir::Cache=$PWD" -o Debug::NoLocking=true
mkdir -p archives/partial
apt-cache "$@" gencaches
apt-cache "$@" stats | head -n 5
apt-cache "$@" search 'lib.*ssl|kernel' | md5sum
apt-cache "$@" depends --recurse --installed git nodejs | md5sum
apt-cache "$@" rdepends --recurse libssl3 | md5sum
apt-get "$@" -s dist-upgrade
apt-get "$@" -s remove perl-base --allow-remove-essential | tail -n 40
apt-get "$@" -s install --reinstall redis-server || true
