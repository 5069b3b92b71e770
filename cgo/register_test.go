//go:build linux && cgo

package cgo

import (
	"syscall"
	"testing"
)

// Waits tell the kernel not to count them as I/O once that is asked for.
func TestSetIOWait(t *testing.T) {
	if HeaderMajor == 2 && HeaderMinor < 10 {
		t.Skip("needs liburing 2.10")
	}
	var p Params
	r, rc := Open(4, &p, nil)
	if rc < 0 {
		t.Fatal(syscall.Errno(-rc))
	}
	defer r.Exit()
	if p.Features&FeatNoIowait == 0 {
		if rc := r.SetIOWait(false); rc != -int(syscall.EOPNOTSUPP) {
			t.Errorf("SetIOWait on a kernel without it: %d", rc)
		}
		return
	}
	for _, on := range []bool{true, false, true} {
		if rc := r.SetIOWait(on); rc != 0 {
			t.Errorf("SetIOWait(%v): %d", on, rc)
		}
		if told := r.enterFlags()&EnterNoIowait == 0; told != on {
			t.Errorf("SetIOWait(%v): the kernel is told %v", on, told)
		}
	}
}
