//go:build linux

package uring

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

func TestDirectDescriptors(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := g.unixPair()
		g.must(g.RegisterFiles(4))
		fd := dupFD(t, a)
		d := g.direct(3, fd)
		g.must(syscall.Close(fd)) // the ring keeps the file open by itself
		p := make([]byte, 16)

		g.write(b, "hello")
		n := g.do(func(s SQE) { s.PrepRecv(d.FD(), p, 0) })
		equal(t, "received", string(p[:n]), "hello")
		g.fails(syscall.EBADF, func(s SQE) { s.PrepRecv(DirectSlot(2).FD(), p, 0) })
		g.fails(syscall.EBADF, func(s SQE) { s.PrepRecv(DirectSlot(4).FD(), p, 0) })

		g.direct(3, -1)
		g.fails(syscall.EBADF, func(s SQE) { s.PrepRecv(d.FD(), p, 0) })

		g.must(g.UnregisterFiles())
		g.fails(syscall.EBADF, func(s SQE) { s.PrepRecv(d.FD(), p, 0) })
		g.must(g.RegisterFiles(1))
	})
}

func TestFileRegistrationsAreRefusedWithASentence(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		err  error
	}{
		{"no slot 0, RegisterFiles made 0", g.UpdateFile(DirectSlot(0), 0)},
		{"0 slots, want 1 or more", g.RegisterFiles(0)},
		{"-1 slots, want 1 or more", g.RegisterFiles(-1)},
		{"more than RLIMIT_NOFILE allows", g.RegisterFiles(int(min(limit.Cur+1, math.MaxInt32)))},
		{"unregister files: no such device or address", g.UnregisterFiles()},
		{"slots 0 to 0, RegisterFiles made 0", g.SetFileAllocRange(DirectSlot(0), 1)},
		{"", g.RegisterFiles(4)},
		{"the ring has a table of 4 slots", g.RegisterFiles(4)},
		{"no slot 4, RegisterFiles made 4", g.UpdateFile(DirectSlot(4), 0)},
		{"no slot 4294967295, RegisterFiles made 4", g.UpdateFile(DirectAlloc, 0)},
		{"-2 is no descriptor", g.UpdateFile(DirectSlot(0), -2)},
		{"bad file descriptor", g.UpdateFile(DirectSlot(0), 1<<20)},
		{"slots 0 to -1", g.SetFileAllocRange(DirectSlot(0), 0)},
		{"slots 3 to 4, RegisterFiles made 4", g.SetFileAllocRange(DirectSlot(3), 2)},
		{"", g.SetFileAllocRange(DirectSlot(3), 1)},
	} {
		if c.want == "" && c.err != nil || c.want != "" && (c.err == nil || !strings.Contains(c.err.Error(), c.want)) {
			t.Errorf("error is %v, want %q", c.err, c.want)
		}
	}
}

// Requests with DirectAlloc get slots of the range only, and fail when it is
// full.
func TestSetFileAllocRange(t *testing.T) {
	testutil.Need(t, HaveSocket)
	inEachMode(t, func(t *testing.T, g *rig) {
		g.must(g.RegisterFiles(8))
		g.must(g.SetFileAllocRange(DirectSlot(5), 2))
		socket := func(s SQE) { s.PrepSocketDirect(syscall.AF_UNIX, syscall.SOCK_STREAM, 0, DirectAlloc) }
		equal(t, "first slot", g.do(socket), 5)
		equal(t, "second slot", g.do(socket), 6)
		g.fails(syscall.ENFILE, socket)
		g.do(func(s SQE) { s.PrepCloseDirect(DirectSlot(5)) })
		equal(t, "slot that was closed", g.do(socket), 5)
	})
}

func TestRegisterRingFD(t *testing.T) {
	testutil.Need(t, HaveRingFD)
	g := newRig(t, Config{Entries: 4, Flags: SetupSingleIssuer}) // on one thread
	g.must(g.RegisterRingFD())
	equal(t, "result", g.do(func(s SQE) { s.PrepNop() }), 0)
	if err := g.RegisterRingFD(); err == nil || !strings.Contains(err.Error(), "the descriptor is registered") {
		t.Errorf("a second time: %v", err)
	}
	g.must(g.UnregisterRingFD())
	if err := g.UnregisterRingFD(); err == nil || !strings.Contains(err.Error(), "RegisterRingFD was not called") {
		t.Errorf("UnregisterRingFD without one: %v", err)
	}
	equal(t, "result", g.do(func(s SQE) { s.PrepNop() }), 0)
	g.must(g.RegisterRingFD()) // Close undoes it
}

func TestRegisterNAPI(t *testing.T) {
	testutil.Need(t, HaveNAPI)
	g := newRig(t, Config{Entries: 4})
	for _, d := range []time.Duration{-time.Microsecond, (math.MaxUint32 + 1) * time.Microsecond} {
		if _, err := g.RegisterNAPI(NAPI{BusyPoll: d}); err == nil || !strings.Contains(err.Error(), "out of range") {
			t.Errorf("%v: %v", d, err)
		}
	}
	g.must(second(g.RegisterNAPI(NAPI{BusyPoll: 50 * time.Microsecond, Prefer: true})))
	a, b := testutil.TCPPair(t)
	g.write(b, "data")
	equal(t, "received", g.do(func(s SQE) { s.PrepRecv(FD(a), held(make([]byte, 8)), 0) }), 4)
	g.must(second(g.UnregisterNAPI()))
}

func newEventFD(t testing.TB) int {
	t.Helper()
	fd := cgo.EventFD()
	if fd < 0 {
		t.Fatal(syscall.Errno(-fd))
	}
	t.Cleanup(func() { syscall.Close(fd) })
	return fd
}

// signals returns how often the eventfd was signalled since it was last asked.
func signals(t *testing.T, fd int) uint64 {
	t.Helper()
	var p [8]byte
	if _, err := syscall.Read(fd, p[:]); err == syscall.EAGAIN {
		return 0
	} else if err != nil {
		t.Fatal(err)
	}
	return binary.NativeEndian.Uint64(p[:])
}

func TestRegisterEventFD(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	fd := newEventFD(t)
	if err := g.UnregisterEventFD(); err == nil || !strings.Contains(err.Error(), "RegisterEventFD was not called") {
		t.Errorf("UnregisterEventFD without one: %v", err)
	}
	g.must(g.RegisterEventFD(fd, false))
	equal(t, "is busy", errors.Is(g.RegisterEventFD(fd, false), syscall.EBUSY), true)
	equal(t, "signals before", signals(t, fd), 0)
	g.do(func(s SQE) { s.PrepNop() })
	equal(t, "signals for a completion", signals(t, fd), 1)
	g.must(g.UnregisterEventFD())
	g.do(func(s SQE) { s.PrepNop() })
	equal(t, "signals after", signals(t, fd), 0)

	g.must(g.RegisterEventFD(fd, true))
	g.do(func(s SQE) { s.PrepNop() })
	equal(t, "signals for one that took no worker", signals(t, fd), 0)
	s := g.queue(1, func(s SQE) { s.PrepNop() })
	g.must(s.SetFlags(Async))
	g.await(1)
	waitSignal(t, fd) // comes just after the completion
}

// waitSignal waits until the eventfd is signalled.
func waitSignal(t *testing.T, fd int) {
	t.Helper()
	for deadline := time.Now().Add(patience); signals(t, fd) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("no signal")
		}
	}
}

// With SetupDeferTaskrun the eventfd is signalled while the completion is still
// in the kernel: going over Completions until there is nothing finds it.
func TestScenario53_EventFDWithDeferredWorkLosesNoWakeUp(t *testing.T) {
	messages := 100000
	if testing.Short() {
		messages = 5000
	}
	const inFlight = 60
	g := newRig(t, Config{Entries: 64, Flags: SetupSingleIssuer | SetupDeferTaskrun | SetupSubmitAll})
	a, b := testutil.UnixPair(t, syscall.SOCK_DGRAM)
	fd := newEventFD(t)
	g.must(g.RegisterEventFD(fd, false))
	event := os.NewFile(uintptr(dupFD(t, fd)), "eventfd") // to wait with a deadline
	defer event.Close()

	g.queue(1, func(s SQE) { s.PrepRecv(FD(a), held(make([]byte, 8)), 0) })
	g.submit()
	g.write(b, "x")
	waitSignal(t, fd) // Linux 7.1 and 7.2 take their time
	equal(t, "ready", g.Ready(), 0)
	equal(t, "completions", userData(g.Ring), []uint64{1})
	signals(t, fd)

	memory := make([][8]byte, inFlight)
	arm := func(slot uint64) { g.queue(slot, func(s SQE) { s.PrepRecv(FD(a), memory[slot][:], 0) }) }
	for slot := range uint64(inFlight) {
		arm(slot)
	}
	g.submit()

	var sent atomic.Int64
	writer := make(chan error, 1)
	go func() {
		for i := range messages {
			var p [8]byte
			binary.NativeEndian.PutUint64(p[:], uint64(i))
			if _, err := syscall.Write(b, p[:]); err != nil {
				writer <- err
				return
			}
			sent.Add(1)
			if i%64 == 0 {
				runtime.Gosched()
			}
		}
		writer <- nil
	}()

	seen := make([]bool, messages)
	for got := 0; got < messages; {
		if err := event.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		var counter [8]byte
		if _, err := event.Read(counter[:]); err != nil {
			t.Fatalf("no wake-up after %d of %d messages, %d sent, %d ready, flags %#x: %v",
				got, messages, sent.Load(), g.Ready(), g.q.SQFlags(), err)
		}
		for more := true; more; {
			more = false
			for c := range g.Completions() {
				more = true
				if c.Res != 8 {
					t.Fatalf("completion %+v", c)
				}
				i := binary.NativeEndian.Uint64(memory[c.UserData][:])
				if seen[i] {
					t.Fatalf("message %d came twice", i)
				}
				seen[i] = true
				got++
				arm(c.UserData)
			}
			g.submit()
		}
	}
	if err := <-writer; err != nil {
		t.Fatal(err)
	}
}

func TestRegisterArena(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		size := 2 * os.Getpagesize()
		a, b := g.arena(size), g.arena(1)
		ra, err := g.RegisterArena(a)
		g.must(err)
		rb, err := g.RegisterArena(b)
		g.must(err)
		equal(t, "places", []uint16{ra.Index(), rb.Index()}, []uint16{0, 1})
		equal(t, "bytes", len(ra.Bytes()), size)
		equal(t, "Close while registered", errors.Is(a.Close(), ErrBusy), true)

		g.must(g.UnregisterArena(ra))
		if err := g.UnregisterArena(ra); err == nil || !strings.Contains(err.Error(), "not registered with this ring") {
			t.Errorf("a second UnregisterArena: %v", err)
		}
		again, err := g.RegisterArena(a)
		g.must(err)
		equal(t, "place that was free", again.Index(), 0)
		twice, err := g.RegisterArena(a)
		g.must(err)
		equal(t, "place of a second registration", twice.Index(), 2)
		g.must(g.UnregisterArena(again))
		equal(t, "Close while registered once", errors.Is(a.Close(), ErrBusy), true)
		g.must(g.UnregisterArena(twice))
	})
}

func TestRegisterArenaFillsTheTable(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	arenas := make([]*Arena, registeredBuffers)
	regs := make([]RegBuf, registeredBuffers)
	for i := range arenas {
		arenas[i] = g.arena(1)
		var err error
		regs[i], err = g.RegisterArena(arenas[i])
		g.must(err)
		equal(t, "place", regs[i].Index(), uint16(i))
	}
	one := newTestArena(t, 1)
	if _, err := g.RegisterArena(one); err == nil || !strings.Contains(err.Error(), "all 128 slots are taken") {
		t.Errorf("one more: %v", err)
	}
	g.must(one.Close())
	g.must(g.UnregisterArena(regs[77]))
	again, err := g.RegisterArena(arenas[77])
	g.must(err)
	equal(t, "place", again.Index(), 77)
	g.must(g.Close()) // frees all
	for _, a := range arenas {
		g.must(a.Close())
	}
}

func TestRegisterArenaIsRefusedWithASentence(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	closed := newTestArena(t, 1)
	g.must(closed.Close())
	equal(t, "closed arena", errors.Is(second(g.RegisterArena(closed)), ErrClosed), true)

	big := newTestArena(t, maxRegistered+1)
	if _, err := g.RegisterArena(big); err == nil || !strings.Contains(err.Error(), "at most 1073741824") {
		t.Errorf("more than 1 GiB: %v", err)
	}
	if err := g.UnregisterArena(RegBuf{}); err == nil {
		t.Error("an empty RegBuf can be unregistered")
	}
	reg := g.register(4096)
	other := newRig(t, Config{Entries: 4})
	if err := other.UnregisterArena(reg); err == nil || !strings.Contains(err.Error(), "not registered with this ring") {
		t.Errorf("UnregisterArena of another ring: %v", err)
	}
}

// Requests that name a registered buffer are refused when their memory is not
// in it, and then do nothing.
func TestRegisteredMemoryOnly(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	g := newRig(t, Config{Entries: 16})
	other := newRig(t, Config{Entries: 4})
	a, b := g.arena(4096), other.arena(4096)
	reg, err := g.RegisterArena(a)
	g.must(err)
	gone, err := g.RegisterArena(b)
	g.must(err)
	g.must(g.UnregisterArena(gone))
	foreign, err := other.RegisterArena(b)
	g.must(err)

	for name, c := range map[string]struct {
		reg  RegBuf
		p    []byte
		want string
	}{
		"no registered buffer": {RegBuf{}, a.Bytes()[:4], "RegBuf is empty"},
		"unregistered":         {gone, b.Bytes()[:4], "not registered with this ring"},
		"another ring's":       {foreign, b.Bytes()[:4], "not registered with this ring"},
		"another arena":        {reg, b.Bytes()[:4], "4 bytes lie outside registered buffer 0"},
		"Go memory":            {reg, make([]byte, 4), "lie outside"},
		"nil":                  {reg, nil, "lie outside"},
	} {
		for op, prep := range map[string]func(SQE) error{
			"read":  func(s SQE) error { return s.PrepReadFixed(0, c.reg, c.p, 0) },
			"write": func(s SQE) error { return s.PrepWriteFixed(0, c.reg, c.p, 0) },
			"send":  func(s SQE) error { return s.PrepSendZCFixed(0, c.reg, c.p, 0, 0) },
			"sendmsg": func(s SQE) error {
				parts := [][]byte{a.Bytes()[:1], c.p}
				if c.p == nil {
					parts = [][]byte{make([]byte, 1)}
				}
				return s.PrepSendMsgZCFixed(0, c.reg, NewMsg(parts...), 0, 0)
			},
		} {
			t.Run(name+" "+op, func(t *testing.T) {
				s := g.queue(1, func(SQE) {})
				if err := prep(s); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error is %v, want %q", err, c.want)
				}
				g.none()
			})
		}
	}
	s := g.take()
	if err := s.PrepSendMsgZCFixed(0, reg, NewMsg(a.Bytes()[:4], a.Bytes()[:0]), 0, 0); err == nil || !strings.Contains(err.Error(), "empty part") {
		t.Errorf("an empty part: %v", err)
	}
	g.none()
}

func TestArena(t *testing.T) {
	for _, size := range []int{0, -1} {
		if _, err := NewArena(ArenaConfig{Size: size}); err == nil || !strings.Contains(err.Error(), "want at least 1") {
			t.Errorf("size %d: %v", size, err)
		}
	}
	a := newTestArena(t, 5000)
	equal(t, "size", a.Len()%os.Getpagesize(), 0)
	equal(t, "covers it", a.Len() >= 5000 && a.Len() < 5000+os.Getpagesize(), true)
	for _, b := range a.Bytes() {
		if b != 0 {
			t.Fatal("memory is not zero")
		}
	}
	g := newRig(t, Config{Entries: 1})
	g.must(a.Close())
	g.must(a.Close())
	equal(t, "size after Close", a.Len(), 0)

	huge, err := NewArena(ArenaConfig{Size: 1, HugePages: true})
	g.must(err)
	equal(t, "size with huge pages", huge.Len(), 2<<20)
	huge.Bytes()[2<<20-1] = 1
	g.must(huge.Close())
}

// Of groups made by requests only the kernel knows. A buffer ring of the same
// number is refused by what is in the way, whichever thread asks; a send queue
// takes another number.
func TestGroupThatRequestsMadeIsNotTheWrongThread(t *testing.T) {
	for _, c := range []Config{{Entries: 8}, {Entries: 8, Flags: SetupSingleIssuer}} {
		t.Run(c.Flags.String(), func(t *testing.T) {
			const group, last = 5, 65535
			g := newRig(t, c)
			mem := make([]byte, 8)
			for _, n := range []uint16{group, last} {
				equal(t, "result", g.do(func(s SQE) { g.must(s.PrepProvideBuffers(mem, 8, n, 0)) }), 0)
			}
			for _, inKernel := range []bool{false, true} {
				b := BufRingConfig{Group: group, Entries: 4, BufSize: 8, KernelMemory: inKernel}
				_, err := g.NewBufRing(b)
				refused(t, "NewBufRing", err, syscall.EEXIST, "buffer group 5 is in use on this ring")
				equal(t, "is ErrWrongThread", errors.Is(err, ErrWrongThread), false)
			}
			if c.Flags != 0 {
				errs := make(chan error)
				go func() {
					_, err := g.NewBufRing(BufRingConfig{Group: group, Entries: 4, BufSize: 8})
					errs <- err
				}()
				if err := <-errs; !errors.Is(err, ErrWrongThread) {
					t.Errorf("another thread: %v", err)
				}
			}
			equal(t, "buffers removed", g.do(func(s SQE) { g.must(s.PrepRemoveBuffers(8, group)) }), 1)
			br, err := g.NewBufRing(BufRingConfig{Group: group, Entries: 4, BufSize: 8})
			g.must(err)
			g.must(br.Close())

			testutil.Need(t, HaveSendProvided)
			a, _ := g.unixPair()
			q, err := g.NewSendQueue(FD(a), SendQueueConfig{Mode: SendProvided, Memory: 64})
			g.must(err)
			g.must(q.Close())
			runtime.KeepAlive(mem)
		})
	}
}
