package uring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
)

// A trial is a throw-away ring to try requests on, with some memory that they
// may use.
type trial struct {
	ring     *cgo.Ring
	setup    cgo.Params
	mem      *arena.Mapping
	fds      []int
	deadline time.Time
	started  uint64 // requests; also the user data of the last one
	running  int    // requests whose last completion has not come
}

const (
	trialDepth  = 8 // entries of the submission queue
	trialMemory = 64 << 10
	// trialTime is how long a trial may take. It takes microseconds; the rest
	// is for a busy machine.
	trialTime = 2 * time.Second
)

var errNoAnswer = fmt.Errorf("no answer from the kernel in %v", trialTime)

// onTrial opens a ring with the given setup flags, calls f with it and leaves
// nothing open.
func onTrial(flags uint32, f func(*trial) error) error {
	// Some setup flags bind the ring to the thread that opens it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := denied(); err != nil {
		return err
	}
	ring, setup, rc := openRaw(trialDepth, cgo.Params{Flags: flags | cgo.SetupCQSize, CQEntries: 64}, nil)
	if rc < 0 {
		return check(opOpen, rc)
	}
	t := &trial{ring: ring, setup: setup, deadline: time.Now().Add(trialTime)}
	defer t.close()
	var err error
	if t.mem, err = arena.Map(trialMemory, false); err != nil {
		return fmt.Errorf("uring: map memory: %w", err)
	}
	return f(t)
}

// denied returns why no trial can tell anything here: what is tried needs all
// three system calls, and where one is refused it is not the kernel that answers.
func denied() error {
	for _, op := range []string{opOpen, opSubmit, opRegister} {
		if errno := cgo.Denied(callOf(op)); errno != 0 {
			return feature.Unknown(&OpError{op, errno})
		}
	}
	return nil
}

// close ends what still runs. Memory that a request may still use is not
// unmapped, as something else would get its address.
func (t *trial) close() {
	t.deadline = time.Now().Add(trialTime)
	if t.running > 0 {
		t.ring.SyncCancelAll(int64(trialTime))
	}
	for _, fd := range t.fds {
		cgo.CloseFD(fd)
	}
	for t.running > 0 {
		if _, err := t.next(); err != nil {
			break
		}
	}
	closeRaw(t.ring)
	if t.running == 0 && t.mem != nil {
		_ = t.mem.Unmap()
	}
}

// start submits a request, after those that were prepared, and returns its user data.
func (t *trial) start(request cgo.SQE) (id uint64, err error) {
	if err := t.prepare(request); err != nil {
		return 0, err
	}
	for {
		rc := t.ring.Submit()
		if rc != -int(syscall.EINTR) {
			return t.started, check(opSubmit, rc)
		}
	}
}

// prepare queues a request.
func (t *trial) prepare(request cgo.SQE) error {
	if time.Now().After(t.deadline) {
		return errNoAnswer
	}
	sqe := t.ring.NextSQE()
	if sqe == nil {
		return ErrSQFull
	}
	t.started++
	t.running++
	*sqe = request
	sqe.UserData = t.started
	return nil
}

// do submits a request and returns its first completion.
func (t *trial) do(request cgo.SQE) (cgo.CQE, error) {
	id, err := t.start(request)
	if err != nil {
		return cgo.CQE{}, err
	}
	return t.wait(id)
}

// wait returns the next completion of a request and drops those of others.
func (t *trial) wait(id uint64) (cgo.CQE, error) {
	for {
		c, err := t.next()
		if err != nil || c.UserData == id {
			return c, err
		}
	}
}

// next returns the next completion.
func (t *trial) next() (cgo.CQE, error) {
	for {
		if c, ok := t.peek(); ok {
			return c, nil
		}
		left := time.Until(t.deadline)
		if left <= 0 {
			return cgo.CQE{}, errNoAnswer
		}
		rc := t.ring.SubmitAndWaitTimeout(1, int64(left), 0)
		if rc < 0 && rc != -int(syscall.EINTR) && rc != -cgo.ETime {
			return cgo.CQE{}, check(opWait, rc)
		}
	}
}

var errStuck = errors.New("the ring is stuck")

// nextUnlessStuck returns the next completion, or errStuck if none comes while another
// ring starts requests behind a Drain again and again.
func (t *trial) nextUnlessStuck() (c cgo.CQE, err error) {
	err = onTrial(0, func(other *trial) error {
		for range 100 {
			var ok bool
			if c, ok = t.peek(); ok {
				return nil
			}
			for _, flags := range []uint8{cgo.SQEIODrain, 0} {
				if _, err := other.do(cgo.SQE{Opcode: cgo.OpNop, FD: -1, Flags: flags}); err != nil {
					return err
				}
			}
		}
		return errStuck
	})
	return c, err
}

func (t *trial) peek() (cgo.CQE, bool) {
	for head, tail := t.ring.CQ(); head != tail; {
		c, next, ok := t.ring.CQE(head)
		t.ring.SetCQHead(next)
		if ok {
			if c.Flags&cgo.CQEFMore == 0 {
				t.running--
			}
			return c, true
		}
		head = next
	}
	return cgo.CQE{}, false
}

// pair returns a pair of connected UNIX sockets.
func (t *trial) pair(typ int) (a, b int32, err error) {
	return t.keep(cgo.Socketpair(typ))
}

// pipe returns the two ends of a pipe.
func (t *trial) pipe() (in, out int32, err error) {
	return t.keep(cgo.Pipe())
}

// tcpPair returns a TCP connection on the loopback interface.
func (t *trial) tcpPair() (a, b int32, err error) {
	return t.keep(cgo.TCPPair())
}

// socket returns a UDP socket.
func (t *trial) socket() (int32, error) {
	c, err := t.do(cgo.SQE{Opcode: cgo.OpSocket, FD: cgo.AFInet, Off: cgo.SockDgram | cgo.SockCloexec})
	if err != nil {
		return -1, err
	}
	if err := verdict("open a socket", int(c.Res)); err != nil {
		return -1, err
	}
	t.fds = append(t.fds, int(c.Res))
	return c.Res, nil
}

// keep closes the descriptors when the trial is over.
func (t *trial) keep(fds [2]int, rc int) (a, b int32, err error) {
	if err := check(opConnectPair, rc); err != nil {
		return -1, -1, err
	}
	t.fds = append(t.fds, fds[0], fds[1])
	return int32(fds[0]), int32(fds[1]), nil
}

// closeFD closes one of the trial's descriptors before its end.
func (t *trial) closeFD(fd int32) {
	i := slices.Index(t.fds, int(fd))
	t.fds = slices.Delete(t.fds, i, i+1)
	cgo.CloseFD(int(fd))
}

const opConnectPair = "open a connection (is the loopback interface up?)"

// bytes returns n bytes of the trial's memory from off on, and their address.
func (t *trial) bytes(off, n int) ([]byte, uint64) {
	p := t.mem.Bytes()[off : off+n : off+n]
	return p, arena.Addr(p)
}

// knows submits a request and reports whether the kernel knows it: one that does
// not answers EINVAL or EOPNOTSUPP, and one that does carries it out, or gives
// one of the errors in yes.
func (t *trial) knows(request cgo.SQE, yes ...syscall.Errno) error {
	c, err := t.do(request)
	if err != nil {
		return err
	}
	return verdict(opTry, int(c.Res), yes...)
}

const opTry = "try a request"

// verdict is the answer that the result of a call or request gives to a probe.
func verdict(op string, res int, yes ...syscall.Errno) error {
	if res >= 0 || slices.Contains(yes, syscall.Errno(-res)) {
		return nil
	}
	return noIfInvalid(check(op, res))
}

// noIfInvalid turns the errors by which the kernel refuses what it does not
// know into the answer no.
func noIfInvalid(err error) error {
	var errno syscall.Errno
	if !feature.IsUnknown(err) && errors.As(err, &errno) && (errno == syscall.EINVAL || errno == syscall.EOPNOTSUPP) {
		return feature.No(errno)
	}
	return err
}

// trialProbe probes by doing something with a ring.
func trialProbe(name string, since kernel.Version, advice string, try func(*trial) error) *feature.Probe {
	return &feature.Probe{Name: name, Since: since, Advice: advice, Try: func() error {
		return onTrial(0, try)
	}}
}

// acceptProbe probes by submitting an accept that names no file. A kernel that
// knows everything in it then looks for the file and answers EBADF; one that
// does not answers EINVAL before that.
func acceptProbe(name string, since kernel.Version, advice string, request cgo.SQE) *feature.Probe {
	return trialProbe(name, since, advice, func(t *trial) error {
		request.Opcode, request.FD = cgo.OpAccept, -1
		return t.knows(request, syscall.EBADF)
	})
}

// sendProbe probes by sending from a socket that has no address to send to. A
// kernel that knows everything in the request answers that, or that there is no
// registered buffer; one that does not answers EINVAL. It sends nothing and
// needs no network.
func sendProbe(name string, since kernel.Version, advice string, request func(*trial) cgo.SQE) *feature.Probe {
	return trialProbe(name, since, advice, func(t *trial) error {
		fd, err := t.socket()
		if err != nil {
			return err
		}
		sqe := request(t)
		sqe.FD = fd
		return t.knows(sqe, syscall.EDESTADDRREQ, syscall.ENOTCONN, syscall.EFAULT)
	})
}

const (
	trialGroup   = 0
	trialEntries = 64 // in the group, whose entries are at the start of the trial's memory
)

// group registers a group without buffers.
func (t *trial) group(flags, minLeft uint32) error {
	return verdict(opRegisterBufRing, t.ring.RegisterBufRing(t.mem.Pointer(), trialEntries, trialGroup, flags, minLeft))
}

// provide gives buffers to the group.
func (t *trial) provide(slots ...cgo.Slot) {
	cgo.Refill(t.mem.Pointer(), trialEntries-1, slots)
}

// data returns the address of memory that is free to use.
func (t *trial) data() uint64 {
	_, addr := t.bytes(trialData, trialMemory-trialData)
	return addr
}

// iovec writes a struct iovec of 8 bytes and returns its address.
func (t *trial) iovec() uint64 {
	p, addr := t.bytes(trialIovec, 16)
	binary.NativeEndian.PutUint64(p[0:], t.data())
	binary.NativeEndian.PutUint64(p[8:], 8)
	return addr
}

// buffers makes a group of n buffers of the given size.
func (t *trial) buffers(flags uint32, n int, size uint32) error {
	if err := t.group(flags, 0); err != nil {
		return err
	}
	slots := make([]cgo.Slot, n)
	for i := range slots {
		slots[i] = cgo.Slot{Addr: t.data() + uint64(i)*uint64(size), Len: size, BID: uint16(i)}
	}
	t.provide(slots...)
	return nil
}

// entry reads an entry of the group. No request may be running.
func (t *trial) entry(i int) (addr uint64, n uint32) {
	p, _ := t.bytes(i*16, 16)
	return binary.NativeEndian.Uint64(p), binary.NativeEndian.Uint32(p[8:])
}

// spare returns the address of memory after the buffers.
func (t *trial) spare() uint64 { return t.data() + trialMemory/2 }

// send sends n bytes.
func (t *trial) send(fd int32, n int) error {
	c, err := t.do(cgo.SQE{Opcode: cgo.OpSend, FD: fd, Addr: t.spare(), Len: uint32(n), OpFlags: cgo.MsgNoSignal})
	return result(c, err, n)
}

// queue sends n bytes and waits until a receive would find all of them.
func (t *trial) queue(from, to int32, n int) error {
	if err := t.send(from, n); err != nil {
		return err
	}
	for {
		c, err := t.do(cgo.SQE{Opcode: cgo.OpRecv, FD: to, Addr: t.spare(), Len: uint32(n), OpFlags: cgo.MsgPeek})
		if err != nil {
			return err
		}
		if c.Res <= 0 {
			return unexpected(c)
		}
		if int(c.Res) == n {
			return nil
		}
	}
}

// time writes a struct timespec and returns its address.
func (t *trial) time(d time.Duration) uint64 {
	p, addr := t.bytes(trialIovec, 16)
	binary.NativeEndian.PutUint64(p, 0)
	binary.NativeEndian.PutUint64(p[8:], uint64(d))
	return addr
}

// endedStream returns the end of a UNIX stream whose other end is closed.
func (t *trial) endedStream(n int) (fd int32, err error) {
	a, b, err := t.pair(cgo.SockStream)
	if err != nil {
		return -1, err
	}
	if err := t.queue(b, a, n); err != nil {
		return -1, err
	}
	t.closeFD(b)
	return a, nil
}

// resetStream returns the end of a TCP connection that the other end has reset:
// connecting that to an address of no family does.
func (t *trial) resetStream(n int) (fd int32, err error) {
	a, b, err := t.tcpPair()
	if err != nil {
		return -1, err
	}
	if err := t.queue(b, a, n); err != nil {
		return -1, err
	}
	nowhere, addr := t.bytes(trialIovec, 16)
	clear(nowhere)
	c, err := t.do(cgo.SQE{Opcode: cgo.OpConnect, FD: b, Addr: addr, Off: uint64(len(nowhere))})
	if err := result(c, err, 0); err != nil {
		return -1, err
	}
	c, err = t.do(cgo.SQE{Opcode: cgo.OpPollAdd, FD: a}) // for nothing but the reset
	if err != nil {
		return -1, err
	}
	return a, check(opTry, int(c.Res))
}

// setupProbe probes for setup flags by opening a ring with them. The newest of
// the flags gives the probe its name.
func setupProbe(flags SetupFlags, advice string) *feature.Probe {
	p := &feature.Probe{Advice: advice, Try: func() error {
		err := onTrial(uint32(flags), func(*trial) error { return nil })
		if major, minor := cgo.LinkedVersion(); flags&SetupNoMMap != 0 && errors.Is(err, syscall.ENOMEM) && major == 2 && minor < 15 {
			return feature.Off("this liburing takes a huge page for it, and none is reserved; 2.15 does not")
		}
		return noIfInvalid(err)
	}}
	for _, s := range setupSince {
		if flags&s.flag != 0 {
			p.Name, p.Since = s.name, s.since
			break
		}
	}
	return p
}

// featureBit probes for a bit that io_uring_setup(2) returns.
func featureBit(name string, since kernel.Version, bit uint32, advice string) *feature.Probe {
	return trialProbe(name, since, advice, func(t *trial) error {
		if t.setup.Features&bit == 0 {
			return ErrNotSupported
		}
		return nil
	})
}

// opProbe probes for an opcode, which the kernel says it knows.
func opProbe(name string, since kernel.Version, op int, advice string) *feature.Probe {
	return trialProbe(name, since, advice, func(t *trial) error {
		ops := make([]uint8, op+1)
		if rc := t.ring.Probe(ops); rc < 0 {
			return check("ask for the opcodes", rc)
		}
		if ops[op] == 0 {
			return ErrNotSupported
		}
		return nil
	})
}

func withBackports(p *feature.Probe, v ...kernel.Version) *feature.Probe {
	p.Backports = v
	return p
}
