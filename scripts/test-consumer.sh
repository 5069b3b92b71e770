#!/usr/bin/env bash
# Builds examples/consumer, and runs it, the way a program elsewhere that depends on the module is built: without this tree
# around it, and by a version from a module proxy. The proxy has what is committed here, and uncommitted changes.
#
#   scripts/test-consumer.sh [--no-docker]   without the parts in containers
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/scripts/docker/engine.sh"
module=github.com/uring-go/uring
version=v0.1.0

say() { echo "test-consumer: $*"; }
die() { echo "test-consumer: $*" >&2; exit 1; }

tmp=$(mktemp -d)
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT

# publish makes the module proxy: the module as a zip file, which has neither the C library nor the modules inside.
publish() {
	local dir=$tmp/proxy/$module/@v tree
	mkdir -p "$dir"
	tree=$(git -C "$root" stash create)
	git -C "$root" archive --format=zip --prefix="$module@$version/" "${tree:-HEAD}" -- . ':!bench' ':!contrib/pebble' ':!cmd/uring-metrics' ':!examples/consumer' \
		>"$dir/$version.zip"
	cp "$root/go.mod" "$dir/$version.mod"
	echo "{\"Version\":\"$version\",\"Time\":\"2000-01-01T00:00:00Z\"}" >"$dir/$version.info"
	echo "$version" >"$dir/list"
}

# depend makes the program's folder, with a module cache of its own beside the machine's.
depend() {
	export GOPROXY="file://$tmp/proxy,file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)" GOMODCACHE=$tmp/modules
	export GONOSUMDB=$module GOFLAGS=-buildvcs=false
	cp -R "$root/examples/consumer" "$tmp/consumer"
	cd "$tmp/consumer"
	go mod edit -dropreplace=$module
	go mod tidy
	[ "$(go list -m -f '{{.Version}}' $module)" = $version ] || die "go does not take the published module"
}

# runs PROGRAM...: it must echo what it is sent.
runs() { "$@" -check 2>&1 | tee "$tmp/out" | grep -q 'came back as they were sent' || die "$* -check: $(cat "$tmp/out")"; }

without_library() {
	if echo '#include <liburing.h>' | gcc -E - >/dev/null 2>&1; then
		say "liburing is installed here: not tried what happens without"
		return
	fi
	if go build -o /dev/null . 2>"$tmp/out"; then die "built without liburing"; fi
	grep -q 'liburing-dev' "$tmp/out" || die "the compiler does not say what to install: $(cat "$tmp/out")"
	say "without liburing: $(grep -om1 '#error.*' "$tmp/out")"
}

# install_library does what the message says, but into a folder of its own, of which pkg-config is told.
install_library() {
	local dir before
	dir=$(go list -m -f '{{.Dir}}' $module)
	before=$(cd "$dir" && find . -type f -exec sha256sum {} + | sort)
	bash "$dir/liburing/build.sh" --install "$tmp/local" >"$tmp/out" || die "$(cat "$tmp/out")"
	[ "$(cd "$dir" && find . -type f -exec sha256sum {} + | sort)" = "$before" ] ||
		die "building the C library changed the module cache"
	export CGO_CFLAGS="-O2 -g -I$tmp/local/include" CGO_LDFLAGS="-L$tmp/local/lib"
}

outside() {
	go build -o "$tmp/program" .
	runs "$tmp/program"
	say "outside, module from the cache: runs"

	go mod vendor
	[ -e vendor/$module/cgo/shim.h ] || die "go mod vendor left the C headers out"
	GOFLAGS='-mod=vendor -buildvcs=false' GOPROXY=off go build -o "$tmp/program" .
	runs "$tmp/program"
	say "outside, vendored: runs"

	go build -tags netgo,osusergo -ldflags '-extldflags -static' -o "$tmp/program" .
	if ldd "$tmp/program" >"$tmp/out" 2>&1; then die "the static program needs $(cat "$tmp/out")"; fi
	runs "$tmp/program"
	say "outside, static: runs, $(stat -c %s "$tmp/program") bytes"
}

without_cgo() {
	local status=0 os
	CGO_ENABLED=0 go build -o "$tmp/program" .
	"$tmp/program" -check >"$tmp/out" 2>&1 || status=$?
	[ $status = 3 ] || die "built without cgo it ended with status $status, want 3: $(cat "$tmp/out")"
	say "without cgo: $(cat "$tmp/out")"
	for os in darwin/arm64 freebsd/amd64 openbsd/amd64 windows/amd64 linux/arm64 linux/386 linux/arm; do
		CGO_ENABLED=0 GOOS=${os%/*} GOARCH=${os#*/} go build -o /dev/null . || die "does not compile for $os"
	done
	say "compiles for darwin, freebsd, openbsd, windows, and linux on arm64, 386 and arm, without cgo"
}

in_container() {
	docker image inspect uring-build >/dev/null 2>&1 || "$root/scripts/docker/build.sh" build
	docker build --quiet -t uring-consumer . >/dev/null # with the vendored module
	runs docker run --rm --cap-drop ALL --security-opt no-new-privileges \
		--security-opt "seccomp=$root/docker/seccomp.json" uring-consumer
	say "in a container from scratch, without rights: runs, $(docker image inspect --format '{{.Size}}' uring-consumer) bytes"
	docker image rm uring-consumer >/dev/null
}

publish
depend
without_library
without_cgo
install_library
outside
if [ "${1:-}" = --no-docker ]; then
	say "not in a container, as told"
else
	need_engine
	in_container
fi
