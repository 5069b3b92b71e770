//go:build linux

package uring

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// refusedCompletion hands c over and returns why it is refused.
func (s *stage) refusedCompletion(c CQE) string {
	s.Helper()
	err := s.br.Consume(c, func(p []byte) error {
		s.Errorf("%+v brought %q", observe(c), p)
		return nil
	})
	if !errors.Is(err, ErrBadCompletion) {
		s.Errorf("%+v: error %v", observe(c), err)
	}
	return text(err)
}

// bothKinds runs a test with a classic and with an incremental ring.
func bothKinds(t *testing.T, test func(t *testing.T, s *stage)) {
	for _, incremental := range []bool{false, true} {
		t.Run(fmt.Sprintf("incremental=%v", incremental), func(t *testing.T) {
			test(t, newStage(t, BufRingConfig{Entries: 8, BufSize: 64, Incremental: incremental}))
		})
	}
}

// Equal completions are told apart: by the order in which they came.
func TestSkippedCompletionIsNoticed(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *stage) {
		var got []CQE
		for range 4 {
			s.send(10)
			got = append(got, s.recv(0, 0, 0))
		}
		s.consume(got[0])
		for range 2 { // and nothing changes
			equal(t, "error", strings.Contains(s.refusedCompletion(got[2]), "1 completions before it were not handed over"), true)
			equal(t, "error", strings.Contains(s.refusedCompletion(got[3]), "2 completions before it were not handed over"), true)
		}
		for _, c := range got[1:] {
			s.consume(c)
		}
		s.settled()
	})
}

func TestCompletionHandedOverTwiceIsNoticed(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *stage) {
		s.send(10)
		first := s.recv(0, 0, 0)
		s.consume(first)
		s.send(10)
		second := s.recv(0, 0, 0)
		equal(t, "error", strings.Contains(s.refusedCompletion(first), "it was handed over before"), true)
		made := CQE{UserData: second.UserData, Res: second.Res, Flags: second.Flags}
		equal(t, "error", strings.Contains(s.refusedCompletion(made), "it does not come from the ring's queue"), true)
		s.consume(second)
		equal(t, "error", strings.Contains(s.refusedCompletion(second), "it was handed over before"), true)
		s.settled()
	})
}

// What Peek shows is the same completion as often as it is shown.
func TestPeekedCompletionsKeepTheirOrder(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *stage) {
		s.arm(0)
		for range 5 {
			s.send(7)
		}
		for deadline := time.Now().Add(patience); s.Ready() < 5; {
			if _, err := s.SubmitAndWaitTimeout(5, time.Until(deadline)); err != nil {
				t.Fatal(err)
			}
		}
		var few, all [8]CQE
		equal(t, "peeked", s.Peek(few[:2]), 2)
		equal(t, "peeked", s.Peek(all[:]), 5)
		equal(t, "orders", []uint32{few[0].order, few[1].order, all[0].order, all[1].order, all[4].order}, []uint32{1, 2, 1, 2, 5})
		s.consume(all[0])
		s.consume(few[1])
		s.Advance(2)
		equal(t, "third", s.next().order, uint32(3))
		s.Advance(1) // the fourth, which is not handed over
		fifth := s.next()
		equal(t, "fifth", fifth.order, uint32(5))
		equal(t, "error", strings.Contains(s.refusedCompletion(fifth), "2 completions before it were not handed over"), true)
		for _, c := range all[2:5] {
			s.consume(c)
		}
		s.settled()
	})
}

// Completions of several buffer rings come mixed; each ring has an order of its own,
// and knows those of others.
func TestEachBufferRingHasItsOwnOrder(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *stage) {
		other, err := s.NewBufRing(BufRingConfig{Group: 1, Entries: 4, BufSize: 64})
		s.must(err)
		in, out := streamPair(t)
		var mine, others []CQE
		for range 3 {
			s.send(5)
			mine = append(mine, s.recv(0, 0, 0))
			writeAll(s, out, []byte("other"))
			s.queue(9, func(q SQE) { s.must(q.PrepRecvProvided(FD(in), other, 0, 0, 0)) })
			others = append(others, s.next())
		}
		for i := range 3 {
			s.must(other.Consume(others[i], func(p []byte) error { equal(t, "bytes", string(p), "other"); return nil }))
		}
		s.refusedCompletion(others[0])
		if err := other.Consume(mine[0], nil); !errors.Is(err, ErrBadCompletion) {
			t.Error(err)
		}
		for i := range 3 {
			s.consume(mine[i])
		}
		s.settled()
	})
}

// Numbers of buffers are used again when no completion can name them any more.
func TestBufferNumbersAreUsedAgain(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 8, BufSize: 64})
	var firsts []int
	for i := range 3 * watchedBids / 4096 {
		br, err := s.NewBufRing(BufRingConfig{Group: 7, Entries: 4096, BufSize: 1})
		s.must(err)
		if i < 2 {
			firsts = append(firsts, int(br.first))
		}
		equal(t, "watched", br.watched, true)
		s.must(br.Close())
	}
	equal(t, "first numbers", firsts, []int{4096, 4096})

	// When there are none left, a buffer ring works unwatched.
	big, err := s.NewBufRing(BufRingConfig{Group: 8, Entries: watchedBids, BufSize: 64})
	s.must(err)
	equal(t, "watched", big.watched, false)
	s.br = big
	for range 3 {
		s.send(20)
		s.consume(s.recv(0, 0, 0))
	}
	s.settled()
}

// A larger ring does not take numbers of others that are still there.
func TestNumbersOfASmallRingAreNoRoomForALargeOne(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 1, BufSize: 64})
	first, err := s.NewBufRing(BufRingConfig{Group: 7, Entries: 1, BufSize: 64})
	s.must(err)
	s.br, first = first, s.br // the one whose number is the later one
	s.must(first.Close())
	_, err = s.NewBufRing(BufRingConfig{Group: 8, Entries: 16, BufSize: 64})
	s.must(err)
	s.send(20)
	s.consume(s.recv(0, 0, 0))
	s.settled()
}

// The kernel's entry says where it goes on: a ring whose account is elsewhere hands
// out nothing any more.
func TestReceivePointThatDiffersStopsTheRing(t *testing.T) {
	k := newModel(t, BufRingConfig{Entries: 4, BufSize: 16, Incremental: true}, 0)
	k.br.singles = false // or it would be seen before there are bytes to hand out
	p := &play{TB: t, model: k}
	p.post(k.receive([]byte("12345"), 1), "")
	for c := range k.ring.Completions() {
		if err := k.br.Consume(c, func([]byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	k.submit(t)
	equal(t, "broken", k.br.broken, nil)

	k.first().use(3) // of which no completion tells
	p.post(k.receive([]byte("678"), 1), "")
	for c := range k.ring.Completions() {
		_ = k.br.Consume(c, func([]byte) error { return nil })
	}
	k.submit(t)
	const want = "uring: the kernel and the account of a buffer ring disagree: group 0, buffer 0: 8 bytes of it are left by the account, 5 by the kernel's"
	p.post(k.receive([]byte("9"), 1), "")
	for c := range k.ring.Completions() {
		err := k.br.Consume(c, func([]byte) error { t.Error("bytes"); return nil })
		equal(t, "disagreement", errors.Is(err, ErrAccount), true)
		equal(t, "error", text(err), want)
	}
	s, err := k.ring.NextSQE()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "error", text(s.PrepRecvMultishot(0, k.br, 0)), want)
	if err := k.br.Close(); err != nil {
		t.Fatal(err)
	}
	equal(t, "memory kept", len(k.ring.unfreed), 1)
}

// The account and the kernel's entry agree after each completion, however much a
// receive takes.
func TestReceivePointIsTheKernels(t *testing.T) {
	testutil.Need(t, HaveIncremental)
	for name, flags := range map[string]SetupFlags{"plain": 0, "defer": SetupSingleIssuer | SetupDeferTaskrun, "sqpoll": SetupSQPoll} {
		t.Run(name, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			in, out := streamPair(t)
			s := stageOn(t, Config{Flags: flags}, BufRingConfig{Entries: 4, BufSize: 100, Incremental: true}, in, out)
			for i := range 200 {
				s.send(1 + i*37%150)
				for s.got < s.sent {
					s.consume(s.recv(0, 0, 0))
					_, left := s.br.entry(s.br.head)
					bid := s.br.order[s.br.head&s.br.mask]
					equal(t, "left", left, s.br.size-s.br.bufs[bid].off)
				}
			}
			s.submit()
			equal(t, "broken", s.br.broken, nil)
			equal(t, "mismatches", s.br.Stats().Mismatches, 0)
		})
	}
}

// urgent sends urgent bytes until the kernel would have moved a receive that waits
// at the other end to a worker thread: it finds nothing to receive each time.
func (s *stage) urgent(fd int) {
	s.Helper()
	for range 140 {
		if err := syscall.Sendto(fd, []byte("!"), syscall.MSG_OOB, nil); err != nil {
			s.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// A peer cannot make another connection lose its bytes, nor get them overwritten.
func TestUrgentBytesHarmNobody(t *testing.T) {
	testutil.Need(t, HaveRecvMultishotLimit)
	bothKinds(t, func(t *testing.T, s *stage) {
		before := len(workers(t))
		evil, evilPeer := testutil.TCPPair(t)
		arm := func() {
			s.queue(1, func(q SQE) { s.must(q.PrepRecvProvided(FD(evil), s.br, 0, 0, 0)) })
			s.submit()
		}
		arm()
		s.urgent(evilPeer)
		equal(t, "workers", len(workers(t)), before)

		// An urgent byte is data once the next has come: a slow machine finds some.
		evils := ""
		evilGot := func(c CQE) {
			s.must(s.br.Consume(c, func(p []byte) error { evils += string(p); return nil }))
			arm()
		}
		receive := func() CQE {
			s.send(64)
			s.queue(2, func(q SQE) { s.must(q.PrepRecvProvided(FD(s.in), s.br, 0, 0, 0)) })
			for {
				c := s.next()
				if c.UserData == 2 {
					return c
				}
				evilGot(c)
			}
		}
		var held []Segment
		for seg, err := range s.br.Segments(receive()) {
			s.must(err)
			s.inStream(seg.Bytes)
			held = append(held, seg)
		}
		for range 20 {
			s.consume(receive())
		}
		writeAll(s, evilPeer, []byte(strings.Repeat("EVIL", 16)))
		for strings.Trim(evils, "!") == "" {
			evilGot(s.next())
		}
		got := strings.TrimLeft(evils, "!")
		equal(t, "evil's bytes", got, strings.Repeat("EVIL", 16)[:len(got)])
		equal(t, "held", string(held[0].Bytes), string(stream(0, len(held[0].Bytes))))
		s.release(held...)
	})
}

// Two receives wait for datagrams on one socket: of two that are woken, one finds
// nothing.
func TestSeveralReceivesOfOneSocket(t *testing.T) {
	for _, c := range []BufRingConfig{
		{Entries: 8, BufSize: 512},
		{Entries: 8, BufSize: 4096, Incremental: true, MinLeft: 512},
	} {
		for name, prep := range map[string]func(*stage, SQE) error{
			"recv":        func(s *stage, q SQE) error { return q.PrepRecvProvided(FD(s.in), s.br, 0, 0, 0) },
			"recv of 300": func(s *stage, q SQE) error { return q.PrepRecvProvided(FD(s.in), s.br, 300, 0, 0) },
			"read":        func(s *stage, q SQE) error { return q.PrepReadProvided(FD(s.in), s.br, 0) },
		} {
			t.Run(fmt.Sprintf("incremental=%v/%s", c.Incremental, name), func(t *testing.T) {
				testutil.Need(t, HaveRecvMultishotLimit)
				in, out := testutil.UnixPair(t, syscall.SOCK_DGRAM)
				s := stageOn(t, Config{}, c, in, out)
				for i := range 2 {
					s.queue(uint64(i), func(q SQE) { s.must(prep(s, q)) })
				}
				s.submit()
				for i := range 300 {
					s.send(100 + i%150)
					got := s.next()
					s.consume(got)
					equal(t, "bytes", s.got, s.sent)
					s.queue(got.UserData, func(q SQE) { s.must(prep(s, q)) })
					s.submit()
				}
			})
		}
	}
}

// On kernels where a receive can move to a worker, which consumes more of a buffer
// than it says, no wrong bytes are handed out: the ring stops.
func TestNoWrongBytesWhereReceivesMoveToWorkers(t *testing.T) {
	testutil.Need(t, HaveMinLeft)
	in, out := testutil.UnixPair(t, syscall.SOCK_DGRAM)
	s := stageOn(t, Config{}, BufRingConfig{Entries: 8, BufSize: 4096, Incremental: true, MinLeft: 400}, in, out)
	s.singleReceives()
	arm := func(i uint64) {
		s.queue(i, func(q SQE) { s.must(q.PrepRecvProvided(FD(s.in), s.br, 0, 0, 0)) })
		s.submit()
	}
	arm(1)
	arm(2)
	for i := range 400 {
		s.send(100 + i%200)
		c := s.next()
		err := s.br.Consume(c, func(p []byte) error { s.inStream(p); return nil })
		if errors.Is(err, ErrAccount) {
			return
		}
		s.must(err)
		if s.br.broken == nil {
			arm(c.UserData)
		}
	}
	// A kernel that never moves one is right too.
	equal(t, "bytes", s.got, s.sent)
}

// A worker thread may take a part of a buffer: as much as was left of another one
// when its receive found nothing there. Whoever uses up the rest then says the same
// as a worker that took all.
func TestWorkerThatTookAPartIsNoticed(t *testing.T) {
	for _, n := range []int{60, 40} {
		s := newStage(t, BufRingConfig{Entries: 4, BufSize: 100, Incremental: true})
		in, _ := streamPair(t)
		s.rawAsyncOn(in, 100-n)
		s.waitEntry(0, place{0, 100 - n, n})
		s.send(n)
		err := s.br.Consume(s.recv(0, 0, 0), func([]byte) error { t.Error("bytes of elsewhere"); return nil })
		equal(t, "disagreement", errors.Is(err, ErrAccount), true)
	}
}

// The same when the rest is another worker's, which completes when the slot of the
// buffer in the ring has been reused.
func TestWorkersThatShareABufferAreNoticed(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 4, BufSize: 100, Incremental: true})
	first, _ := streamPair(t)
	second, peer := streamPair(t)
	s.rawAsyncOn(first, 40)
	s.waitEntry(0, place{0, 40, 60})
	s.rawAsyncOn(second, 0)
	s.waitHead(1)
	var err error
	for range 2 * 4 {
		s.send(100)
		if err = s.br.Consume(s.recv(0, 0, 0), func(p []byte) error { s.inStream(p); return nil }); err != nil {
			break
		}
		s.submit()
	}
	if err == nil {
		s.write(peer, "late")
		err = s.br.Consume(s.next(), func(p []byte) error { equal(t, "bytes", string(p), "late"); return nil })
	}
	equal(t, "disagreement", errors.Is(err, ErrAccount), true)
}

// A receive behind a link starts where the request before it ended: in a worker
// thread, after one that has to run there.
func TestReceiveBehindARequestOfAWorker(t *testing.T) {
	testutil.Need(t, HaveRecvMultishotLimit)
	bothKinds(t, func(t *testing.T, s *stage) {
		f, err := os.CreateTemp(t.TempDir(), "")
		s.must(err)
		defer f.Close()
		for range 20 {
			s.must(s.MakeRoom(2))
			s.queue(1, func(q SQE) { q.PrepFsync(FD(f.Fd()), 0); s.must(q.SetFlags(Link | Async)) })
			s.queue(2, func(q SQE) { s.must(q.PrepRecvProvided(FD(s.in), s.br, 0, 0, 0)) })
			s.submit()
			equal(t, "fsync", s.next().Res, int32(0))
			time.Sleep(time.Millisecond) // the receive waits by now, mostly
			s.send(11)
			s.consume(s.next())
			s.send(12)
			s.consume(s.recv(0, 0, 0))
		}
		s.settled()
	})
}

// Late requests that would run in a worker are refused where that harms.
func TestLateRequestsAreRefused(t *testing.T) {
	testutil.Need(t, HaveBundles)
	testutil.Need(t, HaveIncremental)
	s := newStage(t, BufRingConfig{Entries: 4, BufSize: 64})
	incremental, err := s.NewBufRing(BufRingConfig{Group: 1, Entries: 4, BufSize: 64, Incremental: true})
	s.must(err)
	p, rc := cgo.Pipe()
	s.must(check("make a pipe", rc))
	r := p[0]
	defer cgo.CloseFD(p[0])
	defer cgo.CloseFD(p[1])
	after := func(link SQEFlags, prep func(SQE) error) string {
		s.queue(1, func(q SQE) { q.PrepNop(); s.must(q.SetFlags(link)) })
		q, err := s.NextSQE()
		s.must(err)
		got := text(prep(q))
		s.submit()
		s.next()
		return got
	}
	bundle := func(q SQE) error { return q.PrepRecvProvided(FD(s.in), s.br, 0, syscall.MSG_DONTWAIT, Bundle) }
	read := func(q SQE) error { return q.PrepReadProvided(FD(r), incremental, 0) }
	for _, link := range []SQEFlags{Link, HardLink} {
		equal(t, "bundle behind a link", after(link, bundle), errLateBundle.Error())
		equal(t, "read behind a link", after(link, read), errLateIncremental.Error())
	}
	for name, c := range map[string]struct {
		prep func(SQE) error
		want error
	}{
		"bundle":         {bundle, errLateBundle},
		"read":           {read, errLateIncremental},
		"multishot read": {func(q SQE) error { return q.PrepReadMultishot(FD(r), incremental) }, errLateIncremental},
	} {
		s.refuses(func(q SQE) error { s.must(c.prep(q)); return q.SetFlags(Async) }, c.want.Error())
		s.refuses(func(q SQE) error { s.must(q.SetFlags(Async)); return c.prep(q) }, c.want.Error())
		t.Log(name)
	}
}

// Only what brings a stream of bytes may meet the rest of an incremental buffer.
func TestMessagesAreKeptFromShortRests(t *testing.T) {
	testutil.Need(t, HaveIncremental)
	s := newStage(t, BufRingConfig{Entries: 4, BufSize: 4096, Incremental: true})
	cuts := errCutsMessages.Error()
	recv := func(fd FD) func(SQE) error {
		return func(q SQE) error { return q.PrepRecvMultishot(fd, s.br, 0) }
	}
	read := func(fd FD) func(SQE) error {
		return func(q SQE) error { return q.PrepReadMultishot(fd, s.br) }
	}
	for name, domain := range map[string][3]int{
		"raw":       {syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_ICMP},
		"netlink":   {syscall.AF_NETLINK, syscall.SOCK_RAW, syscall.NETLINK_ROUTE},
		"packet":    {syscall.AF_PACKET, syscall.SOCK_RAW, 0},
		"datagram":  {syscall.AF_INET, syscall.SOCK_DGRAM, 0},
		"seqpacket": {syscall.AF_UNIX, syscall.SOCK_SEQPACKET, 0},
	} {
		t.Run(name, func(t *testing.T) {
			fd, err := syscall.Socket(domain[0], domain[1]|syscall.SOCK_CLOEXEC, domain[2])
			if errors.Is(err, syscall.EPERM) {
				t.Skip("this socket is for those with CAP_NET_RAW")
			}
			s.must(err)
			defer syscall.Close(fd)
			s.refuses(recv(FD(fd)), cuts)
			s.refuses(read(FD(fd)), cuts)
		})
	}
	t.Run("direct descriptor", func(t *testing.T) {
		s.refuses(recv(DirectSlot(0).FD()), "uring: a direct descriptor may be a socket of messages, which the rest of an incremental buffer would cut: set BufRingConfig.MinLeft to the largest message, or to 1 if it is a stream")
	})
	t.Run("eventfd", func(t *testing.T) {
		fd := cgo.EventFD()
		defer cgo.CloseFD(fd)
		s.refuses(read(FD(fd)), cuts)
	})
	t.Run("inotify", func(t *testing.T) {
		fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC)
		s.must(err)
		defer syscall.Close(fd)
		s.refuses(read(FD(fd)), cuts)
	})
	for _, name := range []string{"/dev/null", "/dev/urandom", os.TempDir()} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(name)
			s.must(err)
			defer f.Close()
			s.refuses(read(FD(f.Fd())), "uring: an incremental buffer ring cannot account for reads of what cannot be polled, such as files: use a ring without Incremental")
		})
	}
}

// What can only block is not read by a multishot read, which would wait for ever, or
// read once; with O_NONBLOCK it brings each event.
func TestMultishotReadsNeedWhatDoesNotBlock(t *testing.T) {
	testutil.Need(t, HaveReadMultishot)
	s := newStage(t, BufRingConfig{Entries: 4, BufSize: 4096})
	for _, flags := range []int{0, syscall.IN_NONBLOCK} {
		fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | flags)
		s.must(err)
		defer syscall.Close(fd)
		prep := func(q SQE) error { return q.PrepReadMultishot(FD(fd), s.br) }
		if flags == 0 {
			s.refuses(prep, "uring: a multishot read of this descriptor waits in a worker thread: open it with O_NONBLOCK, or use PrepReadProvided")
			continue
		}
		dir := t.TempDir()
		_, err = syscall.InotifyAddWatch(fd, dir, syscall.IN_CREATE)
		s.must(err)
		s.queue(1, func(q SQE) { s.must(prep(q)) })
		s.submit()
		for i := range 20 {
			s.must(os.WriteFile(fmt.Sprintf("%s/%d", dir, i), nil, 0o600))
			c := s.next()
			s.must(s.br.Consume(c, func(p []byte) error { equal(t, "bytes of an event", len(p), syscall.SizeofInotifyEvent+16); return nil }))
			s.submit()
		}
	}
}

// A group of the older kind has numbers of the program's: nobody can tell its
// completions from those of a buffer ring.
func TestGroupsOfTheOlderKindEndTheWatch(t *testing.T) {
	s := newStage(t, BufRingConfig{Group: 1, Entries: 4, BufSize: 64})
	mem := make([]byte, 4*64)
	s.queue(1, func(q SQE) { s.must(q.PrepProvideBuffers(mem, 64, 2, 0)) })
	equal(t, "provide", s.next().Res, int32(0))
	in, out := streamPair(t)
	for range 3 {
		writeAll(s, out, []byte("old kind"))
		s.queue(2, func(q SQE) { q.PrepRecv(FD(in), nil, 0); s.must(q.SetBufGroup(2)) })
		equal(t, "result", s.next().Res, int32(8)) // never handed to a BufRing
		s.send(10)
		s.consume(s.recv(0, 0, 0))
	}
	s.settled()
	runtime.KeepAlive(mem)
}

// watchReads makes the ring look at the kernel's entry before it hands out bytes, as
// it does from the first read of a pipe on.
func (s *stage) watchReads() {
	s.Helper()
	var empty [2]int
	s.must(syscall.Pipe2(empty[:], syscall.O_CLOEXEC))
	s.Cleanup(func() { syscall.Close(empty[0]); syscall.Close(empty[1]) })
	s.queue(99, func(q SQE) { s.must(q.PrepReadProvided(FD(empty[0]), s.br, 0)) })
	s.submit()
	equal(s, "watched", s.br.singles, true)
}

// What was received before the first read is not part of what the ring looks at.
func TestCompletionsFromBeforeAReadAreHandedOverLate(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 8, BufSize: 64, Incremental: true})
	var late []CQE
	for range 3 {
		s.send(10)
		late = append(late, s.recv(0, 0, 0))
	}
	s.watchReads()
	s.send(10)
	late = append(late, s.recv(0, 0, 0))
	for _, c := range late {
		s.consume(c)
	}
	equal(t, "bytes", s.got, s.sent)
}

// Completions for which the queue has no room are not known yet, and have moved the
// receive point.
func TestReceivePointIsAheadWhenTheQueueOverflows(t *testing.T) {
	in, out := testutil.UnixPair(t, syscall.SOCK_STREAM)
	s := stageOn(t, Config{Entries: 2, CQEntries: 2}, BufRingConfig{Entries: 8, BufSize: 64, Incremental: true}, in, out)
	s.watchReads()
	ins := []int{s.in}
	for range 3 {
		in, out := streamPair(t)
		s.write(out, string(stream(0, 10)))
		ins = append(ins, in)
	}
	s.send(10)
	for _, fd := range ins {
		s.armOn(fd, 0)
		s.submit()
	}
	equal(t, "overflow", s.Overflowed(), true)
	n := 0
	for n < 10*len(ins) {
		for c := range s.Completions() {
			s.must(s.br.Consume(c, func(p []byte) error { equal(t, "bytes", string(p), string(stream(0, 10))); n += len(p); return nil }))
		}
	}
}

// busyKernel receives on other threads: whenever it is asked for its head it has
// posted all that it had received until then, and has received more.
type busyKernel struct {
	*play
	unposted []CQE
	more     int
}

func (k *busyKernel) BufRingHead(uint32) int {
	for _, c := range k.unposted {
		k.post(c, "")
	}
	k.unposted = nil
	if k.more > 0 {
		k.more--
		k.unposted = append(k.unposted, k.model.receive([]byte("ten bytes."), 1))
	}
	return int(k.head)
}

// Threads of the kernel may receive while the program looks at the receive point.
func TestReceivePointMovesWhileItIsLookedAt(t *testing.T) {
	k := &busyKernel{play: &play{TB: t, model: newModel(t, BufRingConfig{Entries: 4, BufSize: 64, Incremental: true}, 0)}}
	k.ring.drv = k
	k.br.singles = true
	want := 0
	for more := range 8 {
		k.more = more
		want += 2 + more
		k.post(k.model.receive([]byte("ten bytes."), 1), "")
		k.unposted = append(k.unposted, k.model.receive([]byte("ten bytes."), 1))
		for int(k.br.stats.Completions) < want {
			for c := range k.ring.Completions() {
				if err := k.br.Consume(c, func([]byte) error { return nil }); err != nil {
					t.Fatal(err)
				}
			}
			k.BufRingHead(0)
			k.submit()
		}
	}
}
