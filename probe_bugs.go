package uring

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/feature"
)

// A KernelBug is a known fault of some kernels, and whether the running one
// has it.
type KernelBug struct {
	Name        string
	Consequence string // what the package does about it where it is seen
	Seen        bool
	Answer      string // what the kernel did, if Seen
	Err         error  // why it could not be found out
}

// KernelBugs looks for the kernel bugs that the package can provoke. Each is
// tried once, which takes a few milliseconds and a TCP connection on the
// loopback interface.
func KernelBugs() []KernelBug {
	list := make([]KernelBug, len(bugs))
	for i, b := range bugs {
		answer, err := b.check()
		list[i] = KernelBug{Name: b.name, Consequence: b.consequence, Seen: answer != "", Answer: answer, Err: err}
	}
	return list
}

// A bug is something that a kernel may do wrong.
type bug struct {
	name        string
	consequence string
	// look provokes the bug. It returns what the kernel did wrong, "" if it did
	// right, and an error if that could not be found out. An error that matches
	// ErrNotSupported means that the kernel lacks the feature that has the bug.
	look func() (answer string, err error)

	mu     sync.Mutex
	done   bool
	answer string
}

// check calls look until it has an answer, and then returns that answer.
func (b *bug) check() (answer string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return b.answer, nil
	}
	answer, err = b.look()
	if err != nil && (!errors.Is(err, ErrNotSupported) || feature.IsUnknown(err)) {
		return "", wrapf("could not find out whether the kernel has a bug (%s): %w", b.name, err)
	}
	b.done, b.answer = true, answer
	return answer, nil
}

// off returns the reason to switch a feature off if the kernel has the bug.
func (b *bug) off() error {
	answer, err := b.check()
	if err == nil && answer != "" {
		err = feature.Off(fmt.Sprintf("this kernel has a bug (%s): it %s", b.name, answer))
	}
	return err
}

var bugs = []*bug{
	bugShortened, bugOrder, bugIncrementalOrder, bugIncrementalSteps, bugBundleBufMore, bugEOFBufMore, bugErrorBuffer, bugTrunc, bugWaitAll,
	bugMissedEnd, bugClone, bugEventFD, bugLateCommand, bugHeldZC, bugUncountedZC,
}

var (
	bugShortened = &bug{
		name:        "receive bundles shorten buffers",
		consequence: "receive bundles are switched off, except into incremental buffers",
		look:        onTrialLook(lookShortened),
	}
	bugOrder = &bug{
		name:        "receive bundles out of order",
		consequence: "receive bundles are switched off, except into incremental buffers",
		look:        func() (string, error) { return lookOrder(false) },
	}
	bugIncrementalOrder = &bug{
		name:        "receive bundles into incremental buffers out of order",
		consequence: "receive bundles into incremental buffers are switched off",
		look:        func() (string, error) { return lookOrder(true) },
	}
	bugIncrementalSteps = &bug{
		name:        "receive bundles fill incremental buffers in steps",
		consequence: "receive bundles into incremental buffers are switched off",
		look:        onTrialLook(lookSteps),
	}
	bugBundleBufMore = &bug{
		name:        "IORING_CQE_F_BUF_MORE wrong on receive bundles",
		consequence: "none: a BufRing counts bytes by itself",
		look:        onTrialLook(lookBundleBufMore),
	}
	bugEOFBufMore = &bug{
		name:        "IORING_CQE_F_BUF_MORE missing at the end of a stream",
		consequence: "none: a BufRing counts bytes by itself",
		look:        onTrialLook(lookEOFBufMore),
	}
	bugErrorBuffer = &bug{
		name:        "an error names a buffer that the kernel keeps",
		consequence: "none: a BufRing asks the kernel whose the buffer is",
		look:        onTrialLook(lookErrorBuffer),
	}
	bugTrunc = &bug{
		name:        "MSG_TRUNC takes from two incremental buffers",
		consequence: "none: receives with MSG_TRUNC are refused, except of messages, which have it right",
		look:        onTrialLook(lookTrunc),
	}
	bugWaitAll = &bug{
		name:        "MSG_WAITALL loses count of incremental buffers",
		consequence: "none: MSG_WAITALL is refused with incremental buffers",
		look:        onTrialLook(lookWaitAll),
	}
)

func onTrialLook(look func(*trial) (string, error)) func() (string, error) {
	return func() (answer string, err error) {
		err = onTrial(0, func(t *trial) error {
			answer, err = look(t)
			return err
		})
		return answer, err
	}
}

// 1.5 buffers of data are received at once. Some kernels shorten the second
// buffer to the half that they need, before they receive. If nothing comes
// then, the buffer stays short for the receives of other streams.
func lookShortened(t *trial) (string, error) {
	const size = 1024
	a, b, err := t.tcpPair()
	if err != nil {
		return "", err
	}
	if err := t.buffers(0, 4, size); err != nil {
		return "", err
	}
	if err := t.queue(b, a, size+size/2); err != nil {
		return "", err
	}
	c, err := t.do(cgo.SQE{Opcode: cgo.OpRecv, FD: a, Flags: cgo.SQEBufferSelect, IOPrio: cgo.RecvSendBundle})
	if err != nil {
		return "", err
	}
	if c.Res <= 0 {
		return "", unexpected(c)
	}
	if _, n := t.entry(1); n != size {
		return fmt.Sprintf("shortened a buffer of %d bytes to %d", size, n), nil
	}
	return "", nil
}

// What incrementalBundle receives, and the size of its buffers.
const (
	bundleBuffer = 4096
	bundleBytes  = bundleBuffer * 5 / 2
)

// incrementalBundle receives 2.5 buffers of data at once into incremental buffers.
func (t *trial) incrementalBundle() (cgo.CQE, error) {
	a, b, err := t.tcpPair()
	if err != nil {
		return cgo.CQE{}, err
	}
	if err := t.buffers(cgo.PbufRingInc, 4, bundleBuffer); err != nil {
		return cgo.CQE{}, err
	}
	if err := t.queue(b, a, bundleBytes); err != nil {
		return cgo.CQE{}, err
	}
	c, err := t.do(cgo.SQE{Opcode: cgo.OpRecv, FD: a, Flags: cgo.SQEBufferSelect, IOPrio: cgo.RecvSendBundle})
	if err == nil && c.Res <= 0 {
		err = unexpected(c)
	}
	return c, err
}

// Some kernels fill one buffer, look for more, and fill another. Where connections were
// reset, the entry of a buffer with bytes in it has been seen to say that it is unused.
func lookSteps(t *trial) (string, error) {
	c, err := t.incrementalBundle()
	if err == nil && c.Res < bundleBytes {
		return fmt.Sprintf("received %d bytes of %d that were there", c.Res, bundleBytes), nil
	}
	return "", err
}

// The last of the buffers has room left.
func lookBundleBufMore(t *trial) (string, error) {
	c, err := t.incrementalBundle()
	if err != nil {
		return "", err
	}
	return compareBufMore(c, c.Res%bundleBuffer != 0), nil
}

// The end of a pipe leaves a buffer as it was.
func lookEOFBufMore(t *trial) (string, error) {
	in, out, err := t.pipe()
	if err != nil {
		return "", err
	}
	if err := t.buffers(cgo.PbufRingInc, 1, 256); err != nil {
		return "", err
	}
	read := cgo.SQE{Opcode: cgo.OpRead, FD: in, Off: CurrentOffset, Len: 32, Flags: cgo.SQEBufferSelect}
	c, err := t.do(cgo.SQE{Opcode: cgo.OpWrite, FD: out, Off: CurrentOffset, Addr: t.spare(), Len: 5})
	if err := result(c, err, 5); err != nil {
		return "", err
	}
	c, err = t.do(read)
	if err := result(c, err, 5); err != nil {
		return "", err
	}
	t.closeFD(out)
	c, err = t.do(read)
	if err := result(c, err, 0); err != nil {
		return "", err
	}
	if c.Flags&cgo.CQEFBuffer == 0 {
		return "", nil // the completion says nothing about a buffer
	}
	return compareBufMore(c, true), nil
}

// A receive that finds nothing uses no buffer.
func lookErrorBuffer(t *trial) (string, error) {
	fd, _, err := t.pair(cgo.SockStream)
	if err != nil {
		return "", err
	}
	if err := t.buffers(0, 1, 64); err != nil {
		return "", err
	}
	c, err := t.do(cgo.SQE{Opcode: cgo.OpRecv, FD: fd, OpFlags: cgo.MsgDontWait, Flags: cgo.SQEBufferSelect})
	if err := result(c, err, -int(syscall.EAGAIN)); err != nil {
		return "", err
	}
	// Without an answer, on old kernels, the buffer is the program's.
	if c.Flags&cgo.CQEFBuffer != 0 && t.ring.BufRingHead(trialGroup) == 0 {
		return "a receive that failed with EAGAIN named a buffer, and the kernel kept it", nil
	}
	return "", nil
}

// A datagram of 150 bytes fills a buffer of 100; the next one must stay whole.
func lookTrunc(t *trial) (string, error) {
	a, b, err := t.pair(cgo.SockDgram)
	if err != nil {
		return "", err
	}
	if err := t.buffers(cgo.PbufRingInc, 2, 100); err != nil {
		return "", err
	}
	if err := t.send(b, 150); err != nil {
		return "", err
	}
	c, err := t.do(cgo.SQE{Opcode: cgo.OpRecv, FD: a, OpFlags: cgo.MsgTrunc, Flags: cgo.SQEBufferSelect})
	if err := result(c, err, 150); err != nil {
		return "", err
	}
	if _, n := t.entry(1); n != 100 {
		return fmt.Sprintf("a datagram of 150 bytes filled a buffer of 100 and left %d of the next", n), nil
	}
	return "", nil
}

// A receive gets its bytes in two parts. As many must be gone from the buffer
// as it reports.
func lookWaitAll(t *trial) (string, error) {
	const size = 4096
	a, b, err := t.pair(cgo.SockStream)
	if err != nil {
		return "", err
	}
	if err := t.buffers(cgo.PbufRingInc, 1, size); err != nil {
		return "", err
	}
	if err := t.queue(b, a, 0x100); err != nil {
		return "", err
	}
	recv, err := t.start(cgo.SQE{
		Opcode: cgo.OpRecv, FD: a, Len: 0x400, OpFlags: cgo.MsgWaitAll, Flags: cgo.SQEBufferSelect,
	})
	if err != nil {
		return "", err
	}
	// More than is missing: some kernels wait for more.
	if _, err := t.start(cgo.SQE{Opcode: cgo.OpSend, FD: b, Addr: t.spare(), Len: 0x400}); err != nil {
		return "", err
	}
	c, err := t.wait(recv)
	if err != nil {
		return "", err
	}
	if c.Res <= 0 {
		return "", unexpected(c)
	}
	if _, n := t.entry(0); size-int32(n) != c.Res {
		return fmt.Sprintf("received %d bytes and took %d from the buffer", c.Res, size-n), nil
	}
	return "", nil
}

// compareBufMore says what is wrong with the flag.
func compareBufMore(c cgo.CQE, want bool) string {
	switch got := c.Flags&cgo.CQEFBufMore != 0; {
	case want && !got:
		return fmt.Sprintf("a completion of %d bytes came without the flag, and the buffer had room left", c.Res)
	case got && !want:
		return fmt.Sprintf("a completion of %d bytes came with the flag, and no room was left", c.Res)
	}
	return ""
}

// result checks the result of a request that has only one.
func result(c cgo.CQE, err error, want int) error {
	if err == nil && int(c.Res) != want {
		err = unexpected(c)
	}
	return err
}

func unexpected(c cgo.CQE) error {
	if c.Res < 0 {
		return noIfInvalid(check(opTry, int(c.Res)))
	}
	return fmt.Errorf("unexpected result %d with flags %#x", c.Res, c.Flags)
}

var bugMissedEnd = &bug{
	name:        "a multishot receive misses the end",
	consequence: "a PrepPollAdd beside the receive notices: see SQE.PrepRecvMultishot; uring proxy has one",
	look: func() (answer string, err error) {
		for _, end := range []streamEnd{
			{"the end", (*trial).endedStream, 0},
			{"the reset", (*trial).resetStream, -int(syscall.ECONNRESET)},
		} {
			answer, err = onTrialLook(end.look)()
			if answer != "" || err != nil {
				break
			}
		}
		return answer, err
	},
}

// A streamEnd is one way in which a stream ends.
type streamEnd struct {
	what   string
	open   func(t *trial, n int) (fd int32, err error) // with n bytes to receive, and the end after them
	result int                                         // of a receive at the end
}

// look receives a stream with a multishot receive. After 32 buffers such a
// receive pauses, and goes on as if the data that is there had just come. A
// kernel with the bug takes the rest of the data and then waits, even if the
// stream has ended by then.
func (end streamEnd) look(t *trial) (string, error) {
	const n = 40
	if err := t.buffers(0, n+1, 1); err != nil {
		return "", err
	}
	fd, err := end.open(t, n)
	if err != nil {
		return "", err
	}
	recv, err := t.start(cgo.SQE{Opcode: cgo.OpRecv, FD: fd, Flags: cgo.SQEBufferSelect, IOPrio: cgo.RecvMultishot})
	if err != nil {
		return "", err
	}
	for range n {
		c, err := t.wait(recv)
		if err := result(c, err, 1); err != nil {
			return "", err
		}
	}
	timer, err := t.start(cgo.SQE{Opcode: cgo.OpTimeout, FD: -1, Addr: t.time(20 * time.Millisecond), Len: 1})
	if err != nil {
		return "", err
	}
	switch c, err := t.next(); {
	case err != nil:
		return "", err
	case c.UserData == timer:
		return fmt.Sprintf("received %d bytes, and never %s of the stream that came after them", n, end.what), nil
	default:
		return "", result(c, nil, end.result)
	}
}

var bugClone = &bug{
	name:        "cloned buffers drop those behind them",
	consequence: "CloneBuffersAt is refused where buffers are registered after the slots that it replaces",
	look:        onTrialLook(lookClone),
}

// Of two registered buffers the first is replaced. The second must stay.
func lookClone(t *trial) (string, error) {
	other, _, rc := openRaw(1, cgo.Params{}, nil)
	if rc < 0 {
		return "", check(opOpen, rc)
	}
	defer closeRaw(other)
	page := cgo.IovecAddr{Addr: t.spare(), Len: 4096}
	for ring, buffers := range map[*cgo.Ring][]cgo.IovecAddr{other: {page}, t.ring: {page, page}} {
		if err := check(opRegisterBuffers, settled(func() int { return ring.RegisterBuffers(buffers, nil) })); err != nil {
			return "", err
		}
	}
	const replace = cgo.RegisterDstReplace
	if err := verdict(opTry, cloneResult(replace, t.ring.CloneBuffers(other, 0, 0, 1, replace))); err != nil {
		return "", err
	}
	_, out, err := t.pipe()
	if err != nil {
		return "", err
	}
	c, err := t.do(cgo.SQE{Opcode: cgo.OpWriteFixed, FD: out, Off: CurrentOffset, Addr: page.Addr, Len: 1, BufIndex: 1})
	if err == nil && c.Res == -int32(syscall.EFAULT) {
		return "replaced the first buffer of a ring by one of another's, and dropped the second", nil
	}
	return "", result(c, err, 1)
}

var bugLateCommand = &bug{
	name:        "commands that start late read another entry",
	consequence: "none: commands in chains, and on rings that have had a Drain, get Async",
	look:        onTrialLook(lookLateCommand),
}

// A command waits in a chain until its entry is used again. Some kernels read only
// then what it is to do.
func lookLateCommand(t *trial) (string, error) {
	a, _, err := t.tcpPair()
	if err != nil {
		return "", err
	}
	value, addr := t.bytes(trialData, 4)
	binary.NativeEndian.PutUint32(value, 1)
	command := cgo.SQE{
		Opcode: cgo.OpUringCmd, FD: a, Off: cgo.SocketOpSetsockopt, Addr: words(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE),
		FileIndex: uint32(len(value)), Addr3: addr,
	}
	if c, err := t.do(command); err != nil || c.Res != 0 {
		return "", cmp.Or(err, unexpected(c))
	}
	timer := cgo.SQE{Opcode: cgo.OpTimeout, FD: -1, Addr: t.time(10 * time.Millisecond), Len: 1, OpFlags: cgo.TimeoutETimeSuccess, Flags: cgo.SQEIOLink}
	if err := t.prepare(timer); err != nil {
		return "", err
	}
	late, err := t.start(command)
	if err != nil {
		return "", err
	}
	for range trialDepth {
		if _, err := t.start(cgo.SQE{Opcode: cgo.OpNop, FD: -1}); err != nil {
			return "", err
		}
	}
	c, err := t.wait(late)
	if err == nil && c.Res < 0 {
		return fmt.Sprintf("did not set an option in a chain: %v", syscall.Errno(-c.Res)), nil
	}
	return "", result(c, err, 0)
}

var (
	bugHeldZC = &bug{
		name:        "a zero-copy send behind a Drain never starts",
		consequence: "zero-copy sends are refused on rings that have had a Drain; a SendQueue copies there",
		look:        onTrialLook(lookHeldZC),
	}
	bugUncountedZC = &bug{
		name:        "a Drain counts wrong after a zero-copy send",
		consequence: "Drain is refused on rings that have had a zero-copy send",
		look:        onTrialLook(lookUncountedZC),
	}
)

// drainTrial returns a request that sends without copying, and one that has Drain.
func (t *trial) drainTrial() (zc, drain cgo.SQE, err error) {
	a, _, err := t.tcpPair()
	_, data := t.bytes(trialData, 4)
	zc = cgo.SQE{Opcode: cgo.OpSendZC, FD: a, Addr: data, Len: 4, OpFlags: cgo.MsgNoSignal}
	return zc, cgo.SQE{Opcode: cgo.OpNop, FD: -1, Flags: cgo.SQEIODrain}, err
}

// The kernel waits for the notification of the send too, which only comes after it.
func lookHeldZC(t *trial) (string, error) {
	zc, drain, err := t.drainTrial()
	if err != nil {
		return "", err
	}
	if err := t.prepare(drain); err != nil {
		return "", err
	}
	held, err := t.start(zc)
	if err != nil {
		return "", err
	}
	for {
		c, err := t.nextUnlessStuck()
		if err == errStuck {
			t.running = 0 // until the ring goes, and of no memory
			return "never starts it, nor anything after it", nil
		}
		if err != nil || c.UserData == held {
			return "", result(c, err, 4)
		}
	}
}

// The kernel compares how many requests came with how many completions went, and a
// send has two.
func lookUncountedZC(t *trial) (string, error) {
	zc, drain, err := t.drainTrial()
	if err != nil {
		return "", err
	}
	if c, err := t.do(zc); err != nil || c.Res != 4 {
		return "", cmp.Or(err, unexpected(c))
	}
	if c, err := t.next(); err != nil || c.Flags&cgo.CQEFNotif == 0 {
		return "", cmp.Or(err, unexpected(c))
	}
	timer, err := t.start(cgo.SQE{Opcode: cgo.OpTimeout, FD: -1, Addr: t.time(10 * time.Millisecond), Len: 1})
	if err != nil {
		return "", err
	}
	if _, err := t.start(drain); err != nil {
		return "", err
	}
	if c, err := t.next(); err != nil || c.UserData != timer {
		return "did not let it wait for a request before it", err
	}
	_, err = t.nextUnlessStuck()
	if err == errStuck {
		t.running = 0
		return "never lets it start", nil
	}
	return "", err
}
