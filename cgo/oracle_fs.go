//go:build linux && cgo

package cgo

// #include "oracle_fs.h"
import "C"

// Paths and extended attributes.

// OracleOpenat is io_uring_prep_openat.
func OracleOpenat(s *SQE, dir int32, path uint64, flags int32, mode uint32) {
	C.oracle_openat(s.c(), C.int(dir), C.uint64_t(path), C.int(flags), C.uint(mode))
}

// OracleOpenatDirect is io_uring_prep_openat_direct.
func OracleOpenatDirect(s *SQE, dir int32, path uint64, flags int32, mode, slot uint32) {
	C.oracle_openat_direct(s.c(), C.int(dir), C.uint64_t(path), C.int(flags), C.uint(mode), C.uint(slot))
}

// OracleOpen is io_uring_prep_open.
func OracleOpen(s *SQE, path uint64, flags int32, mode uint32) {
	C.oracle_open(s.c(), C.uint64_t(path), C.int(flags), C.uint(mode))
}

// OracleOpenDirect is io_uring_prep_open_direct.
func OracleOpenDirect(s *SQE, path uint64, flags int32, mode, slot uint32) {
	C.oracle_open_direct(s.c(), C.uint64_t(path), C.int(flags), C.uint(mode), C.uint(slot))
}

// OracleOpenat2 is io_uring_prep_openat2.
func OracleOpenat2(s *SQE, dir int32, path, how uint64) {
	C.oracle_openat2(s.c(), C.int(dir), C.uint64_t(path), C.uint64_t(how))
}

// OracleOpenat2Direct is io_uring_prep_openat2_direct.
func OracleOpenat2Direct(s *SQE, dir int32, path, how uint64, slot uint32) {
	C.oracle_openat2_direct(s.c(), C.int(dir), C.uint64_t(path), C.uint64_t(how), C.uint(slot))
}

// OracleStatx is io_uring_prep_statx.
func OracleStatx(s *SQE, dir int32, path uint64, flags int32, mask uint32, st uint64) {
	C.oracle_statx(s.c(), C.int(dir), C.uint64_t(path), C.int(flags), C.uint(mask), C.uint64_t(st))
}

// OracleUnlinkat is io_uring_prep_unlinkat.
func OracleUnlinkat(s *SQE, dir int32, path uint64, flags int32) {
	C.oracle_unlinkat(s.c(), C.int(dir), C.uint64_t(path), C.int(flags))
}

// OracleUnlink is io_uring_prep_unlink.
func OracleUnlink(s *SQE, path uint64, flags int32) {
	C.oracle_unlink(s.c(), C.uint64_t(path), C.int(flags))
}

// OracleMkdirat is io_uring_prep_mkdirat.
func OracleMkdirat(s *SQE, dir int32, path uint64, mode uint32) {
	C.oracle_mkdirat(s.c(), C.int(dir), C.uint64_t(path), C.uint(mode))
}

// OracleMkdir is io_uring_prep_mkdir.
func OracleMkdir(s *SQE, path uint64, mode uint32) {
	C.oracle_mkdir(s.c(), C.uint64_t(path), C.uint(mode))
}

// OracleRenameat is io_uring_prep_renameat.
func OracleRenameat(s *SQE, oldDir int32, oldPath uint64, newDir int32, newPath uint64, flags uint32) {
	C.oracle_renameat(s.c(), C.int(oldDir), C.uint64_t(oldPath), C.int(newDir), C.uint64_t(newPath), C.uint(flags))
}

// OracleRename is io_uring_prep_rename.
func OracleRename(s *SQE, oldPath, newPath uint64) {
	C.oracle_rename(s.c(), C.uint64_t(oldPath), C.uint64_t(newPath))
}

// OracleLinkat is io_uring_prep_linkat.
func OracleLinkat(s *SQE, oldDir int32, oldPath uint64, newDir int32, newPath uint64, flags int32) {
	C.oracle_linkat(s.c(), C.int(oldDir), C.uint64_t(oldPath), C.int(newDir), C.uint64_t(newPath), C.int(flags))
}

// OracleLink is io_uring_prep_link.
func OracleLink(s *SQE, oldPath, newPath uint64, flags int32) {
	C.oracle_link(s.c(), C.uint64_t(oldPath), C.uint64_t(newPath), C.int(flags))
}

// OracleSymlinkat is io_uring_prep_symlinkat.
func OracleSymlinkat(s *SQE, target uint64, dir int32, path uint64) {
	C.oracle_symlinkat(s.c(), C.uint64_t(target), C.int(dir), C.uint64_t(path))
}

// OracleSymlink is io_uring_prep_symlink.
func OracleSymlink(s *SQE, target, path uint64) {
	C.oracle_symlink(s.c(), C.uint64_t(target), C.uint64_t(path))
}

// OracleGetxattr is io_uring_prep_getxattr.
func OracleGetxattr(s *SQE, name, value, path uint64, n uint32) {
	C.oracle_getxattr(s.c(), C.uint64_t(name), C.uint64_t(value), C.uint64_t(path), C.uint(n))
}

// OracleSetxattr is io_uring_prep_setxattr.
func OracleSetxattr(s *SQE, name, value, path uint64, flags int32, n uint32) {
	C.oracle_setxattr(s.c(), C.uint64_t(name), C.uint64_t(value), C.uint64_t(path), C.int(flags), C.uint(n))
}

// OracleFgetxattr is io_uring_prep_fgetxattr.
func OracleFgetxattr(s *SQE, fd int32, name, value uint64, n uint32) {
	C.oracle_fgetxattr(s.c(), C.int(fd), C.uint64_t(name), C.uint64_t(value), C.uint(n))
}

// OracleFsetxattr is io_uring_prep_fsetxattr.
func OracleFsetxattr(s *SQE, fd int32, name, value uint64, flags int32, n uint32) {
	C.oracle_fsetxattr(s.c(), C.int(fd), C.uint64_t(name), C.uint64_t(value), C.int(flags), C.uint(n))
}
