# SPDX-License-Identifier: Apache-2.0
# git.sh - the bench's work for git: a history of a growing tree of real text,
# read, compared, merged and packed.
set -e
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A \
	GIT_COMMITTER_EMAIL=a@b GIT_CONFIG_NOSYSTEM=1
git init -q -b main tree
cd tree
n=0
for part in json email collections html importlib logging unittest urllib \
	wsgiref xml; do
	n=$((n + 1))
	cp -r "/usr/lib/python3.11/$part" .
	find . -name __pycache__ -prune -exec rm -r {} +
	for f in */__init__.py; do
		echo "# $part $n" >>"$f"
	done
	export GIT_AUTHOR_DATE="$((1700000000 + n * 3600)) +0000"
	export GIT_COMMITTER_DATE="$GIT_AUTHOR_DATE"
	git add .
	git commit -q -m "add $part"
done
git checkout -q -b side HEAD~4
sed -i 's/self/this/g' json/*.py email/*.py
git commit -q -a -m 'this, not self'
git checkout -q main
git merge -q -m merge side
git status --short
git log --stat --oneline | tail -n 50
git diff --shortstat HEAD~5 HEAD
git log -p | wc
git blame json/decoder.py | wc
git -c gc.auto=0 -c pack.threads=1 gc -q
git fsck --no-progress
git rev-parse HEAD
