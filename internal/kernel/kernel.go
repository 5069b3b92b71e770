// Package kernel knows kernel versions.
package kernel

import (
	"fmt"
	"os"
	"strings"
)

// A Version is a kernel's version, such as 6.12.107.
type Version struct{ Major, Minor, Patch int }

// V returns the version major.minor.
func V(major, minor int) Version { return Version{Major: major, Minor: minor} }

// String returns "6.12", or "6.12.107" if there is a patch level.
func (v Version) String() string {
	if v.Patch == 0 {
		return fmt.Sprintf("%d.%d", v.Major, v.Minor)
	}
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
}

// Less reports whether v is older than w.
func (v Version) Less(w Version) bool {
	if v.Major != w.Major {
		return v.Major < w.Major
	}
	if v.Minor != w.Minor {
		return v.Minor < w.Minor
	}
	return v.Patch < w.Patch
}

// Parse reads the version at the start of s, such as "6.12.107-amd64".
func Parse(s string) (Version, error) {
	var v Version
	if n, _ := fmt.Sscanf(s, "%d.%d.%d", &v.Major, &v.Minor, &v.Patch); n < 2 || min(v.Major, v.Minor, v.Patch) < 0 {
		return Version{}, fmt.Errorf("kernel version %q is not like 6.12.1", s)
	}
	return v, nil
}

// Running returns the version of the running kernel.
func Running() (Version, error) {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return Version{}, err
	}
	return Parse(strings.TrimSpace(string(b)))
}
