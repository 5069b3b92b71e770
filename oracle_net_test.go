//go:build linux && cgo

package uring

import (
	"encoding/binary"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

func slotSockaddr(b *bench, a prepArgs) []byte { return b.sockaddr(a).bytes() }

// anyGroup makes a request use buffers of the group a.off.
func anyGroup(s *cgo.SQE, a prepArgs) {
	cgo.OracleSetFlags(s, s.Flags|cgo.SQEBufferSelect)
	cgo.OracleSetBufGroup(s, uint16(a.off))
}

func isTaken(a prepArgs) bool { return uint16(a.off) == benchTaken }

// Sockets, epoll, futexes and children.
var netPreps = []prepCase{
	{
		name: "PrepBind",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepBind(a.fd, *b.sockaddr(a)) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleBind(s, fd, b.slotAddr(), b.sockaddr(a).n) })
		},
		slot: slotSockaddr,
	},
	{
		name: "PrepListen",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepListen(a.fd, int(int32(a.flags))) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleListen(s, fd, int32(a.flags)) })
		},
	},
	{
		name: "PrepAcceptAddr",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepAcceptAddr(a.fd, int(a.flags), &b.peer) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) {
				cgo.OracleAcceptAddr(s, fd, addrOf(&b.peer.raw), addrOf(&b.peer.n), int32(a.flags))
			})
		},
	},
	{
		name: "PrepAcceptAddrDirect",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepAcceptAddrDirect(a.fd, int(a.flags), &b.peer, a.slot) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) {
				cgo.OracleAcceptAddrDirect(s, fd, addrOf(&b.peer.raw), addrOf(&b.peer.n), int32(a.flags), a.slot.slot)
			})
		},
	},
	{
		name: "PrepSocketDirect/socket_direct_alloc",
		ours: always(func(_ *bench, s SQE, a prepArgs) {
			s.PrepSocketDirect(int(a.fd), int(int32(a.flags)), a.n, DirectAlloc)
		}),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleSocketDirectAlloc(s, int32(a.fd), int32(a.flags), int32(a.n), 0)
		},
	},
	{
		name: "PrepGetsockopt",
		ours: always(func(b *bench, s SQE, a prepArgs) {
			s.PrepGetsockopt(a.fd, int(a.flags), int(int32(a.off)), b.buf(a))
		}),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) {
				cgo.OracleCmdSock(s, cgo.SocketOpGetsockopt, fd, int32(a.flags), int32(a.off), b.addr(a), int32(a.n))
			})
		},
	},
	{
		name: "PrepSetsockoptHeld",
		ours: always(func(b *bench, s SQE, a prepArgs) {
			s.PrepSetsockoptHeld(a.fd, int(a.flags), int(int32(a.off)), b.buf(a))
		}),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) {
				cgo.OracleCmdSock(s, cgo.SocketOpSetsockopt, fd, int32(a.flags), int32(a.off), b.addr(a), int32(a.n))
			})
		},
	},
	{
		name: "PrepGetsockname",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepGetsockname(a.fd, &b.peer) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleCmdGetsockname(s, fd, addrOf(&b.peer.raw), addrOf(&b.peer.n), 0) })
		},
		minor: 13,
	},
	{
		name: "PrepGetpeername",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepGetpeername(a.fd, &b.peer) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleCmdGetsockname(s, fd, addrOf(&b.peer.raw), addrOf(&b.peer.n), 1) })
		},
		minor: 13,
	},
	{
		name: "PrepSIOCINQ",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepSIOCINQ(a.fd) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleCmdSock(s, cgo.SocketOpSIOCINQ, fd, 0, 0, 0, 0) })
		},
	},
	{
		name: "PrepSIOCOUTQ",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepSIOCOUTQ(a.fd) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleCmdSock(s, cgo.SocketOpSIOCOUTQ, fd, 0, 0, 0, 0) })
		},
	},
	{
		name: "PrepTxTimestampMultishot",
		ours: func(b *bench, s SQE, a prepArgs) error { return b.big(s).PrepTxTimestampMultishot(a.fd) },
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleCmdSock(s, cgo.SocketOpTXTimestamp, fd, 0, 0, 0, 0) })
		},
	},
	{
		name: "PrepSendTo",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepSendTo(a.fd, b.buf(a), int(a.flags), *b.sockaddr(a)) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) {
				cgo.OracleSendTo(s, fd, b.addr(a), uint32(a.n), int32(a.flags), b.slotAddr(), b.sockaddr(a).n)
			})
		},
		slot: slotSockaddr,
	},
	{
		name: "PrepSendSetAddr",
		ours: func(b *bench, s SQE, a prepArgs) error {
			if err := s.PrepSendZCFixed(a.fd, b.reg, b.buf(a), int(a.flags), a.io); err != nil {
				return err
			}
			return s.PrepSendSetAddr(*b.sockaddr(a))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) {
				cgo.OracleSendZCFixed(s, fd, b.addr(a), uint32(a.n), a.flags, uint32(a.io), benchRegIndex)
			})
			cgo.OracleSendSetAddr(s, b.slotAddr(), uint16(b.sockaddr(a).n))
		},
		slot:    slotSockaddr,
		refuses: func(a prepArgs) bool { return a.io&^(PollFirst|ReportUsage) != 0 },
	},
	{
		// No helper sets the flag: liburing's manual has it set by hand.
		name: "PrepSendVectorized",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepSendVectorized(a.fd, b.parts(a), int(a.flags)) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleSend(s, fd, b.keptAddr(), uint32(a.n%1100), a.flags) })
			s.IOPrio = cgo.SendVectorized
		},
		kept:    keptIovecs,
		refuses: tooManyParts,
	},
	{
		name: "PrepSendZCVectorized",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepSendZCVectorized(a.fd, b.parts(a), int(a.flags), a.io)
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) {
				cgo.OracleSendZC(s, fd, b.keptAddr(), uint32(a.n%1100), a.flags, uint32(a.io)|cgo.SendVectorized)
			})
		},
		kept:    keptIovecs,
		refuses: func(a prepArgs) bool { return a.io&^(PollFirst|ReportUsage) != 0 || tooManyParts(a) },
	},
	{
		name: "PrepSendFixed",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepSendFixed(a.fd, b.reg, b.buf(a), int(a.flags)) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleSend(s, fd, b.addr(a), uint32(a.n), a.flags) })
			s.IOPrio, s.BufIndex = cgo.RecvSendFixedBuf, benchRegIndex
		},
	},
	{
		name: "PrepRecvFixed",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepRecvFixed(a.fd, b.reg, b.buf(a), int(a.flags)) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleRecv(s, fd, b.addr(a), uint32(a.n), a.flags) })
			s.IOPrio, s.BufIndex = cgo.RecvSendFixedBuf, benchRegIndex
		},
	},
	{
		name: "PrepSendBundle",
		ours: func(_ *bench, s SQE, a prepArgs) error {
			return s.PrepSendBundle(a.fd, uint16(a.off), uint32(a.n), int(a.flags))
		},
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleSendBundle(s, fd, uint32(a.n), a.flags) })
			cgo.OracleSetFlags(s, s.Flags|cgo.SQEBufferSelect)
			cgo.OracleSetBufGroup(s, uint16(a.off))
		},
		refuses: isTaken,
	},
	{
		name: "PrepRecvMultishotGroup",
		ours: func(_ *bench, s SQE, a prepArgs) error { return s.PrepRecvMultishotGroup(a.fd, uint16(a.off), a.io) },
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleRecvMultishot(s, fd, 0) })
			anyGroup(s, a)
			s.IOPrio |= uint16(a.io)
		},
		refuses: func(a prepArgs) bool { return isTaken(a) || a.io&^(PollFirst|Bundle) != 0 },
	},
	{
		name: "PrepRecvMsgMultishotGroup",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepRecvMsgMultishotGroup(a.fd, uint16(a.off), b.msg, int(a.flags))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleRecvMsgMultishot(s, fd, b.msgAddr(), a.flags) })
			anyGroup(s, a)
		},
		refuses: isTaken,
	},
	{
		name: "PrepReadMultishotGroup",
		ours: func(_ *bench, s SQE, a prepArgs) error { return s.PrepReadMultishotGroup(a.fd, uint16(a.off)) },
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleReadMultishot(s, fd, 0, CurrentOffset, uint16(a.off)) })
		},
		refuses: isTaken,
	},
	{
		// No helper exists: the fields are those of the kernel's header.
		name: "PrepRecvZCMultishot",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return b.big(s).PrepRecvZCMultishot(a.fd, ZCRXID(a.off), uint32(a.n))
		},
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleRecvMultishot(s, fd, 0) })
			s.Opcode, s.Len, s.FileIndex = cgo.OpRecvZC, uint32(a.n), uint32(a.off)
		},
	},
	{
		name: "PrepEpollCtl",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepEpollCtl(int(a.fd), a.n, int(a.slot.slot), epollEvent(a)) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleEpollCtl(s, int32(a.fd), int32(a.slot.slot), int32(a.n), b.slotAddr())
		},
		slot: func(_ *bench, a prepArgs) []byte {
			ev := epollEvent(a)
			return ev.Bytes()
		},
	},
	{
		name: "PrepEpollWait",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepEpollWait(a.fd, b.events[:a.n%8]) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleEpollWait(s, fd, addrOf(&b.events), int32(a.n%8), 0) })
		},
		minor: 10,
	},
	{
		name: "PrepFutexWait",
		ours: always(func(b *bench, s SQE, a prepArgs) {
			s.PrepFutexWait(&b.futexes[3], uint32(a.n), uint32(a.off), FutexFlags(a.flags))
		}),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleFutexWait(s, addrOf(&b.futexes[3]), uint64(a.n), uint64(uint32(a.off)), a.flags|cgo.Futex2SizeU32, 0)
		},
	},
	{
		name: "PrepFutexWake",
		ours: always(func(b *bench, s SQE, a prepArgs) {
			s.PrepFutexWake(&b.futexes[4], uint32(a.n), uint32(a.off), FutexFlags(a.flags))
		}),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleFutexWake(s, addrOf(&b.futexes[4]), uint64(a.n), uint64(uint32(a.off)), a.flags|cgo.Futex2SizeU32, 0)
		},
	},
	{
		name:   "PrepFutexWaitv",
		ours:   func(b *bench, s SQE, a prepArgs) error { return s.PrepFutexWaitv(b.waiters(a)) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) { cgo.OracleFutexWaitv(s, b.keptAddr(), uint32(a.n%140), 0) },
		kept: func(b *bench, a prepArgs) []byte {
			var p []byte
			for i := range b.waiters(a) {
				p = binary.NativeEndian.AppendUint64(p, uint64(a.n))
				p = binary.NativeEndian.AppendUint64(p, addrOf(&b.futexes[i]))
				p = binary.NativeEndian.AppendUint64(p, words(a.flags|cgo.Futex2SizeU32, 0))
			}
			return p
		},
		refuses: func(a prepArgs) bool { return a.n%140 == 0 || a.n%140 > 128 },
	},
	{
		name: "PrepWaitid",
		ours: always(func(b *bench, s SQE, a prepArgs) {
			s.PrepWaitid(IDType(a.n), int(a.fd), &b.siginfo, int(int32(a.flags)))
		}),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleWaitid(s, int32(a.n), uint32(a.fd), addrOf(&b.siginfo), int32(a.flags), 0)
		},
	},
	{
		name: "PrepWaitid/nil",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepWaitid(PAll, 0, nil, int(int32(a.flags))) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleWaitid(s, 0, 0, arena.Addr(nil), int32(a.flags), 0)
		},
	},
}

func epollEvent(a prepArgs) EpollEvent {
	return EpollEvent{Events: a.flags, Fd: int32(a.off), Pad: int32(a.d)}
}

func (b *bench) waiters(a prepArgs) []FutexWaiter {
	waiters := make([]FutexWaiter, a.n%140)
	for i := range waiters {
		waiters[i] = FutexWaiter{&b.futexes[i], uint32(a.n), FutexFlags(a.flags)}
	}
	return waiters
}

// big makes of an entry one of a ring with completions of 32 bytes.
func (b *bench) big(s SQE) SQE {
	s.ring = b.bigRing
	return s
}
