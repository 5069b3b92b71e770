package uring

import (
	"fmt"
	"os"
	"strings"

	"github.com/uring-go/uring/cgo"
)

// LiburingVersion returns the version of liburing whose header the package was
// compiled with, and the one that was linked, such as "2.15". Both are "" in a
// build without liburing, where everything fails with [ErrNotSupported]. See
// io_uring_check_version(3).
//
//uring:covers IO_URING_VERSION_MAJOR IO_URING_VERSION_MINOR IO_URING_CHECK_VERSION
//uring:covers io_uring_major_version io_uring_minor_version
func LiburingVersion() (header, linked string) {
	major, minor := cgo.LinkedVersion()
	return version(cgo.HeaderMajor, cgo.HeaderMinor), version(major, minor)
}

func version(major, minor int) string {
	if major == 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d", major, minor)
}

// KernelVersion returns the running kernel's release, as uname -r prints it, or
// "" where there is no way to tell. To find out what the kernel can do, ask the
// Have functions instead: distributions carry features to older versions.
func KernelVersion() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
