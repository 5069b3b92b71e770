//go:build linux

package uring

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// opens submits an open of a file and returns the errno, 0 if it worked.
func opens(t *testing.T, r *Ring, path string, personality uint16) syscall.Errno {
	t.Helper()
	name := append([]byte(path), 0)
	c := one(t, r, func(s SQE) {
		const atFDCWD = -100
		s.prep(cgo.OpOpenat, atFDCWD, address(name), 0, 0)
		s.OpFlags = syscall.O_RDONLY | syscall.O_CLOEXEC
		s.Personality = personality
	})
	runtime.KeepAlive(name)
	if c.Res < 0 {
		return syscall.Errno(-c.Res)
	}
	syscall.Close(int(c.Res))
	return 0
}

// Requests act with the credentials that were registered, not with those of
// the thread that submits them.
func TestPersonalities(t *testing.T) {
	testutil.NeedOtherUsers(t)
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and the thread ends with the goroutine
		r, err := New(Config{Entries: 4})
		if err != nil {
			t.Error(err)
			return
		}
		defer r.Close()
		const nobody = 65534
		setUID := func(uid uintptr) {
			const same = ^uintptr(0)
			if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, same, uid, same); errno != 0 {
				t.Errorf("setresuid %d: %v", uid, errno)
			}
		}
		root, err := r.RegisterPersonality()
		equal(t, "error of registering root", err, nil)
		setUID(nobody)
		other, err := r.RegisterPersonality()
		equal(t, "error of registering nobody", err, nil)
		equal(t, "as nobody", opens(t, r, path, 0), syscall.EACCES)
		equal(t, "as nobody, with root's credentials", opens(t, r, path, root), 0)
		setUID(0)
		equal(t, "as root", opens(t, r, path, 0), 0)
		equal(t, "as root, with nobody's credentials", opens(t, r, path, other), syscall.EACCES)

		equal(t, "error of UnregisterPersonality", r.UnregisterPersonality(other), nil)
		equal(t, "with credentials that are gone", opens(t, r, path, other), syscall.EINVAL)
		equal(t, "unregistering again is EINVAL", errors.Is(r.UnregisterPersonality(other), syscall.EINVAL), true)
		equal(t, "error of UnregisterPersonality", r.UnregisterPersonality(root), nil)
	}()
	<-done
}
