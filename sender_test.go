//go:build linux

package uring

import (
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/testutil"
)

// A sender is a stage with a send queue on it. The queue's bytes go on with the
// stage's stream, whether they are written to it or received on the stage, and
// a peer reads them.
type sender struct {
	*stage
	q    *SendQueue
	fd   int // the queue's socket
	peer int // what is sent arrives here
}

// senderToken marks the completions of a sender's queue.
const senderToken = Token(3<<56 | 5)

// newSender opens a sender on a socket that c.Mode works with: TCP for
// zero-copy sends, which UNIX sockets do not support.
func newSender(tb testing.TB, c SendQueueConfig) *sender {
	tb.Helper()
	if c.Mode.zeroCopy() {
		fd, peer := testutil.TCPPair(tb)
		return senderOn(tb, Config{}, c, fd, peer)
	}
	fd, peer := streamPair(tb)
	return senderOn(tb, Config{}, c, fd, peer)
}

// newSmallSender is newSender with sockets that hold little, so that a peer that
// does not read soon blocks sends.
func newSmallSender(tb testing.TB, c SendQueueConfig) *sender {
	tb.Helper()
	s := newSender(tb, c)
	s.small()
	return s
}

func senderOn(tb testing.TB, rc Config, c SendQueueConfig, fd, peer int) *sender {
	tb.Helper()
	separately(tb)
	s := &sender{stage: bareStage(tb, rc), fd: fd, peer: peer}
	c.Token = senderToken
	var err error
	s.q, err = s.ring.NewSendQueue(FD(fd), c)
	s.must(err)
	return s
}

// bareStage opens a stage without buffers.
func bareStage(tb testing.TB, c Config) *stage {
	tb.Helper()
	ring, err := New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := ring.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &stage{TB: tb, ring: ring}
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// small makes the queue's socket hold little. The peer's stays as it is: with a
// small one TCP would wait for its timers.
func (s *sender) small() {
	s.Helper()
	s.must(syscall.SetsockoptInt(s.fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 32<<10))
}

// queue writes the next n bytes of the stream to the queue.
func (s *sender) queue(n int) {
	s.Helper()
	if k, err := s.q.Write(stream(s.sent, n)); k != n || err != nil {
		s.Fatalf("Write of %d bytes: %d, %v", n, k, err)
	}
	s.sent += n
}

// feeds gives the sender buffers to receive into.
func (s *sender) feeds(c BufRingConfig) {
	s.Helper()
	s.in, s.out = streamPair(s)
	var err error
	s.br, err = s.ring.NewBufRing(c)
	s.must(err)
}

// forward queues count pieces of n bytes each, that lie in one buffer each.
func (s *sender) forward(count, n int) {
	s.Helper()
	for range count {
		s.send(n)
		c := s.recv(0, 0, 0)
		if k, err := s.q.AppendCompletion(s.br, c); k != n || err != nil {
			s.Fatalf("AppendCompletion: %d, %v, want %d", k, err, n)
		}
	}
}

// flush gives the kernel a send.
func (s *sender) flush() {
	s.Helper()
	s.must(s.q.Flush())
	s.submit()
}

// complete hands the queue a completion that must say that n bytes were sent.
func (s *sender) complete(c CQE, n int) {
	s.Helper()
	if k, err := s.q.Complete(c); k != n || err != nil {
		s.Fatalf("Complete(%+v): %d, %v, want %d", observe(c), k, err, n)
	}
}

// completeErr hands the queue a completion that must bring an error and say
// that nothing was sent.
func (s *sender) completeErr(c CQE, want error) {
	s.Helper()
	if n, err := s.q.Complete(c); n != 0 || !errors.Is(err, want) {
		s.Fatalf("Complete(%+v): %d, %v, want %v", observe(c), n, err, want)
	}
}

// blocked waits until the send in flight is stuck: the sockets hold what they
// can, and no completion comes. A peer that has no room may drop what it is
// sent, as Linux 6.18.15 does; then nothing is unsent, and what is unacked stays
// that for longer than an acknowledgement may be late, which is 200 ms.
func (s *sender) blocked() {
	s.Helper()
	before, since := -1, time.Now()
	for {
		s.none()
		if now := unread(s, s.peer); now != before {
			before, since = now, time.Now()
			continue
		}
		if s.unix() || unsent(s, s.fd) > 0 || unacked(s, s.fd) > 0 && time.Since(since) > 400*time.Millisecond {
			return
		}
	}
}

// unix says that the sockets are UNIX sockets, not TCP.
func (s *sender) unix() bool {
	s.Helper()
	name, err := syscall.Getsockname(s.fd)
	s.must(err)
	_, unix := name.(*syscall.SockaddrUnix)
	return unix
}

// unread returns how many bytes there are to read from fd; unacked and unsent
// how many its TCP connection has not seen acknowledged, and has not sent.
func unread(tb testing.TB, fd int) int  { tb.Helper(); return ioctlInt(tb, fd, 0x541b) } // FIONREAD
func unacked(tb testing.TB, fd int) int { tb.Helper(); return ioctlInt(tb, fd, 0x5411) } // SIOCOUTQ
func unsent(tb testing.TB, fd int) int  { tb.Helper(); return ioctlInt(tb, fd, 0x894b) } // SIOCOUTQNSD

func ioctlInt(tb testing.TB, fd int, request uintptr) int {
	tb.Helper()
	n := int32(0)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&n))); errno != 0 {
		tb.Fatal(errno)
	}
	return int(n)
}

// cancelSend cancels the send in flight and returns its completion.
func (s *sender) cancelSend() CQE {
	s.Helper()
	const canceller = 1 << 40
	s.sqe(canceller, func(q SQE) error { q.PrepCancelFD(FD(s.fd), CancelAll); return nil })
	var result CQE
	for range 2 {
		c := s.next()
		if c.UserData == canceller {
			equal(s, "requests cancelled", c.Res, 1)
			continue
		}
		result = c
	}
	return result
}

// fill makes the socket full of bytes of the stream.
func (s *sender) fill() {
	s.Helper()
	s.must(syscall.SetNonblock(s.fd, true))
	for {
		still := s.still()
		n, err := syscall.Write(s.fd, stream(s.sent, 4096))
		if err == syscall.EAGAIN && still {
			break
		}
		if err == syscall.EAGAIN {
			time.Sleep(time.Millisecond)
			continue
		}
		s.must(err)
		s.sent += n
	}
	s.must(syscall.SetNonblock(s.fd, false))
}

// still says that no bytes are on their way: with TCP those that the peer has
// room for, or acknowledges late, would make room for others.
func (s *sender) still() bool {
	s.Helper()
	return s.unix() || unacked(s, s.fd) == s.sent-s.got-unread(s, s.peer)
}

// arrives lets the peer read n bytes, which must go on with the stream.
func (s *sender) arrives(n int) {
	s.Helper()
	s.inStream(readFull(s, s.peer, n))
}

// reading lets the peer read in the background until the stream ends. The
// function it returns ends it, and checks that all that was sent has arrived.
func (s *sender) reading() (join func()) {
	s.Helper()
	// With a small one a zero-copy send would wait for delayed acknowledgements.
	s.must(syscall.SetsockoptInt(s.fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4<<20))
	peer := os.NewFile(uintptr(dupFD(s, s.peer)), "peer")
	done := make(chan []byte, 1)
	go func() {
		defer peer.Close()
		p, _ := io.ReadAll(peer)
		done <- p
	}()
	return func() {
		s.Helper()
		s.must(syscall.Shutdown(s.fd, syscall.SHUT_WR))
		s.inStream(<-done)
		equal(s, "bytes at the peer", s.got, s.sent)
	}
}

// finish sends until nothing waits and the kernel uses no memory any more.
func (s *sender) finish() {
	s.Helper()
	for s.q.Queued() > 0 || s.q.InFlight() || s.q.Unnotified() > 0 {
		s.must(s.q.Flush())
		_, err := s.q.Complete(s.next())
		s.must(err)
	}
}

// released checks that the queue holds no memory and no buffer any more.
func (s *sender) released() {
	s.Helper()
	equal(s, "bytes queued", s.q.Queued(), 0)
	equal(s, "space", s.q.Space(), len(s.q.own.mem))
	equal(s, "pieces held", s.q.out.tail-s.q.out.free, 0)
	if s.br != nil {
		s.holds(0)
		equal(s, "buffers in the kernel", s.br.Stats().InKernel, s.br.Entries())
		s.balanced()
	}
}

// holds checks how many received slices the queue holds.
func (s *sender) holds(n int) {
	s.Helper()
	equal(s, "slices held", s.br.Stats().Lent, n)
}

// picked checks how many pieces the kernel has picked from the queue's ring of
// buffers, ever.
func (s *sender) picked(n int) {
	s.Helper()
	equal(s, "pieces picked", s.ring.drv.BufRingHead(uint32(s.q.group)), n)
}

// A rawGroup is a ring of buffers to send from, without a send queue. The
// buffers hold the stream.
type rawGroup struct {
	*stage
	entries *arena.Mapping
	bufs    *Arena
	size    int
}

const rawGroupID = 9

// newRawGroup gives the kernel count buffers of the given size.
func newRawGroup(tb testing.TB, count, size int) *rawGroup {
	tb.Helper()
	g := &rawGroup{stage: bareStage(tb, Config{}), size: size}
	g.in, g.out = streamPair(tb)
	var err error
	g.entries, err = arena.Map(roundUpPow2(count)*16, false)
	g.must(err)
	g.bufs, err = NewArena(ArenaConfig{Size: count * size})
	g.must(err)
	copy(g.bufs.Bytes(), stream(0, count*size))
	g.must(check(opRegisterBufRing, g.ring.drv.RegisterBufRing(g.entries.Pointer(), uint32(roundUpPow2(count)), rawGroupID, 0, 0)))
	tb.Cleanup(func() { // runs before the ring is closed
		if err := check("unregister the buffer ring", g.ring.drv.UnregisterBufRing(rawGroupID)); err != nil {
			tb.Error(err)
		}
		_ = g.entries.Unmap()
		_ = g.bufs.Close()
	})
	var slots []cgo.Slot
	for i := range count {
		slots = append(slots, cgo.Slot{Addr: arena.Addr(g.bufs.Bytes()[i*size:]), Len: uint32(size), BID: uint16(i)})
	}
	cgo.Refill(g.entries.Pointer(), uint32(roundUpPow2(count)-1), slots)
	return g
}

// head checks how many of the buffers the kernel has retired.
func (g *rawGroup) head(want int) {
	g.Helper()
	equal(g, "head", g.ring.drv.BufRingHead(rawGroupID), want)
}

// send sends n bytes of the next buffer, or all if n is 0.
func (g *rawGroup) send(n int, msgFlags int, flags IOFlags) {
	g.Helper()
	g.sqe(0, func(s SQE) error {
		s.prep(cgo.OpSend, FD(g.out), 0, uint32(n), 0)
		s.Flags |= cgo.SQEBufferSelect
		s.BufIndex = rawGroupID
		s.OpFlags = uint32(msgFlags) | cgo.MsgNoSignal
		s.IOPrio = uint16(flags)
		return nil
	})
}

// arrives checks that n bytes of the stream, from position from on, are the
// next to be read.
func (g *rawGroup) arrives(from, n int) {
	g.Helper()
	g.got = from
	g.inStream(readFull(g, g.in, n))
}
