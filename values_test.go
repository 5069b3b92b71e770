package uring

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
)

func TestToken(t *testing.T) {
	for _, c := range []struct {
		kind             uint8
		generation, slot uint32
		want             Token
	}{
		{0, 0, 0, 0},
		{0xab, 0x123456, 0x789abcde, 0xab123456789abcde},
		{0xff, 0xffffff, 0xffffffff, 0xffffffffffffffff},
		{1, 0xff000002, 3, 0x0100000200000003}, // 24 bits of the generation
	} {
		token := MakeToken(c.kind, c.generation, c.slot)
		equal(t, "token", token, c.want)
		equal(t, "kind", token.Kind(), c.kind)
		equal(t, "generation", token.Generation(), c.generation&0xffffff)
		equal(t, "slot", token.Slot(), c.slot)
		equal(t, "token of a completion", CQE{UserData: uint64(token)}.Token(), token)
	}
}

func TestCompletion(t *testing.T) {
	type answers struct {
		err                                       error
		more, bufferMore, nonEmpty, notif, copied bool
		buffer                                    int // -1: none
	}
	copied := uint32(cgo.NotifUsageZCCopied)
	for _, c := range []struct {
		cqe  CQE
		want answers
	}{
		{CQE{Res: 5}, answers{buffer: -1}},
		{CQE{Res: -int32(syscall.ECANCELED)}, answers{err: syscall.ECANCELED, buffer: -1}},
		{CQE{Flags: cgo.CQEFBuffer}, answers{buffer: 0}},
		{CQE{Flags: cgo.CQEFBuffer | 0xffff<<16}, answers{buffer: 0xffff}},
		{CQE{Flags: 7 << 16}, answers{buffer: -1}}, // without the flag there is none
		{CQE{Flags: cgo.CQEFMore | cgo.CQEFSockNonEmpty}, answers{more: true, nonEmpty: true, buffer: -1}},
		{CQE{Flags: cgo.CQEFBuffer | cgo.CQEFBufMore}, answers{bufferMore: true}},
		{CQE{Flags: cgo.CQEFNotif}, answers{notif: true, buffer: -1}},
		{CQE{Res: int32(copied), Flags: cgo.CQEFNotif}, answers{notif: true, copied: true, buffer: -1}}, // negative, and no error
	} {
		got := answers{
			err: c.cqe.Err(), more: c.cqe.More(), bufferMore: c.cqe.BufferMore(), nonEmpty: c.cqe.SockNonEmpty(),
			notif: c.cqe.Notif(), copied: c.cqe.Copied(), buffer: -1,
		}
		if id, ok := c.cqe.BufferID(); ok {
			got.buffer = int(id)
		}
		if got != c.want {
			t.Errorf("%+v\ngives %+v\n want %+v", c.cqe, got, c.want)
		}
	}
	canceled := CQE{Res: -int32(syscall.ECANCELED)}
	equal(t, "allocations of Err", testing.AllocsPerRun(100, func() { _ = canceled.Err() }), 0)
}

func TestDescriptors(t *testing.T) {
	for _, c := range []struct {
		fd     FD
		direct bool
		text   string
	}{
		{FD(0), false, "fd 0"},
		{FD(-1), false, "fd -1"},
		{FD(1<<20 + 3), false, "fd 1048579"},
		{DirectSlot(0).FD(), true, "direct 0"},
		{DirectSlot(32767).FD(), true, "direct 32767"},
		{DirectSlot(1<<30 - 1).FD(), true, "direct 1073741823"},
	} {
		equal(t, "text", c.fd.String(), c.text)
		equal(t, "is direct", c.fd.IsDirect(), c.direct)
		if c.direct {
			d := c.fd.Direct()
			equal(t, "text", d.String(), c.text)
			equal(t, "back again", DirectSlot(d.Slot()).FD(), c.fd)
		}
	}
	equal(t, "DirectAlloc in place of a descriptor", DirectAlloc.FD().IsDirect(), false)
	for _, n := range []int{-1, 1 << 30} {
		func() {
			defer func() {
				if text, _ := recover().(string); !strings.Contains(text, "no direct descriptor has slot") {
					t.Errorf("DirectSlot(%d): %q", n, text)
				}
			}()
			DirectSlot(n)
		}()
	}
}

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
