package uring

import (
	"errors"
	"fmt"
	"math"
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
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
// registrations. Only the last AllowFlags and the last RequireFlags
// count, and an empty list allows nothing. [Ring.Close] waits for running requests only with
// AllowRegister(RegisterSyncCancel). Linux 5.10. See
// io_uring_register_restrictions(3).
func (r *Ring) RegisterRestrictions(list ...Restriction) error {
	if err := r.usable(); err != nil {
		return err
	}
	if !r.disabled {
		return errors.New("uring: RegisterRestrictions: the ring is running: open it with SetupRDisabled, and call Enable afterwards")
	}
	raw := make([]cgo.Restriction, len(list), len(list)+1) // the kernel wants an address, of an empty list too
	for i, l := range list {
		raw[i] = l.r
	}
	return check("restrict the ring", r.drv.RegisterRestrictions(raw))
}

// A BPFFilter is a program that the kernel runs for each request with a certain
// opcode, before it starts the request. If the program returns 0, the request
// fails with EACCES. An opcode may have several filters: all must allow a
// request. A filter cannot be taken away again.
type BPFFilter struct {
	Op      Op
	Program []BPFInstruction // 1 to 4096
	// DenyRest also denies the requests with opcodes that have no filter so far;
	// filters that they get later cannot allow them.
	DenyRest bool
	// Payload is how many bytes the program knows of what comes after the first
	// 16 bytes of its data: 12 for OpSocket, 24 for OpOpenat and OpOpenat2. The
	// kernel refuses more than it has with EMSGSIZE.
	Payload int
	// Exact refuses with EMSGSIZE also when the kernel has more.
	Exact bool
}

// A BPFInstruction is an instruction of classic BPF, a struct sock_filter. It
// converts from and to a RawInstruction of the package golang.org/x/net/bpf.
// Programs may load aligned 32-bit words of their data, calculate, jump forward
// and return; packets and the extensions of BPF are not there.
type BPFInstruction struct {
	Op     uint16
	Jt, Jf uint8
	K      uint32
}

// Where the data of a program has what, as offsets of 32-bit words in the
// machine's byte order. On a little-endian machine the low half of what has 64
// bits comes first.
const (
	BPFUserData       = 0 // 64 bits
	BPFOp             = 8 // the opcode, the request's flags, the size of the payload: a byte each
	BPFSocketFamily   = 16
	BPFSocketType     = 20
	BPFSocketProtocol = 24
	BPFOpenFlags      = 16 // 64 bits
	BPFOpenMode       = 24 // 64 bits
	BPFOpenResolve    = 32 // 64 bits, of OpOpenat2
)

// Codes of classic BPF instructions, see linux/filter.h.
const (
	bpfLoadWord  = 0x20 // BPF_LD | BPF_W | BPF_ABS
	bpfJumpEqual = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
	bpfReturn    = 0x06 // BPF_RET | BPF_K
)

// BPFReturn ends the program: it allows the request, or denies it.
func BPFReturn(allow bool) BPFInstruction {
	i := BPFInstruction{Op: bpfReturn}
	if allow {
		i.K = 1
	}
	return i
}

// BPFLoad loads the 32-bit word at offset off of the program's data, such as
// [BPFSocketFamily].
func BPFLoad(off uint32) BPFInstruction { return BPFInstruction{Op: bpfLoadWord, K: off} }

// BPFSkipUnless skips the next n instructions unless the word that was loaded
// last is value.
func BPFSkipUnless(value uint32, n uint8) BPFInstruction {
	return BPFInstruction{Op: bpfJumpEqual, Jf: n, K: value}
}

// RegisterBPFFilter makes the ring's requests pass a filter. The process needs
// CAP_SYS_ADMIN, or the calling thread the attribute no_new_privs, see
// prctl(2). Linux 7.0. See io_uring_register_bpf_filter(3).
func (r *Ring) RegisterBPFFilter(f BPFFilter) error {
	if err := r.usable(); err != nil {
		return err
	}
	return f.register(r.drv.RegisterBPFFilter)
}

// RegisterTaskBPFFilter makes the requests of all rings pass a filter that the
// calling thread opens from then on, and those of its children. As Go moves
// goroutines between threads, and starts new ones, call it from a goroutine
// that is locked to its thread and stays so: see [runtime.LockOSThread]; for
// all of a program, call it before it starts the program by exec. It needs the
// same rights as [Ring.RegisterBPFFilter]. Linux 7.0. See
// io_uring_register_bpf_filter_task(3).
func RegisterTaskBPFFilter(f BPFFilter) error { return f.register(cgo.RegisterBPFFilterTask) }

func (f BPFFilter) register(call func(op uint8, flags uint32, payload *uint8, prog []cgo.BPFInsn) int) error {
	switch {
	case len(f.Program) == 0:
		return errors.New("uring: BPFFilter.Program is empty")
	case f.Payload < 0 || f.Payload > math.MaxUint8:
		return fmt.Errorf("uring: BPFFilter.Payload is %d bytes, want 0 to %d", f.Payload, math.MaxUint8)
	}
	var flags uint32
	if f.DenyRest {
		flags |= cgo.BPFFilterDenyRest
	}
	if f.Exact {
		flags |= cgo.BPFFilterSzStrict
	}
	prog := make([]cgo.BPFInsn, len(f.Program))
	for i, ins := range f.Program {
		prog[i] = cgo.BPFInsn(ins)
	}
	payload := uint8(f.Payload)
	err := checkSince(opRegisterBPF, call(uint8(f.Op), flags, &payload, prog), kernel.V(7, 0), "2.15")
	if errors.Is(err, syscall.EMSGSIZE) {
		return fmt.Errorf("%w: the kernel has %d bytes for %v, BPFFilter.Payload is %d", err, payload, f.Op, f.Payload)
	}
	return err
}
