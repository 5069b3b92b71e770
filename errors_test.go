//go:build linux

package uring

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

func TestOpErrors(t *testing.T) {
	noSystem := "io_uring is not supported by this system, or a seccomp profile hides it"
	if cgo.HeaderMajor == 0 {
		noSystem = "built without cgo, so without liburing: build it for Linux with CGO_ENABLED=1"
	}
	for _, c := range []struct {
		err  error
		text string
		is   []error
	}{
		{check(opSubmit, -int(syscall.EINVAL)), "uring: submit: invalid argument", []error{syscall.EINVAL}},
		{check(opOpen, -int(syscall.ENOSYS)), noSystem, []error{syscall.ENOSYS, ErrNotSupported}},
		{check(opOpen, -int(syscall.ENOMEM)), "uring: open ring: cannot allocate memory (", []error{syscall.ENOMEM}},
		{check(opSubmit, -int(syscall.EBUSY)), "handle completions", []error{syscall.EBUSY}},
		{check(opRegisterFiles, -int(syscall.EBUSY)), "uring: register files: device or resource busy", []error{syscall.EBUSY}},
		{check(opWait, -cgo.EBadR), "dropped it", nil},
		{check(opWait, -int(syscall.EEXIST)), "used from another thread", []error{syscall.EEXIST, ErrWrongThread}},
		{check(opOpen, -int(syscall.EEXIST)), "uring: open ring: file exists", []error{syscall.EEXIST}},
		{check(opSend, -int(syscall.EEXIST)), "uring: send: file exists", []error{syscall.EEXIST}},
		{check(opSubmit, -int(syscall.EBADF)), "closed by something else", []error{syscall.EBADF}},
		{check(opRegisterFiles, -int(syscall.EACCES)), "RegisterRestrictions", []error{syscall.EACCES}},
		{check(opRegisterFiles, -int(syscall.EOPNOTSUPP)), "uring: register files: operation not supported", []error{syscall.EOPNOTSUPP}},
		{check(opOpen, -int(syscall.EPERM)), "uring: open ring: operation not permitted (", []error{syscall.EPERM}},
	} {
		if !strings.Contains(c.err.Error(), c.text) {
			t.Errorf("%v\nwant %s", c.err, c.text)
		}
		for _, target := range []error{ErrNotSupported, ErrWrongThread, ErrClosed, ErrBusy} {
			want := false
			for _, is := range c.is {
				want = want || is == target
			}
			if errors.Is(c.err, target) != want {
				t.Errorf("%v is %v: %v", c.err, target, !want)
			}
		}
		for _, is := range c.is {
			if !errors.Is(c.err, is) {
				t.Errorf("%v is not %v", c.err, is)
			}
		}
	}
	equal(t, "error of success", check(opSubmit, 0), nil)
	equal(t, "error of a count", check(opSubmit, 7), nil)
}

// Why a ring may not be opened depends on a setting of the kernel.
func TestPermissionHint(t *testing.T) {
	for setting, want := range map[string]string{
		"0\n": "a seccomp profile forbids io_uring",
		"1\n": "only CAP_SYS_ADMIN or the group kernel.io_uring_group",
		"2\n": "sysctl kernel.io_uring_disabled=0 turns it on",
	} {
		if hint := permissionHint([]byte(setting), nil); !strings.Contains(hint, want) {
			t.Errorf("setting %q: %s", setting, hint)
		}
	}
	if hint := permissionHint(nil, os.ErrNotExist); !strings.Contains(hint, "seccomp") {
		t.Errorf("no setting: %s", hint)
	}
}

func TestLibraryThatIsTooOldIsNamed(t *testing.T) {
	err := checkSince("do a thing", -int(syscall.ENOSYS), kernel.V(6, 0), "2.12")
	equal(t, "is ErrNotSupported", errors.Is(err, ErrNotSupported), true)
	wantError(t, err, "liburing 2.12")
}

func TestKernelThatIsTooOldIsNamed(t *testing.T) {
	err := checkSince("do a thing", -int(syscall.EINVAL), kernel.V(99, 1), "")
	equal(t, "is ErrNotSupported", errors.Is(err, ErrNotSupported), true)
	equal(t, "is EINVAL", errors.Is(err, syscall.EINVAL), true)
	wantError(t, err, "needs Linux 99.1")
	equal(t, "EINVAL of a kernel that is new enough stays what it is",
		errors.Is(checkSince("do a thing", -int(syscall.EINVAL), kernel.V(2, 6), ""), ErrNotSupported), false)
}
