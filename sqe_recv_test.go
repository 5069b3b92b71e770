//go:build linux

package uring

import (
	"bytes"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

func TestRecvMultishotLimitBoundsEachCompletionAndEndsAfterTotal(t *testing.T) {
	testutil.Need(t, HaveRecvMultishotLimit)
	for _, flags := range []IOFlags{0, Bundle} {
		if flags == Bundle {
			testutil.Need(t, HaveBundles)
		}
		client, server := testutil.TCPPair(t)
		sent := randomBytes(1, 0x3000)
		writeAll(t, client, sent)
		var got []byte
		var results []int32
		err := Serve(Config{}, func(r *Ring) error {
			br, err := r.NewBufRing(BufRingConfig{Group: 1, Entries: 32, BufSize: 0x400})
			if err != nil {
				return err
			}
			s, err := r.NextSQE()
			if err != nil {
				return err
			}
			if err := s.PrepRecvMultishotLimit(FD(server), br, 0x800, 0x1800, flags); err != nil {
				return err
			}
			for more := true; more; {
				if _, err := r.SubmitAndWait(1); err != nil {
					return err
				}
				for c := range r.Completions() {
					more = c.More()
					results = append(results, c.Res)
					if err := br.Consume(c, func(p []byte) error { got = append(got, p...); return nil }); err != nil {
						return err
					}
				}
			}
			return br.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range results {
			if n > 0x800 {
				t.Errorf("flags %#x: completions %#x, want at most 0x800 each", flags, results)
			}
		}
		if len(got) < 0x1800 || len(got) >= 0x1800+0x800 {
			t.Errorf("flags %#x: %#x bytes in all, want 0x1800 and at most one completion more", flags, len(got))
		}
		if string(got) != string(sent[:len(got)]) {
			t.Errorf("flags %#x: other bytes than were sent", flags)
		}
	}
}

// Who cancels a multishot receive after its first completion gets 33 of them
// all the same, or more with SQPOLL.
func TestRecvMultishotBrings33BuffersBeforeItCanBeCancelled(t *testing.T) {
	testutil.Need(t, HaveRecvMultishot)
	inEachMode(t, func(t *testing.T, g *rig) {
		client, server := testutil.TCPPair(t)
		sent := randomBytes(1, 200*100)
		writeAll(t, client, sent)
		br, err := g.NewBufRing(BufRingConfig{Group: 1, Entries: 256, BufSize: 100})
		g.must(err)
		g.queue(1, func(s SQE) { g.must(s.PrepRecvMultishot(FD(server), br, 0)) })
		_, err = g.SubmitAndWait(1)
		g.must(err)
		g.queue(2, func(s SQE) { s.PrepCancel(1, 0) })

		var got []byte
		buffers, more := 0, true
		for more {
			for c := range g.Completions() {
				if c.UserData == 2 {
					continue
				}
				more = c.More()
				if c.Err() == syscall.ECANCELED {
					continue
				}
				buffers++
				g.must(br.Consume(c, func(p []byte) error { got = append(got, p...); return nil }))
			}
			if more {
				_, err = g.SubmitAndWait(1)
				g.must(err)
			}
		}
		if buffers < 33 {
			t.Errorf("%d buffers came, want 33 or more", buffers)
		}
		if !bytes.Equal(got, sent[:len(got)]) {
			t.Error("what came is not what was sent")
		}
	})
}

// Data for 40 buffers and the end of the stream are there when a multishot
// receive starts. It may miss the end; a poll does not, and a receive without
// multishot gets it.
func TestEndThatAMultishotReceiveMissesIsSeenByAPoll(t *testing.T) {
	const n, poller = 40, 1 << 41
	missed, err := bugMissedEnd.check()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		stage func(testing.TB, BufRingConfig) *stage
		end   func(*stage)
		want  int // result at the end
	}{
		{"close of a UNIX stream", newStage, func(s *stage) { s.must(syscall.Shutdown(s.out, syscall.SHUT_WR)) }, 0},
		{"reset of a TCP connection", newTCPStage, func(s *stage) { s.must(reset(s.out)) }, -int(syscall.ECONNRESET)},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := test.stage(t, BufRingConfig{Entries: 64, BufSize: 1})
			s.send(n)
			test.end(s)
			s.queue(poller, func(q SQE) { q.PrepPollAdd(FD(s.in), 0) })
			s.arm(0)
			gone := false
			for s.got < n || !gone {
				switch c := s.next(); {
				case c.UserData == poller:
					gone = c.Err() == nil
				default:
					s.is(c, 1, s.got, "MB")
					s.consume(c)
				}
			}
			if _, err := s.SubmitAndWaitTimeout(1, 20*time.Millisecond); missed != "" && err != nil {
				for _, c := range s.cancel(uint64(s.in)) {
					s.failed(c, syscall.ECANCELED)
				}
				s.queue(0, func(q SQE) { s.must(q.PrepRecvProvided(FD(s.in), s.br, 0, 0, 0)) })
			}
			c := s.next()
			equal(t, "result", int(c.Res), test.want)
			s.failed(c, c.Err())
		})
	}
}

// A multishot receive that starts with PollFirst when data and the end of the
// stream are there already gets the data and, on kernels seen so far, never the
// end. It is refused; without PollFirst the end comes.
func TestMultishotRefusesPollFirstWhichCanMissTheEnd(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
	q, err := s.NextSQE()
	if err != nil {
		t.Fatal(err)
	}
	err = q.PrepRecvMultishot(FD(s.in), s.br, PollFirst)
	if err == nil || !strings.Contains(err.Error(), "miss the end") {
		t.Errorf("PollFirst: %v", err)
	}

	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fds[0])
	writeAll(s, fds[1], []byte("last words"))
	syscall.Close(fds[1])
	s.armOn(fds[0], 0)
	c := s.next()
	s.is(c, 10, 0, "MB")
	got := ""
	if err := s.br.Consume(c, func(p []byte) error { got += string(p); return nil }); err != nil || got != "last words" {
		t.Errorf("received %q, %v", got, err)
	}
	s.is(s.next(), 0, -1, "")
}

// Each buffer holds a message with its source and control data.
func TestRecvMsgMultishot(t *testing.T) {
	testutil.Need(t, HaveRecvMultishot)
	inEachMode(t, func(t *testing.T, g *rig) {
		from := boundSocket(t, syscall.AF_INET, syscall.SOCK_DGRAM, loopback4)
		to := boundSocket(t, syscall.AF_INET, syscall.SOCK_DGRAM, loopback4)
		g.must(syscall.SetsockoptInt(to, syscall.IPPROTO_IP, syscall.IP_PKTINFO, 1))
		dest, err := syscall.Getsockname(to)
		g.must(err)

		m := NewMsg()
		m.WantAddr()
		m.SetControl(make([]byte, 64))
		const room = 32 // of payload
		br, err := g.NewBufRing(BufRingConfig{Group: 1, Entries: 4, BufSize: m.Overhead() + room})
		g.must(err)
		arm := func() {
			g.queue(1, func(s SQE) { err = s.PrepRecvMsgMultishot(FD(to), br, m, 0) })
			g.must(err)
			g.submit()
		}
		arm()
		for _, text := range []string{"one", "", "three", strings.Repeat("long ", 10), "five"} {
			g.must(syscall.Sendto(from, []byte(text), 0, dest))
			c := g.await(1)[0]
			g.must(c.Err())
			equal(t, "more", c.More(), text != "")
			seen := 0
			g.must(br.Consume(c, func(p []byte) error {
				seen++
				got, err := m.Parse(p)
				g.must(err)
				equal(t, "payload", string(got.Payload), text[:min(len(text), room)])
				equal(t, "length", got.PayloadLen, min(len(text), room))
				equal(t, "truncated", got.Flags&syscall.MSG_TRUNC != 0, len(text) > room)
				addr, ok := got.AddrPort()
				equal(t, "has an address", ok, true)
				equal(t, "source", addr, localAddr(t, from))
				reply := got.Addr()
				want, err := InetAddr(addr)
				g.must(err)
				equal(t, "address to reply to", string(reply.bytes()), string(want.bytes()))
				control, err := syscall.ParseSocketControlMessage(got.Control)
				g.must(err)
				equal(t, "control messages", len(control), 1)
				equal(t, "kind", control[0].Header.Type, syscall.IP_PKTINFO)
				return nil
			}))
			equal(t, "buffers", seen, 1)
			if !c.More() {
				arm()
			}
		}
	})
}

// A receive with PollFirst waits for the socket before it tries.
func TestPollFirst(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		br, err := g.NewBufRing(BufRingConfig{Group: 1, Entries: 2, BufSize: 64})
		g.must(err)
		g.queue(1, func(s SQE) { err = s.PrepRecvProvided(FD(a), br, 0, 0, PollFirst) })
		g.must(err)
		g.none()
		g.write(b, "data")
		g.must(br.Consume(g.await(1)[0], func(p []byte) error {
			equal(t, "received", string(p), "data")
			return nil
		}))
	})
}

// Without a network device that supports it all that can be seen is that the
// kernel takes the request, and misses the instance it names.
func TestRecvZCNeedsAnInstance(t *testing.T) {
	narrow := newRig(t, Config{})
	if err := narrow.sqe().PrepRecvZCMultishot(0, 0, 0); err == nil {
		t.Error("not refused on a ring with completions of 16 bytes")
	}
	g := newRig(t, Config{Flags: SetupCQE32})
	g.needOp(cgo.OpRecvZC, 6, 15)
	a, _ := testutil.TCPPair(t)
	g.fails(syscall.EINVAL, func(s SQE) { g.must(s.PrepRecvZCMultishot(FD(a), 0, 0)) })
}

// MSG_WAITALL waits for all of a stream, and takes one datagram.
func TestWaitAllOfStreamsAndDatagrams(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		for typ, want := range map[int]int{syscall.SOCK_STREAM: 12, syscall.SOCK_DGRAM: 5} {
			for _, message := range []bool{false, true} {
				in, out := testutil.UnixPair(t, typ)
				p := make([]byte, 12)
				m := NewMsg(p)
				g.start(1, func(s SQE) {
					if message {
						s.PrepRecvMsg(FD(in), m, syscall.MSG_WAITALL)
					} else {
						s.PrepRecv(FD(in), p, syscall.MSG_WAITALL)
					}
				})
				g.write(out, "hello")
				if typ == syscall.SOCK_STREAM {
					g.none()
				}
				g.write(out, ", world")
				equal(t, "received", string(p[:g.await(1)[0].Res]), "hello, world"[:want])
				runtime.KeepAlive(m)
			}
		}
	})
}

// A bundle that finds nothing leaves the buffers as they are: the next receive
// has all of the first.
func TestBundleThatFindsNothingLeavesTheBuffers(t *testing.T) {
	s := newBundleStage(t, BufRingConfig{Entries: 2, BufSize: 4096})
	s.queue(0, func(q SQE) { s.must(q.PrepRecvProvided(FD(s.in), s.br, 0, syscall.MSG_DONTWAIT, Bundle)) })
	s.failed(s.next(), syscall.EAGAIN)
	s.available(2)
	s.send(4096)
	c := s.recv(0, 0, 0)
	s.is(c, 4096, 0, "B")
	s.take(c, place{0, 0, 4096})
	s.settled()
}

// Receives with a limit for each turn take turns, with one buffer more than that
// each time at most, and end at their total.
func TestLimitedReceivesTakeTurns(t *testing.T) {
	testutil.Need(t, HaveRecvMultishotLimit)
	const buffer, turn, total, all, streams = 32, 1024, 4096, 8192, 4
	for _, flags := range []IOFlags{0, Bundle} {
		if flags == Bundle {
			testutil.Need(t, HaveBundles)
		}
		g := newRig(t, Config{CQEntries: 4096, Flags: SetupSubmitAll | SetupSingleIssuer | SetupDeferTaskrun})
		br, err := g.NewBufRing(BufRingConfig{Group: 1, Entries: 2048, BufSize: buffer})
		g.must(err)
		var in, left, since [streams]int
		arm := func(i int) {
			since[i] = 0
			g.queue(uint64(i), func(s SQE) { g.must(s.PrepRecvMultishotLimit(FD(in[i]), br, turn, total, flags)) })
		}
		for i := range streams {
			var out int
			out, in[i] = testutil.TCPPair(t)
			left[i] = all
			writeAll(t, out, make([]byte, all))
			arrived(t, in[i], all)
			arm(i)
		}
		for waiting, last, run := streams, -1, 0; waiting > 0; {
			c := g.next()
			i := int(c.UserData)
			g.must(br.Consume(c, func([]byte) error { return nil }))
			if i != last {
				last, run = i, 0
			}
			run += int(c.Res)
			left[i] -= int(c.Res)
			if since[i] += int(c.Res); since[i] > total+turn {
				t.Errorf("flags %#x: %d bytes of one request", flags, since[i])
			}
			if run > turn+buffer && waiting == streams && since[i] == run {
				t.Errorf("flags %#x: %d bytes before the others had a turn", flags, run)
			}
			switch {
			case left[i] == 0:
				waiting--
			case !c.More():
				arm(i)
			}
		}
	}
}
