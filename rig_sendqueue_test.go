//go:build linux

package uring

import (
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

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
	s.q, err = s.NewSendQueue(FD(fd), c)
	s.must(err)
	return s
}

// bareStage opens a stage without buffers.
func bareStage(tb testing.TB, c Config) *stage {
	tb.Helper()
	return &stage{rig: newRig(tb, c)}
}

// small makes the queue's socket hold little. The peer's stays as it is: with a
// small one TCP would wait for its timers.
func (s *sender) small() {
	s.Helper()
	s.must(syscall.SetsockoptInt(s.fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 32<<10))
}

// queue writes the next n bytes of the stream to the queue.
func (s *sender) put(n int) {
	s.Helper()
	if k, err := s.q.Write(stream(s.sent, n)); k != n || err != nil {
		s.Fatalf("Write of %d bytes: %d, %v", n, k, err)
	}
	s.sent += n
}

// feeds gives the sender buffers to receive into.
func (s *sender) feeds(c BufRingConfig) {
	s.Helper()
	if c.Incremental {
		testutil.Need(s, HaveIncremental)
	}
	s.in, s.out = streamPair(s)
	var err error
	s.br, err = s.NewBufRing(c)
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

// cancelSend cancels the send in flight and returns its completion.
func (s *sender) cancelSend() CQE {
	s.Helper()
	const canceller = 1 << 40
	s.queue(canceller, func(q SQE) { q.PrepCancelFD(FD(s.fd), CancelAll) })
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

// cutShort sends n bytes, cancels that halfway, and returns the completion.
func (s *sender) cutShort(n int) CQE {
	s.Helper()
	s.put(n)
	s.flush()
	s.blocked()
	c := s.cancelSend()
	if c.Res <= 0 || int(c.Res) >= n {
		s.Fatalf("not a short send: %+v", observe(c))
	}
	return c
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

// holds checks how many received slices the queues hold.
func (s *stage) holds(n int) {
	s.Helper()
	equal(s, "slices held", s.br.Stats().Lent, n)
}

// picked checks how many pieces the kernel has picked from the queue's ring of
// buffers, ever.
func (s *sender) picked(n int) {
	s.Helper()
	equal(s, "pieces picked", s.Ring.drv.BufRingHead(uint32(s.q.group)), n)
}

// reset makes the peer close with a reset.
func (s *sender) reset() {
	s.Helper()
	s.must(syscall.SetsockoptLinger(s.peer, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1}))
	s.closePeer()
}

// closePeer closes the peer's socket, and leaves a descriptor for the test's
// end to close.
func (s *sender) closePeer() {
	s.Helper()
	null, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	s.must(err)
	s.must(syscall.Dup3(null, s.peer, syscall.O_CLOEXEC))
	s.must(syscall.Close(null))
}

// breaks hands the queue a completion that must end the stream, with one of
// the given errors.
func (s *sender) breaks(c CQE, want ...error) {
	s.Helper()
	n, err := s.q.Complete(c)
	known := false
	for _, w := range want {
		known = known || errors.Is(err, w)
	}
	if n != 0 || !known {
		s.Fatalf("Complete(%+v): %d, %v, want one of %v", observe(c), n, err, want)
	}
	for what, got := range map[string]error{
		"Err": s.q.Err(), "Flush": s.q.Flush(), "Write": second(s.q.Write([]byte("x"))), "Commit": s.q.Commit(0),
	} {
		if got != err {
			s.Fatalf("%s of a broken queue: %v, want %v", what, got, err)
		}
	}
	equal(s, "bytes queued", s.q.Queued(), 0)
}

// roomy makes the sender's socket hold more than the peer's: what is sent beyond
// that stays where it is until the peer reads.
func (s *sender) roomy() {
	s.Helper()
	const size = 1 << 20
	if err := syscall.SetsockoptInt(s.fd, syscall.SOL_SOCKET, syscall.SO_SNDBUFFORCE, size); err == syscall.EPERM {
		s.must(syscall.SetsockoptInt(s.fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, size)) // or what net.core.wmem_max allows
	}
}

// reserve fills n bytes in place with what the stream goes on with.
func (s *sender) reserve(n int) []byte {
	s.Helper()
	p, err := s.q.Reserve(n)
	s.must(err)
	equal(s, "bytes lent", len(p), n)
	equal(s, "room behind them", cap(p), n)
	copy(p, stream(s.sent, n))
	return p
}

func (s *sender) commit(n int) {
	s.Helper()
	s.must(s.q.Commit(n))
	s.sent += n
}

// segments receives n bytes and returns their segments.
func (s *sender) segments(n int) []Segment {
	s.Helper()
	s.send(n)
	var list []Segment
	for seg, err := range s.br.Segments(s.recv(0, 0, 0)) {
		s.must(err)
		list = append(list, seg)
	}
	return list
}

// sendModes has every mode except SendAuto.
var sendModes = []SendMode{SendBundle, SendVectored, SendProvided, SendPlain, SendZC, SendZCGather}

// eachSendMode runs a test in each mode that the kernel has.
func eachSendMode(t *testing.T, test func(t *testing.T, mode SendMode)) {
	for _, mode := range sendModes {
		t.Run(mode.String(), func(t *testing.T) {
			testutil.Need(t, mode.have)
			test(t, mode)
		})
	}
}

// separately keeps buffers that lie side by side apart when they are sent,
// until the test ends.
func separately(t testing.TB) {
	old := maxRun
	maxRun = 0
	t.Cleanup(func() { maxRun = old })
}

// collect reads fd until its end in a goroutine of its own.
func collect(fd int) <-chan []byte {
	got := make(chan []byte, 1)
	go func() {
		f := os.NewFile(uintptr(fd), "peer")
		p, _ := io.ReadAll(f)
		f.Close()
		got <- p
	}()
	return got
}

// smallChunks makes the chunks of copies n bytes long, until the test ends.
func smallChunks(t testing.TB, n uint32) {
	old := leastChunk
	leastChunk = n
	t.Cleanup(func() { leastChunk = old })
}
