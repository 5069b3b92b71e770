package uring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/live"
)

// New opens a ring. Close it when done.
//
// An error that matches [ErrNotSupported] names the flag that the kernel lacks, or
// says that the system has no io_uring or hides it. Errors that match EPERM, EMFILE
// or ENOMEM say what to change. Since Linux 6.14 the queues count towards
// RLIMIT_MEMLOCK, and those of a closed ring for a moment more: New waits for that.
// Linux 6.1 is the oldest kernel that the package is tested with.
// See io_uring_queue_init(3) and io_uring_queue_init_params(3).
func New(c Config) (*Ring, error) {
	c, err := c.normalize()
	if err != nil {
		return nil, err
	}
	memory, err := c.memory()
	if err != nil {
		return nil, err
	}
	raw, p, rc := open(c, memory)
	if err := check(opOpen, rc); err != nil {
		return nil, explain(c, err)
	}
	r := opened(raw, p)
	r.tookMemory(c, rc)
	return r, nil
}

// opened returns a ring of the kernel's.
func opened(raw *cgo.Ring, p cgo.Params) *Ring {
	const fields = cgo.SetupCQSize | cgo.SetupAttachWQ // fields of Config, not flags
	r := newRing(&raw.Queues, raw, SetupFlags(p.Flags&^fields), p.Features)
	r.name(raw.FD())
	live.Opened("ring", r)
	return r
}

func newRing(q *cgo.Queues, drv driver, flags SetupFlags, features uint32) *Ring {
	r := &Ring{
		q: q, drv: drv, flags: flags, features: features, noSQE: ErrSQFull, none: &new([2]cgo.SQE)[0],
		disabled: flags&SetupRDisabled != 0, clock: ClockMonotonic,
		bufRings:  map[uint16]*BufRing{},
		queues:    map[uint64]*SendQueue{},
		streams:   map[uint64]*RecvStream{},
		acceptors: map[uint64]*Acceptor{},
		groups:    map[uint16]struct{}{},
	}
	r.head, _ = q.CQ()
	r.ended = q.SQGiven() - q.SQSilent()
	if !r.disabled {
		r.own()
	}
	return r
}

func open(c Config, memory []byte) (*cgo.Ring, cgo.Params, int) {
	return openRaw(uint32(c.Entries), c.params(), memory)
}

func (c Config) params() cgo.Params {
	p := cgo.Params{
		Flags:        uint32(c.Flags),
		CQEntries:    uint32(c.CQEntries),
		SQThreadCPU:  uint32(c.SQThreadCPU),
		SQThreadIdle: units(c.SQThreadIdle, time.Millisecond),
	}
	if c.CQEntries > 0 {
		p.Flags |= cgo.SetupCQSize
	}
	if c.AttachTo != nil {
		p.Flags |= cgo.SetupAttachWQ
		p.WQFD = uint32(c.AttachTo.FD())
	}
	return p
}

// explain says what in the configuration made the kernel refuse a ring.
func explain(c Config, err error) error {
	switch {
	case errors.Is(err, syscall.EINVAL):
		if missing := missingFlag(c); missing != nil {
			return missing
		}
		if c.Flags&SetupSQAff != 0 {
			return fmt.Errorf("%w: is CPU %d, Config.SQThreadCPU, there and allowed?", err, c.SQThreadCPU)
		}
	case errors.Is(err, syscall.ENOMEM):
		if why := c.lacksMemory(); why != "" {
			return reasonedError{&OpError{opOpen, syscall.ENOMEM}, why}
		}
	}
	return err
}

// missingFlag finds the newest flag without which the kernel opens the ring.
func missingFlag(c Config) error {
	for _, s := range setupSince {
		if c.Flags&s.flag == 0 {
			continue
		}
		c.Flags &^= s.flag
		if c.check() != nil {
			continue // not a valid set without it; go on to what needs it
		}
		if raw, _, rc := open(c, nil); rc >= 0 {
			closeRaw(raw)
			if s.flag == SetupNoMMap && c.Memory != nil && probeNoMMap.Check() == nil {
				return &feature.MissingError{Feature: "Config.Memory for queues larger than a page, without huge pages", Since: kernel.V(6, 14), Cause: syscall.EINVAL}
			}
			return &feature.MissingError{Feature: s.name, Since: s.since, Cause: syscall.EINVAL}
		}
	}
	return nil
}

// Serve opens a ring for a single issuer on a thread of its own, calls fn with
// it there and closes it. It is the fastest way to use a ring: c.Flags gets
// [SetupSingleIssuer] and, unless it has SetupSQPoll, [SetupDeferTaskrun].
//
// The ring must be used by fn only, in the goroutine that calls it, and not
// after fn returns. Serve returns what fn returns joined with what Close does.
func Serve(c Config, fn func(*Ring) error) error {
	done := make(chan error, 1)
	go func() {
		// The kernel binds the ring to the thread that opens it, so lock first.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := errGoexit
		defer func() { done <- err }()
		err = serve(c, fn)
	}()
	return <-done
}

var errGoexit = errors.New("uring: the function that Serve called ended its goroutine: runtime.Goexit, or FailNow in a test")

func serve(c Config, fn func(*Ring) error) (err error) {
	c.Flags |= SetupSingleIssuer
	if c.Flags&SetupSQPoll == 0 {
		c.Flags |= SetupDeferTaskrun
	}
	r, err := New(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return fn(r)
}

// Enable starts a ring that was opened with [SetupRDisabled]. With
// [SetupSingleIssuer] the calling thread becomes the owner. See
// io_uring_enable_rings(3).
func (r *Ring) Enable() error {
	if r.gone() {
		return r.usable()
	}
	if err := check(opEnable, r.drv.Enable()); err != nil {
		return err
	}
	r.disabled = false
	r.own()
	return nil
}

func (r *Ring) own() {
	if r.flags&SetupSingleIssuer != 0 {
		r.owner = currentThread()
	}
}

// The kernel takes a closed ring apart in the background. Until it has, up to
// tenths of a second later, the ring's memory and what was registered with it
// still count against RLIMIT_MEMLOCK: a program that opens a ring for each
// piece of work would be told that the limit is too low. It only has to wait.
var settleTime = time.Second // tests with a kernel of their own set it to 0

const settlePause = time.Millisecond

// lastClosed is when the process last closed a ring, in nanoseconds since
// started. 0 is never.
var (
	started    = time.Now()
	lastClosed atomic.Int64
)

// openRaw opens a ring; closeRaw closes it. It returns the parameters as the kernel
// changed them.
func openRaw(entries uint32, asked cgo.Params, memory []byte) (raw *cgo.Ring, p cgo.Params, rc int) {
	rc = settled(func() (rc int) {
		p = asked
		raw, rc = cgo.Open(entries, &p, memory)
		return rc
	})
	return raw, p, rc
}

// setupRaw opens a ring without mapping it, and returns its descriptor.
func setupRaw(entries uint32, p cgo.Params, raw *cgo.RawParams) int {
	return settled(func() int { return cgo.Setup(entries, p, raw) })
}

// closeRaw closes a ring and frees its memory. Close every ring through closeRaw:
// later opens wait for the memory that it frees.
func closeRaw(ring interface{ Exit() }) {
	ring.Exit()
	lastClosed.Store(int64(time.Since(started)))
}

// settled makes a call that takes locked memory. While it finds none, and a closed
// ring may still have to give some back, it repeats the call.
func settled(call func() int) int {
	rc := call()
	for rc == -int(syscall.ENOMEM) && settling() {
		time.Sleep(settlePause)
		rc = call()
	}
	return rc
}

func settling() bool {
	at := lastClosed.Load()
	return at != 0 && time.Since(started)-time.Duration(at) < settleTime
}

// SetupParams is what the kernel says of a ring that [Setup] opened: the 120
// bytes of a struct io_uring_params. They go with the descriptor to where it is
// used.
type SetupParams cgo.RawParams

// Setup opens a ring for [OpenFD] to map, in this process or in another one of the
// same machine, which gets the descriptor over a UNIX socket or by inheritance. So
// a process that may open rings can serve those that may not. The caller closes
// the descriptor; exec closes it unless that is changed.
//
// With [SetupRDisabled] the ring belongs to the thread that calls [Ring.Enable];
// without it, [SetupSingleIssuer] makes it the caller's. Setup does not support
// [Config.Memory], [SetupNoMMap] or [SetupIOPoll]. It refuses [SetupSQPoll]: the
// kernel's thread works with the memory and the descriptors of the process that
// opened the ring, so requests of another process would write over its memory.
// Errors are those of [New]. See io_uring_setup(2).
//
//uring:covers io_uring_setup
func Setup(c Config) (fd int, p SetupParams, err error) {
	c, err = c.normalize()
	if err != nil {
		return -1, p, err
	}
	if no := c.Flags & (SetupNoMMap | SetupIOPoll | SetupSQPoll); no != 0 {
		return -1, p, fmt.Errorf("uring: Setup does not go with %v", no)
	}
	rc := setupRaw(uint32(c.Entries), c.params(), (*cgo.RawParams)(&p))
	if err := check(opOpen, rc); err != nil {
		return -1, SetupParams{}, explain(c, err)
	}
	return rc, p, nil
}

// flags returns the ring's flags, the third word.
func (p *SetupParams) flags() uint32 { return binary.NativeEndian.Uint32(p[8:]) }

// OpenFD maps a ring that [Setup] opened and that nothing was submitted to. The
// descriptor then belongs to the ring, which closes it. A process that forks
// off others, or hands a descriptor on, must leave the ring to one of them. See
// io_uring_queue_mmap(3).
func OpenFD(fd int, p SetupParams) (*Ring, error) {
	if SetupFlags(p.flags())&SetupSQPoll != 0 {
		return nil, errors.New("uring: OpenFD does not go with SetupSQPoll: the kernel's thread would use the memory and descriptors of the process that opened the ring")
	}
	raw, params, rc := cgo.Map(fd, (*cgo.RawParams)(&p))
	switch syscall.Errno(-rc) {
	case syscall.EBADMSG:
		return nil, errors.New("uring: OpenFD: the SetupParams are not those of the descriptor's ring")
	case syscall.EBUSY:
		return nil, wrapf("OpenFD: %w: requests have been submitted to the ring", ErrBusy)
	}
	if err := check(opMap, rc); err != nil {
		return nil, err
	}
	r := opened(raw, params)
	r.owner = thread{} // whoever called Setup, or will call Enable
	return r, nil
}
