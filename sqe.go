package uring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/invariant"
)

// An SQE is a submission entry: a request on its way to the kernel. Get one
// from [Ring.NextSQE], fill it with one Prep method, and set UserData, which
// comes back in the completion: see io_uring_sqe_set_data64(3). [Ring.Request]
// and [InFlight.Request] set it when they take the entry. It is valid until the
// next Submit.
//
// Where NextSQE failed there is no entry, and the Prep methods panic: otherwise
// the request would be lost, and nobody would notice.
//
// The fields of the entry are open for what no method covers. Each Prep method
// sets what liburing's helper of the same name sets.
//
//uring:covers io_uring_prep_rw
type SQE struct {
	*cgo.SQE
	entryWatch // nothing, but with uring_debug
	ring       *Ring
	wide       bool // 128 bytes of a ring that has both sizes
}

// SQEFlags change how a request is treated. See io_uring_sqe_set_flags(3).
type SQEFlags uint8

// The flags of a request. Those for buffer selection and direct descriptors
// are set by the Prep methods.
const (
	// Drain starts the request when all before it have completed, and holds back
	// those after it until then. It fails with EOPNOTSUPP once the ring has had a
	// request with SkipSuccess, or one that was refused: the kernel cannot count
	// those. What must start at once is refused on the ring from then on: options
	// of [SQE.PrepSetsockopt], single receives and reads into an incremental buffer
	// ring, and single bundles.
	Drain SQEFlags = cgo.SQEIODrain
	// Link starts the next request when this one has succeeded.
	Link SQEFlags = cgo.SQEIOLink
	// HardLink starts the next request when this one is over.
	HardLink SQEFlags = cgo.SQEIOHardlink
	// Async starts the request in a worker thread at once.
	Async SQEFlags = cgo.SQEAsync
	// SkipSuccess posts no completion if the request succeeds. Linux 5.17.
	SkipSuccess SQEFlags = cgo.SQECQESkipSuccess

	// FixedFile and BufferSelect are for [AllowFlags] and [RequireFlags]: requests
	// on direct descriptors, and those that pick a buffer of a group. The Prep
	// methods set them.
	FixedFile    SQEFlags = cgo.SQEFixedFile
	BufferSelect SQEFlags = cgo.SQEBufferSelect
)

// SetFlags adds flags to the request. Call it after the Prep method. It refuses
//   - Async and Drain with a single request into an incremental buffer ring: the
//     kernel would lose track of the receive point;
//   - SkipSuccess with a zero-copy send, whose notification would come unannounced.
//     With Link or HardLink such a send may start a chain, but not follow in one;
//   - what makes a socket option's request start late;
//   - SkipSuccess where the completion names a buffer or a descriptor;
//   - Drain where it would hold back a zero-copy send for ever, and on kernels up to
//     6.12 on a ring that has had one, see [KernelBugs].
//
// Called before the Prep method, it leaves that to the Prep method: it returns the
// error, or, if it returns none, leaves out SkipSuccess. What becomes of a refused
// request is said in the package documentation.
func (s SQE) SetFlags(f SQEFlags) error {
	s.mustBe()
	s.checkQueued()
	if s.Refused() {
		return errRefused
	}
	if err := s.checkFlags(f); err != nil {
		return s.refuse(err)
	}
	if f&Drain != 0 {
		s.drains()
	}
	s.Flags |= uint8(f)
	if f&SkipSuccess != 0 {
		s.ring.skips = true
	}
	return nil
}

// startsLate reports whether the request may start after its submission: behind one
// that links to it, or as the ring has had a request with Drain.
func (s SQE) startsLate() bool { return s.linked() || s.ring.drained }

// linked reports whether the entry before links to this one.
func (s SQE) linked() bool {
	s.mustBe()
	return links(s.ring.q.Before(s.SQE))
}

// links reports whether the entry, if there is one, links to the one after it.
func links(s *cgo.SQE) bool {
	return s != nil && s.Flags&(cgo.SQEIOLink|cgo.SQEIOHardlink) != 0
}

var errRefused = errors.New("uring: the request of this entry was refused: it does nothing, and takes neither flags nor a buffer group; fill it with another Prep method")

// refuse makes the entry harmless: once taken it must be submitted. What it is like
// then is told in doc.go, and the same wherever a request is refused.
func (s SQE) refuse(err error) error {
	s.mustBe()
	s.prepared() // uses no memory
	if !s.Silent() {
		s.ring.silent++
	}
	if s.wide {
		s.silenceHalf()
	}
	nop := cgo.SQE{Opcode: cgo.OpNop, Flags: cgo.SQECQESkipSuccess, FD: -1, Addr: cgo.RefusedMark}
	if s.wide && s.ring.flags&SetupSQEMixed != 0 {
		*cgo.SecondHalf(s.SQE) = nop // now it is a request too
	}
	nop.UserData = s.UserData // for the next Prep method
	*s.SQE = nop
	return err
}

// mustBe panics unless the SQE has an entry. A program that ignores the error of
// NextSQE has none to put its request in.
func (s SQE) mustBe() {
	if s.SQE == s.ring.none {
		panic(noEntry{s.ring}) // not by a call, which would cost inlining
	}
}

// noRing is in the place of a ring that is not there: its queue is full.
var noRing = &Ring{none: &new([2]cgo.SQE)[0], noSQE: errNoRing, q: new(cgo.Queues).Closed()}

// noEntry is what mustBe panics with.
type noEntry struct{ ring *Ring }

func (e noEntry) Error() string {
	return "uring: this SQE has no entry for a request, NextSQE returned an error: " + e.ring.noSQE.Error()
}

// prep fills the fields that every request has.
func (s SQE) prep(op uint8, fd FD, addr uint64, n uint32, off uint64) {
	s.fill(op, int32(fd), addr, n, off)
	if fd.IsDirect() {
		s.SQE.FD = int32(fd &^ directBit)
		s.Flags |= cgo.SQEFixedFile
	}
}

// fill is prep for a number that is no direct descriptor. It is small enough to be
// inlined twice.
func (s SQE) fill(op uint8, fd int32, addr uint64, n uint32, off uint64) {
	if s.SQE == s.ring.none {
		panic(noEntry{s.ring}) // mustBe, which the compiler finds too much here
	}
	if invariant.On {
		s.prepared()
	}
	if s.Silent() {
		s.ring.silent--
		s.Flags = 0 // this request wants its completion
	}
	s.Opcode = op
	s.Flags &= uint8(callersFlags)
	s.SQE.FD = fd
	s.Off = off
	s.Addr = addr
	s.Len = n
}

// heap keeps Go memory that an entry points at off the stack: memory on the
// stack moves, memory on the heap does not.
var (
	heap    any //lint:ignore U1000 that the compiler cannot know it is never read is the point
	neverOn bool
)

// PrepNop does nothing. See io_uring_prep_nop(3).
func (s SQE) PrepNop() { s.fill(cgo.OpNop, -1, 0, 0, 0) }

// PrepNopResult does nothing and completes with the result: for tests of what
// becomes of results, and errors. Linux 6.10; older kernels make it 0. It is
// IORING_NOP_INJECT_RESULT of io_uring_enter(2).
func (s SQE) PrepNopResult(res int32) {
	s.prep(cgo.OpNop, -1, 0, uint32(res), 0)
	s.OpFlags = cgo.NopInjectResult
}

// NopFlags make a no-op request go ways that others go.
type NopFlags uint32

// The flags of [SQE.PrepNopFlags].
const (
	// NopInjectResult makes the result the one that was asked for. Linux 6.10.
	NopInjectResult NopFlags = cgo.NopInjectResult
	// NopFile looks the file up: EBADF if there is none, but before Linux 7.0 and
	// 6.18.44 only requests that are linked to it tell. Linux 6.13.
	NopFile NopFlags = cgo.NopFile
	// NopFixedBuffer looks the registered buffer up that BufIndex of the entry
	// names: EFAULT if there is none, which is told as with NopFile. Linux 6.13.
	NopFixedBuffer NopFlags = cgo.NopFixedBuffer
	// NopTaskWork completes the request in work that the ring has to run first.
	// Linux 6.17.
	NopTaskWork NopFlags = cgo.NopTW
)

// PrepNopFlags is [SQE.PrepNop] with flags, for tests and for measuring. fd is for
// NopFile, and res for NopInjectResult. The flags are those of IORING_OP_NOP, which
// no page of the manual has; kernels refuse those that they lack with EINVAL, and the
// oldest ignore all.
func (s SQE) PrepNopFlags(fd FD, res int32, flags NopFlags) {
	s.prep(cgo.OpNop, fd, 0, uint32(res), 0)
	s.OpFlags = uint32(flags)
	if fd.IsDirect() {
		// Named by a flag of the request, not of the entry.
		s.Flags &^= cgo.SQEFixedFile
		s.OpFlags |= cgo.NopFixedFile
	}
}

// PrepNopBig is [SQE.PrepNopResult] with a second half for the completion,
// see [Ring.CompletionsBig]: the ring needs [SetupCQE32] or [SetupCQEMixed].
// Linux 6.18. It is IORING_NOP_CQE32 of io_uring_enter(2).
func (s SQE) PrepNopBig(res int32, second [2]uint64) error {
	if s.ring.flags&(SetupCQE32|SetupCQEMixed) == 0 {
		return s.refuse(errors.New("uring: a completion of 32 bytes: open the ring with SetupCQE32 or SetupCQEMixed"))
	}
	s.prep(cgo.OpNop, -1, second[1], uint32(res), second[0])
	s.OpFlags = cgo.NopInjectResult | cgo.NopCQE32
	return nil
}

// NextSQE takes the next free submission entry, with its 64 bytes all zero. Fill
// it with one of its Prep methods. The kernel sees it when one of the Submit
// methods is called, and it must not be touched afterwards. On a ring with
// [SetupSQE128] the other 64 bytes are what they were; [Ring.NextSQE128] clears
// them, too.
//
// The error is [ErrSQFull] when no entry is free; [Ring.Submit] and
// [Ring.MakeRoom] make room. Do not ignore it: the SQE that comes with it has no
// entry, and its methods panic. See io_uring_get_sqe(3) and
// io_uring_initialize_sqe(3).
func (r *Ring) NextSQE() (s SQE, err error) {
	// A call costs as much as filling the entry. This is small enough for the
	// compiler to put it in its place.
	if invariant.On && r != nil {
		r.checkSubmitted()
	}
	if r == nil || r.q == nil {
		r = noRing
	}
	if s.ring, s.SQE = r, r.q.NextSQE(); s.SQE == nil {
		s.SQE, err = r.none, r.noSQE
	} else if invariant.On {
		s.entryWatch = r.taken(s.SQE)
	}
	return s, err
}

// NextSQE128 is [Ring.NextSQE] for an entry of 128 bytes, which some commands
// need. On a ring with [SetupSQE128] every entry is one. On a ring with
// [SetupSQEMixed] it counts as two entries, and as three where the first would
// be the last of the queue: that one is filled with a request that does
// nothing, after which [Drain] fails. Linux 5.19. See io_uring_get_sqe128(3).
func (r *Ring) NextSQE128() (SQE, error) {
	switch {
	case r == nil || r.q == nil:
		return noRing.noEntry(errNoRing)
	case r.closed:
		return r.noEntry(ErrClosed)
	case r.flags&(SetupSQE128|SetupSQEMixed) == 0:
		return r.noEntry(errors.New("uring: NextSQE128: open the ring with SetupSQEMixed or SetupSQE128"))
	case r.flags&SetupSQE128 == 0 && r.q.SQEntries() < 2:
		return r.noEntry(errors.New("uring: NextSQE128: the submission queue holds one entry of 64 bytes only"))
	}
	r.checkSubmitted()
	taken := r.q.SQReady()
	sqe := r.q.NextSQE128()
	if sqe == nil {
		return r.noEntry(ErrSQFull)
	}
	if r.q.SQReady()-taken > 2 {
		r.silent++ // the one that does nothing
	}
	return SQE{SQE: sqe, entryWatch: r.taken(sqe), ring: r, wide: true}, nil
}

func (r *Ring) noEntry(err error) (SQE, error) { return SQE{SQE: r.none, ring: r}, err }

// Queued returns how many entries were taken and not yet given to the kernel.
// See io_uring_sq_ready(3).
func (r *Ring) Queued() int {
	if r.gone() {
		return 0
	}
	return int(r.q.SQUnsubmitted())
}

// SQSpace returns how many entries are free. See io_uring_sq_space_left(3).
//
//uring:covers io_uring_load_sq_head
func (r *Ring) SQSpace() int {
	if r.gone() {
		return 0
	}
	return int(r.q.SQEntries() - r.q.SQReady())
}

// MakeRoom sees to it that n entries are free: when there are fewer it submits
// what is queued, and with [SetupSQPoll] waits for the kernel's thread. Call it
// before the first entry of a chain of linked requests, which must reach the
// kernel together, or whenever [Ring.NextSQE] must not fail with [ErrSQFull].
// See io_uring_sq_space_left(3).
func (r *Ring) MakeRoom(n int) error {
	if err := r.usable(); err != nil {
		return err
	}
	if most := int(r.q.SQEntries()); n > most {
		return fmt.Errorf("uring: MakeRoom for %d entries in a submission queue of %d: set Config.Entries", n, most)
	}
	for r.SQSpace() < n {
		took, err := r.Submit()
		switch {
		case err != nil:
			return err
		case r.flags&SetupSQPoll != 0:
			if err := r.WaitSQ(); err != nil {
				return err
			}
		case took == 0:
			return ErrSQFull
		}
	}
	return nil
}

// WaitSQ waits until the kernel's thread has made room in the submission queue.
// On a ring without [SetupSQPoll] it returns at once: Submit makes room. See
// io_uring_sqring_wait(3).
//
//uring:covers __io_uring_sqring_wait
func (r *Ring) WaitSQ() error {
	if r.gone() || r.flags&SetupSQPoll == 0 {
		return r.usable()
	}
	for {
		if err := r.beforeEnter(); err != nil {
			return err
		}
		if rc := r.drv.WaitSQ(); rc < 0 && rc != -int(syscall.EINTR) {
			return check(opWaitSQ, rc)
		}
		if r.SQSpace() > 0 {
			return nil
		}
		if r.q.SQSubmitted() == 0 {
			return errors.New("uring: WaitSQ: no entry has been submitted: call Submit first")
		}
	}
}

// SQESize returns the bytes of a submission entry in the queue of a ring with
// these flags, see [Ring.Flags]. With [SetupSQEMixed] it is the size of a slot,
// of which an entry of [Ring.NextSQE128] takes two.
//
//uring:covers io_uring_sqe_shift io_uring_sqe_shift_from_flags
func (f SetupFlags) SQESize() int {
	if f&SetupSQE128 != 0 {
		return 128
	}
	return 64
}

// checkFlags returns the error of adding flags to the request.
func (s SQE) checkFlags(f SQEFlags) error {
	if f&Drain != 0 {
		if err := s.checkDrain(); err != nil {
			return err
		}
	}
	if s.zeroCopy() && f&SkipSuccess != 0 {
		return errors.New("uring: SkipSuccess does not go with a zero-copy send: its notification would come unannounced")
	}
	if f&Async != 0 {
		if err := s.atOnce(); err != nil {
			return err
		}
	}
	if f&SkipSuccess != 0 && s.namesDescriptor() {
		return errSkipDescriptor
	}
	if f&SkipSuccess != 0 && s.ring.inFlight[s.Token().Kind()] != nil {
		return errSkipInFlight
	}
	if s.Flags&cgo.SQEBufferSelect == 0 {
		return nil
	}
	switch br := s.ring.bufRings[s.BufIndex]; {
	case br == nil:
	case f&SkipSuccess != 0:
		return errSkipProvided
	case f&(Async|Drain) != 0 && !s.waitsOutside():
		br.async = true
	}
	return nil
}

// atOnce returns the error of a request that must start when it is submitted, in
// the thread that submits it. nil stands for all others.
func (s SQE) atOnce() error {
	if s.setsOption() {
		return errLateOption
	}
	if s.Flags&cgo.SQEBufferSelect == 0 || s.waitsOutside() {
		return nil
	}
	switch br := s.ring.bufRings[s.BufIndex]; {
	case br == nil:
	case br.incremental:
		return errLateIncremental
	case s.Opcode == cgo.OpRecv && s.IOPrio&cgo.RecvSendBundle != 0:
		return errLateBundle
	}
	return nil
}

// chain yields the request and those before it in its chain, which a Drain holds back
// too.
func (s SQE) chain(yield func(SQE) bool) {
	for yield(s) && s.linked() {
		s.SQE = s.ring.q.Before(s.SQE)
	}
}

// checkDrain returns the error of giving the request Drain.
func (s SQE) checkDrain() error {
	for in := range s.chain {
		err := in.atOnce()
		if in.zeroCopy() {
			err = heldZC()
		}
		if err != nil {
			return err
		}
	}
	if s.ring.sentZC {
		return uncountedZC()
	}
	return nil
}

// drains notes that the request has Drain. All that come later may be held back, too.
func (s SQE) drains() {
	for in := range s.chain {
		if in.isCommand() {
			in.startInWorker()
		}
	}
	s.ring.drained = true
}

// zeroCopy reports whether the request is a zero-copy send.
func (s SQE) zeroCopy() bool { return s.Opcode == cgo.OpSendZC || s.Opcode == cgo.OpSendMsgZC }

// waitsOutside reports whether the request is a multishot receive, which waits outside
// of worker threads.
func (s SQE) waitsOutside() bool {
	return (s.Opcode == cgo.OpRecv || s.Opcode == cgo.OpRecvMsg) && s.IOPrio&cgo.RecvMultishot != 0
}

// callersFlags are those of SetFlags. The others belong to the request.
const callersFlags = Drain | Link | HardLink | Async | SkipSuccess

// allowed ends a Prep method: it refuses the request if it does not go with
// flags that were set before.
func (s SQE) allowed() error {
	f := SQEFlags(s.Flags) & callersFlags
	if f == 0 {
		return nil
	}
	if err := s.checkFlags(f); err != nil {
		return s.refuse(err)
	}
	return nil
}

// opens ends a Prep method that returns no error, of a request whose completion
// names a new descriptor or slot. It leaves out SkipSuccess: without a completion
// nobody would know which it is.
func (s SQE) opens(fileIndex uint32) {
	s.FileIndex = fileIndex
	if s.namesDescriptor() {
		s.Flags &^= cgo.SQECQESkipSuccess
	}
}

var errSkipDescriptor = errors.New("uring: SkipSuccess does not go with a request that opens a descriptor: without a completion nobody knows which, to close it; it goes with a given slot")

var errSkipInFlight = errors.New("uring: SkipSuccess does not go with a request of an InFlight: without a completion it would never leave the table")

// namesDescriptor reports whether the result is the descriptor, or the slot, that
// the request opens.
func (s SQE) namesDescriptor() bool {
	switch s.Opcode {
	case cgo.OpOpenat, cgo.OpOpenat2, cgo.OpAccept, cgo.OpSocket:
		return s.FileIndex == 0 || s.FileIndex == cgo.FileIndexAlloc
	case cgo.OpFixedFDInstall:
		return true
	}
	return false
}

// words returns the 64-bit field that has two 32-bit ones over it in C.
func words(first, second uint32) uint64 {
	var b [8]byte
	binary.NativeEndian.PutUint32(b[:4], first)
	binary.NativeEndian.PutUint32(b[4:], second)
	return binary.NativeEndian.Uint64(b[:])
}

// halves is the same for a 32-bit field with two 16-bit ones over it.
func halves(first, second uint16) uint32 {
	var b [4]byte
	binary.NativeEndian.PutUint16(b[:2], first)
	binary.NativeEndian.PutUint16(b[2:], second)
	return binary.NativeEndian.Uint32(b[:])
}

// Multishot reports whether the request, as a Prep method filled it, posts
// completions until one comes without [CQE.More], each with a result of its
// own. A zero-copy send is not one: its second completion is a notification.
// Call it before Submit.
func (s SQE) Multishot() bool {
	switch s.Opcode {
	case cgo.OpAccept:
		return s.IOPrio&cgo.AcceptMultishot != 0
	case cgo.OpRecv:
		return s.IOPrio&cgo.RecvMultishot != 0 && s.FileIndex != 1 // or PrepRecvProvided
	case cgo.OpRecvMsg:
		return s.IOPrio&cgo.RecvMultishot != 0
	case cgo.OpPollAdd:
		return s.Len&cgo.PollAddMulti != 0
	case cgo.OpTimeout:
		return s.OpFlags&cgo.TimeoutMultishot != 0
	case cgo.OpUringCmd:
		return s.Off == words(cgo.SocketOpTXTimestamp, 0)
	case cgo.OpReadMultishot, cgo.OpRecvZC:
		return true
	}
	return false
}
