//go:build linux

package uring

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"weak"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// An InFlight does what a map does whose tokens are never used again: random
// additions, completions, late ones too, and drops.
func TestInFlightIsAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	g := newRig(t, Config{Entries: 1})
	const kind = 0xfe
	table, model := NewInFlight[int](g.Ring, kind), map[Token]int{}
	var all []Token // used so far
	for i := range 100_000 {
		target := 1 + 200*(i/10_000%2) // grows and shrinks
		switch {
		case len(model) < target && random.IntN(3) > 0 || len(all) == 0:
			token := table.Add(i)
			if _, used := model[token]; used || token.Kind() != kind {
				t.Fatalf("token %#x for another request", token)
			}
			model[token] = i
			all = append(all, token)
		default:
			token := all[len(all)-1-random.IntN(min(len(all), 2*target))]
			want, inFlight := model[token]
			if p := table.Get(token); (p != nil) != inFlight || p != nil && *p != want {
				t.Fatalf("Get(%#x) is %v, want %d, %v", token, p, want, inFlight)
			}
			var got int
			var ok bool
			if random.IntN(10) == 0 {
				got, ok = table.Drop(token)
				delete(model, token)
			} else {
				c := CQE{UserData: uint64(token)}
				if random.IntN(4) == 0 {
					c.Flags = cgo.CQEFMore
				} else {
					delete(model, token)
				}
				got, ok = table.Complete(c)
			}
			if got != want || ok != inFlight {
				t.Fatalf("token %#x: %d, %v, want %d, %v", token, got, ok, want, inFlight)
			}
		}
		equal(t, "Len", table.Len(), len(model))
		if i%1000 == 0 {
			listed := map[Token]int{}
			for token, v := range table.All() {
				listed[token] = *v
			}
			equal(t, "All", listed, model)
		}
	}
	seen := map[Token]bool{}
	for _, token := range all {
		if seen[token] {
			t.Fatalf("token %#x was given to two requests", token)
		}
		seen[token] = true
	}
}

// Only what has the kind, a slot and the generation of a request is of it.
func TestInFlightKnowsItsOwn(t *testing.T) {
	g := newRig(t, Config{Entries: 1})
	table := NewInFlight[string](g.Ring, 0)
	token := table.Add("first")
	for _, other := range []Token{
		0, // user data that nobody set, even with kind 0
		MakeToken(1, token.Generation(), token.Slot()),
		MakeToken(0, token.Generation()+1, token.Slot()),
		MakeToken(0, token.Generation()-1, token.Slot()),
		MakeToken(0, token.Generation(), token.Slot()+1),
		MakeToken(0, token.Generation(), 1<<31),
		^Token(0),
	} {
		if v, ok := table.Complete(CQE{UserData: uint64(other)}); ok {
			t.Errorf("%#x completes %q", other, v)
		}
		if table.Get(other) != nil {
			t.Errorf("%#x has a value", other)
		}
		if _, ok := table.Drop(other); ok {
			t.Errorf("%#x was dropped", other)
		}
	}
	v, ok := table.Complete(CQE{UserData: uint64(token)})
	equal(t, "value", v, "first")
	equal(t, "ok", ok, true)
}

// When generations start again, 0 is left out, and a completion of the request
// before is still known as late.
func TestInFlightGenerationWraps(t *testing.T) {
	g := newRig(t, Config{Entries: 1})
	table := NewInFlight[int](g.Ring, 0)
	table.grow()
	for i := range table.slots() {
		table.slot(i).generation = generations - 1
	}
	last := table.Add(1)
	equal(t, "generation", last.Generation(), generations)
	table.Drop(last)
	var again Token
	for again = table.Add(2); again.Slot() != last.Slot(); again = table.Add(2) {
		table.Drop(again)
	}
	equal(t, "generation", again.Generation(), 1)
	if _, ok := table.Complete(CQE{UserData: uint64(last)}); ok {
		t.Error("a late completion was taken for one of the next request")
	}
	equal(t, "value", *table.Get(again), 2)
}

// Values stay where they are when the table grows, and leave nothing behind.
func TestInFlightValuesStay(t *testing.T) {
	g := newRig(t, Config{Entries: 1})
	table := NewInFlight[[]byte](g.Ring, 1)
	p := make([]byte, 100)
	gone := weak.Make(&p[0])
	token := table.Add(p)
	p = nil
	at := table.Get(token)
	var more []Token
	for range 10 * inFlightBlock {
		more = append(more, table.Add(nil))
	}
	if table.Get(token) != at {
		t.Error("the value has moved")
	}
	runtime.GC()
	if gone.Value() == nil {
		t.Error("the memory of a request in flight was collected")
	}
	for _, m := range more {
		table.Drop(m)
	}
	table.Drop(token)
	runtime.GC()
	if gone.Value() != nil {
		t.Error("the memory of a request that is over is still held")
	}
}

// What is dropped, or completed, while All runs is not yielded.
func TestInFlightChangesWhileItIsListed(t *testing.T) {
	g := newRig(t, Config{Entries: 1})
	table := NewInFlight[int](g.Ring, 1)
	for i := range 5 {
		table.Add(i)
	}
	var listed []int
	for token, v := range table.All() {
		listed = append(listed, *v)
		if *v == 1 {
			table.Complete(CQE{UserData: uint64(MakeToken(1, 1, 2))})
		}
		table.Drop(token)
	}
	equal(t, "listed", listed, []int{0, 1, 3, 4})
	equal(t, "Len", table.Len(), 0)
	for range table.All() {
		t.Error("an empty table has something")
	}
}

func TestInFlightAllocatesNothing(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		table := NewInFlight[[]byte](g.Ring, 1)
		p := make([]byte, 1)
		n := testing.AllocsPerRun(100, func() {
			for range 8 {
				s, err := table.Request(p)
				g.must(err)
				s.PrepNop()
			}
			_, err := g.SubmitAndWait(8)
			g.must(err)
			for c := range g.Completions() {
				if _, ok := table.Complete(c); !ok {
					t.Errorf("unknown: %v", c)
				}
			}
		})
		equal(t, "allocations", n, 0)
		equal(t, "Len", table.Len(), 0)
	})
}

func TestInFlightKindIsTaken(t *testing.T) {
	g, other := newRig(t, Config{Entries: 1}), newRig(t, Config{Entries: 1})
	NewInFlight[int](g.Ring, 7)
	NewInFlight[int](other.Ring, 7)
	NewInFlight[string](g.Ring, 8)
	defer func() {
		if why, _ := recover().(string); !strings.Contains(why, "kind 7") {
			t.Errorf("panic: %v", why)
		}
	}()
	NewInFlight[string](g.Ring, 7)
}

// Ring.Request makes room where NextSQE fails, and both give the request its
// token, which Prep methods keep.
func TestRequestMakesRoom(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		sq, _ := g.Entries()
		table := NewInFlight[int](g.Ring, 1)
		for i := range 3 * sq {
			var s SQE
			var err error
			if i%2 == 0 {
				s, err = table.Request(i)
			} else {
				s, err = g.Request(MakeToken(2, 0, uint32(i)))
			}
			g.must(err)
			token := s.Token()
			s.PrepTimeout(0, 0, 0)
			s.PrepNop()
			equal(t, "token", s.Token(), token)
		}
		seen := map[int]bool{}
		for range 3 * sq {
			c, err := g.Wait()
			g.must(err)
			i, ok := table.Complete(c)
			if !ok {
				i = int(c.Token().Slot())
			}
			equal(t, "kind", c.Token().Kind(), uint8(1+i%2))
			seen[i] = true
		}
		equal(t, "requests", len(seen), 3*sq)
		equal(t, "Len", table.Len(), 0)
	})
}

// Without an entry nothing is added.
func TestRequestOfAClosedRing(t *testing.T) {
	g := newRig(t, Config{Entries: 1})
	table := NewInFlight[int](g.Ring, 1)
	g.must(g.Close())
	_, err := table.Request(1)
	equal(t, "error", err, ErrClosed)
	equal(t, "Len", table.Len(), 0)
}

// A refused request keeps its token, to be dropped by or to be filled again, but
// posts no completion.
func TestRefusedRequestKeepsItsToken(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		table := NewInFlight[string](g.Ring, 1)
		refused, err := table.Request("refused")
		g.must(err)
		token := refused.Token()
		if refused.PrepUnlinkat(AtFDCWD, "a\x00b", 0) == nil {
			t.Fatal("a path with a zero byte was accepted")
		}
		equal(t, "token", refused.Token(), token)
		again, err := table.Request("again")
		g.must(err)
		if again.PrepUnlinkat(AtFDCWD, "a\x00b", 0) == nil {
			t.Fatal("a path with a zero byte was accepted")
		}
		again.PrepNop()

		v, ok := table.Drop(refused.Token())
		equal(t, "dropped", v, "refused")
		equal(t, "ok", ok, true)
		v, ok = table.Complete(g.await(1)[0])
		equal(t, "completed", v, "again")
		equal(t, "ok", ok, true)
		g.none()
		equal(t, "Len", table.Len(), 0)
	})
}

func TestInFlightRefusesSkippedCompletions(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	table := NewInFlight[int](g.Ring, 3)
	s, err := table.Request(1)
	g.must(err)
	s.PrepNop()
	equal(t, "error", s.SetFlags(SkipSuccess), errSkipInFlight)
	table.Drop(s.Token())
	s, err = g.Request(MakeToken(4, 0, 0))
	g.must(err)
	s.PrepNop()
	g.must(s.SetFlags(SkipSuccess))
	g.none()
}

// A request has its memory until its last completion, even if the program lets
// go of everything, table and ring included: the peer's bytes are there, and
// nowhere else.
func TestInFlightHoldsMemory(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		type receive struct{ buf []byte }
		a, b := streamPair(g)
		func() {
			table := NewInFlight[receive](g.Ring, 1)
			s, err := table.Request(receive{make([]byte, 512)})
			g.must(err)
			s.PrepRecv(FD(a), table.Get(s.Token()).buf, 0)
		}()
		g.submit()
		runtime.GC()
		runtime.GC()
		others := make([][]byte, 10_000) // what would get the memory
		for i := range others {
			others[i] = make([]byte, 512)
		}
		sent := bytes.Repeat([]byte("peer"), 128)
		writeAll(t, b, sent)
		c := g.await(1)[0]
		equal(t, "result", c.Res, 512)
		for _, o := range others {
			if !bytes.Equal(o, make([]byte, 512)) {
				t.Fatal("the kernel wrote to memory of something else")
			}
		}
		v, ok := g.inFlight[1].(*InFlight[receive]).Complete(c)
		equal(t, "ok", ok, true)
		equal(t, "bytes", v.buf, sent)
	})
}

// A multishot request is in flight until a completion without More, and its
// value is changed in its place.
func TestInFlightMultishot(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := testutil.UnixPair(t, syscall.SOCK_SEQPACKET)
		br, err := g.NewBufRing(BufRingConfig{Group: 1, Entries: 8, BufSize: 64})
		g.must(err)
		type receive struct{ bytes int }
		table := NewInFlight[receive](g.Ring, 1)
		s, err := table.Request(receive{})
		g.must(err)
		token := s.Token()
		g.must(s.PrepRecvMultishot(FD(a), br, 0))
		for i, text := range []string{"one", "three", "seven"} {
			g.write(b, text)
			c := g.await(1)[0]
			equal(t, "more", c.More(), true)
			table.Get(c.Token()).bytes += int(c.Res)
			_, ok := table.Complete(c)
			equal(t, "ok", ok, true)
			equal(t, "bytes", table.Get(token).bytes, []int{3, 8, 13}[i])
			g.must(br.Consume(c, func([]byte) error { return nil }))
		}
		g.queue(9, func(s SQE) { s.PrepCancel(uint64(token), 0) })
		last := g.byUserData(2)[uint64(token)]
		v, ok := table.Complete(last)
		equal(t, "ok", ok, true)
		equal(t, "bytes", v.bytes, 13)
		if _, ok := table.Complete(last); ok || table.Len() != 0 {
			t.Error("the request is still in flight")
		}
	})
}

// A zero-copy send has its memory until the notification, not just the result.
func TestInFlightZeroCopySend(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := testutil.TCPPair(t)
		table := NewInFlight[[]byte](g.Ring, 1)
		sent := bytes.Repeat([]byte("z"), 4096)
		s, err := table.Request(bytes.Clone(sent))
		g.must(err)
		token := s.Token()
		g.must(s.PrepSendZC(FD(a), *table.Get(token), syscall.MSG_WAITALL, 0))
		got := make([]byte, len(sent))
		result, err := g.Wait()
		g.must(err)
		equal(t, "result", result.Res, 4096)
		equal(t, "more", result.More(), true)
		_, ok := table.Complete(result)
		equal(t, "ok", ok, true)
		if table.Get(token) == nil {
			t.Fatal("the result has let go of the memory")
		}
		for n := 0; n < len(got); {
			n += readSome(t, b, got[n:])
		}
		equal(t, "bytes", got, sent)
		notification := g.await(1)[0]
		equal(t, "notification", notification.Notif(), true)
		v, ok := table.Complete(notification)
		equal(t, "ok", ok, true)
		equal(t, "value", v, sent)
		equal(t, "Len", table.Len(), 0)
	})
}
