package uring

import (
	"fmt"
	"os"
	"strings"

	"github.com/uring-go/uring/cgo"
)

// LiburingVersion returns the version of liburing whose header the package was
// compiled with, and the one that was linked, such as "2.15". Both are "" in a
// build without liburing, where everything fails with [ErrNotSupported]. In C the
// first is IO_URING_VERSION_MAJOR and IO_URING_VERSION_MINOR, compared by
// IO_URING_CHECK_VERSION; see io_uring_major_version(3), io_uring_minor_version(3)
// and io_uring_check_version(3) for the other.
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
