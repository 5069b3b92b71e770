//go:build linux && cgo

package uring

import (
	"math"

	"github.com/uring-go/uring/cgo"
)

// Timeouts, cancellations, other rings, descriptors, groups of buffers, commands.
var miscPreps = []prepCase{
	{
		name:   "PrepTimeoutRemove",
		ours:   always(func(_ *bench, s SQE, a prepArgs) { s.PrepTimeoutRemove(a.off) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) { cgo.OracleTimeoutRemove(s, a.off, 0) },
	},
	{
		name: "PrepTimeoutUpdate",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepTimeoutUpdate(a.off, a.d, TimeoutFlags(a.flags)) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleTimeoutUpdate(s, b.slotAddr(), a.off, a.flags)
		},
		slot: timespec,
	},
	{
		name: "PrepLinkTimeoutUpdate",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepLinkTimeoutUpdate(a.off, a.d, TimeoutFlags(a.flags)) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleTimeoutUpdate(s, b.slotAddr(), a.off, a.flags|cgo.LinkTimeoutUpdate)
		},
		slot: timespec,
	},
	{
		// The opcode has no helper: the flag's manual has it set by hand.
		name: "PrepCancelOp",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepCancelOp(uint8(a.n), CancelFlags(a.flags)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleCancel(s, 0, a.flags|cgo.AsyncCancelOp)
			s.Len = uint32(uint8(a.n))
		},
	},
	{
		name: "PrepCancelFDOp",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepCancelFDOp(a.fd, uint8(a.n), CancelFlags(a.flags)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			flags := a.flags | cgo.AsyncCancelOp
			if a.fd.IsDirect() {
				flags |= cgo.AsyncCancelFDFixed
			}
			cgo.OracleCancelFD(s, int32(a.fd), flags)
			if a.fd.IsDirect() {
				s.FD = int32(a.fd &^ directBit)
			}
			s.Len = uint32(uint8(a.n))
		},
	},
	{
		// By user data, or by descriptor.
		name: "PrepCancelMatch",
		ours: func(_ *bench, s SQE, a prepArgs) error {
			m := Match{UserData: &a.off}
			if a.n%2 == 1 {
				m = Match{FD: &a.fd}
			}
			return s.PrepCancelMatch(m, CancelFlags(a.flags))
		},
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			switch {
			case a.n%2 == 0:
				cgo.OracleCancel(s, a.off, a.flags|cgo.AsyncCancelUserData)
			case a.fd.IsDirect():
				cgo.OracleCancelFD(s, int32(a.fd&^directBit), a.flags|cgo.AsyncCancelFDFixed)
			default:
				cgo.OracleCancelFD(s, int32(a.fd), a.flags)
			}
		},
	},
	{
		name: "PrepPollUpdate",
		ours: always(func(_ *bench, s SQE, a prepArgs) {
			s.PrepPollUpdate(a.off, uint64(a.d), PollMask(a.flags), PollUpdateFlags(a.n))
		}),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			cgo.OraclePollUpdate(s, a.off, uint64(a.d), a.flags, uint32(a.n))
		},
	},
	{
		name: "PrepMsgRingCQEFlags",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepMsgRingCQEFlags(b.other, a.off, int32(a.flags), uint32(a.n)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleMsgRingCQEFlags(s, benchRingFD, a.flags, a.off, 0, uint32(a.n))
		},
	},
	{
		name:   "PrepMsgRingFD/msg_ring_fd_alloc",
		ours:   always(func(b *bench, s SQE, a prepArgs) { s.PrepMsgRingFD(b.other, DirectSlot(a.n), DirectAlloc, a.off) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) { cgo.OracleMsgRingFDAlloc(s, benchRingFD, int32(a.n), a.off, 0) },
	},
	{
		name: "PrepFilesUpdate",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepFilesUpdate(a.slot, b.fds[:a.n%20]) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleFilesUpdate(s, addrOf(&b.fds), uint32(a.n%20), int32(a.slot.slot))
		},
	},
	{
		name:   "PrepFixedFDInstall",
		ours:   always(func(_ *bench, s SQE, a prepArgs) { s.PrepFixedFDInstall(DirectSlot(a.n), FixedFDFlags(a.flags)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) { cgo.OracleFixedFDInstall(s, int32(a.n), a.flags) },
	},
	{
		name:   "PrepPipe",
		ours:   always(func(b *bench, s SQE, a prepArgs) { s.PrepPipe(&b.pipe, int(int32(a.flags))) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) { cgo.OraclePipe(s, addrOf(&b.pipe), int32(a.flags)) },
		minor:  12,
	},
	{
		name: "PrepPipeDirect",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepPipeDirect(&b.pipe, int(int32(a.flags)), a.slot) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OraclePipeDirect(s, addrOf(&b.pipe), int32(a.flags), a.slot.slot)
		},
		minor: 12,
	},
	{
		name: "PrepProvideBuffers",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepProvideBuffers(b.buf(a), providedSize(a), uint16(a.flags), uint16(a.off))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			size := providedSize(a)
			cgo.OracleProvideBuffers(s, b.addr(a), int32(size), int32(a.n/size), uint16(a.flags), uint16(a.off))
		},
		refuses: func(a prepArgs) bool {
			size := providedSize(a)
			return a.n == 0 || a.n%size != 0 || a.n/size+int(uint16(a.off)) > 1<<16 || uint16(a.flags) == benchTaken
		},
	},
	{
		name:   "PrepRemoveBuffers",
		ours:   func(_ *bench, s SQE, a prepArgs) error { return s.PrepRemoveBuffers(a.n, uint16(a.flags)) },
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) { cgo.OracleRemoveBuffers(s, int32(a.n), uint16(a.flags)) },
		refuses: func(a prepArgs) bool {
			return a.n == 0 || a.n > 1<<16 || uint16(a.flags) == benchTaken
		},
	},
	{
		name:   "PrepNop128",
		ours:   func(_ *bench, s SQE, _ prepArgs) error { return wide(s).PrepNop128() },
		oracle: func(_ *bench, s *cgo.SQE, _ prepArgs) { cgo.OracleNop128(s) },
		minor:  13,
	},
	{
		name: "PrepUringCmd",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepUringCmd(a.fd, a.flags, b.mem[:a.n%20]) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleUringCmd(s, int32(a.flags), fd) })
			copy(s.Cmd(16), b.mem[:a.n%20])
		},
		minor:   13,
		refuses: func(a prepArgs) bool { return a.n%20 > 16 },
	},
	{
		// The second half of the entry has a test of its own.
		name: "PrepUringCmd128",
		ours: func(b *bench, s SQE, a prepArgs) error { return wide(s).PrepUringCmd128(a.fd, a.flags, b.mem[:a.n%17]) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleUringCmd128(s, int32(a.flags), fd) })
			copy(s.Cmd(16), b.mem[:a.n%17])
		},
		minor: 13,
	},
	{
		// liburing has no helper for the flag.
		name: "PrepUringCmdFixed",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepUringCmdFixed(a.fd, a.flags, b.reg, b.mem[:a.n%17])
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleUringCmd(s, int32(a.flags), fd) })
			copy(s.Cmd(16), b.mem[:a.n%17])
			s.OpFlags, s.BufIndex = cgo.UringCmdFixed, benchRegIndex
		},
		minor: 13,
	},
	{
		name: "PrepDiscard",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepDiscard(a.fd, a.off, uint64(a.d)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleCmdDiscard(s, fd, a.off, uint64(a.d)) })
		},
	},
}

// benchTaken is a group that belongs to something.
const benchTaken = math.MaxUint16

func providedSize(a prepArgs) int { return max(a.n/3, 1) }

// wide makes of an entry one of 128 bytes, as far as the Prep methods know.
func wide(s SQE) SQE {
	s.wide = true
	return s
}
