//go:build linux

package uring

import (
	"fmt"
	"math"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

// A zcStage is what zero-copy sends without a send queue are tested on: a TCP
// connection, and registered memory that holds the stream.
type zcStage struct {
	*sender // its queue is nil
	mem     *Arena
	reg     RegBuf
}

const zcMemory = 1 << 20

func newZCStage(t *testing.T, c Config) *zcStage {
	t.Helper()
	testutil.Need(t, HaveSendZC)
	s := &zcStage{sender: &sender{stage: bareStage(t, c)}}
	s.fd, s.peer = testutil.TCPPair(t)
	s.roomy()
	s.mem, s.reg = s.register(zcMemory)
	copy(s.mem.Bytes(), stream(0, zcMemory))
	return s
}

// register maps and registers memory until the test ends.
func (s *stage) register(size int) (*Arena, RegBuf) {
	s.Helper()
	mem, err := NewArena(ArenaConfig{Size: size})
	s.must(err)
	reg, err := s.ring.RegisterArena(mem)
	s.must(err)
	s.Cleanup(func() { // runs before the ring is closed
		if s.ring.buffers.holds(reg) {
			s.must(s.ring.UnregisterArena(reg))
		}
		_ = mem.Close()
	})
	return mem, reg
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

// beyond is more than the peer's socket holds, and less than a roomy one.
const beyond = 256 << 10

// part returns n bytes of the memory, from off on.
func (s *zcStage) part(off, n int) []byte { return s.mem.Bytes()[off : off+n : off+n] }

// sendZC queues a plain zero-copy send of the next n bytes of the stream.
func (s *zcStage) sendZC(userData uint64, n, msgFlags int) {
	s.Helper()
	p := s.part(s.sent, n)
	s.sqe(userData, func(q SQE) error { return q.PrepSendZC(FD(s.fd), p, msgFlags, ReportUsage) })
	s.sent += n
}

// result checks that the next completion is the result of a zero-copy send
// whose notification follows, and returns it.
func (s *stage) result(res int) CQE {
	s.Helper()
	c := s.next()
	s.is(c, res, -1, "M")
	return c
}

// notified checks that the next completion is a notification, and returns it.
func (s *stage) notified() CQE {
	s.Helper()
	c := s.next()
	s.isNotif(c)
	return c
}

func (s *stage) isNotif(c CQE) {
	s.Helper()
	got := observe(c)
	if uint32(got.Res) == cgo.NotifUsageZCCopied {
		got.Res = 0 // as it is everywhere on loopback
	}
	equal(s, "notification", got, completion{0, -1, "N"})
}

// A zero-copy send has two completions. Until the second, the kernel may read
// the memory.
func TestScenario41_ResultThenNotification(t *testing.T) {
	s := newZCStage(t, Config{})
	s.sendZC(7, 4096, 0)
	c := s.result(4096)
	equal(t, "user data", c.UserData, 7)
	c = s.notified()
	equal(t, "user data", c.UserData, 7)
	equal(t, "error", c.Err(), nil)
	s.arrives(4096)
	s.none()

	// Sends of nothing have two as well.
	s.sendZC(8, 0, 0)
	s.result(0)
	s.notified()
}

// The queue keeps the memory of a send until its notification.
func TestScenario41_QueueKeepsMemoryUntilTheNotification(t *testing.T) {
	for _, mode := range []SendMode{SendZC, SendZCGather} {
		t.Run(mode.String(), func(t *testing.T) {
			testutil.Need(t, mode.have)
			s := newSender(t, SendQueueConfig{Mode: mode, Memory: beyond, ZCAlways: true})
			s.roomy()
			s.feeds(BufRingConfig{Entries: 2, BufSize: 4096, Registered: true})
			s.queue(beyond)
			s.flush()
			s.complete(s.result(beyond), beyond)
			s.forward(2, 4096)
			s.flush()
			next := 4096
			if mode == SendZCGather && HaveSendMsgZCFixed() == nil {
				next = 8192
			}
			s.complete(s.result(next), next)

			equal(t, "in flight", s.q.InFlight(), false)
			equal(t, "without notification", s.q.Unnotified(), 2)
			s.none()
			equal(t, "space", s.q.Space(), 0)
			s.holds(2)
			if n, err := s.q.Write([]byte("x")); n != 0 || err != ErrQueueFull {
				t.Fatalf("Write: %d, %v", n, err)
			}
			equal(t, "Close", text(s.q.Close()), "uring: send queue: still in use: a send is in flight, or its notification is still to come")

			join := s.reading()
			s.finish()
			join()
			s.released()
			stats := s.q.Stats()
			equal(t, "notifications", stats.Notifications, stats.ZeroCopy)
			s.must(s.q.Close())
		})
	}
}

// Whatever makes a zero-copy send fail: the error comes first, as a result
// with F_MORE, and a notification follows.
func TestScenario42_EveryErrorIsNotified(t *testing.T) {
	zc := func(s *zcStage) func(SQE) error {
		return func(q SQE) error { return q.PrepSendZC(FD(s.fd), s.part(0, 4096), 0, 0) }
	}
	for _, c := range []struct {
		name  string
		want  []syscall.Errno
		setUp func(*zcStage) func(SQE) error // returns what prepares the send
		after func(*zcStage)                 // once it is submitted
	}{
		{name: "bad descriptor", want: []syscall.Errno{syscall.EBADF}, setUp: func(s *zcStage) func(SQE) error {
			return func(q SQE) error { return q.PrepSendZC(math.MaxInt16, s.part(0, 4096), 0, 0) }
		}},
		{name: "pipe", want: []syscall.Errno{syscall.ENOTSOCK}, setUp: func(s *zcStage) func(SQE) error {
			w := pipe(s)
			return func(q SQE) error { return q.PrepSendZC(FD(w), s.part(0, 4096), 0, 0) }
		}},
		{name: "bad address", want: []syscall.Errno{syscall.EFAULT}, setUp: func(s *zcStage) func(SQE) error {
			return func(q SQE) error { err := zc(s)(q); q.Addr = 4096; return err }
		}},
		{name: "reset", want: []syscall.Errno{syscall.ECONNRESET, syscall.EPIPE}, setUp: func(s *zcStage) func(SQE) error {
			s.reset()
			return zc(s)
		}},
		{name: "MSG_DONTWAIT", want: []syscall.Errno{syscall.EAGAIN}, setUp: func(s *zcStage) func(SQE) error {
			s.small()
			s.fill()
			return func(q SQE) error { return q.PrepSendZC(FD(s.fd), s.part(0, 4096), cgo.MsgDontWait, 0) }
		}},
		{name: "cancelled", want: []syscall.Errno{syscall.ECANCELED}, setUp: func(s *zcStage) func(SQE) error {
			s.small()
			s.fill()
			return zc(s)
		}, after: func(s *zcStage) {
			s.none()
			s.sqe(otherData, func(q SQE) error { q.PrepCancelFD(FD(s.fd), CancelAll); return nil })
			s.submit()
		}},
		{name: "link timeout", want: []syscall.Errno{syscall.ECANCELED}, setUp: func(s *zcStage) func(SQE) error {
			s.small()
			s.fill()
			return func(q SQE) error { err := zc(s)(q); q.Flags |= cgo.SQEIOLink; return err }
		}, after: func(s *zcStage) {
			s.sqe(otherData, func(q SQE) error { q.PrepLinkTimeout(time.Millisecond, 0); return nil })
			s.submit()
		}},
		{name: "unknown registered buffer", want: []syscall.Errno{syscall.EFAULT}, setUp: func(s *zcStage) func(SQE) error {
			return func(q SQE) error { err := zc(s)(q); q.IOPrio = cgo.RecvSendFixedBuf; q.BufIndex = 7; return err }
		}},
		{name: "bundle", want: []syscall.Errno{syscall.EINVAL}, setUp: func(s *zcStage) func(SQE) error {
			return func(q SQE) error { err := zc(s)(q); q.IOPrio = cgo.RecvSendBundle; return err }
		}},
		{name: "UNIX socket", want: []syscall.Errno{syscall.EOPNOTSUPP}, setUp: func(s *zcStage) func(SQE) error {
			fd, _ := streamPair(s)
			return func(q SQE) error { return q.PrepSendZC(FD(fd), s.part(0, 4096), 0, 0) }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newZCStage(t, Config{})
			s.sqe(1, c.setUp(s))
			if c.after == nil {
				s.submit()
			} else {
				c.after(s)
			}
			r := s.nextOf(1)
			if c.name == "bundle" && HaveSendBundles() != nil {
				// A flag that a kernel does not know, it refuses before there is a notification.
				s.is(r, -int(syscall.EINVAL), -1, "")
				return
			}
			s.is(r, int(r.Res), -1, "M")
			if err := r.Err(); !oneOf(err, c.want) {
				t.Fatalf("error %v, want one of %v", err, c.want)
			}
			s.isNotif(s.nextOf(1))
		})
	}
}

const otherData = 99

// nextOf returns the next completion with this user data.
func (s *stage) nextOf(userData uint64) CQE {
	s.Helper()
	for {
		if c := s.next(); c.UserData == userData {
			return c
		}
	}
}

func oneOf(err error, want []syscall.Errno) bool {
	for _, w := range want {
		if err == w {
			return true
		}
	}
	return false
}

// pipe returns the end of a pipe that can be written to.
func pipe(tb testing.TB) int {
	tb.Helper()
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { syscall.Close(p[0]); syscall.Close(p[1]) })
	return p[1]
}

// The queue's memory is released once, with the notification, whatever the
// error.
func TestScenario42_QueueReleasesWithTheNotification(t *testing.T) {
	config := SendQueueConfig{Mode: SendZC, Memory: 4096, ZCAlways: true}
	for _, c := range []struct {
		name string
		want []error
		open func(*testing.T) *sender
	}{
		{"bad descriptor", []error{syscall.EBADF}, func(t *testing.T) *sender {
			return senderOn(t, Config{}, config, math.MaxInt16, 0)
		}},
		{"pipe", []error{syscall.ENOTSOCK}, func(t *testing.T) *sender {
			return senderOn(t, Config{}, config, pipe(t), 0)
		}},
		{"reset", []error{syscall.ECONNRESET, syscall.EPIPE}, func(t *testing.T) *sender {
			s := newSender(t, config)
			s.reset()
			return s
		}},
		{"unregistered memory", []error{syscall.EFAULT}, func(t *testing.T) *sender {
			s := newSender(t, config)
			s.must(s.ring.UnregisterArena(s.q.own.reg))
			return s
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			testutil.Need(t, HaveSendZC)
			s := c.open(t)
			s.queue(4096)
			s.flush()
			r := s.next()
			s.is(r, int(r.Res), -1, "M")
			s.breaks(r, c.want...)
			equal(t, "space", s.q.Space(), 0)
			n := s.notified()
			s.complete(n, 0)
			s.released()
			s.completeErr(n, ErrBadCompletion)
			equal(t, "notifications", s.q.Stats().Notifications, 1)
			s.must(s.q.Close())
		})
	}
}

// What the socket cannot do without copying, the queue does with.
func TestScenario42_QueueCopiesToUNIXSockets(t *testing.T) {
	for _, mode := range []SendMode{SendZC, SendZCGather} {
		t.Run(mode.String(), func(t *testing.T) {
			testutil.Need(t, mode.have)
			fd, peer := streamPair(t)
			s := senderOn(t, Config{}, SendQueueConfig{Mode: mode, Memory: 8192, ZCAlways: true}, fd, peer)
			s.queue(4096)
			s.flush()
			s.complete(s.result(-int(syscall.EOPNOTSUPP)), 0)
			equal(t, "mode", s.q.Mode(), SendVectored)
			equal(t, "bytes queued", s.q.Queued(), 4096)
			s.flush()
			s.complete(s.notified(), 0)
			s.finish()
			s.arrives(4096)
			s.released()
			s.must(s.q.Close())
		})
	}
}

// A request that is refused before it could hold memory has one completion.
func TestScenario43_RefusedRequestsHaveNoNotification(t *testing.T) {
	for _, c := range []struct {
		name string
		want syscall.Errno
		set  func(SQE)
	}{
		{"IOSQE_BUFFER_SELECT", syscall.EOPNOTSUPP, func(q SQE) { q.Flags |= cgo.SQEBufferSelect; q.BufIndex = 5 }},
		{"IOSQE_CQE_SKIP_SUCCESS", syscall.EINVAL, func(q SQE) { q.Flags |= cgo.SQECQESkipSuccess }},
		{"addr3", syscall.EINVAL, func(q SQE) { q.Addr3 = 8 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newZCStage(t, Config{})
			if c.name == "addr3" && HaveNotifUserData() == nil {
				s.notifUserData()
				return
			}
			s.sqe(7, func(q SQE) error {
				err := q.PrepSendZC(FD(s.fd), s.part(0, 100), 0, 0)
				c.set(q)
				return err
			})
			s.is(s.next(), -int(c.want), -1, "")
			s.none()
		})
	}
}

// notifUserData checks what addr3 means where the kernel takes it.
func (s *zcStage) notifUserData() {
	s.Helper()
	s.sqe(7, func(q SQE) error {
		err := q.PrepSendZC(FD(s.fd), s.part(0, 100), 0, 0)
		q.Addr3 = 8
		return err
	})
	equal(s, "user data of the result", s.result(100).UserData, 7)
	equal(s, "user data of the notification", s.notified().UserData, 8)
}

// Behind a failed head of a chain a zero-copy send has a notification that its
// result did not announce. So a zero-copy send cannot be linked, and a queue
// does not believe in notifications that it does not wait for.
func TestScenario44_NotificationsOfLinkedSendsAreStray(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: beyond + 4096, ZCAlways: true})
	s.roomy()
	s.queue(beyond)
	s.flush()
	s.complete(s.result(beyond), beyond)
	s.queue(4096)

	// A chain with the user data of the queue's next request.
	data := uint64(senderToken) | 2<<32
	p := stream(0, 100)
	s.sqe(otherData, func(q SQE) error { q.PrepRecv(-1, p, 0); q.Flags |= cgo.SQEIOLink; return nil })
	s.sqe(data, func(q SQE) error { // PrepSendZC would refuse
		q.prep(cgo.OpSendZC, FD(s.fd), address(p), length(p), 0)
		return nil
	})
	s.is(s.next(), -int(syscall.EBADF), -1, "")
	for range 2 {
		c := s.next()
		if c.Notif() {
			s.isNotif(c)
		} else {
			s.is(c, -int(syscall.ECANCELED), -1, "")
		}
		s.completeErr(c, ErrBadCompletion)
	}
	equal(t, "space", s.q.Space(), 0)
	equal(t, "without notification", s.q.Unnotified(), 1)
	equal(t, "bytes queued", s.q.Queued(), 4096)

	join := s.reading()
	s.finish()
	join()
	s.released()
}

func TestScenario44_ZeroCopySendsCannotBeLinked(t *testing.T) {
	s := newZCStage(t, Config{})
	const want = "uring: Link, HardLink and SkipSuccess do not go with a zero-copy send: its notification would come unannounced"
	m := NewMsg(s.part(0, 100))
	for name, prep := range map[string]func(SQE) error{
		"PrepSendZC":         func(q SQE) error { return q.PrepSendZC(FD(s.fd), s.part(0, 100), 0, 0) },
		"PrepSendZCFixed":    func(q SQE) error { return q.PrepSendZCFixed(FD(s.fd), s.reg, s.part(0, 100), 0, 0) },
		"PrepSendMsgZC":      func(q SQE) error { return q.PrepSendMsgZC(FD(s.fd), m, 0, 0) },
		"PrepSendMsgZCFixed": func(q SQE) error { return q.PrepSendMsgZCFixed(FD(s.fd), s.reg, m, 0, 0) },
	} {
		for _, flag := range []SQEFlags{Link, HardLink, SkipSuccess, Link | Async} {
			t.Run(fmt.Sprintf("%s/%#x", name, uint8(flag)), func(t *testing.T) {
				q, err := s.ring.NextSQE()
				s.must(err)
				s.must(prep(q))
				equal(t, "error", text(q.SetFlags(flag)), want)
				s.submit()
				s.none()
			})
		}
	}
	equal(t, "bytes at the peer", unread(t, s.peer), 0)
}

// A send that was cancelled halfway reports what it sent. Its memory is in use
// until the peer has read, or is gone.
func TestScenario45_CancelledSendHoldsMemoryUntilThePeerReads(t *testing.T) {
	for _, end := range []string{"reads", "closes"} {
		t.Run("peer "+end, func(t *testing.T) {
			testutil.Need(t, HaveSendZC)
			const size = 4 << 20
			s := newSmallSender(t, SendQueueConfig{Mode: SendZC, Memory: size, ZCAlways: true})
			s.queue(size)
			s.flush()
			s.blocked()
			c := s.cancelSend()
			sent := int(c.Res)
			if sent <= 0 || sent >= size {
				t.Fatalf("not sent in part: %+v", observe(c))
			}
			s.is(c, sent, -1, "M")
			s.complete(c, sent)
			equal(t, "space", s.q.Space(), 0)
			s.none()
			if end == "reads" {
				join := s.reading()
				s.complete(s.notified(), 0)
				equal(t, "space", s.q.Space(), 0) // all of it is one piece
				s.finish()
				join()
			} else {
				s.reset()
				s.complete(s.notified(), 0)
				s.flush()
				s.breaks(s.result(-int(syscall.ECONNRESET)), syscall.ECONNRESET)
				s.complete(s.notified(), 0)
			}
			s.released()
			s.must(s.q.Close())
		})
	}
}

// Both completions of each send arrive, however short the completion queue.
func TestScenario46_ShortCompletionQueue(t *testing.T) {
	s := newZCStage(t, Config{Entries: 4, CQEntries: 4})
	const sends = 20
	for i := range sends {
		if s.ring.SQSpace() == 0 {
			s.submit()
		}
		s.sendZC(uint64(i), 100, 0)
	}
	results, notifications := map[uint64]int{}, map[uint64]int{}
	want := map[uint64]int{}
	for i := range sends {
		want[uint64(i)] = 1
	}
	for range 2 * sends {
		if c := s.next(); c.Notif() {
			s.isNotif(c)
			notifications[c.UserData]++
		} else {
			s.is(c, 100, -1, "M")
			results[c.UserData]++
		}
	}
	equal(t, "results", results, want)
	equal(t, "notifications", notifications, want)
	s.arrives(sends * 100)
	s.none()
}

// The same with queues, which share the ring.
func TestScenario46_QueuesOnAShortCompletionQueue(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	base := bareStage(t, Config{Entries: 4, CQEntries: 4})
	queues := make([]*sender, 20)
	for i := range queues {
		fd, peer := testutil.TCPPair(t)
		s := &sender{stage: &stage{TB: t, ring: base.ring}, fd: fd, peer: peer}
		var err error
		s.q, err = s.ring.NewSendQueue(FD(fd), SendQueueConfig{Mode: SendZC, Memory: 4096, ZCAlways: true, Token: MakeToken(1, 0, uint32(i))})
		s.must(err)
		s.queue(4096)
		s.must(s.q.Flush()) // submits when the entries are used up
		queues[i] = s
	}
	for range 2 * len(queues) {
		c := base.next()
		s := queues[c.Token().Slot()]
		_, err := s.q.Complete(c)
		s.must(err)
	}
	for _, s := range queues {
		s.arrives(4096)
		s.released()
	}
	base.none()
}

// Corked sends are notified in any order, each once; the queue releases memory
// in the order of the sends.
func TestScenario47_CorkedSends(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: 4096, ZCAlways: true})
	s.must(syscall.SetsockoptInt(s.fd, syscall.IPPROTO_TCP, syscall.TCP_CORK, 1))
	seen, start := map[uint32]int{}, time.Now()
	notified := func(c CQE) {
		seen[c.Token().Generation()]++
		s.complete(c, 0)
	}
	for range 4 {
		s.queue(1024)
		s.flush()
		c := s.next()
		for c.Notif() {
			notified(c)
			c = s.next()
		}
		s.is(c, 1024, -1, "M")
		s.complete(c, 1024)
	}
	// A cork holds data back for 200 ms at most.
	if !oldCork(t) && time.Since(start) < 150*time.Millisecond {
		equal(t, "notifications", seen, map[uint32]int{})
		equal(t, "space", s.q.Space(), 0)
	}
	equal(t, "without notification", s.q.Unnotified(), 4-len(seen))
	s.must(syscall.SetsockoptInt(s.fd, syscall.IPPROTO_TCP, syscall.TCP_CORK, 0))
	s.arrives(4096)
	for s.q.Unnotified() > 0 {
		notified(s.notified())
	}
	equal(t, "notifications", seen, map[uint32]int{1: 1, 2: 1, 3: 1, 4: 1})
	s.released()
	s.none()
}

// oldCork says whether the kernel gives each zero-copy send packets of its own:
// then a cork holds only the last one back.
func oldCork(t *testing.T) bool { return !hasLinux(t, kernel.V(6, 10)) }

// The same with the notifications in a given order.
func TestScenario47_NotificationsOutOfOrder(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	for _, c := range []struct {
		order, space []int
	}{
		{[]int{0, 1, 2, 3}, []int{1024, 2048, 3072, 4096}},
		{[]int{0, 3, 2, 1}, []int{1024, 1024, 1024, 4096}},
		{[]int{3, 2, 1, 0}, []int{0, 0, 0, 4096}},
		{[]int{1, 0, 3, 2}, []int{0, 2048, 2048, 4096}},
	} {
		t.Run(fmt.Sprint(c.order), func(t *testing.T) {
			s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: 4096, ZCAlways: true})
			notifs := make([]CQE, 4)
			for i := range notifs {
				s.queue(1024)
				s.flush()
				s.complete(s.result(1024), 1024)
				notifs[i] = s.notified() // kept back from the queue
			}
			for i, k := range c.order {
				s.complete(notifs[k], 0)
				equal(t, "space", s.q.Space(), c.space[i])
				s.completeErr(notifs[k], ErrBadCompletion)
			}
			s.arrives(4096)
			s.released()
		})
	}
}

// A program may come to the notification before the result. Memory goes back
// with the second of them, whichever that is, and neither counts twice.
func TestNotificationBeforeItsResult(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: 1000, ZCAlways: true})
	for round := range 3 {
		s.queue(1000)
		s.flush()
		s.arrives(1000)
		result := s.result(1000)
		notif := s.notified()

		s.complete(notif, 0)
		equal(t, "space after the notification", s.q.Space(), 0)
		equal(t, "in flight", s.q.InFlight(), true)
		equal(t, "bytes queued", s.q.Queued(), 1000)
		s.completeErr(notif, ErrBadCompletion)

		s.complete(result, 1000)
		equal(t, "space after both", s.q.Space(), 1000)
		equal(t, "in flight", s.q.InFlight(), false)
		s.completeErr(result, ErrBadCompletion)
		s.completeErr(notif, ErrBadCompletion)
		stats := s.q.Stats()
		equal(t, "bytes, sends and notifications", [3]int{int(stats.Bytes), int(stats.ZeroCopy), int(stats.Notifications)},
			[3]int{1000 * (round + 1), round + 1, round + 1})
	}
	s.released()
	s.none()
}

// Sends from registered memory must lie in the buffer that they name. The
// package refuses what does not; the kernel answers EFAULT.
func TestScenario48_BoundsOfRegisteredBuffers(t *testing.T) {
	s := newZCStage(t, Config{})
	end := s.part(zcMemory-100, 100)
	other, otherReg := s.register(4096)

	send := func(n int) { s.result(n); s.notified(); s.sent += max(n, 0) }
	fixed := func(p []byte, set func(SQE)) {
		s.sqe(1, func(q SQE) error {
			err := q.PrepSendZC(FD(s.fd), p, 0, 0)
			q.IOPrio |= cgo.RecvSendFixedBuf
			q.BufIndex = s.reg.index
			set(q)
			return err
		})
	}
	const fault = -int(syscall.EFAULT)
	s.sqe(1, func(q SQE) error { return q.PrepSendZCFixed(FD(s.fd), s.reg, end, 0, 0) })
	s.result(100)
	s.notified()
	s.got, s.sent = zcMemory-100, zcMemory
	s.arrives(100)

	fixed(end, func(q SQE) { q.Len++ })
	send(fault)
	fixed(end, func(q SQE) { q.BufIndex = 7 })
	send(fault)
	fixed(other.Bytes(), func(SQE) {})
	send(fault)
	s.none()

	refused := func(prep func(SQE) error, want string) {
		t.Helper()
		q, err := s.ring.NextSQE()
		s.must(err)
		equal(t, "error", text(prep(q)), want)
	}
	refused(func(q SQE) error { return q.PrepSendZCFixed(FD(s.fd), otherReg, end, 0, 0) },
		fmt.Sprintf("uring: 100 bytes lie outside registered buffer %d", otherReg.index))
	refused(func(q SQE) error { return q.PrepSendZCFixed(FD(s.fd), s.reg, other.Bytes(), 0, 0) },
		fmt.Sprintf("uring: %d bytes lie outside registered buffer %d", len(other.Bytes()), s.reg.index))
	refused(func(q SQE) error { return q.PrepSendZCFixed(FD(s.fd), RegBuf{}, end, 0, 0) },
		"uring: RegBuf is empty; Ring.RegisterArena makes one")
	refused(func(q SQE) error { return q.PrepSendMsgZCFixed(FD(s.fd), s.reg, NewMsg(end, nil), 0, 0) },
		"uring: an empty part of a registered buffer; leave it out")
	refused(func(q SQE) error { return q.PrepSendMsgZCFixed(FD(s.fd), s.reg, NewMsg(end, other.Bytes()), 0, 0) },
		fmt.Sprintf("uring: %d bytes lie outside registered buffer %d", len(other.Bytes()), s.reg.index))
	s.none()
}

func TestScenario48_PartsOfRegisteredBuffers(t *testing.T) {
	testutil.Need(t, HaveSendMsgZCFixed)
	s := newZCStage(t, Config{})
	other, _ := s.register(4096)
	parts := func(n, size int) [][]byte {
		list := make([][]byte, n)
		for i := range list {
			list[i] = s.part(s.got+i*size, size)
		}
		return list
	}
	for _, c := range []struct {
		name  string
		parts [][]byte
		want  int
	}{
		{"in range", parts(3, 100), 300},
		{"in another buffer", [][]byte{s.part(0, 100), other.Bytes()}, -int(syscall.EFAULT)},
		{"empty", [][]byte{s.part(0, 100), s.part(0, 0)}, -int(syscall.EFAULT)},
		{"1025", parts(1025, 1), -int(syscall.EMSGSIZE)},
		{"none", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := NewMsg(c.parts...)
			s.sqe(1, func(q SQE) error {
				err := q.PrepSendMsgZC(FD(s.fd), m, 0, 0)
				q.IOPrio |= cgo.RecvSendFixedBuf
				q.BufIndex = s.reg.index
				return err
			})
			s.result(c.want)
			s.notified()
			s.arrives(max(c.want, 0))
		})
	}
}

// Unregistering succeeds while a send is on its way, and the send still takes
// its bytes from the memory, which the queue does not let go of.
func TestScenario49_UnregisterWithASendOnItsWay(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: beyond, ZCAlways: true})
	s.roomy()
	s.queue(beyond)
	s.flush()
	s.complete(s.result(beyond), beyond)
	s.must(s.ring.UnregisterArena(s.q.own.reg))
	again, err := s.ring.RegisterArena(s.q.own.arena) // the place is free at once
	s.must(err)
	equal(t, "place", again.Index(), s.q.own.reg.Index())

	s.none()
	equal(t, "space", s.q.Space(), 0)
	join := s.reading()
	s.finish()
	join()
	s.released()
	s.must(s.q.Close())
}

// A registered buffer is its pages: after madvise the kernel sends what the
// pages held, not what the memory holds.
func TestScenario50_RegisteredBufferIsItsPages(t *testing.T) {
	s := newZCStage(t, Config{})
	s.must(syscall.Madvise(s.mem.Bytes(), syscall.MADV_DONTNEED))
	copy(s.mem.Bytes(), make([]byte, 4096))
	s.sqe(1, func(q SQE) error { return q.PrepSendZCFixed(FD(s.fd), s.reg, s.part(0, 4096), 0, 0) })
	s.result(4096)
	s.notified()
	s.sent = 4096
	s.arrives(4096) // the stream, which the memory holds no more
}

// The queue's memory is no memory of the collector's, which gives pages back
// to the system in that way.
func TestScenario50_CollectorLeavesTheMemoryAlone(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: 1 << 20, ZCAlways: true})
	s.roomy()
	s.queue(1 << 20)
	debug.FreeOSMemory()
	join := s.reading()
	s.finish()
	join()
	s.released()
}
