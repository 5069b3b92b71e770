package uring

import (
	"errors"

	"github.com/uring-go/uring/cgo"
)

// A Restriction is one thing that a restricted ring may do, or must: see
// [Ring.RegisterRestrictions].
type Restriction struct{ r cgo.Restriction }

// AllowOp allows requests with this opcode.
func AllowOp(o Op) Restriction {
	return Restriction{cgo.Restriction{Kind: cgo.RestrictionSQEOp, Value: uint8(o)}}
}

// AllowRegister allows registrations of this kind.
func AllowRegister(o RegisterOp) Restriction {
	return Restriction{cgo.Restriction{Kind: cgo.RestrictionRegisterOp, Value: uint8(o)}}
}

// AllowFlags allows requests with these flags, and without.
func AllowFlags(f SQEFlags) Restriction {
	return Restriction{cgo.Restriction{Kind: cgo.RestrictionSQEFlagsAllowed, Value: uint8(f)}}
}

// RequireFlags allows only requests that have all of these flags.
func RequireFlags(f SQEFlags) Restriction {
	return Restriction{cgo.Restriction{Kind: cgo.RestrictionSQEFlagsRequired, Value: uint8(f)}}
}

// RegisterRestrictions limits what a ring may be used for, before it is handed
// to code that is trusted with no more. The ring must have been opened with
// [SetupRDisabled], and works under the restrictions from [Ring.Enable] on, once
// and for all: requests that they do not allow fail with EACCES, and so do
// registrations. AllowFlags and RequireFlags do not add up, the last of each
// counts. [Ring.Close] waits for running requests only with
// AllowRegister(RegisterSyncCancel). Linux 5.10. See
// io_uring_register_restrictions(3).
func (r *Ring) RegisterRestrictions(list ...Restriction) error {
	if err := r.usable(); err != nil {
		return err
	}
	if !r.disabled {
		return errors.New("uring: RegisterRestrictions: the ring is running: open it with SetupRDisabled, and call Enable afterwards")
	}
	if len(list) == 0 {
		return errors.New("uring: RegisterRestrictions: nothing would be allowed")
	}
	raw := make([]cgo.Restriction, len(list))
	for i, l := range list {
		raw[i] = l.r
	}
	return check("restrict the ring", r.drv.RegisterRestrictions(raw))
}
