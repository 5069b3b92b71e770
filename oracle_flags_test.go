//go:build linux && cgo

package uring

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/cgo"
)

// Whether flags are set before the Prep method or after it, the same ones are
// refused, for every request and all flags together. Only methods that return no
// error leave out SkipSuccess in place of refusing it.
func TestFlagsBeforeAndAfterPrepAreOneRule(t *testing.T) {
	b := newBench(t)
	take := func() SQE {
		s, err := b.r.NextSQE()
		if err != nil {
			t.Fatal(err)
		}
		b.entry, b.r.drained, b.r.sentZC, b.bigRing.drained = s, false, false, false
		return s
	}
	refusedEntry := cgo.SQE{Opcode: cgo.OpNop, Flags: cgo.SQECQESkipSuccess, FD: -1, Addr: cgo.RefusedMark}
	refusals := 0
	for _, slot := range []Direct{{3}, DirectAlloc} {
		a := prepArgs{fd: 7, n: 100, off: 8, slot: slot, d: time.Second}
		for _, c := range prepCases {
			if c.ours(b, take(), a) != nil {
				continue // not a request with these arguments
			}
			for f := SQEFlags(0); f <= callersFlags; f++ {
				if f&^callersFlags != 0 {
					continue
				}
				name := fmt.Sprintf("%s, slot %v, flags %#x", c.name, slot, uint8(f))

				after := take()
				errAfter := c.ours(b, after, a)
				if errAfter == nil {
					errAfter = after.SetFlags(f)
				}

				before := take()
				if err := before.SetFlags(f); err != nil {
					t.Fatalf("%s: SetFlags on an entry without a request: %v", name, err)
				}
				b.bigRing.drained = b.r.drained // some requests go there
				errBefore := c.ours(b, before, a)

				switch {
				case errBefore == nil && errors.Is(errAfter, errSkipDescriptor):
					equal(t, name, before.Flags&uint8(callersFlags), uint8(f&^SkipSuccess))
				case text(errBefore) != text(errAfter):
					t.Errorf("%s: set before: %v; set after: %v", name, errBefore, errAfter)
				case errBefore != nil:
					refusals++
					if diff := cmp.Diff(refusedEntry, *before.SQE); diff != "" {
						t.Errorf("%s: the refused entry (-want +got):\n%s", name, diff)
					}
				default:
					equal(t, name, before.Flags, after.Flags)
				}
			}
		}
	}
	if refusals < 100 {
		t.Errorf("%d refusals in all", refusals)
	}
}

// An entry may be filled again: what belongs to the first request, the kind of
// its descriptor or a choice of buffers, is not left in the second.
func TestPrepAgainKeepsOnlyTheCallersFlags(t *testing.T) {
	b := newBench(t)
	s, err := b.r.NextSQE()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PrepRecvProvided(DirectSlot(3).FD(), b.br, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.SetFlags(Link | Drain); err != nil {
		t.Fatal(err)
	}
	s.PrepRecv(7, b.mem[:8], 0)
	equal(t, "flags", SQEFlags(s.Flags), Link|Drain)
	err = s.PrepSetsockopt(7, 1, 1, b.mem[:4])
	if err == nil || !strings.Contains(err.Error(), "Drain") {
		t.Errorf("a socket option in its place: %v", err)
	}
}

// panics fails the test unless f says that there is no entry, and why.
func panics(t *testing.T, what, why string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if p := fmt.Sprint(recover()); !strings.Contains(p, "this SQE has no entry for a request") || !strings.Contains(p, why) {
			t.Errorf("%s: panic is %v", what, p)
		}
	}()
	f()
}

// A program that ignores the error of NextSQE has no entry. That is said where
// it fills one.
func TestNoRequestIsPreparedWithoutAnEntry(t *testing.T) {
	b := newBench(t)
	b.bigRing.none = b.r.none // some requests go there
	for _, c := range prepCases {
		b.entry = SQE{SQE: b.r.none, ring: b.r}
		panics(t, c.name, "queue full", func() { c.ours(b, b.entry, prepArgs{fd: 7, n: 100, off: 8, slot: Direct{3}, d: time.Second}) })
	}
}

// Nothing is lost then of the requests in the queue.
func TestEntryThatIsNotThere(t *testing.T) {
	g := newRig(t, Config{Entries: 1})
	g.queue(1, SQE.PrepNop)
	full, err := g.NextSQE()
	equal(t, "error", err, ErrSQFull)
	full.UserData, full.Flags = 7, 0
	panics(t, "PrepNop", "queue full", full.PrepNop)
	panics(t, "SetFlags", "queue full", func() { full.SetFlags(Link) })
	panics(t, "SetBufGroup", "queue full", func() { full.SetBufGroup(3) })
	var nothing *Ring
	s, err := nothing.NextSQE()
	equal(t, "error", err, errNoRing)
	panics(t, "an SQE of no ring", "no ring", s.PrepNop)
	g.submit()
	equal(t, "completion", g.await(1)[0], CQE{UserData: 1})

	wide := newRig(t, Config{Entries: 2, Flags: SetupSQE128})
	for range 2 {
		wide.queue(2, SQE.PrepNop)
	}
	none, err := wide.NextSQE128()
	equal(t, "error", err, ErrSQFull)
	panics(t, "NextSQE128", "queue full", none.PrepNop)

	closed, err := New(Config{Entries: 4})
	g.must(err)
	g.must(closed.Close())
	s, err = closed.NextSQE()
	equal(t, "error", err, ErrClosed)
	panics(t, "after Close", "use after Close", s.PrepNop)
}
