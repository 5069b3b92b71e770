//go:build linux

package uring

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/live"
	"github.com/uring-go/uring/internal/testutil"
)

// unclosedRig opens a ring that the test closes itself.
func unclosedRig(t *testing.T, c Config) *rig {
	t.Helper()
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return rigOn(t, r)
}

// A worker thread that copies from the page cache cannot be stopped.
func TestCloseWaitsForWorkers(t *testing.T) {
	f, size := pageCache(t)
	for i := range 4 {
		g := unclosedRig(t, Config{Entries: 4})
		a := newArena(t, size)
		s := g.queue(1, func(s SQE) { s.PrepRead(FD(f.Fd()), a.Bytes(), 0) })
		g.must(s.SetFlags(Async))
		g.submit()
		time.Sleep(time.Duration(i) * 2 * time.Millisecond)
		closesLater(t, g.Ring)
		overwrite(a.Bytes())
		untouched(t, a.Bytes())
	}
}

// Direct I/O that a device works on is not found by a cancellation.
func TestCloseWaitsForADevice(t *testing.T) {
	const size, rate = 1 << 20, 2 << 20
	f, err := os.Create(t.TempDir() + "/disk")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(bytes.Repeat([]byte{0x11}, size)); err != nil {
		t.Fatal(err)
	}
	g := unclosedRig(t, Config{Entries: 4})
	defer g.Close() // if no device can be made slow
	dev := g.loopDevice(f)
	slowDown(t, dev, rate)
	direct, err := os.OpenFile(dev.Name(), os.O_RDONLY|syscall.O_DIRECT, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	a := newArena(t, size)
	for i := range 4 {
		part := a.Bytes()[i*size/4:][:size/4]
		g.queue(1, func(s SQE) { s.PrepRead(FD(direct.Fd()), part, uint64(i*size/4)) })
	}
	g.submit()
	closesWith(t, 50*time.Millisecond)
	busy := 0
	var closed error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); busy++ {
		if closed = g.Close(); closed == nil {
			break
		}
		equal(t, "is busy", errors.Is(closed, ErrBusy), true)
	}
	equal(t, "error in the end", closed, nil)
	if busy == 0 {
		t.Error("the device was not slow, or Close did not wait for it")
	}
	overwrite(a.Bytes())
	time.Sleep(size / 4 * time.Second / rate)
	untouched(t, a.Bytes())
}

// slowDown limits how many bytes can be read from a device in a second.
func slowDown(t *testing.T, dev *os.File, rate int) {
	t.Helper()
	const limits = "/sys/fs/cgroup/blkio/blkio.throttle.read_bps_device"
	var st syscall.Stat_t
	if err := syscall.Fstat(int(dev.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	number := fmt.Sprintf("%d:%d", st.Rdev>>8&0xfff, st.Rdev&0xff)
	if err := os.WriteFile(limits, fmt.Appendf(nil, "%s %d", number, rate), 0); err != nil {
		t.Skip("no device can be made slow: ", err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(limits, []byte(number+" 0"), 0); err != nil {
			t.Error(err)
		}
	})
}

// inEachClosing runs a test many times with a ring of each mode, which it closes,
// and with ordinary and direct descriptors.
func inEachClosing(t *testing.T, test func(t *testing.T, g *rig, direct bool)) {
	rounds := 15
	if testing.Short() {
		rounds = 3
	}
	for _, m := range modes {
		for _, direct := range []bool{false, true} {
			t.Run(fmt.Sprint(m.name, "/direct=", direct), func(t *testing.T) {
				t.Parallel() // most of the time is spent waiting
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				for range rounds {
					test(t, unclosedRig(t, m.config), direct)
				}
			})
		}
	}
}

// handOver makes the file the ring's alone: its requests, and its table if direct,
// are all that keeps it open once the caller has submitted them and called done.
func (g *rig) handOver(fd int, direct bool) (as FD, done func()) {
	g.Helper()
	as = FD(fd)
	if direct {
		g.must(g.RegisterFDs([]int{fd}))
		as = DirectSlot(0).FD()
	}
	return as, func() { g.must(syscall.Close(fd)) }
}

// taken waits until the kernel's thread, if there is one, has the entries.
func (g *rig) taken() {
	g.Helper()
	if !g.awaitSQThread(deadline{at: time.Now().Add(patience)}) {
		g.Fatal("the kernel's thread takes nothing")
	}
}

func TestCloseLetsGoOfPorts(t *testing.T) {
	inEachClosing(t, func(t *testing.T, g *rig, direct bool) {
		at := ownAddress()
		l := listenOn(t, at)
		at.Port = portOf(t, l)
		fd, done := g.handOver(l, direct)
		for i := range 3 {
			g.queue(uint64(i), func(s SQE) { s.PrepAccept(fd, 0) })
		}
		g.submit()
		g.taken()
		done()
		closesLater(t, g.Ring)
		g.must(syscall.Close(listenOn(t, at)))
	})
}

var addresses atomic.Uint32

// ownAddress returns a loopback address that nothing else listens on: a port that is
// free again may otherwise go to whoever asks for any.
func ownAddress() *syscall.SockaddrInet4 {
	n := addresses.Add(1)
	return &syscall.SockaddrInet4{Addr: [4]byte{127, byte(64 + os.Getpid()%128), byte(n >> 8), byte(n)}}
}

func TestCloseLetsGoOfConnections(t *testing.T) {
	p := newArena(t, 4096).Bytes()
	inEachClosing(t, func(t *testing.T, g *rig, direct bool) {
		a, b, err := pairOf()
		g.must(err)
		defer syscall.Close(b)
		fd, done := g.handOver(a, direct)
		g.queue(1, func(s SQE) { s.PrepRecv(fd, p[:8], 0) })
		g.queue(2, func(s SQE) { s.PrepPollAdd(fd, 1) })
		g.submit()
		g.taken()
		done()
		closesLater(t, g.Ring)
		n, _, err := syscall.Recvfrom(b, make([]byte, 1), syscall.MSG_DONTWAIT)
		if n != 0 || err != nil {
			t.Fatalf("the peer reads %d bytes, %v, and not the end", n, err)
		}
	})
}

func pairOf() (a, b int, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	return fds[0], fds[1], err
}

// A locked file that is in the table only, or in use by a worker thread only.
func TestCloseLetsGoOfLocks(t *testing.T) {
	p := newArena(t, 1<<20).Bytes()
	inEachClosing(t, func(t *testing.T, g *rig, direct bool) {
		file := t.TempDir() + "/file"
		open := func() int {
			fd, err := syscall.Open(file, syscall.O_RDWR|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
			g.must(err)
			return fd
		}
		f := open()
		g.must(syscall.Flock(f, syscall.LOCK_EX|syscall.LOCK_NB))
		fd, done := g.handOver(f, direct)
		s := g.queue(1, func(s SQE) { s.PrepWrite(fd, p, 0) })
		g.must(s.SetFlags(Async))
		g.queue(2, func(s SQE) { s.PrepTimeout(time.Hour, 0, 0) })
		g.submit()
		g.taken()
		done()
		closesLater(t, g.Ring)
		again := open()
		defer syscall.Close(again)
		g.must(syscall.Flock(again, syscall.LOCK_EX|syscall.LOCK_NB))
	})
}

// Completions that are not posted, and some that belong to no request, keep the
// count from telling: the kernel tells.
func TestCloseWhereTheCountDoesNotTell(t *testing.T) {
	p := newArena(t, 4096).Bytes()
	for name, use := range map[string]func(*rig){
		"SkipSuccess": func(g *rig) {
			s := g.queue(1, func(s SQE) { s.PrepNop() })
			g.must(s.SetFlags(SkipSuccess))
			g.queue(2, func(s SQE) { s.PrepNop() })
			g.await(1)
			equal(g, "in flight", g.InFlight(), 1)
		},
		"a message": func(g *rig) {
			other := newRig(g, Config{Entries: 4})
			equal(g, "result", other.do(func(s SQE) { s.PrepMsgRing(g.Ring, 1, 1) }), 0)
			g.await(1)
			equal(g, "in flight", g.InFlight(), -1)
		},
		"a message without a ring": func(g *rig) {
			library(g.TB.(*testing.T), 12)
			needsCall(g.TB.(*testing.T), SyncMsg(g.FD(), CQE{}))
			g.await(1)
			equal(g, "in flight", g.InFlight(), -1)
		},
		"a tag": func(g *rig) {
			g.must(g.RegisterFDsTagged([]int{0}, []uint64{5}))
			g.must(second(g.UpdateFiles(DirectSlot(0), []int{-1})))
			g.await(1)
			equal(g, "in flight", g.InFlight(), -1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := unclosedRig(t, Config{Entries: 4})
			defer g.Close()
			use(g)
			a, b, err := pairOf()
			g.must(err)
			defer syscall.Close(b)
			fd, done := g.handOver(a, false)
			s := g.queue(1, func(s SQE) { s.PrepRecv(fd, p[:8], 0) })
			g.must(s.SetFlags(Link))
			g.queue(2, func(s SQE) { s.PrepLinkTimeout(time.Hour, 0) })
			g.submit()
			done()
			closesLater(t, g.Ring)
			n, _, err := syscall.Recvfrom(b, make([]byte, 1), syscall.MSG_DONTWAIT)
			if n != 0 || err != nil {
				t.Fatalf("the peer reads %d bytes, %v, and not the end", n, err)
			}
		})
	}
}

// A zero-copy send and a message, which make the count 0.
func TestCloseIsNotDeceivedByMessages(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	closesWith(t, 100*time.Millisecond)
	g := unclosedRig(t, Config{Entries: 4})
	fd, peer := testutil.TCPPair(t)
	g.must(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, beyond))
	p := newArena(t, beyond).Bytes()
	copy(p, stream(0, len(p)))
	c := g.answer(func(s SQE) { g.must(s.PrepSendZC(FD(fd), p, 0, 0)) })
	other := newRig(t, Config{Entries: 4})
	other.do(func(s SQE) { s.PrepMsgRing(g.Ring, 1, 1) })
	g.await(1)
	equal(t, "in flight, as far as is known", g.InFlight(), 0)
	equal(t, "is busy", errors.Is(g.Close(), ErrBusy), true)
	got := readFull(t, peer, int(c.Res))
	equal(t, "bytes", string(got) == string(stream(0, len(got))), true)
	closesLater(t, g.Ring)
}

// Without descriptors to spare the count tells.
func TestCloseWithoutDescriptors(t *testing.T) {
	g := unclosedRig(t, Config{Entries: 4})
	a, b := streamPair(g)
	p := newArena(t, 4096).Bytes()
	g.queue(1, func(s SQE) { s.PrepRecv(FD(a), p[:8], 0) })
	g.submit()
	var limit syscall.Rlimit
	g.must(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	none := limit
	none.Cur = 0
	g.must(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none))
	err := g.Close()
	g.must(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	equal(t, "error", err, nil)
	g.write(b, "0123")
	equal(t, "left in the socket", g.read(a), "0123")
}

// When a single issuer's thread has ended, anybody may close its ring.
func TestCloseOfARingWithoutItsThread(t *testing.T) {
	const flags = SetupSingleIssuer | SetupDeferTaskrun
	orphan := func(t *testing.T, use func(*rig)) *rig {
		t.Helper()
		var g *rig
		onEndingThread(t, func() {
			g = unclosedRig(t, Config{Entries: 4, Flags: flags})
			use(g)
		})
		return g
	}
	t.Run("nothing in flight", func(t *testing.T) {
		files := len(openFDs(t))
		g := orphan(t, func(g *rig) {
			g.must(g.RegisterRingFD())
			g.must(g.RegisterFiles(4))
			g.register(4096)
			g.do(func(s SQE) { s.PrepNop() })
			g.queue(1, func(s SQE) { s.PrepNop() })
			g.submit() // its completion is never taken
		})
		equal(t, "error", g.Close(), nil)
		equal(t, "descriptors", len(openFDs(t)), files)
		for _, a := range g.arenas {
			equal(t, "error of the arena's Close", a.Close(), nil)
		}
	})
	t.Run("a request in flight", func(t *testing.T) {
		files := len(openFDs(t))
		a, _ := streamPair(t)
		g := orphan(t, func(g *rig) {
			g.register(4096)
			g.queue(1, func(s SQE) { s.PrepRecv(FD(a), g.arenas[0].Bytes()[:8], 0) })
			g.submit()
		})
		for range 2 {
			err := g.Close()
			equal(t, "error", text(err), "uring: close: the thread that the ring belonged to ended with requests (in flight: 1), and nothing tells when the kernel lets go: still in use")
			equal(t, "is busy", errors.Is(err, ErrBusy), true)
		}
		equal(t, "arena is busy", errors.Is(g.arenas[0].Close(), ErrBusy), true)
		equal(t, "descriptors", len(openFDs(t)), files+2)
		live.Closed(g.Ring)
		live.Closed(g.arenas[0])
	})
	t.Run("the thread goes on", func(t *testing.T) {
		g := newRig(t, Config{Entries: 4, Flags: flags})
		g.queue(1, func(s SQE) { s.PrepNop() })
		g.submit()
		elsewhere(func() { equal(t, "error", errors.Is(g.Close(), ErrWrongThread), true) })
		equal(t, "completion", g.await(1)[0], CQE{UserData: 1}) // nothing was lost
	})
}

// What is submitted to the kernel's thread when Close is called is cancelled too.
func TestCloseWithEntriesThatTheKernelsThreadHasNotTaken(t *testing.T) {
	for range 20 {
		g := unclosedRig(t, Config{Entries: 64, Flags: SetupSQPoll, SQThreadIdle: time.Millisecond})
		a, b, err := pairOf()
		g.must(err)
		p := newArena(t, 4096).Bytes()
		for i := range 64 {
			g.queue(uint64(i), func(s SQE) { s.PrepRecv(FD(a), p[64*i:][:64], 0) })
		}
		g.submit()
		closesLater(t, g.Ring)
		g.must(syscall.Close(a))
		if _, err := syscall.Write(b, []byte("x")); err != syscall.EPIPE {
			t.Errorf("writing to the peer: %v", err)
		}
		g.must(syscall.Close(b))
	}
}

// Other goroutines may ask for the descriptor, and send messages, while the ring
// closes.
func TestMessagesWhileTheRingCloses(t *testing.T) {
	library(t, 12)
	needsCall(t, newRig(t, Config{Entries: 4}).SyncMsg(CQE{}))
	for range 10 {
		g := unclosedRig(t, Config{Entries: 4})
		errs := make(chan error)
		for range 2 {
			go func() {
				for {
					if err := g.SyncMsg(CQE{UserData: 1}); err != nil {
						errs <- err
						return
					}
					_ = g.FD()
				}
			}()
		}
		time.Sleep(100 * time.Microsecond)
		closesLater(t, g.Ring)
		equal(t, "error", <-errs, ErrClosed)
		equal(t, "error", <-errs, ErrClosed)
		equal(t, "descriptor", g.FD(), -1)
	}
}
