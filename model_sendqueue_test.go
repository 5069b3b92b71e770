//go:build linux

package uring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"syscall"
	"testing"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/testutil"
)

// A sendModel is a kernel of our own that carries out the requests of one send
// queue, and a socket that it sends to. It also fills the buffers of a BufRing,
// from which the queue may send.
type sendModel struct {
	testing.TB
	*model
	q        *SendQueue
	slots    []byte // the queue's ring of buffers
	sendHead uint16
	noGather bool // like a kernel before 6.15

	flight *sendRequest
	owed   []notification
	late   []CQE // completions for which there was no room
	want   []byte
	sent   int // bytes of want that have left
}

// A sendRequest is a send that the kernel has and has not completed.
type sendRequest struct {
	cgo.SQE
	parts [][]byte // what it sends; of one from a ring of buffers what was picked
}

// A notification is one that the kernel owes. Until then what was sent must
// stay as it was.
type notification struct {
	userData uint64
	parts    [][]byte
	sent     []byte
}

// newSendModel opens a ring with buffers and a send queue on a model. The
// positions of pieces begin at start.
func newSendModel(tb testing.TB, b BufRingConfig, c SendQueueConfig, noGather bool, start uint32) *sendModel {
	tb.Helper()
	k := &sendModel{TB: tb, model: newModel(tb, b, 0), noGather: noGather}
	k.ring.unwatch() // completions of receives do not come from the queue
	k.ring.drv = k
	k.open(c, start)
	return k
}

func (k *sendModel) open(c SendQueueConfig, start uint32) {
	k.Helper()
	c.Token = senderToken
	var err error
	if k.q, err = k.ring.NewSendQueue(DirectSlot(0).FD(), c); err != nil {
		k.Fatal(err)
	}
	k.q.out = pieces{free: start, sent: start, armed: start, tail: start}
	k.q.picked, k.sendHead = start, uint16(start)
	if k.slots != nil {
		binary.NativeEndian.PutUint16(k.slots[14:], uint16(start))
	}
	k.want, k.sent = nil, 0
	k.q.zc.gather = k.q.zc.gather && !k.noGather
}

func (k *sendModel) RegisterBufRing(mem unsafe.Pointer, entries, _, _, _ uint32) int {
	k.slots = unsafe.Slice((*byte)(mem), entries*slotBytes)
	return 0
}

func (k *sendModel) UnregisterBufRing(group uint32) int {
	if group == uint32(k.br.group) {
		return k.model.UnregisterBufRing(group)
	}
	k.slots = nil
	return 0
}

func (k *sendModel) BufRingHead(group uint32) int {
	if group == uint32(k.br.group) {
		return k.model.BufRingHead(group)
	}
	if k.mute {
		return -int(syscall.EINVAL)
	}
	return int(k.sendHead)
}

func (k *sendModel) Submit() int {
	n := k.mem.sqTail - k.mem.sqHead
	for i := range n {
		k.start(k.mem.sqes[(k.mem.sqHead+i)%uint32(len(k.mem.sqes))])
	}
	return k.mem.take(n)
}

// GetEvents lets completions in for which there was no room.
func (k *sendModel) GetEvents() int {
	late := k.late
	k.late, k.mem.sqFlags = nil, 0
	for _, c := range late {
		k.post(c)
	}
	return 0
}

// SyncCancelAll and SubmitAndWaitTimeout are what Close calls.
func (k *sendModel) SyncCancelAll(int64) int {
	if k.flight == nil {
		return -int(syscall.ENOENT)
	}
	k.fail(syscall.ECANCELED, k.zeroCopy())
	return 0
}

func (k *sendModel) SubmitAndWaitTimeout(uint32, int64, uint32) int {
	k.Submit()
	for len(k.owed) > 0 {
		k.notify(0, false)
	}
	return 0
}

func (k *sendModel) post(c CQE) {
	m := &k.mem
	if len(k.late) > 0 || int(m.cqTail-m.cqHead) == len(m.cqes) {
		k.late = append(k.late, c)
		m.sqFlags = cgo.SQCQOverflow
		return
	}
	m.cqes[m.cqTail%uint32(len(m.cqes))] = cgo.CQE{UserData: c.UserData, Res: c.Res, Flags: c.Flags}
	m.cqTail++
}

// start takes a request over and finds the memory that it names.
func (k *sendModel) start(s cgo.SQE) {
	k.Helper()
	if s.Opcode == cgo.OpNop { // what Close makes of sends that were not submitted
		k.post(CQE{UserData: s.UserData})
		return
	}
	if k.flight != nil {
		k.Fatal("two sends in flight: the kernel would reorder them")
	}
	k.flight = &sendRequest{SQE: s}
	wait := uint32(cgo.MsgWaitAll)
	switch s.Opcode {
	case cgo.OpSend, cgo.OpSendZC:
		if s.Flags&cgo.SQEBufferSelect == 0 {
			k.names(s.Addr, uint64(s.Len))
			break
		}
		equal(k, "buffer group", s.BufIndex, k.q.group)
		if k.bundle() {
			wait = 0
		}
	case cgo.OpSendMsg, cgo.OpSendMsgZC:
		equal(k, "message header", s.Addr, pointer(&k.q.hdr))
		equal(k, "parts", k.q.hdr.Iov, unsafe.Pointer(unsafe.SliceData(k.q.iov)))
		equal(k, "number of parts", int(k.q.hdr.IovLen), len(k.q.iov))
		for _, v := range k.q.iov {
			k.names(v.Addr, v.Len)
		}
	default:
		k.Fatalf("opcode %d", s.Opcode)
	}
	equal(k, "message flags", s.OpFlags, cgo.MsgNoSignal|wait)
}

func (k *sendModel) zeroCopy() bool {
	return k.flight.Opcode == cgo.OpSendZC || k.flight.Opcode == cgo.OpSendMsgZC
}

func (k *sendModel) provided() bool { return k.flight.Flags&cgo.SQEBufferSelect != 0 }

func (k *sendModel) bundle() bool { return k.flight.IOPrio&cgo.RecvSendBundle != 0 && !k.zeroCopy() }

// names adds memory to the request in flight. It must be some that the queue
// may send from, and lie in the registered buffer if there is one.
func (k *sendModel) names(addr, n uint64) {
	k.Helper()
	own := []*Arena{k.br.arena, k.q.own.arena}
	if mem := k.br.copies.mem; mem != nil {
		own = append(own, &Arena{m: mem})
	}
	if k.zeroCopy() && k.flight.IOPrio&cgo.RecvSendFixedBuf != 0 {
		own = []*Arena{k.ring.buffers.arenas[k.flight.BufIndex]}
	}
	for _, a := range own {
		if a == nil || addr < a.m.Addr() || addr+n > a.m.Addr()+uint64(a.Len()) {
			continue
		}
		if n == 0 {
			break
		}
		at := addr - a.m.Addr()
		k.flight.parts = append(k.flight.parts, a.Bytes()[at:at+n])
		return
	}
	k.Fatalf("the queue sends %d bytes at %#x, which it does not have", n, addr)
}

// pick takes up to most buffers from the queue's ring for the request in
// flight, and returns the number of the first.
func (k *sendModel) pick(most int) (bid uint16) {
	k.Helper()
	k.flight.parts = nil
	for n := 0; n < most && k.sendHead != k.waiting(); n++ {
		at := int(k.sendHead) % (len(k.slots) / slotBytes)
		s := slot(k.slots[at*slotBytes:][:slotBytes])
		if n == 0 {
			bid = s.bid()
		}
		size := s.len()
		if limit := int(k.flight.Len); limit > 0 {
			size = min(size, limit)
		}
		k.names(binary.NativeEndian.Uint64(s), uint64(size))
		k.sendHead++
	}
	return bid
}

// waiting returns the tail of the queue's ring of buffers.
func (k *sendModel) waiting() uint16 { return binary.NativeEndian.Uint16(k.slots[14:]) }

// move sends n bytes of what the request in flight names, which must be what
// is to be sent next, and returns the memory.
func (k *sendModel) move(n int) (parts [][]byte) {
	k.Helper()
	for left := n; left > 0; {
		p := k.flight.parts[0]
		p = p[:min(left, len(p))]
		if next := k.want[k.sent:]; !bytes.HasPrefix(next, p) {
			k.Fatalf("%x is sent after %d bytes, want %x", p, k.sent, next[:min(len(p), len(next))])
		}
		k.sent += len(p)
		left -= len(p)
		parts = append(parts, p)
		k.flight.parts = k.flight.parts[1:]
	}
	return parts
}

func (k *sendModel) result(res int, flags uint32) {
	k.post(CQE{UserData: k.flight.UserData, Res: int32(res), Flags: flags})
	if flags&cgo.CQEFMore == 0 || k.zeroCopy() {
		k.flight = nil
	}
}

// send completes the request in flight: all of what it names, or n bytes if
// that is less. Of a ring of buffers it takes at most so many, and more says
// that a bundle goes on where it can.
func (k *sendModel) send(n, buffers int, more bool) {
	k.Helper()
	var flags uint32
	if k.provided() {
		if !k.bundle() {
			buffers = 1
		}
		flags = uint32(k.pick(buffers))<<cgo.CQEBufferShift | cgo.CQEFBuffer
		if len(k.flight.parts) == 0 {
			k.Fatal("a send from an empty ring of buffers")
		}
	}
	all := 0
	for _, p := range k.flight.parts {
		all += len(p)
	}
	n = min(n, all)
	from := k.sent
	parts := k.move(n)
	switch {
	case k.zeroCopy():
		k.owed = append(k.owed, notification{k.flight.UserData, parts, k.want[from:k.sent]})
		flags |= cgo.CQEFMore
	case more && n == all && k.bundle() && k.sendHead != k.waiting():
		flags |= cgo.CQEFMore
	}
	k.result(n, flags)
}

// fail ends the request in flight with an error. owes says that a zero-copy
// send gets its notification even so.
func (k *sendModel) fail(errno syscall.Errno, owes bool) {
	var flags uint32
	if owes && k.zeroCopy() {
		k.owed = append(k.owed, notification{userData: k.flight.UserData})
		flags = cgo.CQEFMore
	}
	k.result(-int(errno), flags)
}

// failPicked ends a request that has taken buffers from the queue's ring.
func (k *sendModel) failPicked(errno syscall.Errno, buffers int) {
	if !k.bundle() {
		buffers = 1
	}
	bid := k.pick(buffers)
	k.result(-int(errno), uint32(bid)<<cgo.CQEBufferShift|cgo.CQEFBuffer)
}

// notify posts notification i.
func (k *sendModel) notify(i int, copied bool) {
	k.Helper()
	o := k.owed[i]
	k.owed = append(k.owed[:i:i], k.owed[i+1:]...)
	if now := bytes.Join(o.parts, nil); !bytes.Equal(now, o.sent) {
		k.Fatalf("memory was used again before the notification: %x, was %x", now, o.sent)
	}
	c := CQE{UserData: o.userData, Flags: cgo.CQEFNotif}
	if copied {
		c.Res = -1 << 31 // IORING_NOTIF_USAGE_ZC_COPIED
	}
	k.post(c)
}

// checkPieces checks a queue's account of its pieces: each byte of its memory
// has one state. It calls hold for each hold on a buffer.
func checkPieces(tb testing.TB, q *SendQueue, hold func(b *BufRing, bid uint16)) {
	tb.Helper()
	o, m := &q.out, &q.own
	for _, step := range [][2]uint32{{o.free, o.sent}, {o.sent, o.armed}, {o.armed, o.tail}} {
		if int32(step[1]-step[0]) < 0 {
			tb.Fatalf("positions: free %d, sent %d, armed %d, tail %d", o.free, o.sent, o.armed, o.tail)
		}
	}
	at, waits, buffers := m.r, -int(o.off), 0
	var copies []piece
	for pos := o.free; pos != o.tail; pos++ {
		p := o.at(pos)
		if int32(pos-o.sent) >= 0 {
			waits += int(p.n)
		}
		if p.br == nil {
			start := (at + uint64(p.own-p.n)) % uint64(len(m.mem))
			equal(tb, "address of a piece", p.addr, arena.Addr(m.mem)+start)
			if start+uint64(p.n) > uint64(len(m.mem)) {
				tb.Fatalf("a piece of %d bytes at %d of %d", p.n, start, len(m.mem))
			}
			at += uint64(p.own)
			continue
		}
		if p.copied {
			if at := p.addr - p.br.copies.mem.Addr(); at/uint64(p.br.copies.size) != uint64(p.bid) {
				tb.Fatalf("a copy at %d, in chunk %d of %d bytes", at, p.bid, p.br.copies.size)
			}
			copies = append(copies, *p)
			continue
		}
		buffers += int(p.bids)
		for i := range p.bids {
			hold(p.br, p.bid+i)
		}
	}
	equal(tb, "buffers held", q.buffers, buffers)
	checkCopies(tb, q, copies)
	equal(tb, "end of the pieces in memory", at, m.w)
	if q.err == nil {
		equal(tb, "bytes that wait", o.bytes, waits)
	}
}

// checkCopies checks what a queue knows of the chunks that its copies lie in.
func checkCopies(tb testing.TB, q *SendQueue, copies []piece) {
	tb.Helper()
	refs := map[*BufRing]map[uint16]int{}
	memory := 0
	for _, p := range copies {
		if refs[p.br] == nil {
			refs[p.br] = map[uint16]int{}
		}
		for i := range p.bids {
			if refs[p.br][p.bid+i]++; refs[p.br][p.bid+i] == 1 {
				memory += int(p.br.copies.size)
			}
		}
	}
	for b, byChunk := range refs {
		for chunk, n := range byChunk {
			equal(tb, "pieces in a chunk", int(b.copies.refs[chunk]), n)
		}
	}
	equal(tb, "memory of copies", q.copyMemory, memory)
	if b := q.copyAt.b; b != nil && b.copies.refs[q.copyAt.chunk] == 0 {
		tb.Fatal("the next copy goes to a chunk that the queue does not have")
	}
}

// checkHolds checks that each buffer has exactly one state, and is held by
// the pieces of the queues and the segments that the program holds, and by
// nothing else.
func checkHolds(tb testing.TB, rings []*BufRing, queues []*SendQueue, held []Segment) {
	tb.Helper()
	holds := map[*BufRing][]int{}
	for _, b := range rings {
		holds[b] = make([]int, len(b.bufs))
	}
	hold := func(b *BufRing, bid uint16) { holds[b][bid]++ }
	for _, q := range queues {
		checkPieces(tb, q, hold)
	}
	for _, s := range held {
		hold(s.br, s.br.leases.leases[s.lease].bid)
	}
	for b, bids := range holds {
		for bid, n := range bids {
			if refs := int(b.bufs[bid].refs); refs != n {
				tb.Fatalf("%d holds on buffer %d of group %d, %d of them are known", refs, bid, b.group, n)
			}
		}
		checkAccount(tb, b)
	}
}

// A sendPlay lets a model, a send queue and a program do things in an order
// that dice decide.
type sendPlay struct {
	*sendModel
	dice
	config   SendQueueConfig
	faults   bool
	held     []Segment
	accepted int // bytes that completions said were sent
}

type dice interface{ Intn(n int) int }

// random returns n bytes.
func (p *sendPlay) random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(p.Intn(256))
	}
	return b
}

// takes says whether the queue takes bytes; err is what it answered.
func (p *sendPlay) takes(err error) bool {
	p.Helper()
	if p.q.err != nil {
		if !errors.Is(err, p.q.err) {
			p.Fatalf("a broken queue, which ended with %v, answers %v", p.q.err, err)
		}
		return false
	}
	if err != nil && err != ErrQueueFull {
		p.Fatal(err)
	}
	return true
}

// program does one thing of those that programs do.
func (p *sendPlay) program() {
	p.Helper()
	switch p.Intn(12) {
	case 0:
		b := p.random(p.Intn(2 * p.config.Memory))
		n, err := p.q.Write(b)
		p.want = append(p.want, b[:n]...)
		if p.takes(err) && (n < len(b)) != (err == ErrQueueFull) {
			p.Fatalf("Write of %d bytes: %d, %v", len(b), n, err)
		}
	case 1:
		p.reserve()
	case 2, 3:
		p.receive()
	case 4:
		p.append()
	case 5:
		if err := p.q.FlushN(1 + p.Intn(60)); err != nil {
			p.takes(err)
		}
	case 6, 7, 8:
		if err := p.q.Flush(); err != nil {
			p.takes(err)
		}
		p.submit(p)
	case 9:
		p.tryClose()
	default:
		p.handle()
	}
}

func (p *sendPlay) reserve() {
	p.Helper()
	n := p.Intn(p.config.Memory + 1)
	mem, err := p.q.Reserve(n)
	if !p.takes(err) || err != nil {
		return
	}
	copy(mem, p.random(n))
	if p.Intn(3) == 0 {
		p.kernel() // while it is lent
		p.handle()
		if p.q.err != nil {
			return
		}
	}
	n = p.Intn(n + 1)
	p.must(p.q.Commit(n))
	p.want = append(p.want, mem[:n]...)
}

func (k *sendModel) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// receive lets the kernel fill buffers, and queues what came or keeps it.
func (p *sendPlay) receive() {
	p.Helper()
	if p.head == p.tail() {
		return
	}
	data := p.random(1 + p.Intn(3*p.br.BufSize()))
	c := p.model.receive(data, 1+p.Intn(4))
	data = data[:c.Res]
	if p.Intn(3) > 0 {
		lent := p.br.Stats().Lent
		n, err := p.q.AppendCompletion(p.br, c)
		if !p.takes(err) {
			equal(p, "slices lent", p.br.Stats().Lent, lent)
			return
		}
		equal(p, "bytes appended", n, len(data))
		p.want = append(p.want, data...)
		return
	}
	for seg, err := range p.br.Segments(c) {
		p.must(err)
		p.held = append(p.held, seg)
	}
}

// append queues a segment that was kept, or a part of it, or releases it.
func (p *sendPlay) append() {
	p.Helper()
	if len(p.held) == 0 {
		return
	}
	i := p.Intn(len(p.held))
	seg := p.held[i]
	switch p.Intn(4) {
	case 0:
		p.must(seg.Release())
		p.held = slices.Delete(p.held, i, i+1)
		return
	case 1:
		from := p.Intn(len(seg.Bytes) + 1)
		seg.Bytes = seg.Bytes[from : from+p.Intn(len(seg.Bytes)+1-from)]
	}
	bytes := slices.Clone(seg.Bytes)
	if p.takes(p.q.Append(seg)) {
		p.want = append(p.want, bytes...)
		p.held = slices.Delete(p.held, i, i+1)
	}
}

// handle hands one completion to the queue, or two in the other order if one is
// a notification.
func (p *sendPlay) handle() {
	p.Helper()
	var dst [2]CQE
	next := dst[:p.ring.Peek(dst[:])]
	if len(next) == 2 && (p.Intn(2) == 0 || !next[0].Notif() && !next[1].Notif()) {
		next = next[:1]
	}
	p.ring.Advance(len(next))
	slices.Reverse(next)
	for _, c := range next {
		n, err := p.q.Complete(c)
		if c.Notif() {
			p.must(err)
			continue
		}
		equal(p, "bytes sent", n, max(int(c.Res), 0))
		p.accepted += n
		p.answer(c, err)
	}
}

// answer checks what the queue made of a result.
func (p *sendPlay) answer(c CQE, err error) {
	p.Helper()
	var want, broken error
	wait := len(p.want) - p.accepted
	if c.Res < 0 {
		want = &OpError{opSend, syscall.Errno(-c.Res)}
	}
	switch syscall.Errno(-c.Res) {
	case syscall.EPIPE, syscall.ECONNRESET:
		broken, wait = want, 0
	case syscall.EOPNOTSUPP, syscall.ENOMEM:
		if err == nil && p.config.Mode.zeroCopy() {
			equal(p, "mode", p.q.Mode(), SendVectored)
			want = nil
		}
	}
	equal(p, "error", err, want)
	equal(p, "error of the queue", p.q.Err(), broken)
	equal(p, "bytes that wait", p.q.Queued(), wait)
}

// retryable are errors after which nothing is lost.
var retryable = []syscall.Errno{syscall.EINTR, syscall.EAGAIN, syscall.ECANCELED, syscall.ENOBUFS, syscall.ENOMEM}

// kernel does one thing of those that kernels do.
func (p *sendPlay) kernel() {
	p.Helper()
	if len(p.owed) > 0 && (p.flight == nil || p.Intn(3) == 0) {
		p.notify(p.Intn(len(p.owed)), p.Intn(2) == 0)
		return
	}
	if p.flight == nil {
		return
	}
	const all = 1 << 30
	if !p.faults {
		p.send(all, 1+p.Intn(4), p.Intn(2) == 0)
		return
	}
	errno := retryable[p.Intn(len(retryable))]
	switch p.Intn(60) {
	case 0:
		errno = []syscall.Errno{syscall.EPIPE, syscall.ECONNRESET}[p.Intn(2)]
	case 1:
		if p.zeroCopy() {
			errno = syscall.EOPNOTSUPP
		}
	}
	switch p.Intn(5) {
	case 0:
		p.fail(errno, p.Intn(2) == 0)
	case 1:
		if p.provided() {
			p.failPicked(errno, 1+p.Intn(4))
			return
		}
		fallthrough
	case 2:
		p.send(p.Intn(40), 1+p.Intn(4), p.Intn(2) == 0)
	default:
		p.send(all, 1+p.Intn(4), p.Intn(2) == 0)
	}
}

// tryClose closes the queue if it may be, and opens another in place of one
// that is broken.
func (p *sendPlay) tryClose() {
	p.Helper()
	if p.q.InFlight() || p.q.Unnotified() > 0 {
		if err := p.q.Close(); !errors.Is(err, ErrBusy) {
			p.Fatalf("Close of a busy queue: %v", err)
		}
		return
	}
	if p.q.err == nil && p.Intn(4) > 0 {
		return
	}
	p.closed()
	p.sendModel.open(p.config, uint32(p.Intn(256)*p.config.Entries))
	p.accepted = 0
}

// closed closes the queue; everything must be back.
func (p *sendPlay) closed() {
	p.Helper()
	mem := p.q.own.arena
	p.must(p.q.Close())
	equal(p, "bytes of memory in use", p.q.own.w-p.q.own.r, 0)
	equal(p, "memory mapped", mem.Len(), 0)
	equal(p, "slices lent", p.br.Stats().Lent, len(p.held))
	equal(p, "send queues", len(p.ring.queues), 0)
	equal(p, "chunks of copies", p.br.copies.used, 0)
	equal(p, "buffer groups", len(p.ring.groups), 1)
}

// check is done after each step.
func (p *sendPlay) check() {
	p.Helper()
	checkHolds(p, []*BufRing{p.br}, []*SendQueue{p.q}, p.held)
}

// end lets everything come to its end.
func (p *sendPlay) end() {
	p.Helper()
	p.faults = false
	for p.q.Queued() > 0 || p.q.InFlight() || p.q.Unnotified() > 0 || p.ring.Ready() > 0 || len(p.late) > 0 {
		if err := p.q.Flush(); err != nil {
			p.takes(err)
		}
		p.submit(p)
		p.kernel()
		p.handle()
		p.check()
	}
	if p.q.err == nil {
		equal(p, "bytes sent", p.sent, len(p.want))
		equal(p, "bytes accepted", p.accepted, len(p.want))
	}
	p.closed()
	for _, s := range p.held {
		p.must(s.Release())
	}
	p.submit(p)
	equal(p, "buffers that the kernel has", int(p.tail()-p.head), p.br.Entries())
	checkAccount(p, p.br)
}

// sendKinds are the queues that are played with. Entries are few, so that they
// are used up and go round.
var sendKinds = []struct {
	name     string
	config   SendQueueConfig
	noGather bool
}{
	{"bundle", SendQueueConfig{Mode: SendBundle, Entries: 8}, false},
	{"bundle of one", SendQueueConfig{Mode: SendBundle, Entries: 1}, false},
	{"vectored", SendQueueConfig{Mode: SendVectored, Entries: 8}, false},
	{"provided", SendQueueConfig{Mode: SendProvided, Entries: 4}, false},
	{"plain", SendQueueConfig{Mode: SendPlain}, false},
	{"zc", SendQueueConfig{Mode: SendZC, ZCAlways: true}, false},
	{"zc, small ones copied", SendQueueConfig{Mode: SendZC, ZCMin: 30}, false},
	{"zc-gather", SendQueueConfig{Mode: SendZCGather, Entries: 8, ZCAlways: true}, false},
	{"zc-gather without", SendQueueConfig{Mode: SendZCGather, Entries: 8, ZCAlways: true}, true},
}

// newSendPlay sets up a play of one of sendKinds.
func newSendPlay(tb testing.TB, kind int, d dice) *sendPlay {
	tb.Helper()
	s := sendKinds[kind]
	testutil.Need(tb, s.config.Mode.have)
	if s.config.Mode == SendZCGather && !s.noGather {
		testutil.Need(tb, HaveSendMsgZCFixed)
	}
	if d.Intn(2) == 0 {
		separately(tb)
	}
	if s.config.Entries == 0 {
		s.config.Entries = defaultSendEntries
	}
	s.config.Memory = 20 + d.Intn(200)
	bufs := BufRingConfig{Entries: 16, BufSize: 24, Incremental: d.Intn(2) == 0, Registered: d.Intn(2) == 0}
	if d.Intn(3) > 0 {
		smallChunks(tb, uint32(5+d.Intn(40)))
		bufs.Spare, bufs.CopyMemory = 1+d.Intn(16), 1+d.Intn(600)
		s.config.MaxCopied = 1 + d.Intn(300)
	}
	starts := []uint32{0, 1<<16 - uint32(s.config.Entries), -uint32(s.config.Entries)}
	k := newSendModel(tb, bufs, s.config, s.noGather, starts[d.Intn(len(starts))])
	return &sendPlay{sendModel: k, dice: d, config: s.config, faults: true}
}

// Whatever a kernel and a program do, in whichever order, all bytes leave once
// and in order, and all memory and buffers come back.
func TestSendQueueAgreesWithAModelOfTheKernel(t *testing.T) {
	for kind, s := range sendKinds {
		t.Run(s.name, func(t *testing.T) {
			for seed := range fewer(40) {
				t.Run(fmt.Sprint(seed), func(t *testing.T) {
					p := newSendPlay(t, kind, rand.New(rand.NewSource(int64(seed))))
					for range 600 {
						if p.Intn(3) == 0 {
							p.kernel()
						} else {
							p.program()
						}
						p.check()
					}
					if seed%8 == 0 {
						p.endAtOnce()
					} else {
						p.end()
					}
				})
			}
		})
	}
}

// endAtOnce closes the ring with everything that is on its way.
func (p *sendPlay) endAtOnce() {
	p.Helper()
	p.must(p.ring.Close())
	equal(p, "notifications that did not come", p.q.Unnotified(), 0)
	equal(p, "pieces", p.q.out.tail-p.q.out.free, 0)
	equal(p, "slices lent", p.br.Stats().Lent, len(p.held))
	for _, s := range p.held {
		p.must(s.Release())
	}
	equal(p, "memory mapped", p.br.arena.Len(), 0)
}

// sendAccount is what a send queue knows, for comparison.
func sendAccount(q *SendQueue) string {
	o := q.out
	o.ring = nil
	return fmt.Sprintf("%+v own %d-%d picked %d flight %v %d %d %d %v zc %+v mode %v err %v %+v", o, q.own.r, q.own.w,
		q.picked, q.inFlight, q.flightGen, q.flightEnd, q.flightBytes, q.fromRing, q.zc, q.mode, q.err, q.stats)
}
