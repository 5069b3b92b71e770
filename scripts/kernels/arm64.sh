# shellcheck shell=bash disable=SC2034
# What test.sh does differently for arm64. To be sourced by it, not run.

# Debian has kernels with pages of 4 KiB and, ending in 16k, of 16 KiB.
kernels="
6.12   last trixie
newest last trixie-backports
newest last trixie-backports arm64-16k
"
# Two processors at the same time, because arm64 is run to test the order in which they see memory. It is a weak proof: QEMU
# translates barriers and atomics, but on x86-64 plain loads and stores keep the order of that machine.
machine=(qemu-system-aarch64 -machine "virt,gic-version=3" -accel "tcg,thread=multi" -cpu neoverse-n1)
# The machine has one serial device of its own.
console=ttyAMA0 serial=(-device pci-serial,chardev=results) results=ttyS0
# Huge pages of the size that the package asks for, and of the usual size where pages have 16 KiB.
options="hugepagesz=32M hugepages=2 hugepagesz=2M hugepages=8"

# An emulated processor of another kind is slow.
TIMEOUT=${TIMEOUT:-45m} LIMIT=${LIMIT:-90m}

debian=arm64
packages="qemu-system-arm gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
liburing=$state/liburing-arm64
# These paths come before those that cgo's sources name.
cross=(env GOARCH=arm64 CGO_ENABLED=1 CC=aarch64-linux-gnu-gcc "CGO_CFLAGS=-g -O2 -I$liburing/include" "CGO_LDFLAGS=-L$liburing/lib")

build_liburing() { CC=aarch64-linux-gnu-gcc AR=aarch64-linux-gnu-ar "$root/liburing/build.sh" --prefix "$liburing"; }

# busybox: gets the one of Debian's package, and prints where it is.
busybox() {
	local dir=$state/busybox-arm64 suite
	if [ ! -e "$dir/bin/busybox" ]; then
		suite=$(suite_of trixie)
		mkdir -p "$dir"
		(cd "$dir" && apt-get -c "$suite/apt.conf" download busybox-static >download.log 2>&1) || die "could not get busybox, see $dir/download.log"
		dpkg -x "$dir"/*.deb "$dir"
		[ -e "$dir/bin/busybox" ] || { mkdir -p "$dir/bin" && mv "$dir/usr/bin/busybox" "$dir/bin/"; }
	fi
	echo "$dir/bin/busybox"
}
