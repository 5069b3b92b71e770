//go:build linux

package uring

import (
	"testing"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

// A rawGroup is a ring of buffers to send from, without a send queue. The
// buffers hold the stream.
type rawGroup struct {
	*stage
	entries *arena.Mapping
	bufs    *Arena
	size    int
}

const rawGroupID = 9

// newRawGroup gives the kernel count buffers of the given size.
func newRawGroup(tb testing.TB, count, size int) *rawGroup {
	tb.Helper()
	g := &rawGroup{stage: bareStage(tb, Config{}), size: size}
	g.in, g.out = streamPair(tb)
	var err error
	g.entries, err = arena.Map(roundUpPow2(count)*16, false)
	g.must(err)
	g.bufs, err = NewArena(ArenaConfig{Size: count * size})
	g.must(err)
	copy(g.bufs.Bytes(), stream(0, count*size))
	g.must(check(opRegisterBufRing, g.Ring.drv.RegisterBufRing(g.entries.Pointer(), uint32(roundUpPow2(count)), rawGroupID, 0, 0)))
	tb.Cleanup(func() { // runs before the ring is closed
		if err := check("unregister the buffer ring", g.Ring.drv.UnregisterBufRing(rawGroupID)); err != nil {
			tb.Error(err)
		}
		_ = g.entries.Unmap()
		_ = g.bufs.Close()
	})
	var slots []cgo.Slot
	for i := range count {
		slots = append(slots, cgo.Slot{Addr: arena.Addr(g.bufs.Bytes()[i*size:]), Len: uint32(size), BID: uint16(i)})
	}
	cgo.Refill(g.entries.Pointer(), uint32(roundUpPow2(count)-1), slots)
	return g
}

// head checks how many of the buffers the kernel has retired.
func (g *rawGroup) head(want int) {
	g.Helper()
	equal(g, "head", g.Ring.drv.BufRingHead(rawGroupID), want)
}

// send sends n bytes of the next buffer, or all if n is 0.
func (g *rawGroup) send(n int, msgFlags int, flags IOFlags) {
	g.Helper()
	g.queue(0, func(s SQE) {
		s.prep(cgo.OpSend, FD(g.out), 0, uint32(n), 0)
		s.Flags |= cgo.SQEBufferSelect
		s.BufIndex = rawGroupID
		s.OpFlags = uint32(msgFlags) | cgo.MsgNoSignal
		s.IOPrio = uint16(flags)
	})
}

// arrives checks that n bytes of the stream, from position from on, are the
// next to be read.
func (g *rawGroup) arrives(from, n int) {
	g.Helper()
	g.got = from
	g.inStream(readFull(g, g.in, n))
}
