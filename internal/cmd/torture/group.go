//go:build linux

package main

import (
	"errors"
	"maps"
	"slices"

	"github.com/uring-go/uring"
)

// A group is a buffer ring.
type group struct {
	*uring.BufRing
	config   uring.BufRingConfig
	requests int  // that run
	closing  bool // no request may start
	segments int  // held
}

func (r *round) openGroup() {
	c := uring.BufRingConfig{
		Entries: 1 << r.IntN(16),
		BufSize: []int{1, 2, 3, 7, 16, 64, 100, 256, 500, 1024, 4096, 4097, 65536}[r.IntN(13)],
	}
	for r.IntN(4) > 0 && c.Entries > 256 {
		c.Entries >>= 3
	}
	for c.Entries*c.BufSize > 4<<20 {
		c.Entries >>= 1
	}
	if r.IntN(2) == 0 && uring.HaveIncremental() == nil {
		c.Incremental = true
		switch r.IntN(3) {
		case 0:
			c.MinLeft = 1
		case 1:
			if uring.HaveMinLeft() == nil {
				c.MinLeft = 1 + r.IntN(c.BufSize)
				if c.BufSize > 1000 {
					c.MinLeft = 400
				}
			}
		}
	}
	c.Registered = r.IntN(3) == 0
	c.KernelMemory = r.IntN(4) == 0
	for {
		c.Group = uint16(r.IntN(2000))
		if r.groupNumber(c.Group) == nil {
			break
		}
	}
	b, err := r.ring.NewBufRing(c)
	if errors.Is(err, uring.ErrNotSupported) && c.KernelMemory {
		c.KernelMemory = false
		b, err = r.ring.NewBufRing(c)
	}
	r.must(err)
	r.groups = append(r.groups, &group{BufRing: b, config: c})
	r.seen["buffer rings"]++
	r.did("new group %+v", c)
}

func (r *round) groupNumber(n uint16) *group {
	for _, g := range r.groups {
		if g.Group() == n {
			return g
		}
	}
	return nil
}

// renew lets a buffer ring come to its end, and opens another.
func (r *round) renew() {
	i := r.IntN(len(r.groups))
	g := r.groups[i]
	if !g.closing {
		if r.IntN(6) > 0 {
			return
		}
		g.closing = true
		r.did("group %d is to close", g.Group())
	}
	if g.requests > 0 {
		r.cancelGroup(g)
		return
	}
	r.releaseOf(g)
	switch err := g.Close(); {
	case errors.Is(err, uring.ErrBusy): // a send queue has some of it
	case err != nil:
		r.fail("close of group %d: %w", g.Group(), err)
	default:
		r.did("group %d is closed", g.Group())
		r.groups = append(r.groups[:i], r.groups[i+1:]...)
		r.openGroup()
	}
}

// cancelGroup cancels all requests that use a buffer ring.
func (r *round) cancelGroup(g *group) {
	for _, data := range slices.Sorted(maps.Keys(r.running)) {
		if r.running[data].group != g {
			continue
		}
		if r.drains {
			r.syncCancel(uring.Match{UserData: &data}, false)
			continue
		}
		e, ok := r.entry()
		if !ok {
			return
		}
		e.PrepCancel(data, 0)
		r.begins(e, &request{form: "cancel", once: true})
	}
}

// A holding is a segment that the program keeps, with what must be in it.
type holding struct {
	uring.Segment
	group   *group
	run     run    // the part of a stream, or
	literal string // what it was when it came
	shares  *int   // holdings of the same bytes
}

func (h *holding) check() bool {
	if h.run.n == 0 {
		return string(h.Bytes) == h.literal
	}
	return h.run.of.wrong(h.Bytes, h.run.pos) < 0
}

func (r *round) hold(h *holding) {
	n := 1
	h.shares = &n
	r.keep(h)
}

func (r *round) keep(h *holding) {
	h.group.segments++
	r.held = append(r.held, h)
}

// release releases holdings, in any order, until so many are left.
func (r *round) release(keep int) {
	for len(r.held) > keep {
		r.releaseOne(r.IntN(len(r.held)))
	}
}

func (r *round) releaseOf(g *group) {
	for i := len(r.held) - 1; i >= 0; i-- {
		if r.held[i].group == g {
			r.releaseOne(i)
		}
	}
}

// releaseOne writes over memory before it goes: whoever else has it sees that.
func (r *round) releaseOne(i int) {
	h := r.held[i]
	r.checkHolding(h)
	if *h.shares == 1 {
		for i := range h.Bytes {
			h.Bytes[i] = 0xEE
		}
	}
	r.must(h.Release())
	if err := h.Release(); !errors.Is(err, uring.ErrReleased) {
		r.fail("second release: %v", err)
	}
	r.drop(i)
}

func (r *round) drop(i int) {
	h := r.held[i]
	*h.shares--
	h.group.segments--
	r.held[i] = r.held[len(r.held)-1]
	r.held = r.held[:len(r.held)-1]
}

func (r *round) checkHolding(h *holding) {
	if !h.check() {
		r.fail("group %d: a segment of %d bytes is not what it was: %.64x", h.group.Group(), len(h.Bytes), h.Bytes)
	}
}

func (r *round) checkHeld() {
	for range min(len(r.held), 50) {
		r.checkHolding(r.held[r.IntN(len(r.held))])
	}
}

func (r *round) share() {
	if len(r.held) == 0 {
		return
	}
	h := *r.held[r.IntN(len(r.held))]
	s, err := h.Share()
	r.must(err)
	h.Segment = s
	*h.shares++
	r.keep(&h)
	r.seen["segments shared"]++
}
