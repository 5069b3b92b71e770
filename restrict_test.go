//go:build linux

package uring

import (
	"errors"
	"runtime"
	"syscall"
	"testing"

	"github.com/golang/mock/gomock"
	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

func TestRestrictedRing(t *testing.T) {
	r := newRig(t, Config{Entries: 4, Flags: SetupRDisabled})
	err := r.RegisterRestrictions(
		AllowOp(OpNop), AllowOp(OpRecv),
		AllowRegister(RegisterEnableRings), AllowRegister(RegisterSyncCancel), AllowRegister(RegisterProbe),
		AllowFlags(Async|Drain))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "error of Enable", r.Enable(), nil)

	equal(t, "an allowed opcode", r.answer(func(s SQE) { s.PrepNop() }).Res, 0)
	denied := -int32(syscall.EACCES)
	equal(t, "another opcode", r.answer(func(s SQE) { s.PrepPollAdd(0, 1) }).Res, denied)
	flag := func(f SQEFlags) int32 {
		return r.answer(func(s SQE) {
			s.PrepNop()
			if err := s.SetFlags(f); err != nil {
				t.Fatal(err)
			}
		}).Res
	}
	equal(t, "an allowed flag", flag(Drain), 0)
	equal(t, "another flag", flag(HardLink), denied)

	_, err = r.ProbeOps()
	equal(t, "error of an allowed registration", err, nil)
	equal(t, "another registration is EACCES", errors.Is(r.RegisterFiles(1), syscall.EACCES), true)
	wantError(t, r.RegisterRestrictions(AllowOp(OpSend)), "the ring is running")
}

func TestRequiredFlags(t *testing.T) {
	r := newRig(t, Config{Entries: 4, Flags: SetupRDisabled})
	if err := r.RegisterRestrictions(AllowOp(OpNop), RequireFlags(Drain), AllowRegister(RegisterEnableRings)); err != nil {
		t.Fatal(err)
	}
	equal(t, "error of Enable", r.Enable(), nil)
	equal(t, "without the flag", r.answer(func(s SQE) { s.PrepNop() }).Res, -int32(syscall.EACCES))
	equal(t, "with it", r.answer(func(s SQE) { s.PrepNop(); _ = s.SetFlags(Drain) }).Res, 0)
}

func TestWrongRestrictionsAreRefused(t *testing.T) {
	r := newRig(t, Config{Entries: 4, Flags: SetupRDisabled})
	equal(t, "an unknown registration is EINVAL", errors.Is(r.RegisterRestrictions(AllowRegister(250)), syscall.EINVAL), true)
	equal(t, "error of a good one after it", r.RegisterRestrictions(AllowOp(OpNop)), nil)
	equal(t, "a second time is EBUSY", errors.Is(r.RegisterRestrictions(AllowOp(OpNop)), syscall.EBUSY), true)
}

// An empty list is a list, too.
func TestNothingIsAllowed(t *testing.T) {
	r := newRig(t, Config{Entries: 4, Flags: SetupRDisabled})
	equal(t, "error of an empty list", r.RegisterRestrictions(), nil)
	equal(t, "error of Enable", r.Enable(), nil)
	equal(t, "a request", r.answer(func(s SQE) { s.PrepNop() }).Res, -int32(syscall.EACCES))
	equal(t, "a registration is EACCES", errors.Is(r.RegisterFiles(1), syscall.EACCES), true)
}

func TestBPFFilterOfARing(t *testing.T) {
	r := newRig(t, Config{Entries: 4})
	err := r.RegisterBPFFilter(inetOnly)
	if !needsLinux(t, err, kernel.V(7, 0), 15) {
		return
	}
	if errors.Is(err, syscall.EACCES) {
		wantError(t, err, "CAP_SYS_ADMIN")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	socket := func(domain int) int32 {
		return r.answer(func(s SQE) { s.PrepSocket(domain, syscall.SOCK_STREAM, 0) }).Res
	}
	fd := socket(syscall.AF_INET)
	if fd < 0 {
		t.Fatal(syscall.Errno(-fd))
	}
	syscall.Close(int(fd))
	equal(t, "a socket that is not allowed", socket(syscall.AF_INET6), -int32(syscall.EACCES))

	err = r.RegisterBPFFilter(BPFFilter{Op: OpSocket, Payload: 200, Program: inetOnly.Program})
	equal(t, "too large a payload is EMSGSIZE", errors.Is(err, syscall.EMSGSIZE), true)
	wantError(t, err, "the kernel has 12 bytes for OpSocket, BPFFilter.Payload is 200")

	allow := []BPFInstruction{BPFReturn(true)}
	if err := r.RegisterBPFFilter(BPFFilter{Op: OpNop, Program: allow, DenyRest: true, Exact: true}); err != nil {
		t.Fatal(err)
	}
	equal(t, "an allowed opcode", r.answer(func(s SQE) { s.PrepNop() }).Res, 0)
	equal(t, "one of the rest", r.answer(func(s SQE) { s.PrepPollRemove(1) }).Res, -int32(syscall.EACCES))
}

// The filter stays with its thread, which ends with the goroutine, as that does
// not unlock it.
func TestBPFFilterOfAThread(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		err := RegisterTaskBPFFilter(BPFFilter{Op: OpNop, Program: []BPFInstruction{BPFReturn(false)}})
		if !needsLinux(t, err, kernel.V(7, 0), 15) {
			return
		}
		if errors.Is(err, syscall.EACCES) {
			wantError(t, err, "CAP_SYS_ADMIN")
			return
		}
		equal(t, "error", err, nil)
		r, err := New(Config{Entries: 4})
		if err != nil {
			t.Error(err)
			return
		}
		equal(t, "a request", rigOn(t, r).answer(func(s SQE) { s.PrepNop() }).Res, -int32(syscall.EACCES))
		equal(t, "error of Close", r.Close(), nil)
	}()
	<-done
	r := newRig(t, Config{Entries: 4})
	equal(t, "a request of another thread", r.answer(func(s SQE) { s.PrepNop() }).Res, 0)
}

func TestBPFFilterAsTheKernelGetsIt(t *testing.T) {
	r, _, calls := newMockRing(t, 0)
	calls.RegisterBPFFilter(uint8(OpSocket), uint32(cgo.BPFFilterDenyRest|cgo.BPFFilterSzStrict), gomock.Any(), gomock.Any()).
		DoAndReturn(func(_ uint8, _ uint32, payload *uint8, prog []cgo.BPFInsn) int {
			equal(t, "payload", *payload, 12)
			// What the C macros BPF_STMT and BPF_JUMP make of it.
			want := []cgo.BPFInsn{{Op: 0x20, K: 16}, {Op: 0x15, Jf: 1, K: 2}, {Op: 6, K: 1}, {Op: 6}}
			if diff := cmp.Diff(want, prog); diff != "" {
				t.Error(diff)
			}
			return 0
		})
	f := inetOnly
	f.DenyRest, f.Exact = true, true
	equal(t, "error", r.RegisterBPFFilter(f), nil)

	calls.RegisterBPFFilter(uint8(OpSocket), uint32(0), gomock.Any(), gomock.Any()).
		DoAndReturn(func(_ uint8, _ uint32, payload *uint8, _ []cgo.BPFInsn) int {
			*payload = 8
			return -int(syscall.EMSGSIZE)
		})
	err := r.RegisterBPFFilter(inetOnly)
	equal(t, "the error is EMSGSIZE", errors.Is(err, syscall.EMSGSIZE), true)
	wantError(t, err, "the kernel has 8 bytes for OpSocket, BPFFilter.Payload is 12")

	calls.RegisterBPFFilter(gomock.Any(), gomock.Any(), gomock.Any(), gomock.Any()).Return(-int(syscall.EACCES))
	wantError(t, r.RegisterBPFFilter(inetOnly), "no_new_privs")

	wantError(t, r.RegisterBPFFilter(BPFFilter{}), "Program is empty")
	f.Payload = 256
	wantError(t, r.RegisterBPFFilter(f), "Payload is 256 bytes")
}

// Requests that pick a buffer, or work on a direct descriptor, are told by flags that
// only Prep methods set.
func TestRestrictedToDirectDescriptors(t *testing.T) {
	r := newRig(t, Config{Entries: 4, Flags: SetupRDisabled})
	r.must(r.RegisterRestrictions(AllowOp(OpRead), RequireFlags(FixedFile), AllowRegister(RegisterEnableRings),
		AllowRegister(RegisterFiles2), AllowRegister(RegisterFilesUpdate), AllowRegister(RegisterSyncCancel)))
	r.must(r.RegisterFiles(1))
	in, out := r.pipe()
	r.must(r.UpdateFile(DirectSlot(0), int(in)))
	r.must(r.Enable())
	r.write(int(out), "direct")
	p := held(make([]byte, 8))
	equal(t, "an ordinary one", r.answer(func(s SQE) { s.PrepRead(in, p, 0) }).Res, -int32(syscall.EACCES))
	equal(t, "a direct one", r.answer(func(s SQE) { s.PrepRead(DirectSlot(0).FD(), p, 0) }).Res, 6)
}
