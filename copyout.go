package uring

import (
	"slices"

	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/invariant"
)

// A copyPool is the memory into which send queues copy what waits in the buffers
// of a BufRing, so that the buffers go back: see BufRingConfig.Spare. It is handed
// out in chunks. The memory is mapped with the first copy, and gets pages as it is
// used.
type copyPool struct {
	mem   *arena.Mapping
	size  uint32   // of a chunk
	most  int      // chunks in all
	fresh int      // chunks from here on were never used
	free  []uint16 // those before that nothing holds
	refs  []uint16 // pieces of a queue that lie in the chunk
	used  int      // chunks with refs
	moved []piece  // scratch of copyOut

	queues fifo[*SendQueue] // may hold buffers with bytes that can be copied
	gone   uint32           // of them were closed
}

// leastChunk is the size of a chunk, unless that would make too many. Tests of
// what does not fit into one make it small.
var leastChunk uint32 = 4 << 10

const maxChunks = 1 << 16

func (p *copyPool) open(bytes int) {
	p.size = leastChunk
	for bytes/int(p.size) > maxChunks {
		p.size *= 2
	}
	p.most = (bytes + int(p.size) - 1) / int(p.size)
}

// left returns how many chunks can be taken.
func (p *copyPool) left() int {
	if p.mem == nil && p.most > 0 {
		var err error
		if p.mem, err = arena.Map(p.most*int(p.size), false); err != nil {
			p.most = 0 // it goes on without
		}
	}
	return p.most - p.used
}

// take takes a chunk, with one hold. There must be one left.
func (p *copyPool) take() (chunk uint16) {
	if n := len(p.free); n > 0 {
		chunk = p.free[n-1]
		p.free = p.free[:n-1]
	} else {
		chunk = uint16(p.fresh)
		p.refs = append(p.refs, 0)
		p.fresh++
	}
	p.refs[chunk] = 1
	p.used++
	return chunk
}

func (p *copyPool) bytes(chunk uint16) []byte {
	lo := int(chunk) * int(p.size)
	return p.mem.Bytes()[lo : lo+int(p.size)]
}

// release ends one hold on each of the chunks of a piece, and returns how many
// nothing holds any more.
func (p *copyPool) release(c *piece) (freed int) {
	if invariant.On {
		at := c.addr - p.mem.Addr()
		poison(p.mem.Bytes()[at : at+uint64(c.n)])
	}
	for i := c.bids; i > 0; i-- { // the first one is taken next
		chunk := c.bid + i - 1
		if p.refs[chunk]--; p.refs[chunk] == 0 {
			p.free = append(p.free, chunk)
			freed++
		}
	}
	p.used -= freed
	return freed
}

// shut unmaps the memory, of which nothing is used any more.
func (p *copyPool) shut() {
	if p.mem != nil {
		_ = p.mem.Unmap()
		p.mem = nil
	}
	p.most = 0
}

// A copyPoint is where a queue's next copy goes: behind the last one.
type copyPoint struct {
	b     *BufRing // nil if there is no such place
	chunk uint16
	off   uint32
}

// left returns how many bytes there is room for at the point.
func (c *copyPoint) left(b *BufRing) uint32 {
	if c.b != b {
		return 0
	}
	return b.copies.size - c.off
}

// lends notes that q holds buffers of b, for relieve.
func (b *BufRing) lends(q *SendQueue) {
	if !slices.Contains(q.lenders, b) {
		q.lenders = append(q.lenders, b)
		b.copies.queues.push(q)
	}
}

// Short reports whether the program, its send queues in the main, holds as many
// buffers as BufRingConfig.Spare lets it, so that queues copy what comes. Whoever
// limits what may wait should let less wait then; a [RecvStream] does.
func (b *BufRing) Short() bool { return b.out >= b.most }

// relieve makes queues copy what waits in their buffers, those first that began to
// hold some first, until enough buffers are back.
func (b *BufRing) relieve() {
	for b.out > b.most && b.copies.queues.n > 0 {
		q := b.copies.queues.pop()
		if q.closed {
			b.copies.gone--
			continue
		}
		q.lenders = slices.DeleteFunc(q.lenders, func(l *BufRing) bool { return l == b })
		if !q.copyOut(b) {
			b.stats.CopyFull++
			b.lends(q) // when there is memory
			return
		}
	}
}

// forgetQueue is told that q is closed.
func (b *BufRing) forgetQueue() {
	p := &b.copies
	if p.gone++; p.gone > p.queues.n/2 {
		p.queues.keep(func(q *SendQueue) bool { return !q.closed })
		p.gone = 0
	}
}

// copyOut copies what waits in buffers of b and was never given to the kernel, as
// far as the queue may have memory for it, and releases the buffers. It returns
// false if b has no memory for all of that.
func (q *SendQueue) copyOut(b *BufRing) bool {
	if q.err != nil {
		return true // what waits goes as soon as the kernel lets it
	}
	first := q.out.armed
	if q.copiedTo-first <= q.out.tail-first {
		first = q.copiedTo
	}
	moved := b.copies.moved[:0]
	for pos := first; pos != q.out.tail; pos++ {
		p := q.out.at(pos)
		moved = append(moved, *p)
		q.out.bytes -= int(p.n)
	}
	b.copies.moved = moved
	q.out.tail = first
	room := true
	for i := range moved {
		p := &moved[i]
		if p.br != b || p.copied || !room || !q.mayCopy(b, p.n, &room) {
			q.out.push(*p)
			continue
		}
		q.copyPiece(b, p)
		b.releaseRun(p.bid, p.bids)
		q.buffers -= int(p.bids)
	}
	if room {
		q.copiedTo = q.out.tail
	}
	return room
}

// mayCopy reports whether the queue may have n more bytes of copies; room becomes
// false if b has no memory for them.
func (q *SendQueue) mayCopy(b *BufRing, n uint32, room *bool) bool {
	if left := q.copyAt.left(b); left < n {
		need := int((n - left + b.copies.size - 1) / b.copies.size)
		*room = need <= b.copies.left()
		return *room && q.copyMemory+need*int(b.copies.size) <= q.cfg.MaxCopied
	}
	return true
}

// releaseCopies releases a piece that lies in copies.
func (q *SendQueue) releaseCopies(p *piece) {
	b := p.br
	q.copyMemory -= b.copies.release(p) * int(b.copies.size)
	if at := &q.copyAt; at.b == b && b.copies.refs[at.chunk] == 0 {
		*at = copyPoint{}
	}
	b.freeUnused()
}

// copyPiece queues a copy of p.
func (q *SendQueue) copyPiece(b *BufRing, p *piece) {
	from := b.arena.Bytes()[p.addr-b.base:][:p.n]
	q.stats.CopiedOut += uint64(p.n)
	b.stats.CopiedOut += uint64(p.n)
	for len(from) > 0 {
		at := &q.copyAt
		if at.left(b) == 0 {
			*at = copyPoint{b: b, chunk: b.copies.take()}
			q.copyMemory += int(b.copies.size)
		} else {
			b.copies.refs[at.chunk]++
		}
		to := b.copies.bytes(at.chunk)[at.off:]
		n := copy(to, from)
		from = from[n:]
		at.off += uint32(n)
		c := piece{addr: arena.Addr(to), n: uint32(n), br: b, bid: at.chunk, bids: 1, reg: unregistered, copied: true}
		if q.out.push(c) {
			b.copies.refs[at.chunk]--
		}
	}
}
