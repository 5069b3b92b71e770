//go:build linux

package uring

import (
	"bytes"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
)

// mapArena maps memory, which the caller closes.
func mapArena(tb testing.TB, size int) *Arena {
	tb.Helper()
	a, err := NewArena(ArenaConfig{Size: size})
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// newArena maps memory until the test ends. What a rig uses longer than that
// comes from rig.arena.
func newArena(t *testing.T, size int) *Arena {
	t.Helper()
	a := mapArena(t, size)
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// What Close promises: after nil the kernel writes to no memory, and holds no
// file. The witnesses are the memory, other sockets and other locks.

// overwrite writes over memory that the kernel may not use any more.
func overwrite(p []byte) {
	for i := range p {
		p[i] = 0xEE
	}
}

// untouched looks whether the kernel wrote to it later.
func untouched(t *testing.T, p []byte) {
	t.Helper()
	time.Sleep(20 * time.Millisecond)
	if n := len(p) - bytes.Count(p, []byte{0xEE}); n > 0 {
		t.Errorf("%d of %d bytes were written after Close", n, len(p))
	}
}

func ptr[T any](v T) *T { return &v }

func smallNoMMap() bool {
	major, minor := cgo.LinkedVersion()
	return !errors.Is(have(SetupNoMMap)(), syscall.ENOMEM) || major == 2 && minor >= 15
}
