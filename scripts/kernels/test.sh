#!/usr/bin/env bash
# Boots Debian's kernels in QEMU and runs the tests there, in short mode, without network or disk of this machine.
# Without a processor that helps, QEMU emulates one, which takes some minutes for each kernel.
#
#   scripts/kernels/test.sh                           all kernels below; then docs/kernels.md is written anew
#   KERNELS="6.1 6.12" scripts/kernels/test.sh        the kernels of these series
#   TESTS=. RUN=TestPoll KERNELS=7.0 scripts/...      some packages (TESTS= for none but uring probe), some tests
#   KERNEL_TABLE="6.12.74 last bookworm-backports"    other kernels than those of the table below
#   scripts/kernels/test.sh --list                    the series above of which Debian has a kernel now
#   ARCH=arm64 scripts/kernels/test.sh                those of another processor, see arm64.sh
#
# Kernels and results are kept in liburing/state/kernels.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source "$root/liburing/debian.sh"
state=$root/liburing/state/kernels
arch=${ARCH:-x86_64}
go_packages=${TESTS-. ./cgo ./cmd/internal/command ./file ./shared ./internal/core ./internal/feature ./internal/kernel ./internal/nowait ./examples/broadcast ./examples/cancel ./examples/copy ./examples/copytree ./examples/echo ./examples/fileserver ./examples/kvserver ./examples/proxy ./examples/search ./examples/udp ./examples/wal}

# Series, which of its point releases, the Debian suite, and the end of the release's name if that is not $debian. A suite
# that no longer has the series is left out.
kernels="
6.1  last  bookworm
6.12 first bookworm-backports
6.12 last  trixie
6.16 last  trixie-backports
6.17 last  trixie-backports
6.18 last  trixie-backports
6.19 last  trixie-backports
7.0  last  trixie-backports
7.1  last  trixie-backports
7.2  last  trixie-backports
7.3  last  trixie-backports
newest last trixie-backports
"
# Modules that the tests need: a disk to write to, block devices over files.
modules="virtio_pci virtio_blk ext4 loop"

# In software, two processors take turns: at the same time, one can meet a breakpoint of code that the kernel is patching on
# the other, and the kernel panics. A /dev/kvm may be there and boot no ordinary kernel, because the processor does not help.
machine=(qemu-system-x86_64 -machine q35 -accel tcg,thread=single -cpu max,la57=off)
if [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo; then machine=(qemu-system-x86_64 -machine q35 -accel kvm -cpu host); fi
console=ttyS0 serial=(-serial chardev:results) results=ttyS1
options="no_timer_check mitigations=off"

# Debian's name of the processor, the packages for its machine, how to build for it, with which liburing, and its static busybox.
debian=amd64
packages="qemu-system-x86 busybox-static"
cross=()
build_liburing() { :; } # is there
busybox() { echo /bin/busybox; }

source_machine() {
	case $arch in
	x86_64) ;; # the above
	arm64) source "$root/scripts/kernels/arm64.sh" ;;
	*) die "ARCH=$arch: known are x86_64 and arm64" ;;
	esac
	kernels=${KERNEL_TABLE:-$kernels}
}

say() { echo "test-kernels: $*"; }
die() { echo "test-kernels: $*" >&2; exit 1; }

install_packages() {
	local missing=() package
	for package in $packages cpio kmod e2fsprogs xz-utils zstd; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "missing here, and only root can install it: apt-get install ${missing[*]}"
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# suite_of SUITE: gets the package lists of a suite once in a run, and says where they are.
suite_of() {
	local dir=$state/suite-$1-$debian
	if [ ! -e "$dir/fetched" ]; then
		mkdir -p "$dir"
		debian_open "$dir" "$1" deb $debian
		touch "$dir/fetched"
	fi
	echo "$dir"
}

# find_kernel SERIES first|last SUITE [END]: prints the release of a kernel, such as 6.12.43+deb12-amd64.
find_kernel() {
	local dir series=${1/newest/[0-9.]*} pick=head
	dir=$(suite_of "$3")
	[ "$2" = first ] || pick=tail
	apt-cache -c "$dir/apt.conf" pkgnames linux-image- | sed 's/^linux-image-//' |
		grep -E "^${series//./\\.}(\.[0-9]|-|\+).*-${4:-$debian}$" | grep -vE -- '-(cloud|rt)-|dbg' | sort -V | $pick -n 1
}

# get_kernel RELEASE SUITE: unpacks the kernel and its modules to $state/RELEASE.
get_kernel() {
	local dir=$state/$1 suite package wanted
	[ ! -e "$dir/unpacked" ] || return 0
	suite=$(suite_of "$2")
	rm -rf "$dir"
	mkdir -p "$dir"
	# Some releases divide the package into three.
	wanted=$(apt-cache -c "$suite/apt.conf" pkgnames "linux-" |
		grep -xE "linux-(image|binary|modules)-${1//[.+]/.}")
	# Unquoted on purpose: a list of package names.
	(cd "$dir" && apt-get -c "$suite/apt.conf" download $wanted >download.log 2>&1) || die "could not get $1, see $dir/download.log"
	for package in "$dir"/*.deb; do dpkg -x "$package" "$dir"; done
	rm "$dir"/*.deb
	find "$dir" -type f -name 'vmlinuz*' -exec mv {} "$dir/vmlinuz" \;
	if [ -d "$dir/usr/lib/modules" ]; then mkdir -p "$dir/lib" && mv "$dir/usr/lib/modules" "$dir/lib/"; fi
	# The mirror forgets the modules of some kernels first.
	if [ -d "$dir/lib/modules" ]; then depmod -b "$dir" "$1" 2>"$dir/depmod.log"; else say "Linux $1 comes without modules: no disk, no loop devices"; fi
	touch "$dir/unpacked"
}

# build_tests: the test programs, static, and what they read of the source.
build_tests() {
	local out=$state/tests package name
	rm -rf "$out"
	mkdir -p "$out/bin"
	: >"$out/tests"
	cd "$root"
	for package in $go_packages; do
		name=$(basename "$package")
		[ "$name" != . ] || name=root
		"${cross[@]}" go test -c -o "$out/bin/$name.test" -ldflags "-s -w -extldflags '-static -Wl,--no-warnings'" "$package"
		echo "$name $package" >>"$out/tests"
	done
	"${cross[@]}" go build -buildvcs=false -o "$out/bin/uring" -ldflags "-s -w -extldflags '-static -Wl,--no-warnings'" ./cmd/uring
	git ls-files -co --exclude-standard | grep -v ^bench/ | tar -cf "$out/src.tar" -T -
	rm -f "$out/disk"
	truncate -s 1G "$out/disk"
	mke2fs -q -t ext4 "$out/disk"
}

# make_initramfs RELEASE: the tests, the kernel's modules and the first program.
make_initramfs() {
	local dir=$state/$1 tree file
	tree=$(mktemp -d)
	chmod 755 "$tree" # the root folder there, for unprivileged users too
	mkdir -p "$tree"/{dev,proc,sys,tmp,etc,modules,src}
	cp "$root/scripts/kernels/init.sh" "$tree/init"
	cp -r "$state/tests/bin" "$state/tests/tests" "$tree/"
	tar -C "$tree/src" -xf "$state/tests/src.tar"
	cp "$(busybox)" "$tree/bin/busybox"
	echo "root:x:0:0::/:/bin/sh" >"$tree/etc/passwd"
	echo "127.0.0.1 localhost" >"$tree/etc/hosts"
	echo "run='${RUN:-.}' limit=${TIMEOUT:-15m} console=/dev/$console results=/dev/$results" >"$tree/settings"
	: >"$tree/modules/order"
	for file in $modules; do
		modprobe -d "$dir" -S "$1" --show-depends "$file" 2>>"$dir/modprobe.log" || true # or it is built in
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$dir/modules"
	while read -r file; do
		unpack_module "$file" "$tree/modules/$(basename "${file%%.ko*}").ko"
		basename "${file%%.ko*}" >>"$tree/modules/order"
	done <"$dir/modules"
	(cd "$tree" && find . | cpio -o -H newc --quiet) >"$dir/initramfs" # an emulated machine takes long to decompress it
	rm -rf "$tree"
}

unpack_module() {
	case $1 in
	*.xz)  xz -dc "$1" ;;
	*.zst) zstd -q -dc "$1" ;;
	*)     cat "$1" ;;
	esac >"$2"
}

# boot RELEASE: runs the tests; the console and the results end up in files. The monitor's socket can halt the machine, its
# clock too: echo stop | socat - UNIX:liburing/state/kernels/RELEASE/monitor
boot() {
	local dir=$state/$1
	rm -f "$dir/results" "$dir/console"
	timeout "${LIMIT:-30m}" nice -n 10 "${machine[@]}" -smp 2 -m 2G -nodefaults -nographic -no-reboot \
		-kernel "$dir/vmlinuz" -initrd "$dir/initramfs" \
		-append "console=$console panic=-1 loglevel=4 $options" \
		-drive "file=$state/tests/disk,format=raw,if=virtio,snapshot=on" \
		-monitor "unix:$dir/monitor,server=on,wait=off" -serial "file:$dir/console" -chardev "file,id=results,path=$dir/results" "${serial[@]}" </dev/null >"$dir/qemu.log" 2>&1 || true
}

# list: prints the series of which there is a kernel, each kernel once.
list() {
	local series pick suite end release seen=' '
	while read -r series pick suite end; do
		[ -n "$series" ] || continue
		release=$(find_kernel "$series" "$pick" "$suite" "$end") || true
		[ -n "$release" ] || continue
		[[ "$seen" != *" $release "* ]] || continue
		seen+="$release "
		echo "$series"
	done <<<"$kernels" | uniq
}

source_machine
mkdir -p "$state"
rm -f "$state"/suite-*/fetched
if [ "${1:-}" = --list ]; then
	list | grep . || die "Debian's package lists could not be had, or have none of these kernels"
	exit
fi
install_packages
build_liburing
say "building the tests"
build_tests
reporter=$state/kerneltest
go build -buildvcs=false -o "$reporter" ./internal/cmd/kerneltest
failed=0 all=()
while read -r series pick suite end; do
	[ -n "$series" ] || continue
	[ -z "${KERNELS:-}" ] || [[ " $KERNELS " == *" $series "* ]] || continue
	release=$(find_kernel "$series" "$pick" "$suite" "$end") || true
	[ -n "$release" ] || { say "Debian $suite has no kernel $series"; continue; }
	[[ " ${all[*]-} " != *" $state/$release/results "* ]] || continue
	all+=("$state/$release/results")
	get_kernel "$release" "$suite"
	make_initramfs "$release"
	say "Linux $release of Debian $suite"
	started=$SECONDS
	boot "$release"
	"$reporter" "$state/$release/results" || failed=1
	say "took $((SECONDS - started)) s; everything is in $state/$release"
done <<<"$kernels"
[ ${#all[@]} -gt 0 ] || die "no kernel matches KERNELS=\"$KERNELS\""
[ "$arch" != x86_64 ] || [ -n "${KERNELS:-}${TESTS+x}${RUN:-}${KERNEL_TABLE:-}" ] ||
	"$reporter" -page "$root/docs/kernels.md" "${all[@]}"
exit $failed
