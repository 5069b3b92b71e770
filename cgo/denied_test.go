//go:build linux && cgo

package cgo

import "testing"

// Where rings can be opened, nothing stands in between.
func TestNoCallIsDenied(t *testing.T) {
	r, rc := Open(4, &Params{}, nil)
	if rc < 0 {
		t.Fatal("open: ", rc)
	}
	r.Exit()
	for _, c := range []Call{CallSetup, CallEnter, CallRegister} {
		if errno := Denied(c); errno != 0 {
			t.Errorf("%v: %v", c, errno)
		}
	}
}
