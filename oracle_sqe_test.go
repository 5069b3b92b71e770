//go:build linux && cgo

package uring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

// prepArgs are the arguments of all Prep methods; each takes those it knows.
type prepArgs struct {
	fd    FD
	n     int    // bytes of the buffer
	off   uint64 // an offset, or user data
	flags uint32
	io    IOFlags
	slot  Direct
	d     time.Duration
}

// bench is what the Prep methods work on: a ring whose entries are free again
// at once, and one thing of each kind that a request can name.
type bench struct {
	r       *Ring
	other   *Ring // target of messages
	mem     []byte
	reg     RegBuf
	br      *BufRing
	msg     *Msg // its parts lie in mem
	sockets []Sockaddr
	huge    []byte // more than 4 GiB, that nothing touches
	statx   Statx
	fds     [20]int32
	pipe    [2]int32
	peer    Sockaddr
	events  [8]EpollEvent
	futexes [140]uint32
	siginfo Siginfo
	bigRing *Ring // with completions of 32 bytes
	entry   SQE   // the one under test
}

const (
	benchRingFD   = 77
	benchGroup    = 0xbeef
	benchRegIndex = 5
)

func newBench(t testing.TB) *bench {
	m := &memory{}
	q := cgo.NewQueues(cgo.QueueMemory{
		SQHead: &m.sqTail, SQTail: &m.sqTail, SQFlags: &m.sqFlags, // never full
		SQEs: unsafe.Pointer(&m.sqes), SQEntries: uint32(len(m.sqes)),
		CQHead: &m.cqHead, CQTail: &m.cqTail, CQEs: unsafe.Pointer(&m.cqes), CQEntries: uint32(len(m.cqes)),
	})
	b := &bench{r: newRing(&q, nil, 0, 0), other: newRing(&q, nil, 0, 0), bigRing: newRing(&q, nil, SetupCQE32, 0)}
	b.other.fd.Store(benchRingFD)

	a, err := NewArena(ArenaConfig{Size: 1 << 17})
	if err != nil {
		t.Fatal(err)
	}
	b.mem = a.Bytes()
	b.r.buffers.arenas = make([]*Arena, registeredBuffers)
	b.r.buffers.take(benchRegIndex, a)
	b.reg = RegBuf{benchRegIndex, a}
	t.Cleanup(func() {
		b.r.buffers.drop(benchRegIndex)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if b.r.scratch != nil {
			if err := b.r.scratch.Unmap(); err != nil {
				t.Error(err)
			}
		}
	})

	b.huge, err = syscall.Mmap(-1, 0, 1<<33, syscall.PROT_NONE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(b.huge) })
	b.br = &BufRing{ring: b.r, group: benchGroup, size: 1 << 12, bundles: true}
	b.r.bufRings[benchGroup] = b.br
	b.r.groups[benchTaken] = struct{}{}
	b.msg = NewMsg(b.mem[:10], b.mem[100:200])
	for _, s := range []string{"127.0.0.1:80", "[::1]:443", "[fe80::1%3]:65535"} {
		sa, err := InetAddr(netip.MustParseAddrPort(s))
		if err != nil {
			t.Fatal(err)
		}
		b.sockets = append(b.sockets, sa)
	}
	return b
}

// buf is the buffer of n bytes, and its address.
func (b *bench) buf(a prepArgs) []byte { return b.mem[a.n%7:][:a.n] }

func (b *bench) addr(a prepArgs) uint64 { return arena.Addr(b.buf(a)) }

func (b *bench) sockaddr(a prepArgs) *Sockaddr { return &b.sockets[int(a.flags)%len(b.sockets)] }

// slotAddr is the address of the memory that belongs to the entry.
func (b *bench) slotAddr() uint64 { return arena.Addr(b.entry.slotMemory()) }

// keptMemory is what the entry keeps of paths and vectors.
func (b *bench) keptMemory() []byte { return b.r.kept[b.r.q.Index(b.entry.SQE)] }

func (b *bench) keptAddr() uint64 { return arena.Addr(b.keptMemory()) }

// path and otherPath are paths of 0 to 4999 bytes.
func (b *bench) path(a prepArgs) string { return somePath[:a.n%5000] }

func (b *bench) otherPath(a prepArgs) string { return somePath[1:][:a.off%5000] }

var somePath = strings.Repeat("dir/", 1251)

// keptPaths is how one path or two are kept.
func keptPath(b *bench, a prepArgs) []byte { return []byte(b.path(a) + "\x00\x00") }

func keptPaths(b *bench, a prepArgs) []byte {
	return []byte(b.path(a) + "\x00" + b.otherPath(a) + "\x00")
}

// otherAddr is where the second of two paths is kept.
func (b *bench) otherAddr(a prepArgs) uint64 { return b.keptAddr() + uint64(len(b.path(a))) + 1 }

// parts are up to 1100 parts of the buffer.
func (b *bench) parts(a prepArgs) [][]byte {
	parts := make([][]byte, a.n%1100)
	for i := range parts {
		parts[i] = b.mem[i : 3*i+1]
	}
	return parts
}

// keptIovecs is how parts are kept.
func keptIovecs(b *bench, a prepArgs) []byte {
	var p []byte
	for _, part := range b.parts(a) {
		p = binary.NativeEndian.AppendUint64(p, arena.Addr(part))
		p = binary.NativeEndian.AppendUint64(p, uint64(len(part)))
	}
	return p
}

func tooManyParts(a prepArgs) bool { return a.n%1100 > 1024 }

func (b *bench) msgAddr() uint64 { return addrOf(&b.msg.hdr) }

func addrOf[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

// on fills an entry that works on a.fd: a direct descriptor is its slot and the
// flag that says so.
func on(s *cgo.SQE, fd FD, fill func(fd int32)) {
	if fd.IsDirect() {
		fill(int32(fd &^ directBit))
		cgo.OracleSetFlags(s, s.Flags|cgo.SQEFixedFile)
		return
	}
	fill(int32(fd))
}

func selectGroup(s *cgo.SQE, ioFlags uint16) {
	cgo.OracleSetFlags(s, s.Flags|cgo.SQEBufferSelect)
	cgo.OracleSetBufGroup(s, benchGroup)
	s.IOPrio |= ioFlags
}

// A prepCase pairs a Prep method with the helper of liburing that it stands for.
type prepCase struct {
	name   string
	ours   func(*bench, SQE, prepArgs) error
	oracle func(*bench, *cgo.SQE, prepArgs)
	// slot returns what the helper is given by address and the Prep method
	// copies to the entry's own memory, if anything.
	slot func(*bench, prepArgs) []byte
	// kept returns the same for what may be long: paths and vectors.
	kept func(*bench, prepArgs) []byte
	// minor is the liburing 2 that has the helper, if 2.9 lacks it.
	minor int
	// refuses says which arguments the method refuses and the helper does not.
	refuses func(prepArgs) bool
}

// always makes a Prep method without an error fit.
func always(f func(*bench, SQE, prepArgs)) func(*bench, SQE, prepArgs) error {
	return func(b *bench, s SQE, a prepArgs) error {
		f(b, s, a)
		return nil
	}
}

// timespec is struct __kernel_timespec of a duration.
func timespec(_ *bench, a prepArgs) []byte {
	ts := syscall.NsecToTimespec(int64(max(a.d, 0)))
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&ts)), unsafe.Sizeof(ts))...)
}

var prepCases = slices.Concat(basicPreps, filePreps, fsPreps, miscPreps, netPreps)

var basicPreps = []prepCase{
	{
		name:   "PrepNop",
		ours:   always(func(_ *bench, s SQE, _ prepArgs) { s.PrepNop() }),
		oracle: func(_ *bench, s *cgo.SQE, _ prepArgs) { cgo.OracleNop(s) },
	},
	{
		// The flags of no-ops have no helpers.
		name: "PrepNopResult",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepNopResult(int32(a.flags)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleNop(s)
			s.Len, s.OpFlags = a.flags, cgo.NopInjectResult
		},
	},
	{
		name: "PrepNopFlags",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepNopFlags(a.fd, int32(a.n), NopFlags(a.flags)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleNop(s)
			s.FD, s.Len, s.OpFlags = int32(a.fd), uint32(a.n), a.flags
			if a.fd.IsDirect() {
				s.FD, s.OpFlags = int32(a.fd&^directBit), a.flags|cgo.NopFixedFile
			}
		},
	},
	{
		name: "PrepNopBig",
		ours: func(b *bench, s SQE, a prepArgs) error {
			s.ring = b.bigRing
			return s.PrepNopBig(int32(a.flags), [2]uint64{a.off, uint64(a.d)})
		},
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleNop(s)
			s.Len, s.Off, s.Addr, s.OpFlags = a.flags, a.off, uint64(a.d), cgo.NopInjectResult|cgo.NopCQE32
		},
	},
	{
		name: "PrepTimeout",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepTimeout(a.d, uint32(a.off), TimeoutFlags(a.flags)) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleTimeout(s, b.slotAddr(), uint32(a.off), a.flags)
		},
		slot: timespec,
	},
	{
		name:   "PrepLinkTimeout",
		ours:   always(func(_ *bench, s SQE, a prepArgs) { s.PrepLinkTimeout(a.d, TimeoutFlags(a.flags)) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) { cgo.OracleLinkTimeout(s, b.slotAddr(), a.flags) },
		slot:   timespec,
	},
	{
		name:   "PrepCancel",
		ours:   always(func(_ *bench, s SQE, a prepArgs) { s.PrepCancel(a.off, CancelFlags(a.flags)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) { cgo.OracleCancel(s, a.off, a.flags) },
	},
	{
		name: "PrepCancelFD",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepCancelFD(a.fd, CancelFlags(a.flags)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			if a.fd.IsDirect() { // a flag of the cancellation says so, none of the entry
				cgo.OracleCancelFD(s, int32(a.fd&^directBit), a.flags|cgo.AsyncCancelFDFixed)
				return
			}
			cgo.OracleCancelFD(s, int32(a.fd), a.flags)
		},
	},
	{
		name: "PrepPollAdd",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepPollAdd(a.fd, PollMask(a.flags)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OraclePollAdd(s, fd, a.flags) })
		},
	},
	{
		name: "PrepPollAddMultishot",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepPollAddMultishot(a.fd, PollMask(a.flags)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OraclePollMultishot(s, fd, a.flags) })
		},
	},
	{
		name:   "PrepPollRemove",
		ours:   always(func(_ *bench, s SQE, a prepArgs) { s.PrepPollRemove(a.off) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) { cgo.OraclePollRemove(s, a.off) },
	},
	{
		name:   "PrepMsgRing",
		ours:   always(func(b *bench, s SQE, a prepArgs) { s.PrepMsgRing(b.other, a.off, int32(a.flags)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) { cgo.OracleMsgRing(s, benchRingFD, a.flags, a.off) },
	},
	{
		name: "PrepMsgRingFD",
		ours: always(func(b *bench, s SQE, a prepArgs) {
			s.PrepMsgRingFD(b.other, DirectSlot(a.n), a.slot, a.off)
		}),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleMsgRingFD(s, benchRingFD, uint32(a.n), a.slot.slot, a.off)
		},
	},
	{
		name: "PrepRead",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepRead(a.fd, b.buf(a), a.off) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleRead(s, fd, b.addr(a), uint32(a.n), a.off) })
		},
	},
	{
		name: "PrepWrite",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepWrite(a.fd, b.buf(a), a.off) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleWrite(s, fd, b.addr(a), uint32(a.n), a.off) })
		},
	},
	{
		name: "PrepReadFixed",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepReadFixed(a.fd, b.reg, b.buf(a), a.off) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleReadFixed(s, fd, b.addr(a), uint32(a.n), a.off, benchRegIndex) })
		},
	},
	{
		name: "PrepReadProvided",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepReadProvided(a.fd, b.br, a.n) },
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleRead(s, fd, 0, uint32(a.n), CurrentOffset) })
			selectGroup(s, 0)
		},
	},
	{
		name: "PrepReadProvidedAt",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepReadProvidedAt(a.fd, b.br, a.n, a.off) },
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleRead(s, fd, 0, uint32(a.n), a.off) })
			selectGroup(s, 0)
		},
	},
	{
		name: "PrepWriteFixed",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepWriteFixed(a.fd, b.reg, b.buf(a), a.off) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleWriteFixed(s, fd, b.addr(a), uint32(a.n), a.off, benchRegIndex) })
		},
	},
	{
		name:   "PrepClose",
		ours:   always(func(_ *bench, s SQE, a prepArgs) { s.PrepClose(int(a.fd)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) { cgo.OracleClose(s, int32(a.fd)) },
	},
	{
		name: "PrepCloseDirect",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepCloseDirect(a.slot) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleCloseDirect(s, a.slot.slot)
			if a.slot == DirectAlloc {
				s.FileIndex = cgo.FileIndexAlloc // the helper makes it 0, which closes descriptor 0
			}
		},
	},
	{
		name: "PrepSocket",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepSocket(int(a.fd), int(int32(a.flags)), a.n) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleSocket(s, int32(a.fd), int32(a.flags), int32(a.n))
		},
	},
	{
		name: "PrepSocketDirect",
		ours: always(func(_ *bench, s SQE, a prepArgs) {
			s.PrepSocketDirect(int(a.fd), int(int32(a.flags)), a.n, a.slot)
		}),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleSocketDirect(s, int32(a.fd), int32(a.flags), int32(a.n), a.slot.slot)
		},
	},
	{
		name: "PrepConnect",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepConnect(a.fd, *b.sockaddr(a)) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleConnect(s, fd, b.slotAddr(), b.sockaddr(a).n) })
		},
		slot: func(b *bench, a prepArgs) []byte { return b.sockaddr(a).bytes() },
	},
	{
		name: "PrepAccept",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepAccept(a.fd, int(a.flags)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleAccept(s, fd, a.flags) })
		},
	},
	{
		name: "PrepAcceptDirect",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepAcceptDirect(a.fd, int(a.flags), a.slot) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleAcceptDirect(s, fd, a.flags, a.slot.slot) })
		},
	},
	{
		name: "PrepAcceptMultishot",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepAcceptMultishot(a.fd, int(a.flags)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleAcceptMultishot(s, fd, a.flags) })
		},
	},
	{
		name: "PrepAcceptMultishotDirect",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepAcceptMultishotDirect(a.fd, int(a.flags)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleAcceptMultishotDirect(s, fd, a.flags) })
		},
	},
	{
		name: "PrepShutdown",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepShutdown(a.fd, int(int32(a.flags))) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleShutdown(s, fd, int32(a.flags)) })
		},
	},
	{
		name: "PrepSetsockopt",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepSetsockopt(a.fd, int(a.flags), int(int32(a.off)), b.buf(a))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleSetsockopt(s, fd, a.flags, uint32(a.off), b.slotAddr(), uint32(a.n)) })
		},
		slot:    func(b *bench, a prepArgs) []byte { return b.buf(a) },
		refuses: func(a prepArgs) bool { return a.n > slotSize },
	},
	{
		name: "PrepRecv",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepRecv(a.fd, b.buf(a), int(a.flags)) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleRecv(s, fd, b.addr(a), uint32(a.n), a.flags) })
		},
	},
	{
		name: "PrepSend",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepSend(a.fd, b.buf(a), int(a.flags)) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleSend(s, fd, b.addr(a), uint32(a.n), a.flags) })
		},
	},
	{
		name: "PrepSendMsg",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepSendMsg(a.fd, b.msg, int(a.flags)) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleSendMsg(s, fd, b.msgAddr(), a.flags) })
		},
	},
	{
		name: "PrepRecvMsg",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepRecvMsg(a.fd, b.msg, int(a.flags)) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleRecvMsg(s, fd, b.msgAddr(), a.flags) })
		},
	},
	{
		name: "PrepRecvProvided",
		ours: func(b *bench, s SQE, a prepArgs) error {
			if a.io&Bundle != 0 {
				a.n = 0
			}
			return s.PrepRecvProvided(a.fd, b.br, a.n, int(a.flags), a.io)
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			if a.io&Bundle != 0 {
				a.n = 0
			}
			if once := a.flags&cgo.MsgWaitAll == 0 && (a.io&Bundle == 0 || a.flags&cgo.MsgDontWait == 0) && HaveRecvMultishotLimit() == nil; once {
				on(s, a.fd, func(fd int32) { cgo.OracleRecvMultishot(s, fd, a.flags) })
				s.Len, s.FileIndex = uint32(a.n), 1 // the helper has no arguments for the limits
				selectGroup(s, s.IOPrio|uint16(a.io&^Bundle))
				return
			}
			io := a.io
			if a.flags&cgo.MsgDontWait == 0 {
				io &^= Bundle
			}
			on(s, a.fd, func(fd int32) { cgo.OracleRecv(s, fd, 0, uint32(a.n), a.flags) })
			selectGroup(s, uint16(io))
		},
		refuses: func(a prepArgs) bool {
			return a.io&^(PollFirst|Bundle) != 0 || a.flags&(syscall.MSG_TRUNC|syscall.MSG_PEEK) != 0 ||
				a.io&Bundle != 0 && a.flags&syscall.MSG_WAITALL != 0
		},
	},
	{
		name: "PrepRecvMultishot",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepRecvMultishot(a.fd, b.br, a.io) },
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleRecvMultishot(s, fd, 0) })
			selectGroup(s, uint16(a.io))
		},
		refuses: func(a prepArgs) bool { return a.io&^Bundle != 0 },
	},
	{
		// The limits have no helper: liburing's manual has them set by hand.
		name: "PrepRecvMultishotLimit",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepRecvMultishotLimit(a.fd, b.br, 0x500, 0x7000, a.io)
		},
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleRecvMultishot(s, fd, 0) })
			selectGroup(s, uint16(a.io))
			s.Len, s.FileIndex = 0x500, 0x7000
		},
		refuses: func(a prepArgs) bool { return a.io&^Bundle != 0 || HaveRecvMultishotLimit() != nil },
	},
	{
		name: "PrepRecvMsgMultishot",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepRecvMsgMultishot(a.fd, b.br, b.msg, int(a.flags))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleRecvMsgMultishot(s, fd, b.msgAddr(), a.flags) })
			selectGroup(s, 0)
		},
		refuses: func(a prepArgs) bool { return a.flags&syscall.MSG_PEEK != 0 },
	},
	{
		name: "PrepSendZC",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepSendZC(a.fd, b.buf(a), int(a.flags), a.io) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleSendZC(s, fd, b.addr(a), uint32(a.n), a.flags, uint32(a.io)) })
		},
		refuses: func(a prepArgs) bool { return a.io&^(PollFirst|ReportUsage) != 0 },
	},
	{
		name: "PrepSendZCFixed",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepSendZCFixed(a.fd, b.reg, b.buf(a), int(a.flags), a.io)
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) {
				cgo.OracleSendZCFixed(s, fd, b.addr(a), uint32(a.n), a.flags, uint32(a.io), benchRegIndex)
			})
		},
		refuses: func(a prepArgs) bool { return a.io&^(PollFirst|ReportUsage) != 0 },
	},
	{
		name: "PrepSendMsgZC",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepSendMsgZC(a.fd, b.msg, int(a.flags), a.io) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleSendMsgZC(s, fd, b.msgAddr(), a.flags) })
			s.IOPrio |= uint16(a.io)
		},
		refuses: func(a prepArgs) bool { return a.io&^(PollFirst|ReportUsage) != 0 },
	},
	{
		name: "PrepSendMsgZCFixed",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepSendMsgZCFixed(a.fd, b.reg, b.msg, int(a.flags), a.io)
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleSendMsgZCFixed(s, fd, b.msgAddr(), a.flags, benchRegIndex) })
			s.IOPrio |= uint16(a.io)
		},
		refuses: func(a prepArgs) bool { return a.io&^(PollFirst|ReportUsage) != 0 },
	},
}

// compare fills an entry with the Prep method and with liburing's helper.
func (b *bench) compare(t *testing.T, c prepCase, a prepArgs) {
	t.Helper()
	if cgo.HeaderMinor < c.minor {
		t.Skipf("liburing %d.%d has no such helper, 2.%d has", cgo.HeaderMajor, cgo.HeaderMinor, c.minor)
	}
	var err error
	if b.entry, err = b.r.NextSQE(); err != nil {
		t.Fatal(err)
	}
	if err := c.ours(b, b.entry, a); err != nil {
		if c.refuses == nil || !c.refuses(a) {
			t.Fatalf("%s(%+v): %v", c.name, a, err)
		}
		b.checkRefused(t, c.name, a)
		return
	}
	if c.refuses != nil && c.refuses(a) {
		t.Fatalf("%s(%+v) is not refused", c.name, a)
	}
	var want cgo.SQE
	c.oracle(b, &want, a)
	if got := *b.entry.SQE; got != want {
		t.Fatalf("%s(%+v) differs from liburing (-liburing +ours):\n%s", c.name, a, cmp.Diff(want, got))
	}
	if c.slot != nil {
		want := c.slot(b, a)
		b.checkMemory(t, c.name, a, want, b.entry.slotMemory()[:len(want)])
	}
	if c.kept != nil {
		b.checkMemory(t, c.name, a, c.kept(b, a), b.keptMemory())
	}
}

// checkMemory compares what an entry points at.
func (b *bench) checkMemory(t *testing.T, name string, a prepArgs, want, got []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("%s(%+v) points at other bytes (-want +got):\n%s", name, a, cmp.Diff(want, got))
	}
}

// checkRefused expects a refused entry to do nothing and complete silently.
func (b *bench) checkRefused(t *testing.T, name string, a prepArgs) {
	t.Helper()
	var want cgo.SQE
	cgo.OracleNop(&want)
	cgo.OracleSetFlags(&want, cgo.SQECQESkipSuccess)
	want.Addr = cgo.RefusedMark
	if got := *b.entry.SQE; got != want {
		t.Fatalf("%s(%+v) was refused, but left (-want +got):\n%s", name, a, cmp.Diff(want, got))
	}
}

// prepTable is every combination of values at the edges of what they may be.
func prepTable() []prepArgs {
	var table []prepArgs
	fds := []FD{-1, 0, 7, 1<<20 + 1, directBit - 1, DirectSlot(0).FD(), DirectSlot(9).FD(), DirectSlot(int(directBit) - 1).FD()}
	slots := []Direct{{}, DirectSlot(1), DirectSlot(int(directBit) - 1), DirectAlloc}
	ioFlags := []IOFlags{0, PollFirst, Bundle, ReportUsage, PollFirst | ReportUsage, PollFirst | Bundle, 1 << 5}
	flags := []uint32{
		0, 1, syscall.MSG_NOSIGNAL, syscall.MSG_WAITALL, syscall.MSG_PEEK, syscall.MSG_TRUNC,
		syscall.SOCK_CLOEXEC | syscall.SOCK_NONBLOCK, math.MaxInt32, math.MaxUint32,
	}
	more := []prepArgs{
		{},
		{n: 1, off: 1, d: time.Nanosecond},
		{n: 4096, off: 1 << 40, d: time.Second - 1},
		{n: 1 << 16, off: CurrentOffset, d: 3*time.Hour + 7},
		{n: 65535, off: math.MaxUint32, d: math.MaxInt64},
		{n: 100, off: math.MaxUint64 - 1, d: -time.Second - 1},
	}
	for _, fd := range fds {
		for _, slot := range slots {
			for _, io := range ioFlags {
				for _, f := range flags {
					for _, a := range more {
						a.fd, a.slot, a.io, a.flags = fd, slot, io, f
						table = append(table, a)
					}
				}
			}
		}
	}
	return table
}

func TestPrepWritesWhatLiburingWrites(t *testing.T) {
	b, table := newBench(t), prepTable()
	if testing.Short() { // some of them
		rand.New(rand.NewSource(1)).Shuffle(len(table), func(i, j int) { table[i], table[j] = table[j], table[i] })
		table = table[:len(table)/8]
	}
	for _, c := range prepCases {
		t.Run(c.name, func(t *testing.T) {
			for _, a := range table {
				b.compare(t, c, a)
			}
		})
	}
}

func TestEveryPrepIsCompared(t *testing.T) {
	compared := map[string]bool{}
	for _, c := range prepCases {
		method, _, _ := strings.Cut(c.name, "/") // what comes after is another helper for the same
		compared[method] = true
	}
	sqe := reflect.TypeFor[SQE]()
	for i := range sqe.NumMethod() {
		if name := sqe.Method(i).Name; strings.HasPrefix(name, "Prep") && !compared[name] {
			t.Errorf("%s is not compared with liburing", name)
		}
	}
}

func FuzzPrep(f *testing.F) {
	for i := range prepCases {
		f.Add(uint8(i), int32(7), uint16(100), uint64(8), uint32(0), uint16(0), uint32(3), int64(time.Second))
	}
	b := newBench(f)
	f.Fuzz(func(t *testing.T, op uint8, fd int32, n uint16, off uint64, flags uint32, io uint16, slot uint32, d int64) {
		a := prepArgs{FD(fd), int(n), off, flags, IOFlags(io), Direct{slot % uint32(directBit)}, time.Duration(d)}
		if slot == cgo.FileIndexAlloc {
			a.slot = DirectAlloc
		}
		b.compare(t, prepCases[int(op)%len(prepCases)], a)
	})
}

// A length that does not fit the entry must not wrap around, to a read of no
// bytes for example.
func TestPrepCapsLengths(t *testing.T) {
	b := newBench(t)
	huge, err := syscall.Mmap(-1, 0, 1<<32+5, syscall.PROT_NONE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(huge)
	for name, prep := range map[string]func(SQE){
		"PrepRead":  func(s SQE) { s.PrepRead(0, huge, 0) },
		"PrepWrite": func(s SQE) { s.PrepWrite(0, huge, 0) },
		"PrepRecv":  func(s SQE) { s.PrepRecv(0, huge, 0) },
		"PrepSend":  func(s SQE) { s.PrepSend(0, huge, 0) },
	} {
		s, err := b.r.NextSQE()
		if err != nil {
			t.Fatal(err)
		}
		if prep(s); s.Len != math.MaxInt32 {
			t.Errorf("%s of %d bytes asks for %d", name, len(huge), s.Len)
		}
	}
}

func TestSetFlagsWritesWhatLiburingWrites(t *testing.T) {
	b := newBench(t)
	for f := range SQEFlags(1 << 7) {
		s, err := b.r.NextSQE()
		if err != nil {
			t.Fatal(err)
		}
		s.PrepRead(DirectSlot(3).FD(), b.mem, 0)
		if err := s.SetFlags(f); err != nil {
			t.Fatal(err)
		}
		var want cgo.SQE
		cgo.OracleRead(&want, 3, arena.Addr(b.mem), uint32(len(b.mem)), 0)
		cgo.OracleSetFlags(&want, uint8(f)|cgo.SQEFixedFile)
		if diff := cmp.Diff(want, *s.SQE); diff != "" {
			t.Errorf("flags %#x (-liburing +ours):\n%s", f, diff)
		}
	}
}

// checkParse compares Msg.Parse with liburing's io_uring_recvmsg functions.
func checkParse(t *testing.T, p []byte, nameRoom, controlRoom int) {
	t.Helper()
	m := NewMsg()
	m.hdr.NameLen, m.hdr.ControlLen = uint32(nameRoom), uint64(controlRoom)
	got, err := m.Parse(p)
	want, ok := cgo.OracleMsgParts(p, uint32(nameRoom), uint32(controlRoom))
	if ok != (err == nil) {
		t.Fatalf("liburing accepts: %v, Parse: %v", ok, err)
	}
	if err != nil {
		if !errors.Is(err, ErrBadCompletion) {
			t.Fatal(err)
		}
		return
	}
	word := func(at int) int { return int(binary.NativeEndian.Uint32(p[at:])) }
	wantMsg := RecvMsg{
		Name:       p[want.Name:][:min(word(0), nameRoom)],
		Control:    p[want.Control:][:min(word(4), controlRoom)],
		Payload:    p[want.Payload:][:want.PayloadLen],
		PayloadLen: word(8),
		Flags:      word(12),
	}
	if diff := cmp.Diff(wantMsg, got); diff != "" {
		t.Fatalf("(-liburing +ours):\n%s", diff)
	}
}

func TestParseFindsWhatLiburingFinds(t *testing.T) {
	p := make([]byte, 400)
	for i := range p {
		p[i] = byte(i * 7)
	}
	for _, lens := range [][2]uint32{{0, 0}, {16, 0}, {28, 24}, {200, 200}, {math.MaxUint32, math.MaxUint32}} {
		binary.NativeEndian.PutUint32(p[0:], lens[0])
		binary.NativeEndian.PutUint32(p[4:], lens[1])
		for _, n := range []int{1, 15, 16, 17, 31, 32, 60, 144, 400} {
			for _, nameRoom := range []int{0, 16, 128} {
				for _, controlRoom := range []int{0, 24, 100} {
					t.Run(fmt.Sprint(lens, n, nameRoom, controlRoom), func(t *testing.T) {
						checkParse(t, p[:n], nameRoom, controlRoom)
					})
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(make([]byte, 200), uint16(16), uint16(24))
	f.Fuzz(func(t *testing.T, p []byte, nameRoom, controlRoom uint16) {
		if len(p) == 0 {
			return
		}
		checkParse(t, p, int(nameRoom), int(controlRoom))
	})
}
