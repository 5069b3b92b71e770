#!/usr/bin/env bash
# Runs the Go tests with another liburing than the pinned one, as a program that imports the module would use it: in a copy of
# the tree without liburing/build, with the library where the compiler's flags say.
#
#   scripts/test-liburing.sh pinned 2.9         a version of liburing/PIN, static
#   scripts/test-liburing.sh package trixie     the liburing-dev package of a Debian suite, shared library included
#   scripts/test-liburing.sh too-old bookworm   the same, which must fail to compile and say what to install
set -euo pipefail

# For go test: flags such as -short, and which packages.
read -ra flags <<<"${TEST_FLAGS-}"
read -ra packages <<<"${TEST_PACKAGES-./...}"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=$root/liburing/state
source "$root/liburing/debian.sh"

say() { echo "test-liburing: $*"; }
die() { echo "test-liburing: $*" >&2; exit 1; }

# use_package SUITE: unpacks the suite's liburing-dev below $state; sets include and lib.
# The kernel's headers come along, because liburing.h includes some that an older suite lacks.
use_package() {
	local suite=$1 dir=$state/$1-package version
	debian_open "$dir" "$suite" deb
	rm -rf "$dir/root" "$dir"/*.deb
	mkdir "$dir/root"
	(cd "$dir" && apt-get -c apt.conf download liburing-dev liburing2 linux-libc-dev >download.log 2>&1) ||
		die "could not get liburing-dev from Debian $suite, see $dir/*.log"
	for package in "$dir"/*.deb; do dpkg -x "$package" "$dir/root"; done
	version=$(dpkg-deb -f "$dir"/liburing-dev_*.deb Version)
	say "liburing-dev $version of Debian $suite"
	include=$dir/root/usr/include
	lib=$(dirname "$dir"/root/usr/lib/*/liburing.so)
}

use_pinned() {
	"$root/liburing/build.sh" --version "$1" --prefix "$state/built-$1"
	include=$state/built-$1/include
	lib=$state/built-$1/lib
}

copy_tree() {
	copy=$(mktemp -d)
	trap 'rm -rf "$copy"' EXIT
	tar -C "$root" --exclude=./.git --exclude=./bin --exclude=./liburing/build --exclude=./liburing/src \
		--exclude=./liburing/state --exclude='./cgo/*_generated.h' -cf - . | tar -C "$copy" -xf -
	cd "$copy"
	export CGO_CFLAGS="-g -O2 -isystem $include" CGO_LDFLAGS="-L$lib" LD_LIBRARY_PATH=$lib
}

expect_refusal() {
	local output
	if output=$(go build ./cgo 2>&1); then
		die "this liburing is too old, and the package compiled"
	fi
	grep -q '#error.*liburing 2.9 or later.*liburing-dev' <<<"$output" ||
		die "the compiler did not say what to install, but: $output"
	say "refused: $(grep -m 1 -o '#error.*' <<<"$output")"
}

[ $# = 2 ] || die "usage: pinned VERSION | package SUITE | too-old SUITE"
case $1 in
pinned)  use_pinned "$2";  copy_tree; go test -count=1 -timeout 10m "${flags[@]}" "${packages[@]}" ;;
package) use_package "$2"; copy_tree; go test -count=1 -timeout 10m "${flags[@]}" "${packages[@]}" ;;
too-old) use_package "$2"; copy_tree; expect_refusal ;;
*)       die "unknown kind $1" ;;
esac
