#!/usr/bin/env bash
# Builds the pinned liburing as a static library: liburing/build/{include,lib}.
#
#   liburing/build.sh                            the newest version of PIN that a Debian suite carries
#   LIBURING_SRC=dir liburing/build.sh           from a source tree you have (copied; no checksum)
#   liburing/build.sh --version 2.9 --prefix d   that version of PIN into folder d
#   CC=... AR=... liburing/build.sh --prefix d   for another processor, with its compiler and archiver
#   liburing/build.sh --install /usr/local       for programs elsewhere, where compilers and pkg-config look
#
# Does nothing if the result is there already; --install always builds, and leaves nothing beside what it installs. Needs
# gcc and make, and for Debian's source apt-get; not root, unless the folder does.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
suites="sid forky trixie"
state=$here/state
src=$here/src
# What a calling make exports must not steer liburing's own.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

source "$here/debian.sh"

say() { echo "liburing: $*"; }
die() { echo "liburing: $*" >&2; exit 1; }

# pins: the "version sha256" lines of PIN, only those of $want if it is set.
pins() { awk -v want="$want" '!/^#/ && NF && (want == "" || $1 == want)' "$here/PIN"; }

# check_pins refuses a PIN in which a line is no pin: versions become names of files.
check_pins() {
	local bad
	bad=$(awk '!/^#/ && NF && (NF != 2 || $1 !~ /^[0-9]+(\.[0-9]+)+$/ || length($2) != 64 || $2 ~ /[^0-9a-f]/) { print NR ": " $0; exit }' "$here/PIN")
	[ -z "$bad" ] || die "PIN line $bad: want a version and the SHA-256 of its tarball"
}

main() {
	want='' prefix=$here/build tree=''
	while [ $# -gt 0 ]; do
		case $1 in
		--version) want=${2:?--version needs a value}; shift 2 ;;
		--prefix) prefix=$(realpath -m "${2:?--prefix needs a value}"); shift 2 ;;
		--install) tree=$(realpath -m "${2:?--install needs a value}"); shift 2 ;;
		*) die "unknown argument $1 (known: --version V, --prefix DIR, --install DIR)" ;;
		esac
	done
	check_pins
	[ -n "$(pins)" ] || die "PIN does not list version $want"
	[ -z "$tree" ] || elsewhere
	[ "$prefix" = "$here/build" ] || [ ! -e "$prefix" ] || [ -e "$prefix/STAMP" ] ||
		die "$prefix exists and was not made by this script: name another folder, or remove it"
	mkdir -p "$state" "$src"
	exec 9>"$state/lock" && flock 9 # two at once take turns

	if [ -n "${LIBURING_SRC:-}" ] && [ -z "$want" ]; then
		build_local
	elif already_built; then
		say "$prefix has $(stamp), nothing to do"
	else
		build_pinned
	fi
	[ "$prefix" != "$here/build" ] || write_cgo_header
	[ -z "$tree" ] || install_into "$tree"
}

# elsewhere makes a temporary folder the place of work: this one may be in Go's module cache, which must stay as it is.
elsewhere() {
	[ "$prefix" = "$here/build" ] || die "--prefix and --install do not go together"
	state=$(mktemp -d)
	trap '[ $? != 0 ] || rm -rf "$state"' EXIT # an error names logs in it
	src=$state/src prefix=$state/build
}

stamp() { cat "$prefix/STAMP" 2>/dev/null; }

already_built() {
	local stamp
	stamp=$(stamp) || return 1
	# A library the user built from their own tree stays until `make clean`.
	[ -z "$want" ] && [[ $stamp == *" from-LIBURING_SRC "* ]] && return
	[ "$prefix/STAMP" -nt "$here/PIN" ] && [ "$prefix/STAMP" -nt "$here/build.sh" ] && pins | grep -qxF "$stamp"
}

build_pinned() {
	local known pin version sha tarball
	mapfile -t known < <(pins)
	for pin in "${known[@]}"; do
		read -r version sha <<<"$pin"
		tarball=$state/liburing_$version.orig.tar.gz
		[ -e "$tarball" ] || fetch "$version" || continue
		check "$tarball" "$sha"
		unpack "$tarball" "$src/liburing-$version"
		compile "$src/liburing-$version"
		install_as "$src/liburing-$version" "$version $sha"
		return
	done
	grep -hsE '^[EW]:' "$state"/*-src/*.log | sort -u | head -n 5 >&2 || true
	die "no pinned version ($(pins | cut -d' ' -f1 | paste -sd' ')) could be fetched from Debian ($suites).
Either install liburing-dev >= 2.9 with your package manager and call go build, go test directly,
or build from a source tree you have: LIBURING_SRC=dir make liburing
All that apt said is in $state/*-src/*.log"
}

# fetch VERSION: puts Debian's upstream tarball of VERSION into $state, from the first suite that has it.
fetch() {
	local version=$1 suite package dir
	for suite in $suites; do
		dir=$state/$suite-src
		# One refresh per run: every pinned version asks every suite.
		[[ " ${opened:-} " == *" $suite "* ]] || debian_open "$dir" "$suite" deb-src || return 1
		opened="${opened:-} $suite"
		package=$(apt-cache -c "$dir/apt.conf" showsrc --only-source liburing 2>/dev/null |
			awk -v v="$version-" '$1 == "Version:" && index($2, v) == 1 { print $2; exit }')
		[ -n "$package" ] || continue
		say "getting $package from Debian $suite"
		# Downloaded beside and moved: an interrupted download is no tarball.
		rm -rf "$state/download" && mkdir "$state/download"
		(cd "$state/download" && apt-get -c "$dir/apt.conf" source --download-only --tar-only \
			"liburing=$package") >"$dir/source.log" 2>&1 || continue
		mv "$state/download/liburing_$version.orig.tar.gz" "$state/" && return
	done
	say "$version: not to be had from Debian ($suites)"
	return 1
}

# check TARBALL SHA256: refuses, and removes, what is not the file that was pinned.
check() {
	local got
	got=$(sha256sum "$1" | cut -d' ' -f1)
	[ "$got" = "$2" ] && return
	rm -f "$1"
	die "$(basename "$1") has SHA-256
  $got, but PIN says
  $2. Refused and removed."
}

unpack() {
	rm -rf "$2"
	mkdir "$2"
	tar -xf "$1" -C "$2" --strip-components=1 --no-same-owner
}

build_local() {
	local copy=$src/local version
	[ -f "$LIBURING_SRC/src/include/liburing.h" ] ||
		die "LIBURING_SRC=$LIBURING_SRC is not a liburing source tree (no src/include/liburing.h)"
	rm -rf "$copy"
	mkdir "$copy"
	tar -C "$LIBURING_SRC" --exclude=./.git -cf - . | tar -C "$copy" -xf - --no-same-owner
	make -C "$copy/src" clean >/dev/null 2>&1 || true # objects of another configuration
	rm -f "$copy"/config-host.*
	compile "$copy"
	version=$(awk '$2 ~ /^IO_URING_VERSION_M/ { v = v sep $3; sep = "." } END { print v }' \
		"$copy/src/include/liburing/io_uring_version.h")
	say "built from $LIBURING_SRC: no checksum was compared"
	install_as "$copy" "$version from-LIBURING_SRC $(sha256sum "$copy/src/liburing.a" | cut -d' ' -f1)"
}

# compile TREE: only the static library. Position independent, for -buildmode=pie and c-shared programs.
compile() {
	local log=$state/build.log
	say "building $(basename "$1")"
	(cd "$1" && ./configure --cc="${CC:-gcc}" && make -C src ENABLE_SHARED=0 LIBURING_CFLAGS=-fPIC liburing.a) \
		>"$log" 2>&1 || { tail -n 20 "$log" >&2; die "the build failed, see $log (are gcc, make and libc6-dev installed?)"; }
}

# install_as TREE STAMP: the result appears under its name in one step, stamp included.
install_as() {
	local new=$prefix.new
	rm -rf "$new"
	mkdir -p "$new/include" "$new/lib"
	cp -R "$1/src/include/." "$new/include/"
	cp "$1/src/liburing.a" "$new/lib/"
	cp "$1/LICENSE" "$1/liburing.pc.in" "$new/"
	echo "$2" >"$new/STAMP"
	rm -rf "$prefix"
	mv "$new" "$prefix"
	say "$prefix has $2"
}

# install_into DIR: adds the result to a folder that other things live in, below $DESTDIR as packagers expect.
install_into() {
	local to=${DESTDIR:-}$1
	mkdir -p "$to"/{include,lib/pkgconfig,share/doc/liburing}
	cp -R "$prefix/include/." "$to/include/"
	cp "$prefix/lib/liburing.a" "$to/lib/"
	cp "$prefix/LICENSE" "$prefix/STAMP" "$to/share/doc/liburing/"
	sed -e "s|@prefix@|$1|; s|@libdir@|$1/lib|; s|@includedir@|$1/include|; s|@NAME@|liburing|" \
		-e "s|@VERSION@|$(stamp | cut -d' ' -f1)|" "$prefix/liburing.pc.in" >"$to/lib/pkgconfig/liburing.pc"
	say "installed into $to"
}

# The Go build cache looks at a package's headers but not at a static library: the pin, compiled in, tells it.
write_cgo_header() {
	local header=$here/../cgo/liburing_pin_generated.h text
	text="#define URING_LIBURING_PIN \"$(stamp)\""
	[ "$(cat "$header" 2>/dev/null)" = "$text" ] && return
	mkdir -p "$here/../cgo"
	echo "$text" >"$header.new"
	mv "$header.new" "$header"
}

main "$@"
