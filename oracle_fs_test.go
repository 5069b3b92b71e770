//go:build linux && cgo

package uring

import (
	"encoding/binary"

	"github.com/uring-go/uring/cgo"
)

// Paths and extended attributes.
var fsPreps = []prepCase{
	{
		name: "PrepOpenat",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepOpenat(int(a.fd), b.path(a), int(a.flags), uint32(a.off))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleOpenat(s, int32(a.fd), b.keptAddr(), int32(a.flags), uint32(a.off))
		},
		kept: keptPath,
	},
	{
		name: "PrepOpenat/open",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepOpenat(AtFDCWD, b.path(a), int(a.flags), uint32(a.off))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleOpen(s, b.keptAddr(), int32(a.flags), uint32(a.off))
		},
		kept: keptPath,
	},
	{
		name: "PrepOpenatDirect",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepOpenatDirect(int(a.fd), b.path(a), int(a.flags), uint32(a.off), a.slot)
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleOpenatDirect(s, int32(a.fd), b.keptAddr(), int32(a.flags), uint32(a.off), a.slot.slot)
		},
		kept: keptPath,
	},
	{
		name: "PrepOpenatDirect/open_direct",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepOpenatDirect(AtFDCWD, b.path(a), int(a.flags), uint32(a.off), a.slot)
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleOpenDirect(s, b.keptAddr(), int32(a.flags), uint32(a.off), a.slot.slot)
		},
		kept: keptPath,
	},
	{
		name: "PrepOpenat2",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepOpenat2(int(a.fd), b.path(a), openHow(a)) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleOpenat2(s, int32(a.fd), b.keptAddr(), b.slotAddr())
		},
		slot: openHowBytes,
		kept: keptPath,
	},
	{
		name: "PrepOpenat2Direct",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepOpenat2Direct(int(a.fd), b.path(a), openHow(a), a.slot)
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleOpenat2Direct(s, int32(a.fd), b.keptAddr(), b.slotAddr(), a.slot.slot)
		},
		slot: openHowBytes,
		kept: keptPath,
	},
	{
		name: "PrepStatx",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepStatx(int(a.fd), b.path(a), int(a.flags), StatxMask(a.off), &b.statx)
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleStatx(s, int32(a.fd), b.keptAddr(), int32(a.flags), uint32(a.off), addrOf(&b.statx))
		},
		kept: keptPath,
	},
	{
		name: "PrepUnlinkat",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepUnlinkat(int(a.fd), b.path(a), int(a.flags)) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleUnlinkat(s, int32(a.fd), b.keptAddr(), int32(a.flags))
		},
		kept: keptPath,
	},
	{
		name:   "PrepUnlinkat/unlink",
		ours:   func(b *bench, s SQE, a prepArgs) error { return s.PrepUnlinkat(AtFDCWD, b.path(a), int(a.flags)) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) { cgo.OracleUnlink(s, b.keptAddr(), int32(a.flags)) },
		kept:   keptPath,
	},
	{
		name:   "PrepMkdirat",
		ours:   func(b *bench, s SQE, a prepArgs) error { return s.PrepMkdirat(int(a.fd), b.path(a), a.flags) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) { cgo.OracleMkdirat(s, int32(a.fd), b.keptAddr(), a.flags) },
		kept:   keptPath,
	},
	{
		name:   "PrepMkdirat/mkdir",
		ours:   func(b *bench, s SQE, a prepArgs) error { return s.PrepMkdirat(AtFDCWD, b.path(a), a.flags) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) { cgo.OracleMkdir(s, b.keptAddr(), a.flags) },
		kept:   keptPath,
	},
	{
		name: "PrepRenameat",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepRenameat(int(a.fd), b.path(a), a.n, b.otherPath(a), int(a.flags))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleRenameat(s, int32(a.fd), b.keptAddr(), int32(a.n), b.otherAddr(a), a.flags)
		},
		kept: keptPaths,
	},
	{
		name: "PrepRenameat/rename",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepRenameat(AtFDCWD, b.path(a), AtFDCWD, b.otherPath(a), 0)
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) { cgo.OracleRename(s, b.keptAddr(), b.otherAddr(a)) },
		kept:   keptPaths,
	},
	{
		name: "PrepLinkat",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepLinkat(int(a.fd), b.path(a), a.n, b.otherPath(a), int(a.flags))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleLinkat(s, int32(a.fd), b.keptAddr(), int32(a.n), b.otherAddr(a), int32(a.flags))
		},
		kept: keptPaths,
	},
	{
		name: "PrepLinkat/link",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepLinkat(AtFDCWD, b.path(a), AtFDCWD, b.otherPath(a), int(a.flags))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleLink(s, b.keptAddr(), b.otherAddr(a), int32(a.flags))
		},
		kept: keptPaths,
	},
	{
		name: "PrepSymlinkat",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepSymlinkat(b.path(a), int(a.fd), b.otherPath(a))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleSymlinkat(s, b.keptAddr(), int32(a.fd), b.otherAddr(a))
		},
		kept: keptPaths,
	},
	{
		name: "PrepSymlinkat/symlink",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepSymlinkat(b.path(a), AtFDCWD, b.otherPath(a))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) { cgo.OracleSymlink(s, b.keptAddr(), b.otherAddr(a)) },
		kept:   keptPaths,
	},
	{
		name: "PrepSetxattr",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepSetxattr(b.otherPath(a), b.path(a), b.buf(a), int(a.flags))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleSetxattr(s, b.keptAddr(), b.addr(a), b.otherAddr(a), int32(a.flags), uint32(a.n))
		},
		kept: keptPaths,
	},
	{
		name: "PrepGetxattr",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepGetxattr(b.otherPath(a), b.path(a), b.buf(a))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			cgo.OracleGetxattr(s, b.keptAddr(), b.addr(a), b.otherAddr(a), uint32(a.n))
		},
		kept: keptPaths,
	},
	{
		name: "PrepFsetxattr",
		ours: func(b *bench, s SQE, a prepArgs) error {
			return s.PrepFsetxattr(a.fd, b.path(a), b.buf(a), int(a.flags))
		},
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) {
				cgo.OracleFsetxattr(s, fd, b.keptAddr(), b.addr(a), int32(a.flags), uint32(a.n))
			})
		},
		kept: keptPath,
	},
	{
		name: "PrepFgetxattr",
		ours: func(b *bench, s SQE, a prepArgs) error { return s.PrepFgetxattr(a.fd, b.path(a), b.buf(a)) },
		oracle: func(b *bench, s *cgo.SQE, a prepArgs) {
			on(s, a.fd, func(fd int32) { cgo.OracleFgetxattr(s, fd, b.keptAddr(), b.addr(a), uint32(a.n)) })
		},
		kept: keptPath,
	},
}

func openHow(a prepArgs) OpenHow {
	return OpenHow{Flags: uint64(a.flags), Mode: a.off, Resolve: uint64(a.d)}
}

func openHowBytes(_ *bench, a prepArgs) []byte {
	p := binary.NativeEndian.AppendUint64(nil, uint64(a.flags))
	p = binary.NativeEndian.AppendUint64(p, a.off)
	return binary.NativeEndian.AppendUint64(p, uint64(a.d))
}
