package uring

import (
	"errors"
	"syscall"
	"testing"
)

func TestRestrictedRing(t *testing.T) {
	r := ringOf(t, Config{Entries: 4, Flags: SetupRDisabled})
	err := r.RegisterRestrictions(
		AllowOp(OpNop), AllowOp(OpRecv),
		AllowRegister(RegisterEnableRings), AllowRegister(RegisterSyncCancel), AllowRegister(RegisterProbe),
		AllowFlags(Async|Drain))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "error of Enable", r.Enable(), nil)

	equal(t, "an allowed opcode", one(t, r, func(s SQE) { s.PrepNop() }).Res, 0)
	denied := -int32(syscall.EACCES)
	equal(t, "another opcode", one(t, r, func(s SQE) { s.PrepPollAdd(0, 1) }).Res, denied)
	flag := func(f SQEFlags) int32 {
		return one(t, r, func(s SQE) {
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
	r := ringOf(t, Config{Entries: 4, Flags: SetupRDisabled})
	if err := r.RegisterRestrictions(AllowOp(OpNop), RequireFlags(Drain), AllowRegister(RegisterEnableRings)); err != nil {
		t.Fatal(err)
	}
	equal(t, "error of Enable", r.Enable(), nil)
	equal(t, "without the flag", one(t, r, func(s SQE) { s.PrepNop() }).Res, -int32(syscall.EACCES))
	equal(t, "with it", one(t, r, func(s SQE) { s.PrepNop(); _ = s.SetFlags(Drain) }).Res, 0)
}

func TestWrongRestrictionsAreRefused(t *testing.T) {
	r := ringOf(t, Config{Entries: 4, Flags: SetupRDisabled})
	wantError(t, r.RegisterRestrictions(), "nothing would be allowed")
	equal(t, "an unknown registration is EINVAL", errors.Is(r.RegisterRestrictions(AllowRegister(250)), syscall.EINVAL), true)
	equal(t, "error of a good one after it", r.RegisterRestrictions(AllowOp(OpNop)), nil)
	equal(t, "a second time is EBUSY", errors.Is(r.RegisterRestrictions(AllowOp(OpNop)), syscall.EBUSY), true)
}
