package uring

import (
	"errors"
	"fmt"
	"slices"

	"github.com/uring-go/uring/internal/arena"
)

// A RegBuf is an arena registered with a ring: its pages are pinned, so that
// requests which name it (the Fixed ones) need not look them up each time.
type RegBuf struct {
	index uint16
	arena *Arena
}

// Index returns the buffer's place in the ring's table.
func (b RegBuf) Index() uint16 { return b.index }

// Bytes returns the arena's memory.
func (b RegBuf) Bytes() []byte { return b.arena.Bytes() }

// checkBuffer says what is wrong with using p as part of registered buffer b.
func (s SQE) checkBuffer(b RegBuf, p []byte) error {
	if b.arena == nil {
		return fmt.Errorf("uring: RegBuf is empty; Ring.RegisterArena makes one")
	}
	if !s.ring.buffers.holds(b) {
		return fmt.Errorf("uring: buffer %d is not registered with this ring", b.index)
	}
	if !b.arena.contains(p) {
		return fmt.Errorf("uring: %d bytes lie outside registered buffer %d", len(p), b.index)
	}
	return nil
}

// checkParts says what is wrong with using parts as parts of b. The kernel
// refuses empty ones there.
func (s SQE) checkParts(b RegBuf, parts [][]byte) error {
	for _, p := range parts {
		if len(p) == 0 {
			return errors.New("uring: an empty part of a registered buffer; leave it out")
		}
		if err := s.checkBuffer(b, p); err != nil {
			return err
		}
	}
	return nil
}

// registeredBuffers is the size of the table of registered buffers that the
// first arena makes: room for many, as an arena is one buffer however large.
const registeredBuffers = 128

// maxRegistered is the kernel's limit for one registered buffer.
const maxRegistered = 1 << 30

// bufferTable is the ring's table of registered buffers, with nil where a place
// is empty. It is nil itself before the first registration.
type bufferTable struct {
	arenas []*Arena
}

// RegisterArena registers all of a with the ring, as one buffer of at most
// 1 GiB. A ring has room for 128, or as many as [Ring.RegisterBuffers] made
// room for. The pages count towards RLIMIT_MEMLOCK unless
// the process has CAP_IPC_LOCK. The arena cannot be closed before
// [Ring.UnregisterArena] or [Ring.Close]. Linux 5.19. See
// io_uring_register_buffers_sparse(3) and io_uring_register_buffers_update_tag(3).
func (r *Ring) RegisterArena(a *Arena) (RegBuf, error) {
	if err := r.usable(); err != nil {
		return RegBuf{}, err
	}
	if err := a.registrable("RegisterArena"); err != nil {
		return RegBuf{}, err
	}
	return r.registerMapping(a)
}

func (r *Ring) registerMapping(a *Arena) (RegBuf, error) {
	t := &r.buffers
	if t.arenas == nil {
		if err := check(opRegisterBuffers, r.drv.RegisterBuffersSparse(registeredBuffers)); err != nil {
			return RegBuf{}, err
		}
		t.arenas = make([]*Arena, registeredBuffers)
	}
	index := slices.Index(t.arenas, nil)
	if index < 0 {
		return RegBuf{}, fmt.Errorf("uring: RegisterArena: all %d places are taken; unregister an arena, use fewer and larger ones, or make room with RegisterBuffers first", len(t.arenas))
	}
	rc := settled(func() int {
		return r.drv.UpdateBuffer(uint32(index), arena.Addr(a.Bytes()), uint64(a.Len()))
	})
	if err := check(opRegisterBuffers, rc); err != nil {
		return RegBuf{}, err
	}
	t.take(index, a)
	return RegBuf{uint16(index), a}, nil
}

// UnregisterArena undoes [Ring.RegisterArena]. Zero-copy sends on their way
// keep the pages until their notification. Memory of a buffer ring stays
// registered until that is closed: [ErrBusy].
func (r *Ring) UnregisterArena(b RegBuf) error {
	if err := r.usable(); err != nil {
		return err
	}
	if !r.buffers.holds(b) {
		return fmt.Errorf("uring: UnregisterArena: buffer %d is not registered with this ring", b.index)
	}
	for _, br := range r.bufRings { // what a send queue registered nobody else knows
		if br.reg == b {
			return fmt.Errorf("uring: UnregisterArena: %w: the memory belongs to buffer ring %d, whose Close unregisters it", ErrBusy, br.group)
		}
	}
	return r.unregisterMapping(b)
}

func (r *Ring) unregisterMapping(b RegBuf) error {
	if err := check(opUnregisterBuffers, r.drv.UpdateBuffer(uint32(b.index), 0, 0)); err != nil {
		return err
	}
	r.buffers.drop(int(b.index))
	return nil
}

// holds says whether b is registered.
func (t *bufferTable) holds(b RegBuf) bool {
	return b.arena != nil && int(b.index) < len(t.arenas) && t.arenas[b.index] == b.arena
}

func (t *bufferTable) take(i int, a *Arena) {
	t.arenas[i] = a
	a.use()
}

func (t *bufferTable) drop(i int) {
	t.arenas[i].leave()
	t.arenas[i] = nil
}

// forget empties the table after the kernel's is gone.
func (t *bufferTable) forget() {
	for i, a := range t.arenas {
		if a != nil {
			t.drop(i)
		}
	}
	t.arenas = nil
}

// unregister unregisters everything, when no request is in flight: unpinning by
// closing the ring alone lags behind, and the memory would count against the
// user's limit meanwhile.
func (t *bufferTable) unregister(r *Ring) {
	if t.arenas != nil {
		afterSignals(r.drv.UnregisterBuffers)
	}
}
