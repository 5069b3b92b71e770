package uring

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/kernel"
)

// maxBufferTable is the most slots that the kernel gives a table.
const maxBufferTable = 1 << 14

// RegisterBuffers gives the ring a table of n registered buffers, all empty,
// for [Ring.RegisterArena]: n is 1 to 16384. Without it the first RegisterArena
// makes a table of 128. Linux 5.19. See io_uring_register_buffers_sparse(3).
func (r *Ring) RegisterBuffers(n int) error {
	if err := r.usable(); err != nil {
		return err
	}
	if err := r.noBuffers("RegisterBuffers", n); err != nil {
		return err
	}
	if err := check(opRegisterBuffers, r.drv.RegisterBuffersSparse(uint32(n))); err != nil {
		return err
	}
	r.buffers.arenas = make([]*Arena, n)
	return nil
}

// RegisterArenas gives the ring a table of registered buffers made of arenas,
// with no room for more. See [Ring.RegisterArena] for what holds for each, and
// io_uring_register_buffers(3).
func (r *Ring) RegisterArenas(arenas []*Arena) ([]RegBuf, error) {
	return r.registerArenas("RegisterArenas", arenas, nil)
}

// RegisterArenasTagged is [Ring.RegisterArenas] with a tag for each arena. When
// the kernel has let go of its memory, after it was unregistered or replaced
// and the last request that used it is over, a completion comes whose user data
// is the tag, unless that is 0. Up to Linux 6.12 none comes for what goes with
// the whole table, [Ring.UnregisterBuffers]. Linux 5.13. See
// io_uring_register_buffers_tags(3).
func (r *Ring) RegisterArenasTagged(arenas []*Arena, tags []uint64) ([]RegBuf, error) {
	if err := checkTags("RegisterArenasTagged", len(arenas), tags); err != nil {
		return nil, err
	}
	return r.registerArenas("RegisterArenasTagged", arenas, tags)
}

func (r *Ring) registerArenas(method string, arenas []*Arena, tags []uint64) ([]RegBuf, error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	if err := r.noBuffers(method, len(arenas)); err != nil {
		return nil, err
	}
	r.tagged(tags)
	iovecs := make([]cgo.IovecAddr, len(arenas))
	for i, a := range arenas {
		if err := a.registrable(method); err != nil {
			return nil, err
		}
		iovecs[i] = a.iovec()
	}
	if err := check(opRegisterBuffers, settled(func() int { return r.drv.RegisterBuffers(iovecs, tags) })); err != nil {
		return nil, err
	}
	r.buffers.arenas = make([]*Arena, len(arenas))
	regs := make([]RegBuf, len(arenas))
	for i, a := range arenas {
		r.buffers.take(i, a)
		regs[i] = RegBuf{uint16(i), a}
	}
	return regs, nil
}

func (r *Ring) noBuffers(method string, n int) error {
	switch {
	case r.buffers.arenas != nil:
		return wrapf("%s: the ring has a table of %d buffers; UnregisterBuffers drops it: %w", method, len(r.buffers.arenas), ErrBusy)
	case n < 1 || n > maxBufferTable:
		return fmt.Errorf("uring: %s: %d buffers, want 1 to %d", method, n, maxBufferTable)
	}
	return nil
}

func (a *Arena) registrable(method string) error {
	switch {
	case a == nil || a.Len() == 0:
		return wrapf("%s: arena: %w", method, ErrClosed)
	case a.Len() > maxRegistered:
		return fmt.Errorf("uring: %s: %d bytes, the kernel takes at most %d in one buffer", method, a.Len(), maxRegistered)
	}
	return nil
}

func (a *Arena) iovec() cgo.IovecAddr {
	return cgo.IovecAddr{Addr: arena.Addr(a.Bytes()), Len: uint64(a.Len())}
}

// ReplaceArena puts a in the slot of registered buffer b, with a tag that tells
// when the kernel has let go of a; 0 is none. See [Ring.RegisterArenasTagged].
// Requests that use b go on with its memory. Linux 5.13. See
// io_uring_register_buffers_update_tag(3).
func (r *Ring) ReplaceArena(b RegBuf, a *Arena, tag uint64) (RegBuf, error) {
	if err := r.usable(); err != nil {
		return RegBuf{}, err
	}
	if !r.buffers.holds(b) {
		return RegBuf{}, fmt.Errorf("uring: ReplaceArena: buffer %d is not registered with this ring", b.index)
	}
	if err := r.ownBuffers("ReplaceArena", int(b.index), 1); err != nil {
		return RegBuf{}, err
	}
	if err := a.registrable("ReplaceArena"); err != nil {
		return RegBuf{}, err
	}
	tags := []uint64{tag}
	r.tagged(tags)
	rc := settled(func() int {
		return r.drv.UpdateBuffers(uint32(b.index), []cgo.IovecAddr{a.iovec()}, tags)
	})
	if err := check(opRegisterBuffers, rc); err != nil {
		return RegBuf{}, err
	}
	r.buffers.drop(int(b.index))
	r.buffers.take(int(b.index), a)
	return RegBuf{b.index, a}, nil
}

// CloneBuffers gives the ring all registered buffers of another ring of this
// process, each at the same slot, so that its RegBufs are good for this ring
// too; pinning the memory anew costs much more. The ring must have no table of
// its own. The other ring must not be in use meanwhile, and may be without its
// descriptor: see [Ring.CloseRingFD]. Linux 6.12. See io_uring_clone_buffers(3).
//
//uring:covers __io_uring_clone_buffers
func (r *Ring) CloneBuffers(from *Ring) error {
	if err := r.usable(); err != nil {
		return err
	}
	if r.buffers.arenas != nil {
		return r.noBuffers("CloneBuffers", 1)
	}
	_, err := r.clone("CloneBuffers", from, 0, 0, len(from.buffers.arenas), 0)
	return err
}

// CloneBuffersAt is [Ring.CloneBuffers] for n slots of the other ring's table, from
// src on. They replace the slots of this ring's table from dst on, which grows if
// need be. It returns the buffers as this ring has them, and zero values for empty
// slots. The other ring may be the ring itself. Linux 6.13. Some kernels before 6.18.15 drop the buffers after those
// slots: if there are any, the error there matches [ErrNotSupported]. See
// io_uring_clone_buffers_offset(3).
//
//uring:covers __io_uring_clone_buffers_offset IORING_REGISTER_DST_REPLACE
func (r *Ring) CloneBuffersAt(from *Ring, dst, src, n int) ([]RegBuf, error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	return r.clone("CloneBuffersAt", from, dst, src, n, cgo.RegisterDstReplace)
}

func (r *Ring) clone(method string, from *Ring, dst, src, n int, flags uint32) ([]RegBuf, error) {
	theirs := from.buffers.arenas
	switch {
	case from.closed:
		return nil, wrapf("%s: the other ring: %w", method, ErrClosed)
	case len(theirs) == 0:
		return nil, fmt.Errorf("uring: %s: the other ring has no registered buffers", method)
	case n < 1 || src < 0 || src+n > len(theirs):
		return nil, fmt.Errorf("uring: %s: slots %d to %d, the other ring has %d", method, src, src+n-1, len(theirs))
	case dst < 0 || dst+n > maxBufferTable:
		return nil, fmt.Errorf("uring: %s: slots %d to %d, a table has at most %d", method, dst, dst+n-1, maxBufferTable)
	}
	if err := r.ownBuffers(method, dst, n); err != nil {
		return nil, err
	}
	if r.buffers.anyFrom(dst + n) {
		if err := probeCloneInFront.Check(); err != nil {
			return nil, err
		}
	}
	rc := cloneResult(flags, r.drv.CloneBuffers(from.drv.Raw(), uint32(dst), uint32(src), uint32(n), flags))
	if err := checkSince("clone registered buffers", rc, kernel.V(6, 13), ""); err != nil {
		return nil, err
	}
	return r.buffers.cloned(theirs[src:src+n], dst), nil
}

// cloneResult is what a kernel that does not know how to replace should say:
// Linux 6.12 looks for a table before it looks at the flag.
func cloneResult(flags uint32, rc int) int {
	if flags&cgo.RegisterDstReplace != 0 && rc == -int(syscall.EBUSY) {
		return -int(syscall.EINVAL)
	}
	return rc
}

// anyFrom reports whether there is a buffer at slot i or after it.
func (t *bufferTable) anyFrom(i int) bool {
	return i < len(t.arenas) && slices.ContainsFunc(t.arenas[i:], func(a *Arena) bool { return a != nil })
}

// cloned notes that arenas came to the slots from dst on. They may be those of
// slots of the same table: none may lose its last user meanwhile.
func (t *bufferTable) cloned(arenas []*Arena, dst int) []RegBuf {
	if short := dst + len(arenas) - len(t.arenas); short > 0 {
		t.arenas = append(slices.Clip(t.arenas), make([]*Arena, short)...)
	}
	replaced := slices.Clone(t.arenas[dst:][:len(arenas)])
	var regs []RegBuf
	for i, a := range slices.Clone(arenas) {
		t.arenas[dst+i] = nil
		if a != nil {
			t.take(dst+i, a)
			regs = append(regs, RegBuf{uint16(dst + i), a})
		}
	}
	for _, a := range replaced {
		if a != nil {
			a.leave()
		}
	}
	return regs
}

// UnregisterBuffers drops the whole table of registered buffers. It returns
// [ErrBusy] while buffer rings or send queues have registered memory. Requests
// that use a buffer go on with its memory; old kernels, such as 6.1, wait for them,
// zero-copy sends whose peer does not read included. See
// io_uring_unregister_buffers(3).
func (r *Ring) UnregisterBuffers() error {
	if err := r.usable(); err != nil {
		return err
	}
	if r.buffers.arenas == nil {
		return &OpError{opUnregisterBuffers, syscall.ENXIO}
	}
	if err := r.ownBuffers("UnregisterBuffers", 0, len(r.buffers.arenas)); err != nil {
		return err
	}
	if err := check(opUnregisterBuffers, afterSignals(r.drv.UnregisterBuffers)); err != nil {
		return err
	}
	r.buffers.forget()
	return nil
}

// ownBuffers returns [ErrBusy] if a buffer ring or send queue uses one of the n slots
// from first.
func (r *Ring) ownBuffers(method string, first, n int) error {
	within := func(b RegBuf) bool {
		return r.buffers.holds(b) && int(b.index) >= first && int(b.index) < first+n
	}
	for _, b := range r.bufRings {
		if within(b.reg) {
			return wrapf("%s: %w: slot %d belongs to buffer ring %d", method, ErrBusy, b.reg.index, b.group)
		}
	}
	for _, q := range r.queues {
		if within(q.own.reg) {
			return wrapf("%s: %w: slot %d belongs to a send queue", method, ErrBusy, q.own.reg.index)
		}
	}
	return nil
}

// A RegBuf is an arena registered with a ring: its pages are pinned, so that
// requests which name it (the Fixed ones) need not look them up each time.
type RegBuf struct {
	index uint16
	arena *Arena
}

// Index returns the buffer's slot in the ring's table.
func (b RegBuf) Index() uint16 { return b.index }

// Bytes returns the arena's memory.
func (b RegBuf) Bytes() []byte { return b.arena.Bytes() }

// checkBuffer returns the error of using p as part of registered buffer b.
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

// checkParts returns the error of using parts as parts of b. The kernel refuses empty
// ones.
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

// bufferTable is the ring's table of registered buffers, with nil where a slot
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
		return RegBuf{}, fmt.Errorf("uring: RegisterArena: all %d slots are taken; unregister an arena, use fewer and larger ones, or make room with RegisterBuffers first", len(t.arenas))
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
			return wrapf("UnregisterArena: %w: the memory belongs to buffer ring %d, whose Close unregisters it", ErrBusy, br.group)
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

// holds reports whether b is registered.
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
