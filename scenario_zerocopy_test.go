//go:build linux

package uring

import (
	"fmt"
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

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
			s.put(beyond)
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
	for _, c := range zcErrors() {
		t.Run(c.name, func(t *testing.T) {
			s := newZCStage(t, Config{})
			prep := c.setUp(s)
			s.queue(1, func(q SQE) { s.must(prep(q)) })
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

// A zcError is a zero-copy send that fails with one of some errors.
type zcError struct {
	name  string
	want  []syscall.Errno
	setUp func(*zcStage) func(SQE) error // returns what prepares the send
	after func(*zcStage)                 // once it is submitted
}

func zcErrors() []zcError {
	zc := func(s *zcStage) func(SQE) error {
		return func(q SQE) error { return q.PrepSendZC(FD(s.fd), s.part(0, 4096), 0, 0) }
	}
	return []zcError{
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
			s.queue(otherData, func(q SQE) { q.PrepCancelFD(FD(s.fd), CancelAll) })
			s.submit()
		}},
		{name: "link timeout", want: []syscall.Errno{syscall.ECANCELED}, setUp: func(s *zcStage) func(SQE) error {
			s.small()
			s.fill()
			return func(q SQE) error { err := zc(s)(q); q.Flags |= cgo.SQEIOLink; return err }
		}, after: func(s *zcStage) {
			s.queue(otherData, func(q SQE) { q.PrepLinkTimeout(time.Millisecond, 0) })
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
	}
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
			s.must(s.UnregisterArena(s.q.own.reg))
			return s
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			testutil.Need(t, HaveSendZC)
			s := c.open(t)
			s.put(4096)
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
			s.put(4096)
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
			s.queue(7, func(q SQE) {
				err := q.PrepSendZC(FD(s.fd), s.part(0, 100), 0, 0)
				c.set(q)
				s.must(err)
			})
			s.is(s.next(), -int(c.want), -1, "")
			s.none()
		})
	}
}

// Behind a failed head of a chain a zero-copy send has a notification that its
// result did not announce. So it must not follow a link, and a queue
// does not believe in notifications that it does not wait for.
func TestScenario44_NotificationsOfLinkedSendsAreStray(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: beyond + 4096, ZCAlways: true})
	s.roomy()
	s.put(beyond)
	s.flush()
	s.complete(s.result(beyond), beyond)
	s.put(4096)

	// A chain with the user data of the queue's next request.
	data := uint64(senderToken) | 2<<32
	p := stream(0, 100)
	s.queue(otherData, func(q SQE) { q.PrepRecv(-1, p, 0); q.Flags |= cgo.SQEIOLink })
	s.queue(data, func(q SQE) { // PrepSendZC would refuse
		q.prep(cgo.OpSendZC, FD(s.fd), address(p), length(p), 0)
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

// Without a completion of its own a zero-copy send would have a notification that
// nothing announced.
func TestScenario44_ZeroCopySendsAreNotSkipped(t *testing.T) {
	s := newZCStage(t, Config{})
	const want = "uring: SkipSuccess does not go with a zero-copy send: its notification would come unannounced"
	for name, prep := range s.zcPreps() {
		for _, flag := range []SQEFlags{SkipSuccess, SkipSuccess | Link, SkipSuccess | Async} {
			q, err := s.NextSQE()
			s.must(err)
			s.must(prep(q, s.fd))
			equal(t, fmt.Sprintf("%s, flags %#x", name, uint8(flag)), text(q.SetFlags(flag)), want)
			s.submit()
			s.none()
		}
	}
	equal(t, "bytes at the peer", unread(t, s.peer), 0)
}

// zcPreps are the Prep methods for 100 bytes.
func (s *zcStage) zcPreps() map[string]func(q SQE, fd int) error {
	m := NewMsg(s.part(0, 100))
	return map[string]func(q SQE, fd int) error{
		"PrepSendZC":         func(q SQE, fd int) error { return q.PrepSendZC(FD(fd), s.part(0, 100), 0, 0) },
		"PrepSendZCFixed":    func(q SQE, fd int) error { return q.PrepSendZCFixed(FD(fd), s.reg, s.part(0, 100), 0, 0) },
		"PrepSendMsgZC":      func(q SQE, fd int) error { return q.PrepSendMsgZC(FD(fd), m, 0, 0) },
		"PrepSendMsgZCFixed": func(q SQE, fd int) error { return q.PrepSendMsgZCFixed(FD(fd), s.reg, m, 0, 0) },
	}
}

// At the head of a chain each notification is announced, whatever becomes of the
// send and of the chain.
func TestScenario44_ZeroCopySendsMayStartAChain(t *testing.T) {
	testutil.Need(t, HaveSendMsgZCFixed)
	canceled, invalid := errno(syscall.ECANCELED), errno(syscall.EINVAL)
	for end, c := range map[string]struct {
		fd         func(s *zcStage) int
		next       func(q SQE)
		first      int32
		link, hard int32 // results of the second request
	}{
		"success":       {func(s *zcStage) int { return s.fd }, SQE.PrepNop, 100, 0, 0},
		"bad fd":        {func(*zcStage) int { return -1 }, SQE.PrepNop, errno(syscall.EBADF), canceled, 0},
		"unix":          {func(s *zcStage) int { fd, _ := streamPair(s); return fd }, SQE.PrepNop, errno(syscall.EOPNOTSUPP), canceled, 0},
		"invalid chain": {func(s *zcStage) int { return s.fd }, func(q SQE) { q.PrepNop(); q.Opcode = 255 }, canceled, invalid, invalid},
	} {
		s := newZCStage(t, Config{})
		for name, prep := range s.zcPreps() {
			for _, flags := range []SQEFlags{Link, HardLink, Link | Async} {
				name := fmt.Sprintf("%s, %s, flags %#x", end, name, uint8(flags))
				head := s.queue(1, func(q SQE) { s.must(prep(q, c.fd(s))) })
				s.must(head.SetFlags(flags))
				s.queue(2, c.next)
				second := c.link
				if flags == HardLink {
					second = c.hard
				}
				s.pairedChain(name, c.first, second)
			}
		}
	}
}

// A link timeout ends a send that waits for room, too.
func TestScenario44_LinkTimeoutOfAZeroCopySend(t *testing.T) {
	s := newZCStage(t, Config{})
	s.small()
	head := s.queue(1, func(q SQE) { s.must(q.PrepSendZC(FD(s.fd), s.part(0, zcMemory), syscall.MSG_WAITALL, 0)) })
	s.must(head.SetFlags(Link))
	s.queue(2, func(q SQE) { q.PrepLinkTimeout(50*time.Millisecond, 0) })
	s.submit()
	for _, c := range s.await(2) {
		equal(t, "user data of a result", c.More(), c.UserData == 1)
		if c.UserData == 1 {
			s.sent += max(0, int(c.Res))
		}
	}
	if s.sent == zcMemory {
		t.Error("the timeout did not end the send")
	}
	join := s.reading()
	equal(t, "user data of the notification", s.notified().UserData, 1)
	s.none()
	s.must(syscall.Shutdown(s.fd, syscall.SHUT_WR))
	join()
}

// pairedChain expects the results of a zero-copy send with user data 1 and of a
// request with 2, and the notification if the first result announced it.
func (s *zcStage) pairedChain(name string, first, second int32) {
	s.Helper()
	results := map[uint64]int32{}
	announced, notified := false, false
	for len(results) < 2 || notified != announced {
		c := s.next()
		if c.Notif() {
			equal(s, name+": user data of the notification", c.UserData, 1)
			notified = true
			continue
		}
		results[c.UserData] = c.Res
		announced = announced || c.More()
	}
	equal(s, name, results, map[uint64]int32{1: first, 2: second})
	equal(s, name+": in flight", s.InFlight(), 0)
	s.none()
}

// A send that was cancelled halfway reports what it sent. Its memory is in use
// until the peer has read, or is gone.
func TestScenario45_CancelledSendHoldsMemoryUntilThePeerReads(t *testing.T) {
	for _, end := range []string{"reads", "closes"} {
		t.Run("peer "+end, func(t *testing.T) {
			testutil.Need(t, HaveSendZC)
			const size = 4 << 20
			s := newSmallSender(t, SendQueueConfig{Mode: SendZC, Memory: size, ZCAlways: true})
			c := s.cutShort(size)
			sent := int(c.Res)
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
		if s.SQSpace() == 0 {
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
		s := &sender{stage: &stage{rig: base.rig}, fd: fd, peer: peer}
		var err error
		s.q, err = s.NewSendQueue(FD(fd), SendQueueConfig{Mode: SendZC, Memory: 4096, ZCAlways: true, Token: MakeToken(1, 0, uint32(i))})
		s.must(err)
		s.put(4096)
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
		s.put(1024)
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
				s.put(1024)
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
