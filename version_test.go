//go:build linux && cgo

package uring

import (
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

// A version is two numbers, and the library is not older than its header.
func TestLiburingVersions(t *testing.T) {
	header, linked := LiburingVersion()
	equal(t, "header", header, kernel.V(cgo.HeaderMajor, cgo.HeaderMinor).String())
	h, err := kernel.Parse(header)
	if err != nil {
		t.Fatal(err)
	}
	l, err := kernel.Parse(linked)
	if err != nil {
		t.Fatal(err)
	}
	if l.Less(h) {
		t.Errorf("liburing %v is linked to code compiled with the header of %v", l, h)
	}
	if oldest := kernel.V(2, 9); h.Less(oldest) {
		t.Errorf("compiled with the header of %v, older than %v", h, oldest)
	}
}

func TestKernelVersionIsThatOfUname(t *testing.T) {
	var name syscall.Utsname
	if err := syscall.Uname(&name); err != nil {
		t.Fatal(err)
	}
	var release []byte
	for _, c := range name.Release {
		if c == 0 {
			break
		}
		release = append(release, byte(c))
	}
	equal(t, "release", KernelVersion(), string(release))
}
