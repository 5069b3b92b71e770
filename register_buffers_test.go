//go:build linux

package uring

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

// reads says what a fixed read of a pipe into a registered buffer gives.
func fixedRead(t *testing.T, r *rig, b RegBuf, text string) syscall.Errno {
	t.Helper()
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fds[0])
	defer syscall.Close(fds[1])
	if _, err := syscall.Write(fds[1], []byte(text)); err != nil {
		t.Fatal(err)
	}
	p := b.Bytes()[:len(text)]
	clear(p)
	c := r.answer(func(s SQE) {
		if err := s.PrepReadFixed(FD(fds[0]), b, p, 0); err != nil {
			t.Error(err)
		}
	})
	if c.Res < 0 {
		return syscall.Errno(-c.Res)
	}
	equal(t, "bytes", string(p), text)
	return 0
}

// arenasOf makes arenas that are closed after everything that the test opens
// from now on.
func arenasOf(t *testing.T, n int) []*Arena {
	t.Helper()
	list := make([]*Arena, n)
	for i := range list {
		list[i] = newArena(t, 1<<14)
	}
	return list
}

func TestTableOfGivenArenas(t *testing.T) {
	a := arenasOf(t, 3)
	r := newRig(t, Config{Entries: 4})
	regs, err := r.RegisterArenas(a)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range regs {
		equal(t, "index", int(b.Index()), i)
		equal(t, "errno", fixedRead(t, r, b, "table"), 0)
		equal(t, "closing the arena is ErrBusy", errors.Is(a[i].Close(), ErrBusy), true)
	}
	_, err = r.RegisterArena(a[0])
	wantError(t, err, "all 3 slots are taken")
	wantError(t, r.RegisterBuffers(1), "table of 3 buffers")

	equal(t, "error of UnregisterArena", r.UnregisterArena(regs[1]), nil)
	again, err := r.RegisterArena(a[1])
	equal(t, "error", err, nil)
	equal(t, "freed place is taken again", again.Index(), 1)
	equal(t, "errno", fixedRead(t, r, again, "again"), 0)

	equal(t, "error of UnregisterBuffers", r.UnregisterBuffers(), nil)
	equal(t, "users", []int{a[0].users, a[1].users, a[2].users}, []int{0, 0, 0})
	equal(t, "a second time is ENXIO", errors.Is(r.UnregisterBuffers(), syscall.ENXIO), true)
	if err := r.RegisterBuffers(2); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := r.RegisterArena(a[0]); err != nil {
			t.Fatal(err)
		}
	}
	_, err = r.RegisterArena(a[0])
	wantError(t, err, "all 2 slots are taken")
}

// A tag comes as a completion when the kernel has let go of a buffer.
func TestTaggedBuffers(t *testing.T) {
	a := arenasOf(t, 3)
	r := newRig(t, Config{Entries: 4})
	regs, err := r.RegisterArenasTagged(a[:2], []uint64{0, 71})
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.ReplaceArena(regs[1], a[2], 72)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "tag of the replaced buffer", r.next(), CQE{UserData: 71})
	equal(t, "users of the replaced arena", a[1].users, 0)
	equal(t, "errno", fixedRead(t, r, b, "replaced"), 0)
	s, err := r.NextSQE()
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, s.PrepReadFixed(0, regs[1], regs[1].Bytes()[:1], 0), "not registered")
	_, err = r.Submit()
	equal(t, "error", err, nil)
	r.none()

	equal(t, "error of UnregisterBuffers", r.UnregisterBuffers(), nil)
	if hasLinux(t, droppedTablesPostTags) {
		equal(t, "tag after the table", r.next(), CQE{UserData: 72})
	}
	r.none()
}

func TestClonedBuffers(t *testing.T) {
	needsCloning(t)
	a := arenasOf(t, 4)
	from := newRig(t, Config{Entries: 4})
	if err := from.RegisterBuffers(8); err != nil {
		t.Fatal(err)
	}
	var regs []RegBuf
	for _, arena := range a[:3] {
		b, err := from.RegisterArena(arena)
		if err != nil {
			t.Fatal(err)
		}
		regs = append(regs, b)
	}
	if err := from.UnregisterArena(regs[1]); err != nil {
		t.Fatal(err)
	}

	r := newRig(t, Config{Entries: 4})
	equal(t, "error of CloneBuffers", r.CloneBuffers(from.Ring), nil)
	equal(t, "first", fixedRead(t, r, regs[0], "first"), 0)
	equal(t, "third", fixedRead(t, r, regs[2], "third"), 0)
	equal(t, "users", []int{a[0].users, a[1].users, a[2].users}, []int{2, 0, 2})
	wantError(t, r.CloneBuffers(from.Ring), "table of 8 buffers")
	b, err := r.RegisterArena(a[3])
	equal(t, "error of RegisterArena", err, nil)
	equal(t, "index of the next one", b.Index(), 1)

	// A part, at another place, growing the table.
	got, err := r.CloneBuffersAt(from.Ring, 7, 1, 2)
	equal(t, "error of CloneBuffersAt", err, nil)
	equal(t, "number", len(got), 1)
	equal(t, "index", got[0].Index(), 8)
	equal(t, "cloned to another place", fixedRead(t, r, got[0], "eight"), 0)
	equal(t, "what was there", fixedRead(t, r, regs[0], "first"), 0)
	got, err = r.CloneBuffersAt(from.Ring, 8, 0, 1)
	equal(t, "error of CloneBuffersAt", err, nil)
	equal(t, "index", got[0].Index(), 8)
	equal(t, "users of the replaced arena", a[2].users, 2)
	equal(t, "instead of another", fixedRead(t, r, got[0], "one"), 0)

	// From the ring itself, over slots that are cloned meanwhile.
	got, err = r.CloneBuffersAt(r.Ring, 1, 0, 3)
	if lack := bugClone.off(); lack != nil { // as there are others behind them
		equal(t, "not supported", errors.Is(err, ErrNotSupported), true)
		return
	}
	equal(t, "error of CloneBuffersAt from the ring itself", err, nil)
	equal(t, "indices", []uint16{got[0].Index(), got[1].Index(), got[2].Index()}, []uint16{1, 2, 3})
	equal(t, "of the slot before it", fixedRead(t, r, got[0], "itself"), 0)
	equal(t, "users", []int{a[0].users, a[1].users, a[2].users, a[3].users}, []int{4, 0, 2, 1})

	// The buffers outlive the ring that they come from.
	equal(t, "error of Close", from.Close(), nil)
	equal(t, "after Close", fixedRead(t, r, got[2], "still"), 0)
	equal(t, "users", []int{a[0].users, a[1].users, a[2].users, a[3].users}, []int{3, 0, 1, 1})
}

func TestReplacingByCloningOnLinux612IsNotSupported(t *testing.T) {
	if hasLinux(t, kernel.V(6, 13)) {
		return // the tests below
	}
	a := arenasOf(t, 2)
	from, r := newRig(t, Config{Entries: 4}), newRig(t, Config{Entries: 4})
	for i, ring := range []*Ring{from.Ring, r.Ring} {
		_, err := ring.RegisterArenas(a[i : i+1])
		equal(t, "error of RegisterArenas", err, nil)
	}
	_, err := r.CloneBuffersAt(from.Ring, 0, 0, 1)
	equal(t, "is ErrNotSupported", errors.Is(err, ErrNotSupported), true)
	equal(t, "users", []int{a[0].users, a[1].users}, []int{1, 1})
}

// Some kernels drop the buffers behind those that are cloned: there it is
// refused, and changes nothing.
func TestCloningInFrontOfBuffersLeavesThem(t *testing.T) {
	needsCloning(t)
	switchedOff := &feature.Probe{Name: "x", Since: kernel.V(6, 19), Try: func() error { return feature.Off("it is tested") }}
	for name, probe := range map[string]*feature.Probe{"as it is here": probeCloneInFront, "switched off": switchedOff} {
		t.Run(name, func(t *testing.T) {
			defer func(was *feature.Probe) { probeCloneInFront = was }(probeCloneInFront)
			probeCloneInFront = probe
			a := arenasOf(t, 4)
			from, r := newRig(t, Config{Entries: 4}), newRig(t, Config{Entries: 4})
			_, err := from.RegisterArenas(a[3:])
			equal(t, "error of RegisterArenas", err, nil)
			regs, err := r.RegisterArenas(a[:3])
			equal(t, "error of RegisterArenas", err, nil)

			got, err := r.CloneBuffersAt(from.Ring, 1, 0, 1)
			equal(t, "error", err, probe.Check())
			if err == nil {
				equal(t, "users", []int{a[0].users, a[1].users, a[2].users, a[3].users}, []int{1, 0, 1, 2})
				equal(t, "instead of another", fixedRead(t, r, got[0], "second"), 0)
			} else {
				equal(t, "is ErrNotSupported", errors.Is(err, ErrNotSupported), true)
				equal(t, "users", []int{a[0].users, a[1].users, a[2].users, a[3].users}, []int{1, 1, 1, 1})
				equal(t, "what was there", fixedRead(t, r, regs[1], "second"), 0)
			}
			equal(t, "in front", fixedRead(t, r, regs[0], "first"), 0)
			equal(t, "behind", fixedRead(t, r, regs[2], "third"), 0)

			_, err = r.CloneBuffersAt(from.Ring, 2, 0, 1)
			equal(t, "error of cloning to the last place", err, nil)
		})
	}
}

func TestWrongBuffersAreRefused(t *testing.T) {
	a := arenasOf(t, 1)
	r, other := newRig(t, Config{Entries: 4}), newRig(t, Config{Entries: 4})
	wantError(t, r.RegisterBuffers(0), "0 buffers, want 1 to 16384")
	wantError(t, r.RegisterBuffers(1<<15), "want 1 to 16384")
	_, err := r.RegisterArenas(nil)
	wantError(t, err, "0 buffers")
	_, err = r.RegisterArenasTagged(a, nil)
	wantError(t, err, "0 tags for 1")
	gone := newArena(t, 1)
	equal(t, "error of Close", gone.Close(), nil)
	_, err = r.RegisterArenas([]*Arena{a[0], gone})
	equal(t, "is ErrClosed", errors.Is(err, ErrClosed), true)
	equal(t, "users after it", a[0].users, 0)

	wantError(t, r.CloneBuffers(other.Ring), "no registered buffers")
	reg, err := other.RegisterArena(a[0])
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.ReplaceArena(reg, a[0], 0)
	wantError(t, err, "not registered with this ring")
	_, err = r.CloneBuffersAt(other.Ring, 0, 127, 2)
	wantError(t, err, "slots 127 to 128, the other ring has 128")
	_, err = r.CloneBuffersAt(other.Ring, maxBufferTable, 0, 1)
	wantError(t, err, "a table has at most 16384")
}

// Memory that the package itself registered stays registered.
func TestBuffersInUseStay(t *testing.T) {
	a := arenasOf(t, 1)
	r := newRig(t, Config{Entries: 4})
	br, err := r.NewBufRing(BufRingConfig{Group: 3, Entries: 2, BufSize: 1 << 12, Registered: true})
	if err != nil {
		t.Fatal(err)
	}
	err = r.UnregisterBuffers()
	equal(t, "is ErrBusy", errors.Is(err, ErrBusy), true)
	wantError(t, err, "buffer ring 3")
	reg, _ := br.Registered()
	_, err = r.ReplaceArena(reg, a[0], 0)
	equal(t, "is ErrBusy", errors.Is(err, ErrBusy), true)
	equal(t, "error of Close", br.Close(), nil)
	equal(t, "error of UnregisterBuffers", r.UnregisterBuffers(), nil)
}

// Memory that the package made for itself goes with the last ring that has it
// registered.
func TestClonesOutliveWhatTheMemoryWasMadeFor(t *testing.T) {
	needsCloning(t)
	from, r := newRig(t, Config{Entries: 4}), newRig(t, Config{Entries: 4})
	br, err := from.NewBufRing(BufRingConfig{Group: 3, Entries: 2, BufSize: 1 << 12, Registered: true})
	equal(t, "error of NewBufRing", err, nil)
	fd, _ := streamPair(t)
	q, err := from.NewSendQueue(FD(fd), SendQueueConfig{Mode: SendZC, Memory: 1 << 12})
	equal(t, "error of NewSendQueue", err, nil)
	equal(t, "error of CloneBuffers", r.CloneBuffers(from.Ring), nil)
	received, own := br.arena, q.own.arena
	regs := []RegBuf{br.reg, q.own.reg}

	equal(t, "error of BufRing.Close", br.Close(), nil)
	equal(t, "error of SendQueue.Close", q.Close(), nil)
	equal(t, "error of Close", from.Close(), nil)
	equal(t, "received, after Close", fixedRead(t, r, regs[0], "first"), 0)
	equal(t, "to send, after Close", fixedRead(t, r, regs[1], "second"), 0)
	equal(t, "error of UnregisterArena", r.UnregisterArena(regs[0]), nil)
	equal(t, "bytes that are left", []int{received.Len(), own.Len()}, []int{0, os.Getpagesize()})
	equal(t, "error of the other Close", r.Close(), nil)
	equal(t, "bytes that are left", own.Len(), 0)
}

// A ring is cloned from by its registered descriptor where it has no other.
func TestClonedFromARingWithoutDescriptor(t *testing.T) {
	needsCloseRingFD(t)
	needsCloning(t)
	a := arenasOf(t, 1)
	onOwner(t, Config{Entries: 4}, func(from *rig) {
		reg, err := from.RegisterArena(a[0])
		if err != nil {
			t.Error(err)
			return
		}
		equal(t, "error of RegisterRingFD", from.RegisterRingFD(), nil)
		equal(t, "error of CloseRingFD", from.CloseRingFD(), nil)
		r := newRig(t, Config{Entries: 4})
		equal(t, "error of CloneBuffers", r.CloneBuffers(from.Ring), nil)
		equal(t, "errno", fixedRead(t, r, reg, "cloned"), 0)
	})
}

// What a BufRing registered for itself is its own: nobody else can take it away,
// so that a queue can send what was received from where it lies.
func TestRegistrationOfABufRingIsItsOwn(t *testing.T) {
	g := newRig(t, Config{Entries: 8})
	br, err := g.NewBufRing(BufRingConfig{Group: 3, Entries: 4, BufSize: 4096, Registered: true})
	g.must(err)
	reg, ok := br.Registered()
	equal(t, "registered", ok, true)
	for name, err := range map[string]error{
		"UnregisterArena":   g.UnregisterArena(reg),
		"ReplaceArena":      second(g.ReplaceArena(reg, g.arena(4096), 0)),
		"UnregisterBuffers": g.UnregisterBuffers(),
	} {
		if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "buffer ring 3") {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, b := streamPair(g)
	g.write(a, "received")
	c := g.answer(func(s SQE) { g.must(s.PrepRecvProvided(FD(b), br, 0, 0, 0)) })
	file := int(newFile(t, "").Fd())
	g.must(br.Consume(c, func(p []byte) error {
		equal(t, "written from it", g.do(func(s SQE) { g.must(s.PrepWriteFixed(FD(file), reg, p, 0)) }), 8)
		return nil
	}))
	equal(t, "content", content(t, file), "received")
	g.must(br.Close())
	if err := g.UnregisterArena(reg); err == nil || errors.Is(err, ErrBusy) {
		t.Errorf("after Close: %v", err)
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
	one := newArena(t, 1)
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
	closed := newArena(t, 1)
	g.must(closed.Close())
	equal(t, "closed arena", errors.Is(second(g.RegisterArena(closed)), ErrClosed), true)

	big := newArena(t, maxRegistered+1)
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
	s := g.sqe()
	if err := s.PrepSendMsgZCFixed(0, reg, NewMsg(a.Bytes()[:4], a.Bytes()[:0]), 0, 0); err == nil || !strings.Contains(err.Error(), "empty part") {
		t.Errorf("an empty part: %v", err)
	}
	g.none()
}

// Registered memory is read into at every place, in small and in huge pages, and
// past the page cache.
func TestReadsIntoEveryPlaceOfRegisteredMemory(t *testing.T) {
	const page, size = 4096, 16 * 4096
	want := randomBytes(1, size)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	for flags, step := range map[int]int{0: 1000, syscall.O_DIRECT: page} {
		fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|flags, 0)
		if err == syscall.EINVAL {
			t.Logf("no direct reads of %s", path)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(fd)
		for _, huge := range []bool{false, true} {
			g := newRig(t, Config{})
			a, err := NewArena(ArenaConfig{Size: size, HugePages: huge})
			g.must(err)
			g.arenas = append(g.arenas, a)
			reg, err := g.RegisterArena(a)
			g.must(err)
			for off := 0; off < size; off += step {
				for _, n := range []int{page, 5 * page} {
					n = min(n, size-off)
					p := reg.Bytes()[off : off+n]
					clear(p)
					g.want(n, func(s SQE) { g.must(s.PrepReadFixed(FD(fd), reg, p, uint64(off))) })
					if string(p) != string(want[off:off+n]) {
						t.Fatalf("%d bytes at %d are others", n, off)
					}
				}
			}
		}
	}
}
