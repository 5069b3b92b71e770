//go:build linux

package uring

import (
	"context"
	"errors"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Every method of a closed ring returns ErrClosed, or that there is nothing.
func TestUseOfAClosedRing(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	a := g.arena(4096)
	reg, err := g.RegisterArena(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	r := g.Ring
	failing := callsOnAClosedRing(r, a, reg)
	for name, err := range failing {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}

	empty := emptyAnswersOfAClosedRing(r)
	for name, ok := range empty {
		if !ok {
			t.Errorf("%s finds something", name)
		}
	}

	ring := reflect.TypeFor[*Ring]()
	for i := range ring.NumMethod() {
		name := ring.Method(i).Name
		_, fails := failing[name]
		if _, isEmpty := empty[name]; !fails && !isEmpty {
			t.Errorf("%s is not tested", name)
		}
	}
}

// callsOnAClosedRing makes each call that can fail.
func callsOnAClosedRing(r *Ring, a *Arena, reg RegBuf) map[string]error {
	ctx := context.Background()
	return map[string]error{
		"DontFork":               r.DontFork(),
		"NewRawBufRing":          second(r.NewRawBufRing(RawBufRingConfig{Entries: 1})),
		"ReturnBuffers":          r.ReturnBuffers(),
		"SubmitAndWaitUntil":     second(r.SubmitAndWaitUntil(1, 0)),
		"WaitTimeout":            second(r.WaitTimeout(0)),
		"NextSQE128":             second(r.NextSQE128()),
		"Request":                second(r.Request(1)),
		"RegisterRegion":         second(r.RegisterRegion(RegionConfig{})),
		"ResizeRings":            r.ResizeRings(8, 8),
		"SubmitAndWaitReg":       second(r.SubmitAndWaitReg(1, 0)),
		"AddNAPI":                r.AddNAPI(1),
		"CloneBuffers":           r.CloneBuffers(r),
		"CloneBuffersAt":         second(r.CloneBuffersAt(r, 0, 0, 1)),
		"CloseRingFD":            r.CloseRingFD(),
		"GetEvents":              r.GetEvents(),
		"ProbeOps":               second(r.ProbeOps()),
		"RegisterArenas":         second(r.RegisterArenas([]*Arena{a})),
		"RegisterArenasTagged":   second(r.RegisterArenasTagged([]*Arena{a}, []uint64{1})),
		"RegisterBuffers":        r.RegisterBuffers(1),
		"RegisterClock":          r.RegisterClock(ClockMonotonic),
		"RegisterFDs":            r.RegisterFDs([]int{0}),
		"RegisterFDsTagged":      r.RegisterFDsTagged([]int{0}, []uint64{1}),
		"RegisterIOWQAff":        r.RegisterIOWQAff(0),
		"RegisterIOWQMaxWorkers": last(r.RegisterIOWQMaxWorkers(0, 0)),
		"RegisterPersonality":    second(r.RegisterPersonality()),
		"RegisterRestrictions":   r.RegisterRestrictions(AllowOp(OpNop)),
		"RemoveNAPI":             r.RemoveNAPI(1),
		"ReplaceArena":           second(r.ReplaceArena(reg, a, 0)),
		"SetEventFDEnabled":      r.SetEventFDEnabled(true),
		"SetIOWait":              r.SetIOWait(true),
		"SubmitAndGetEvents":     second(r.SubmitAndGetEvents()),
		"SubmitAndWaitSignals":   second(r.SubmitAndWaitSignals(1, 1, 0)),
		"SyncMsg":                r.SyncMsg(CQE{}),
		"SyncCancel":             second(r.SyncCancel(Match{Any: true}, true, 0)),
		"UnregisterBuffers":      r.UnregisterBuffers(),
		"UnregisterIOWQAff":      r.UnregisterIOWQAff(),
		"UnregisterPersonality":  r.UnregisterPersonality(1),
		"UpdateFiles":            second(r.UpdateFiles(DirectSlot(0), []int{0})),
		"UpdateFilesTagged":      second(r.UpdateFilesTagged(DirectSlot(0), []int{0}, []uint64{1})),
		"WaitReady":              r.WaitReady(1, 1),
		"WaitReadyMin":           r.WaitReadyMin(1, 1, 1),
		"WaitSQ":                 r.WaitSQ(),
		"MakeRoom":               r.MakeRoom(1),
		"Await":                  second(r.Await(ctx, 1)),
		"Enable":                 r.Enable(),
		"NewBufRing":             second(r.NewBufRing(BufRingConfig{Entries: 1, BufSize: 1})),
		"NewSendQueue":           second(r.NewSendQueue(0, SendQueueConfig{})),
		"NewRecvStream":          second(r.NewRecvStream(0, nil, RecvStreamConfig{})),
		"NewAcceptor":            second(r.NewAcceptor(0, AcceptorConfig{})),
		"NextSQE":                second(r.NextSQE()),
		"ImportZCRX":             second(r.ImportZCRX(0)),
		"RegisterBPFFilter":      r.RegisterBPFFilter(inetOnly),
		"RegisterZCRX":           second(r.RegisterZCRX(ZCRXConfig{})),
		"RegisterArena":          second(r.RegisterArena(a)),
		"RegisterEventFD":        r.RegisterEventFD(0, false),
		"RegisterFiles":          r.RegisterFiles(1),
		"RegisterNAPI":           second(r.RegisterNAPI(NAPI{BusyPoll: time.Microsecond})),
		"RegisterRingFD":         r.RegisterRingFD(),
		"SetFileAllocRange":      r.SetFileAllocRange(DirectSlot(0), 1),
		"Submit":                 second(r.Submit()),
		"SubmitAndWait":          second(r.SubmitAndWait(1)),
		"SubmitAndWaitMin":       second(r.SubmitAndWaitMin(1, 1, 1)),
		"SubmitAndWaitTimeout":   second(r.SubmitAndWaitTimeout(1, 1)),
		"UnregisterArena":        r.UnregisterArena(reg),
		"UnregisterEventFD":      r.UnregisterEventFD(),
		"UnregisterFiles":        r.UnregisterFiles(),
		"UnregisterNAPI":         second(r.UnregisterNAPI()),
		"UnregisterRingFD":       r.UnregisterRingFD(),
		"UpdateFile":             r.UpdateFile(DirectSlot(0), 0),
		"Wait":                   second(r.Wait()),
	}
}

// emptyAnswersOfAClosedRing makes each call that cannot fail and says whether it
// finds nothing.
func emptyAnswersOfAClosedRing(r *Ring) map[string]bool {
	sq, cq := r.Entries()
	_, dropped := r.Dropped()
	r.Advance(1)
	return map[string]bool{
		"Advance":        true,
		"Close":          r.Close() == nil,
		"CompletionsBig": bigOnes(r) == nil,
		"MemoryUsed":     r.MemoryUsed() == 0,
		"Completions":    userData(r) == nil,
		"Entries":        sq == 4 && cq == 8,
		"EventFDEnabled": !r.EventFDEnabled(),
		"FD":             r.FD() == -1,
		"InFlight":       r.InFlight() == 0,
		"Features":       r.Features() != 0,
		"Flags":          r.Flags()&SetupSubmitAll != 0,
		"Overflowed":     !r.Overflowed(),
		"Peek":           r.Peek(make([]CQE, 1)) == 0,
		"PeekBig":        r.PeekBig(make([]CQE, 1), make([][2]uint64, 1)) == 0,
		"Dropped":        dropped == 0,
		"Queued":         r.Queued() == 0,
		"Ready":          r.Ready() == 0,
		"SQSpace":        r.SQSpace() == 0,
	}
}

// Close inside the loop over completions ends the loop.
func TestCloseInsideTheLoop(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	for i := range uint64(3) {
		g.queue(i, func(s SQE) { s.PrepNop() })
	}
	g.submit()
	n := 0
	for range g.Completions() {
		n++
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "completions", n, 1)
}

// Close cancels what runs: nothing writes to its memory afterwards.
func TestCloseStopsRequests(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		p := newArena(t, 4096).Bytes()
		for i := range 8 {
			g.queue(uint64(i), func(s SQE) { s.PrepRecv(FD(a), p[i*8:][:8], 0) })
		}
		g.queue(99, func(s SQE) { s.PrepTimeout(time.Hour, 0, 0) })
		g.submit()
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		g.write(b, "0123456789")
		time.Sleep(time.Millisecond)
		equal(t, "memory", string(p[:64]), string(make([]byte, 64)))
		equal(t, "left in the socket", g.read(a), "0123456789")
	})
}

// A worker thread that holds a request is stopped too.
func TestCloseStopsWorkers(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	a, b := streamPair(g)
	p := newArena(t, 4096).Bytes()
	s := g.queue(1, func(s SQE) { s.PrepRecv(FD(a), p[:8], 0) })
	g.must(s.SetFlags(Async))
	g.submit()
	time.Sleep(5 * time.Millisecond) // into the worker
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g.write(b, "0123")
	equal(t, "left in the socket", g.read(a), "0123")
	equal(t, "memory", string(p[:4]), "\x00\x00\x00\x00")
}

func TestOpeningAndClosingLeavesNothing(t *testing.T) {
	flags := []SetupFlags{0, SetupCoopTaskrun, SetupSQE128 | SetupCQE32}
	if smallNoMMap() && have(SetupNoMMap)() == nil {
		flags = append(flags, SetupNoMMap)
	}
	use := func(i int) {
		g := &rig{TB: t}
		r, err := New(Config{Entries: 8, Flags: flags[i%len(flags)]})
		if err != nil {
			t.Fatal(err)
		}
		g.Ring = r
		g.must(r.RegisterFiles(4))
		a, err := NewArena(ArenaConfig{Size: 4096})
		g.must(err)
		_, err = r.RegisterArena(a)
		g.must(err)
		g.queue(1, func(s SQE) { s.PrepTimeout(time.Microsecond, 0, 0) }) // maps memory for the time
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := r.Await(ctx, 1); err != nil { // makes a second descriptor
			t.Fatal(err)
		}
		g.queue(2, func(s SQE) { s.PrepTimeout(time.Hour, 0, 0) }) // still runs at Close
		g.submit()
		g.must(r.Close())
		g.must(a.Close())
	}
	for i := range 4 {
		use(i)
	}
	files, goroutines, maps := len(openFDs(t)), runtime.NumGoroutine(), mappings(t)
	for i := range 100 {
		use(i)
	}
	if n := len(openFDs(t)); n > files {
		t.Errorf("%d descriptors before, %d after", files, n)
	}
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > goroutines && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines before, %d after", goroutines, n)
	}
	if n := mappings(t); n > maps+20 { // the Go heap and threads have some
		t.Errorf("%d mappings before, %d after", maps, n)
	}
}

// A closed ring's descriptor number may be anyone's.
func TestCloseClosesItsOwnDescriptorsOnly(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	fd := g.FD()
	target, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	equal(t, "error", err, nil)
	equal(t, "descriptor", target, "anon_inode:[io_uring]")
	g.must(g.Close())
	if fd, err := syscall.Dup(0); err != nil {
		t.Fatal(err)
	} else {
		defer syscall.Close(fd)
	}
	g.must(g.Close())
	if _, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); err != nil {
		t.Errorf("a second Close closed another's descriptor: %v", err)
	}
}

// last is after for calls that return two things before the error.
func last[T, U any](_ T, _ U, err error) error { return err }
