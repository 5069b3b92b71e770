//go:build linux

package uring

import (
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

var (
	modelSeed  = flag.Int64("model.seed", 0, "seed of the model test's traffic; with 0 each run takes another, and prints it")
	modelSteps = flag.Int("model.steps", 3000, "steps of the model test with each kind of ring")
)

// Traffic is what a program may do with a ring, several connections and buffers
// that they share, on the kernel, in an order that a seed decides. It knows which
// bytes are to come, and what each completion is of.
type traffic struct {
	*rig
	*rand.Rand
	brs     []*BufRing
	conns   []*trafficConn
	held    []Segment
	wants   []string          // what the segments hold
	running map[uint64]string // requests whose last completion has not come
	count   uint32            // of requests
	depth   int               // of steps in the middle of others
}

// A trafficConn is a connection. The far end is played by plain system calls.
type trafficConn struct {
	*scope
	slot      uint32
	near, far int
	dgram     bool
	in        []byte // sent by the far end and not received yet
	sizes     []int  // of datagrams
	out       []byte // queued, and not read by the far end yet
	ended     bool   // the far end sends nothing more
	eof       bool   // and that was seen
	killed    bool   // the far end is gone
	recv      uint64 // user data of the receive that runs, or 0
	form      recvForm
	br        *BufRing // that it receives to
	msg       *Msg
	q         *SendQueue
}

// A scope is a test that ends before the test.
type scope struct {
	testing.TB
	cleanups []func()
}

func (s *scope) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *scope) end() {
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
}

type recvForm int

const (
	recvSingle recvForm = iota
	recvSingleBundle
	recvMultishot
	recvMultishotBundle
	recvRead
	recvReadMultishot
	recvMessages
	recvForms
)

const (
	trafficConns = 7
	trafficEnds  = 4000 // bytes that wait at most in one direction
	largestDgram = 40   // with a header it fits into each buffer
	messageRoom  = 80   // that MinLeft keeps for a message
	kindQueue    = 1
	kindRequest  = 2
)

func newTraffic(t *testing.T, config Config, seed int64) *traffic {
	t.Helper()
	config.Entries, config.CQEntries = 8, 8 // it overflows all the time
	f := &traffic{rig: newRig(t, config), Rand: rand.New(rand.NewSource(seed)), running: map[uint64]string{}}
	for i, c := range []BufRingConfig{
		{Entries: 16, BufSize: 64, Spare: 10},
		{Entries: 2, BufSize: 2048},
		{Entries: 8, BufSize: 256, Incremental: true, Registered: true, Spare: 8, CopyMemory: 8 << 10},
		{Entries: 4, BufSize: 512, Incremental: true, MinLeft: messageRoom},
	} {
		if c.Incremental && HaveIncremental() != nil || c.MinLeft > 1 && HaveMinLeft() != nil {
			continue
		}
		c.Group = uint16(i)
		br, err := f.NewBufRing(c)
		f.must(err)
		f.brs = append(f.brs, br)
	}
	t.Cleanup(func() { // before the ring is closed
		for _, c := range f.conns {
			c.end()
		}
	})
	for i := range trafficConns {
		f.conns = append(f.conns, f.connect(uint32(i)))
	}
	return f
}

// connect opens a connection with a send queue in a mode that it has.
func (f *traffic) connect(slot uint32) *trafficConn {
	f.Helper()
	c := &trafficConn{scope: &scope{TB: f.TB}, slot: slot, dgram: slot == 0, msg: NewMsg()}
	tcp := slot%2 == 0
	switch {
	case c.dgram:
		c.near, c.far = testutil.UnixPair(c, syscall.SOCK_DGRAM)
		return c
	case tcp:
		c.near, c.far = testutil.TCPPair(c)
	default:
		c.near, c.far = streamPair(c)
	}
	mode := sendModes[f.Intn(len(sendModes))]
	if mode.zeroCopy() && !tcp || mode.have() != nil {
		mode = SendAuto
	}
	var err error
	c.q, err = f.NewSendQueue(FD(c.near), SendQueueConfig{
		Mode: mode, Token: MakeToken(kindQueue, 0, slot), ZCAlways: f.Intn(2) == 0,
		Entries: 1 << f.Intn(5), Memory: 1 + f.Intn(3000), ZCMin: f.Intn(2) * f.Intn(200), MaxCopied: f.Intn(2) * (4 << 10),
	})
	f.must(err)
	return c
}

func (f *traffic) any() *trafficConn { return f.conns[f.Intn(len(f.conns))] }

// step does one thing.
func (f *traffic) step() {
	f.Helper()
	c := f.any()
	switch f.Intn(24) {
	case 0, 1, 2, 3:
		f.farWrite(c)
	case 4, 5, 6:
		f.farRead(c)
	case 7, 8, 9:
		f.arm(c)
	case 10, 11:
		f.write(c)
	case 12, 13:
		f.flush(c)
	case 14, 15:
		f.flushQueue()
	case 16, 17, 18:
		f.handle(1 + f.Intn(12))
	case 19:
		f.release(f.Intn(len(f.held) + 1))
	case 20:
		f.forwardHeld(c)
	case 21:
		if f.Intn(3) == 0 {
			f.cancel(c)
		}
	case 22:
		if f.Intn(12) == 0 {
			f.farEnd(c)
		}
	case 23:
		if f.depth == 0 && (c.eof || f.Intn(40) == 0) {
			f.reconnect(c)
		}
	}
}

// flushQueue submits. When completions have overflowed they come first.
func (f *traffic) flushQueue() {
	f.Helper()
	for {
		_, err := f.Submit()
		if !errors.Is(err, syscall.EBUSY) {
			f.must(err)
			return
		}
		f.handle(1)
	}
}

// entry takes an entry, and makes room for it if need be.
func (f *traffic) entry(what string) (SQE, uint64) {
	f.Helper()
	for {
		s, err := f.NextSQE()
		if err == nil {
			f.count++
			s.UserData = uint64(MakeToken(kindRequest, 0, f.count))
			f.running[s.UserData] = what
			return s, s.UserData
		}
		equal(f, "error", err, ErrSQFull)
		f.flushQueue()
		f.must(f.WaitSQ())
	}
}

// farWrite lets the far end send.
func (f *traffic) farWrite(c *trafficConn) {
	f.Helper()
	if c.ended || c.killed || len(c.in) > trafficEnds {
		return
	}
	most := 700
	if c.dgram {
		most = largestDgram
	}
	p := make([]byte, 1+f.Intn(most))
	f.Read(p)
	n, err := syscall.SendmsgN(c.far, p, nil, nil, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return
	}
	f.must(err)
	c.in = append(c.in, p[:n]...)
	if c.dgram {
		c.sizes = append(c.sizes, n)
	}
}

// farRead lets the far end read, which must get what was queued.
func (f *traffic) farRead(c *trafficConn) {
	f.Helper()
	if c.killed || c.dgram {
		return
	}
	p := make([]byte, 1+f.Intn(3000))
	n, _, err := syscall.Recvfrom(c.far, p, syscall.MSG_DONTWAIT)
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return
	}
	f.must(err)
	for i, b := range p[:n] {
		if i == len(c.out) || b != c.out[i] {
			f.Fatalf("connection %d, %v: of %d bytes at the far end those from %d on are wrong, of %d", c.slot, c.q.Mode(), n, i, len(c.out))
		}
	}
	c.out = c.out[n:]
}

// arm starts a receive in any form.
func (f *traffic) arm(c *trafficConn) {
	f.Helper()
	if c.recv != 0 || c.eof {
		return
	}
	c.br = f.brs[f.Intn(len(f.brs))]
	c.form = recvForm(f.Intn(int(recvForms)))
	bundle := c.form == recvSingleBundle || c.form == recvMultishotBundle
	switch {
	case c.br.incremental && c.br.minLeft == 0 && (c.dgram || c.form == recvMessages):
		return // they would be cut off
	case bundle && (c.br.minLeft > 1 || c.br.haveBundles() != nil), c.form == recvReadMultishot && HaveReadMultishot() != nil:
		return
	}
	s, data := f.entry("receive")
	f.must(f.prepare(s, c))
	s.UserData = data
	c.recv = data
}

func (f *traffic) prepare(s SQE, c *trafficConn) error {
	fd := FD(c.near)
	switch c.form {
	case recvSingleBundle:
		return s.PrepRecvProvided(fd, c.br, 0, 0, Bundle)
	case recvMultishot:
		return s.PrepRecvMultishot(fd, c.br, 0)
	case recvMultishotBundle:
		return s.PrepRecvMultishot(fd, c.br, Bundle)
	case recvRead:
		return s.PrepReadProvided(fd, c.br, 0)
	case recvReadMultishot:
		return s.PrepReadMultishot(fd, c.br)
	case recvMessages:
		return s.PrepRecvMsgMultishot(fd, c.br, c.msg, 0)
	}
	return s.PrepRecvProvided(fd, c.br, 0, 0, 0)
}

// write queues bytes of the program's own.
func (f *traffic) write(c *trafficConn) {
	f.Helper()
	if c.dgram || len(c.out) > trafficEnds {
		return
	}
	p := make([]byte, f.Intn(600))
	f.Read(p)
	n, err := c.q.Write(p)
	if err != ErrQueueFull && !f.brokenBy(c, err) {
		f.must(err)
	}
	c.out = append(c.out, p[:n]...)
}

// brokenBy says whether a queue answers err because its far end is gone.
func (f *traffic) brokenBy(c *trafficConn, err error) bool {
	return err != nil && c.killed && errors.Is(err, c.q.Err())
}

func (f *traffic) flush(c *trafficConn) {
	f.Helper()
	if c.dgram {
		return
	}
	var err error
	if f.Intn(4) == 0 && (!c.q.Mode().provided() || HaveSendProvidedPart() == nil) {
		err = c.q.FlushN(1 + f.Intn(500))
	} else {
		err = c.q.Flush()
	}
	if !errors.Is(err, syscall.EBUSY) && !errors.Is(err, ErrSQFull) && !f.brokenBy(c, err) {
		f.must(err)
	}
}

// handle handles up to n completions.
func (f *traffic) handle(n int) {
	f.Helper()
	for c := range f.Completions() {
		f.complete(c)
		if n--; n <= 0 {
			return
		}
	}
}

func (f *traffic) complete(cqe CQE) {
	f.Helper()
	for _, c := range f.conns {
		if c.q != nil && c.q.Owns(cqe) {
			f.sent(c, cqe)
			return
		}
	}
	what, ok := f.running[cqe.UserData]
	if !ok {
		f.Fatalf("a completion that nothing is known of: %v", cqe)
	}
	if !cqe.More() {
		delete(f.running, cqe.UserData)
	}
	if what != "receive" {
		return
	}
	for _, c := range f.conns {
		if c.recv == cqe.UserData {
			br, form := c.br, c.form
			if !cqe.More() {
				c.recv = 0
			}
			f.received(c, br, form, cqe)
			return
		}
	}
	f.Fatalf("a receive of no connection: %v", cqe)
}

// sent handles a completion of a send.
func (f *traffic) sent(c *trafficConn, cqe CQE) {
	f.Helper()
	_, err := c.q.Complete(cqe)
	switch {
	case err == nil || f.brokenBy(c, err):
	case errors.Is(err, syscall.ECANCELED), errors.Is(err, syscall.EINTR), errors.Is(err, syscall.EAGAIN):
	default:
		f.Fatalf("connection %d, %v, killed %v: %v", c.slot, c.q.Mode(), c.killed, err)
	}
}

// received handles a completion of a receive.
func (f *traffic) received(c *trafficConn, br *BufRing, form recvForm, cqe CQE) {
	f.Helper()
	n := int(cqe.Res)
	if form == recvMessages && n > 0 {
		f.message(c, br, cqe)
		return
	}
	if n <= 0 {
		err := br.Consume(cqe, func([]byte) error { return errors.New("bytes of none") })
		f.ended(c, err)
		return
	}
	want := f.takes(c, n)
	switch f.Intn(4) {
	case 0:
		got := ""
		f.must(br.Consume(cqe, func(p []byte) error { got += string(p); return nil }))
		if got != want {
			f.Fatalf("%v on connection %d, form %d, group %d: got %x, want %x, behind it %x\n%s", cqe, c.slot, form, br.Group(), got, want, c.in, f.state())
		}
	case 1, 2:
		f.proxy(br, cqe, want)
	default:
		for seg, err := range br.Segments(cqe) {
			f.must(err)
			part := want[:len(seg.Bytes)]
			want = want[len(part):]
			equal(f, "bytes of a segment", string(seg.Bytes), part)
			f.held, f.wants = append(f.held, seg), append(f.wants, part)
			if f.Intn(6) == 0 && f.depth < 3 {
				f.depth++
				f.step() // in the middle of this one
				f.depth--
			}
		}
		equal(f, "bytes that did not come", len(want), 0)
	}
}

// takes returns the next n bytes that are to come on c.
func (f *traffic) takes(c *trafficConn, n int) string {
	f.Helper()
	if n > len(c.in) || c.dgram && n != c.sizes[0] {
		f.Fatalf("connection %d, form %d: %d bytes came, want %d, %v", c.slot, c.form, n, len(c.in), c.sizes)
	}
	want := string(c.in[:n])
	c.in = c.in[n:]
	if c.dgram {
		c.sizes = c.sizes[1:]
	}
	return want
}

// message handles a completion of a receive of messages.
func (f *traffic) message(c *trafficConn, br *BufRing, cqe CQE) {
	f.Helper()
	f.must(br.Consume(cqe, func(p []byte) error {
		m, err := c.msg.Parse(p)
		f.must(err)
		if len(m.Payload) == 0 {
			f.ended(c, nil)
			return nil
		}
		equal(f, "message", string(m.Payload), f.takes(c, len(m.Payload)))
		return nil
	}))
}

// ended handles the end of a receive without bytes.
func (f *traffic) ended(c *trafficConn, err error) {
	f.Helper()
	switch {
	case err == nil && c.killed:
		c.eof = true
	case err == nil && c.ended && len(c.in) == 0:
		c.eof = true
	case err == syscall.ENOBUFS, err == syscall.ECANCELED, err == syscall.EINTR:
	case err == syscall.ECONNRESET && c.killed:
		c.eof = true
	default:
		f.Fatalf("connection %d, form %d: a receive ends with %v; %d bytes are to come, ended %v", c.slot, c.form, err, len(c.in), c.ended)
	}
}

// proxy hands what came to the queue of another connection.
func (f *traffic) proxy(br *BufRing, cqe CQE, want string) {
	f.Helper()
	to := f.any()
	if to.dgram {
		f.must(br.Consume(cqe, func([]byte) error { return nil }))
		return
	}
	n, err := to.q.AppendCompletion(br, cqe)
	if f.brokenBy(to, err) {
		return
	}
	f.must(err)
	equal(f, "bytes appended", n, len(want))
	to.out = append(to.out, want...)
}

// forwardHeld hands a segment that was kept to a queue.
func (f *traffic) forwardHeld(c *trafficConn) {
	f.Helper()
	if c.dgram || len(f.held) == 0 {
		return
	}
	i := f.Intn(len(f.held))
	if err := c.q.Append(f.held[i]); f.brokenBy(c, err) {
		return
	} else if err != nil {
		f.Fatal(err)
	}
	c.out = append(c.out, f.wants[i]...)
	f.forget(i)
}

func (f *traffic) forget(i int) {
	f.held = slices.Delete(f.held, i, i+1)
	f.wants = slices.Delete(f.wants, i, i+1)
}

// release releases segments in any order, until so many are left.
func (f *traffic) release(keep int) {
	f.Helper()
	for len(f.held) > keep {
		i := f.Intn(len(f.held))
		equal(f, "bytes kept", string(f.held[i].Bytes), f.wants[i])
		f.must(f.held[i].Release())
		f.forget(i)
	}
}

// cancel cancels a receive, or all that runs on a connection.
func (f *traffic) cancel(c *trafficConn) {
	f.Helper()
	s, data := f.entry("cancel")
	if f.Intn(2) == 0 {
		s.PrepCancel(c.recv, 0) // there may be none
	} else {
		s.PrepCancelFD(FD(c.near), CancelAll)
	}
	s.UserData = data
}

// farEnd lets the far end send nothing more.
func (f *traffic) farEnd(c *trafficConn) {
	f.Helper()
	if !c.dgram && !c.killed {
		f.must(syscall.Shutdown(c.far, syscall.SHUT_WR))
		c.ended = true
	}
}

// kill closes the far end, with a reset or without.
func (f *traffic) kill(c *trafficConn) {
	f.Helper()
	if f.Intn(2) == 0 {
		_ = syscall.SetsockoptLinger(c.far, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	}
	null, err := os.Open(os.DevNull)
	f.must(err)
	defer null.Close()
	f.must(syscall.Dup3(int(null.Fd()), c.far, syscall.O_CLOEXEC)) // the number stays taken
	c.killed = true
}

// reconnect ends a connection, whatever waits, and opens another.
func (f *traffic) reconnect(c *trafficConn) {
	f.Helper()
	f.kill(c)
	f.until(func() bool { return c.recv == 0 && (c.q == nil || !c.q.InFlight() && c.q.Unnotified() == 0) }, func() {
		f.cancel(c)
	})
	if c.q != nil {
		f.must(c.q.Close())
	}
	c.end()
	f.conns[c.slot] = f.connect(c.slot)
}

// until waits until what is to happen has happened, and calls try again and
// again.
func (f *traffic) until(happened func() bool, try func()) {
	f.Helper()
	for deadline := time.Now().Add(20 * time.Second); !happened(); {
		if time.Now().After(deadline) {
			f.Fatalf("it does not happen; running: %v, overflow %v\n%s", f.running, f.Overflowed(), f.state())
		}
		try()
		if _, err := f.SubmitAndWaitTimeout(1, time.Millisecond); err != nil &&
			!errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, syscall.EBUSY) {
			f.Fatal(err)
		}
		f.handle(100)
		f.check()
	}
}

func (f *traffic) state() (s string) {
	for _, c := range f.conns {
		s += fmt.Sprintf("connection %d: to come %d, to go %d, end %v seen %v, receive %#x in form %d", c.slot, len(c.in), len(c.out), c.ended, c.eof, c.recv, c.form)
		if c.q != nil {
			s += fmt.Sprintf(", %v queue of %d, in flight %v, unnotified %d", c.q.Mode(), c.q.Queued(), c.q.InFlight(), c.q.Unnotified())
		}
		s += "\n"
	}
	return s
}

// settle lets all that waits arrive. Then the kernel has all buffers.
func (f *traffic) settle() {
	f.Helper()
	f.until(func() bool {
		for _, c := range f.conns {
			if len(c.in) > 0 || len(c.out) > 0 || c.q != nil && (c.q.InFlight() || c.q.Unnotified() > 0) || c.ended && !c.eof {
				return false
			}
		}
		return true
	}, func() {
		f.release(0)
		for _, c := range f.conns {
			f.arm(c)
			f.farRead(c)
			f.flush(c)
		}
	})
	f.until(func() bool { return len(f.running) == 0 }, func() {
		f.release(0)
		for _, c := range f.conns {
			if c.recv != 0 {
				f.cancel(c)
			}
		}
	})
	f.flushQueue()
	for _, b := range f.brs {
		equal(f, "slices lent", b.Stats().Lent, 0)
		equal(f, "buffers in the kernel", b.Stats().InKernel, b.Entries())
		if HaveBufRingStatus() == nil {
			n, err := b.Available()
			f.must(err)
			if n == b.Entries()-1 && b.incremental && !hasLinux(f, kernel.V(6, 13)) {
				n++ // 6.12.43 may keep the last buffer of a bundle, which the next completion tells
			}
			equal(f, "buffers that the kernel can pick", n, b.Entries())
		}
	}
}

// check is done after each step.
func (f *traffic) check() {
	f.Helper()
	var queues []*SendQueue
	for _, c := range f.conns {
		if c.q != nil {
			queues = append(queues, c.q)
		}
	}
	checkHolds(f, f.brs, queues, f.held)
}

// Random traffic on the kernel: every byte arrives once and in order, every
// buffer has one state, and every completion is of a request that runs.
// -model.seed and -model.steps repeat a run, and make it long.
func TestTrafficAgreesWithItsModel(t *testing.T) {
	testutil.Need(t, HaveRecvMultishot)
	seed := *modelSeed
	if seed == 0 {
		seed = time.Now().UnixNano()
	}
	t.Logf("-model.seed=%d -model.steps=%d", seed, *modelSteps)
	for i, m := range modes {
		if m.config.Flags&SetupSQE128 != 0 {
			continue // about sizes of entries
		}
		t.Run(m.name, func(t *testing.T) {
			f := newTraffic(t, m.config, seed+int64(i))
			for step := range fewer(*modelSteps) {
				f.step()
				f.check()
				if step%1000 == 999 {
					f.settle()
				}
			}
			f.settle()
			for _, c := range f.conns {
				if c.q != nil {
					f.must(c.q.Close())
				}
			}
			for _, b := range f.brs {
				t.Logf("group %d: %+v", b.Group(), b.Stats())
				f.must(b.Close())
			}
		})
	}
}
