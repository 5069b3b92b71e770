package uring

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

// AtFDCWD, as the directory of a path, is the process's working directory.
// Paths that do not start with / are relative to a directory: AtFDCWD, or an
// ordinary descriptor. The kernel accepts no direct descriptor there. Prep
// methods copy paths, and refuse those with a zero byte.
const AtFDCWD = cgo.AtFDCWD

// Flags of the requests that take a path.
const (
	AtEmptyPath       = cgo.AtEmptyPath       // an empty path is dir itself
	AtSymlinkNofollow = cgo.AtSymlinkNofollow // do not follow a symbolic link
	AtSymlinkFollow   = cgo.AtSymlinkFollow   // PrepLinkat: follow a symbolic link
	AtRemovedir       = cgo.AtRemovedir       // PrepUnlinkat: remove a directory
)

// PrepOpenat opens a file; the result is its descriptor. flags and mode are
// those of openat(2). Give O_CLOEXEC, unless a child is to inherit the
// descriptor. See io_uring_prep_openat(3) and io_uring_prep_open(3).
func (s SQE) PrepOpenat(dir int, path string, flags int, mode uint32) error {
	return s.prepOpenat(cgo.OpOpenat, dir, path, flags, mode, 0)
}

func (s SQE) prepOpenat(op uint8, dir int, path string, flags int, mode, fileIndex uint32) error {
	addr, err := s.keepPath(path)
	if err != nil {
		return err
	}
	s.prepAt(op, dir, addr, mode, 0)
	s.OpFlags = uint32(flags)
	s.FileIndex = fileIndex
	return s.allowed()
}

// PrepOpenatDirect opens a file in slot d of the table of direct descriptors.
// With [DirectAlloc] the result is the slot. The kernel refuses O_CLOEXEC,
// which means nothing there. Linux 5.15. See io_uring_prep_openat_direct(3) and
// io_uring_prep_open_direct(3).
func (s SQE) PrepOpenatDirect(dir int, path string, flags int, mode uint32, d Direct) error {
	return s.prepOpenat(cgo.OpOpenat, dir, path, flags, mode, d.fileIndex())
}

// OpenHow says how openat2(2) opens a file. Unlike openat(2) it fails with
// EINVAL on flags that it does not know.
type OpenHow struct {
	Flags   uint64
	Mode    uint64 // only with O_CREAT or O_TMPFILE
	Resolve uint64 // RESOLVE_ flags
}

const sizeofOpenHow = 24

// PrepOpenat2 is [SQE.PrepOpenat] with more control over how the path is
// followed. See io_uring_prep_openat2(3).
func (s SQE) PrepOpenat2(dir int, path string, how OpenHow) error {
	return s.prepOpenat2(cgo.OpOpenat2, dir, path, how, 0)
}

func (s SQE) prepOpenat2(op uint8, dir int, path string, how OpenHow, fileIndex uint32) error {
	addr, err := s.keepPath(path)
	if err != nil {
		return err
	}
	m := s.slotMemory()
	binary.NativeEndian.PutUint64(m[0:], how.Flags)
	binary.NativeEndian.PutUint64(m[8:], how.Mode)
	binary.NativeEndian.PutUint64(m[16:], how.Resolve)
	s.prepAt(op, dir, addr, sizeofOpenHow, arena.Addr(m))
	s.FileIndex = fileIndex
	return s.allowed()
}

// PrepOpenat2Direct is [SQE.PrepOpenat2] into slot d of the table of direct
// descriptors. Linux 5.15. See io_uring_prep_openat2_direct(3).
func (s SQE) PrepOpenat2Direct(dir int, path string, how OpenHow, d Direct) error {
	return s.prepOpenat2(cgo.OpOpenat2, dir, path, how, d.fileIndex())
}

// A StatxMask says which parts of a [Statx] are wanted, or filled in.
type StatxMask uint32

// The parts of a [Statx].
const (
	StatxBasicStats StatxMask = cgo.StatxBasicStats // all that stat(2) has
	StatxBtime      StatxMask = cgo.StatxBtime      // when the file was made
	StatxMntID      StatxMask = cgo.StatxMntID      // Linux 5.8
	StatxDIOAlign   StatxMask = cgo.StatxDIOAlign   // Linux 6.1
)

// A Statx has the kernel's data about a file: a struct statx. Mask, of
// [StatxMask] flags, says which fields are filled in:
//
//	Mask           uint32
//	Blksize        uint32
//	Attributes     uint64
//	Nlink          uint32
//	UID            uint32
//	GID            uint32
//	Mode           uint16
//	Ino            uint64
//	Size           uint64
//	Blocks         uint64 // of 512 bytes
//	AttributesMask uint64
//	Atime          StatxTimestamp
//	Btime          StatxTimestamp // when the file was made
//	Ctime          StatxTimestamp
//	Mtime          StatxTimestamp
//	RdevMajor      uint32
//	RdevMinor      uint32
//	DevMajor       uint32
//	DevMinor       uint32
//	MntID          uint64
//	DIOMemAlign    uint32
//	DIOOffsetAlign uint32
type Statx = cgo.Statx

// A StatxTimestamp is a time in a [Statx]: Sec, an int64, and Nsec, a uint32. Its
// method Time returns a [time.Time].
type StatxTimestamp = cgo.StatxTimestamp

// PrepStatx asks for the parts of a file's data that want names, and puts them
// into st, whose Mask says what came. st must stay reachable until the
// completion. With [AtEmptyPath] and an empty path the file is dir itself. See
// io_uring_prep_statx(3).
func (s SQE) PrepStatx(dir int, path string, flags int, want StatxMask, st *Statx) error {
	addr, err := s.keepPath(path)
	if err != nil {
		return err
	}
	s.prepAt(cgo.OpStatx, dir, addr, uint32(want), addressOf(s, st))
	s.OpFlags = uint32(flags)
	return nil
}

// PrepUnlinkat removes a file, or with [AtRemovedir] an empty directory.
// Linux 5.11. See io_uring_prep_unlinkat(3) and io_uring_prep_unlink(3).
func (s SQE) PrepUnlinkat(dir int, path string, flags int) error {
	addr, err := s.keepPath(path)
	if err != nil {
		return err
	}
	s.prepAt(cgo.OpUnlinkat, dir, addr, 0, 0)
	s.OpFlags = uint32(flags)
	return nil
}

// PrepMkdirat makes a directory. Linux 5.15. See io_uring_prep_mkdirat(3) and
// io_uring_prep_mkdir(3).
func (s SQE) PrepMkdirat(dir int, path string, mode uint32) error {
	addr, err := s.keepPath(path)
	if err != nil {
		return err
	}
	s.prepAt(cgo.OpMkdirat, dir, addr, mode, 0)
	return nil
}

// PrepRenameat renames a file. flags are those of renameat2(2). Linux 5.11. See
// io_uring_prep_renameat(3) and io_uring_prep_rename(3).
func (s SQE) PrepRenameat(oldDir int, oldPath string, newDir int, newPath string, flags int) error {
	return s.prepTwoPaths(cgo.OpRenameat, oldDir, oldPath, newDir, newPath, flags)
}

// PrepLinkat makes newPath another name of the file oldPath. Linux 5.15. See
// io_uring_prep_linkat(3) and io_uring_prep_link(3).
func (s SQE) PrepLinkat(oldDir int, oldPath string, newDir int, newPath string, flags int) error {
	return s.prepTwoPaths(cgo.OpLinkat, oldDir, oldPath, newDir, newPath, flags)
}

// PrepSymlinkat makes path a symbolic link to target. Linux 5.15. See
// io_uring_prep_symlinkat(3) and io_uring_prep_symlink(3).
func (s SQE) PrepSymlinkat(target string, dir int, path string) error {
	from, to, err := s.keepPaths(target, path)
	if err != nil {
		return err
	}
	s.prepAt(cgo.OpSymlinkat, dir, from, 0, to)
	return nil
}

func (s SQE) prepTwoPaths(op uint8, oldDir int, oldPath string, newDir int, newPath string, flags int) error {
	from, to, err := s.keepPaths(oldPath, newPath)
	if err != nil {
		return err
	}
	s.prepAt(op, oldDir, from, uint32(newDir), to)
	s.OpFlags = uint32(flags)
	return nil
}

// prepAt is prep for a request whose descriptor is a directory.
func (s SQE) prepAt(op uint8, dir int, addr uint64, n uint32, off uint64) {
	s.prep(op, 0, addr, n, off)
	s.SQE.FD = int32(dir)
}

// PrepSetxattr gives the file path an extended attribute. value must stay
// reachable, and unchanged, until the completion. flags are those of
// setxattr(2). Linux 5.19. See io_uring_prep_setxattr(3).
func (s SQE) PrepSetxattr(path, name string, value []byte, flags int) error {
	pathAddr, err := s.prepXattr(cgo.OpSetxattr, 0, name, path, value, flags)
	if err != nil {
		return err
	}
	s.Addr3 = pathAddr
	return nil
}

// PrepGetxattr reads an extended attribute of the file path into value; the
// result is its length. If value is empty, the result is the length that is
// needed; if value is too short, the request fails with ERANGE. value must stay
// reachable until the completion. Linux 5.19. See io_uring_prep_getxattr(3).
func (s SQE) PrepGetxattr(path, name string, value []byte) error {
	pathAddr, err := s.prepXattr(cgo.OpGetxattr, 0, name, path, value, 0)
	if err != nil {
		return err
	}
	s.Addr3 = pathAddr
	return nil
}

// PrepFsetxattr is [SQE.PrepSetxattr] for an open file, which may be a direct
// descriptor on Linux 6.13 and later. See
// io_uring_prep_fsetxattr(3).
func (s SQE) PrepFsetxattr(fd FD, name string, value []byte, flags int) error {
	_, err := s.prepXattr(cgo.OpFsetxattr, fd, name, "", value, flags)
	return err
}

// PrepFgetxattr is [SQE.PrepGetxattr] for an open file, which may be a direct
// descriptor on Linux 6.13 and later. See
// io_uring_prep_fgetxattr(3).
func (s SQE) PrepFgetxattr(fd FD, name string, value []byte) error {
	_, err := s.prepXattr(cgo.OpFgetxattr, fd, name, "", value, 0)
	return err
}

func (s SQE) prepXattr(op uint8, fd FD, name, path string, value []byte, flags int) (pathAddr uint64, err error) {
	if int64(len(value)) > math.MaxUint32 {
		return 0, s.refuse(fmt.Errorf("uring: extended attribute of %d bytes", len(value)))
	}
	nameAddr, pathAddr, err := s.keepPaths(name, path)
	if err != nil {
		return 0, err
	}
	s.prep(op, fd, nameAddr, uint32(len(value)), s.address(value))
	s.OpFlags = uint32(flags)
	return pathAddr, nil
}
