#!/usr/bin/env bash
# Compares what the packages export with the last release. CHANGELOG.md must tell what breaks programs, under "Changed" or
# "Removed" of the unreleased version.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
apidiff=golang.org/x/exp/cmd/apidiff@v0.0.0-20261113113407-e3970619a1a4
packages=". ./file ./shared"

say() { echo "apidiff: $*"; }

release=$(git tag --list 'v[0-9]*' --merged HEAD --sort=-v:refname | head -n 1)
[ -n "$release" ] || { say "there is no release yet to compare with"; exit 0; }

tmp=$(mktemp -d)
trap 'git worktree remove --force "$tmp/release" 2>/dev/null; rm -rf "$tmp"' EXIT
GOBIN=$tmp CGO_ENABLED=0 go install $apidiff
git worktree add --quiet --detach "$tmp/release" "$release"

# Builds with C and without export the same.
export CGO_ENABLED=0
broken=
for package in $packages; do
	name=$tmp/$(basename "$(realpath "$package")")
	[ -d "$tmp/release/$package" ] || { say "$package is new since $release"; continue; }
	(cd "$tmp/release" && "$tmp/apidiff" -w "$name.export" "$package")
	"$tmp/apidiff" "$name.export" "$package" >"$name.diff"
	[ ! -s "$name.diff" ] || { say "$package since $release:"; cat "$name.diff"; }
	! grep -q '^Incompatible changes' "$name.diff" || broken=1
done
[ -n "$broken" ] || { say "nothing that breaks programs since $release"; exit 0; }
unreleased=$(awk '/^## /{ on = /Unreleased/ } on' CHANGELOG.md)
grep -qE '^### (Changed|Removed)' <<<"$unreleased" ||
	{ say 'this breaks programs: say so in CHANGELOG.md, under "Changed" or "Removed" of what is unreleased' >&2; exit 1; }
say "this breaks programs, and CHANGELOG.md has a section about changes"
