//go:build linux && cgo

package uring

import (
	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

// Reads and writes of vectors, and what else works on an open file.
var filePreps = []prepCase{
	{
		name: "PrepReadv",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepReadv(a.fd, b.parts(a), a.off, RWFlags(a.flags))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleReadv2(s, fd, b.keptAddr(), uint32(a.n%1100), a.off, int32(a.flags)) })
		},
		kept:    keptIovecs,
		refuses: tooManyParts,
	},
	{
		name: "PrepReadv/readv",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepReadv(a.fd, b.parts(a), a.off, 0) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleReadv(s, fd, b.keptAddr(), uint32(a.n%1100), a.off) })
		},
		refuses: tooManyParts,
	},
	{
		name: "PrepWritev",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepWritev(a.fd, b.parts(a), a.off, RWFlags(a.flags))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleWritev2(s, fd, b.keptAddr(), uint32(a.n%1100), a.off, int32(a.flags)) })
		},
		kept:    keptIovecs,
		refuses: tooManyParts,
	},
	{
		name: "PrepWritev/writev",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepWritev(a.fd, b.parts(a), a.off, 0) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleWritev(s, fd, b.keptAddr(), uint32(a.n%1100), a.off) })
		},
		refuses: tooManyParts,
	},
	{
		name: "PrepReadvFixed",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepReadvFixed(a.fd, b.reg, b.parts(a), a.off, RWFlags(a.flags))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) {
				cgo.OracleReadvFixed(s, fd, b.keptAddr(), uint32(a.n%1100), a.off, int32(a.flags), benchRegIndex)
			})
		},
		kept:    keptIovecs,
		minor:   10,
		refuses: tooManyParts,
	},
	{
		name: "PrepWritevFixed",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepWritevFixed(a.fd, b.reg, b.parts(a), a.off, RWFlags(a.flags))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) {
				cgo.OracleWritevFixed(s, fd, b.keptAddr(), uint32(a.n%1100), a.off, int32(a.flags), benchRegIndex)
			})
		},
		kept:    keptIovecs,
		minor:   10,
		refuses: tooManyParts,
	},
	{
		name: "PrepReadMultishot",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepReadMultishot(a.fd, b.br) },
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleReadMultishot(s, fd, 0, CurrentOffset, benchGroup) })
		},
	},
	{
		name: "PrepFsync",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepFsync(a.fd, FsyncFlags(a.flags)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleFsync(s, fd, a.flags) })
		},
	},
	{
		name: "PrepSyncFileRange",
		ours: always(func(_ *bench, s SQE, a prepArgs) {
			s.PrepSyncFileRange(a.fd, a.off, uint32(a.n), int(int32(a.flags)))
		}),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleSyncFileRange(s, fd, uint32(a.n), a.off, int32(a.flags)) })
		},
	},
	{
		name: "PrepFallocate",
		ours: always(func(_ *bench, s SQE, a prepArgs) {
			s.PrepFallocate(a.fd, int(int32(a.flags)), int64(a.off), int64(a.d))
		}),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleFallocate(s, fd, int32(a.flags), a.off, uint64(a.d)) })
		},
	},
	{
		name: "PrepFtruncate",
		ours: always(func(_ *bench, s SQE, a prepArgs) { s.PrepFtruncate(a.fd, int64(a.off)) }),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleFtruncate(s, fd, a.off) })
		},
	},
	{
		name: "PrepFadvise",
		ours: always(func(_ *bench, s SQE, a prepArgs) {
			s.PrepFadvise(a.fd, int64(a.off), int64(a.n), int(int32(a.flags)))
		}),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleFadvise(s, fd, a.off, uint32(a.n), int32(a.flags)) })
		},
	},
	{
		name: "PrepFadvise/fadvise64",
		ours: always(func(_ *bench, s SQE, a prepArgs) {
			s.PrepFadvise(a.fd, int64(a.off), 1<<32+int64(a.n), int(int32(a.flags)))
		}),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleFadvise64(s, fd, a.off, 1<<32+uint64(a.n), int32(a.flags)) })
		},
	},
	{
		name:   "PrepMadvise",
		ours:   always(func(b *bench, s SQE, a prepArgs) { s.PrepMadvise(b.buf(a), int(int32(a.flags))) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) { cgo.OracleMadvise(s, b.addr(a), uint32(a.n), int32(a.flags)) },
	},
	{
		name: "PrepMadvise/madvise64",
		ours: always(func(b *bench, s SQE, a prepArgs) { s.PrepMadvise(b.huge[a.n:], int(int32(a.flags))) }),
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			p := b.huge[a.n:]
			cgo.OracleMadvise64(s, arena.Addr(p), uint64(len(p)), int32(a.flags))
		},
	},
	{
		name: "PrepSplice",
		ours: always(func(_ *bench, s SQE, a prepArgs) {
			s.PrepSplice(a.slot.FD()&^directBit, uint64(a.d), a.fd, a.off, uint32(a.n), SpliceFlags(a.flags))
		}),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) {
				cgo.OracleSplice(s, int32(a.slot.FD()&^directBit), uint64(a.d), fd, a.off, uint32(a.n), a.flags)
			})
		},
	},
	{
		name: "PrepSplice/direct",
		ours: always(func(_ *bench, s SQE, a prepArgs) {
			s.PrepSplice(DirectSlot(a.n).FD(), uint64(a.d), a.fd, a.off, uint32(a.n), SpliceFlags(a.flags))
		}),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) {
				cgo.OracleSplice(s, int32(a.n), uint64(a.d), fd, a.off, uint32(a.n), a.flags|cgo.SpliceFDInFixed)
			})
		},
	},
	{
		name: "PrepTee",
		ours: always(func(_ *bench, s SQE, a prepArgs) {
			s.PrepTee(FD(a.off>>34), a.fd, uint32(a.n), SpliceFlags(a.flags))
		}),
		oracle: func(_ *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleTee(s, int32(a.off>>34), fd, uint32(a.n), a.flags) })
		},
	},
}
