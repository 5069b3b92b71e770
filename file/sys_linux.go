package file

import (
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

const (
	directFlag = syscall.O_DIRECT
	syncFlags  = syscall.O_DSYNC // O_SYNC has this bit too
)

// onDisk reports whether a file's system is one of those for disks.
func onDisk(fd int) bool {
	var st syscall.Statfs_t
	if retry(func() error { return syscall.Fstatfs(fd, &st) }) != nil {
		return false
	}
	switch uint32(st.Type) {
	case 0xef53, 0x58465342, 0x9123683e, 0xf2f52010: // ext, XFS, Btrfs, F2FS: see statfs(2)
		return true
	}
	return false
}

// retry makes a system call again while a signal interrupts it.
func retry(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}

// unixMode returns what the kernel calls a mode.
func unixMode(perm fs.FileMode) (mode uint32) {
	mode = uint32(perm.Perm())
	for _, bit := range []struct {
		is  fs.FileMode
		set uint32
	}{{fs.ModeSetuid, syscall.S_ISUID}, {fs.ModeSetgid, syscall.S_ISGID}, {fs.ModeSticky, syscall.S_ISVTX}} {
		if perm&bit.is != 0 {
			mode |= bit.set
		}
	}
	return mode
}

// fullFlags adds to flags what every open has.
func fullFlags(flag int) int { return flag | syscall.O_CLOEXEC | syscall.O_LARGEFILE }

func openFD(name string, flag int, perm fs.FileMode) (fd int, err error) {
	err = retry(func() error {
		fd, err = syscall.Open(name, fullFlags(flag), unixMode(perm))
		return err
	})
	return fd, err
}

// adopt makes an os.File of a descriptor.
func adopt(fd int, name string, flag int) (*os.File, kind, error) {
	k, err := kindOf(fd)
	if err != nil {
		_ = syscall.Close(fd)
		return nil, 0, err
	}
	if k == stream {
		_ = syscall.SetNonblock(fd, true) // os.NewFile then uses the poller
	}
	return os.NewFile(uintptr(fd), name), k, nil
}

func kindOf(fd int) (kind, error) {
	var st syscall.Stat_t
	if err := retry(func() error { return syscall.Fstat(fd, &st) }); err != nil {
		return 0, err
	}
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFREG, syscall.S_IFBLK:
		return regular, nil
	case syscall.S_IFDIR:
		return directory, nil
	}
	return stream, nil
}

// inspect finds out about a file that is open.
func inspect(f *os.File) (fd int, k kind, flags int, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return 0, 0, 0, err
	}
	outer := conn.Control(func(ufd uintptr) {
		fd = int(ufd)
		if k, err = kindOf(fd); err != nil {
			return
		}
		r, _, errno := syscall.Syscall(syscall.SYS_FCNTL, ufd, syscall.F_GETFL, 0)
		if flags = int(r); errno != 0 {
			err = errno
		}
	})
	if err == nil {
		err = outer
	}
	if err != nil {
		return 0, 0, 0, &fs.PathError{Op: "wrap", Path: f.Name(), Err: err}
	}
	return fd, k, flags, nil
}

// atPosition, as an offset, means the file's own position.
const atPosition = -1

func (f *File) pread(p []byte, off int64) (n int, err error) {
	err = retry(func() error {
		if off == atPosition {
			n, err = syscall.Read(f.fd, p)
		} else {
			n, err = syscall.Pread(f.fd, p, off)
		}
		return err
	})
	return max(n, 0), err
}

func (f *File) pwrite(p []byte, off int64) (n int, err error) {
	err = retry(func() error {
		if off == atPosition {
			n, err = syscall.Write(f.fd, p)
		} else {
			n, err = syscall.Pwrite(f.fd, p, off)
		}
		return err
	})
	return max(n, 0), err
}

func (f *File) fsync(data bool) error {
	return retry(func() error {
		if data {
			return syscall.Fdatasync(f.fd)
		}
		return syscall.Fsync(f.fd)
	})
}

func (f *File) fallocate(mode uint32, off, n int64) error {
	return retry(func() error { return syscall.Fallocate(f.fd, mode, off, n) })
}

func (f *File) fadvise(off, n int64, advice int) error {
	return retry(func() error { return fadvise(f.fd, off, n, advice) })
}

// statPath returns what the file system knows about a file.
func statPath(name string, link bool) (fs.FileInfo, error) {
	i := &info{name: name}
	err := retry(func() error {
		if link {
			return syscall.Lstat(name, &i.stat)
		}
		return syscall.Stat(name, &i.stat)
	})
	if err != nil {
		return nil, err
	}
	return i, nil
}

// An info is a fs.FileInfo, with a *syscall.Stat_t as Sys.
type info struct {
	name string // the path
	stat syscall.Stat_t
}

func (i *info) Name() string       { return baseName(i.name) }
func (i *info) Size() int64        { return i.stat.Size }
func (i *info) ModTime() time.Time { return time.Unix(int64(i.stat.Mtim.Sec), int64(i.stat.Mtim.Nsec)) }
func (i *info) IsDir() bool        { return i.Mode().IsDir() }
func (i *info) Sys() any           { return &i.stat }

func (i *info) Mode() fs.FileMode {
	mode := fs.FileMode(i.stat.Mode & 0o777)
	switch i.stat.Mode & syscall.S_IFMT {
	case syscall.S_IFBLK:
		mode |= fs.ModeDevice
	case syscall.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case syscall.S_IFDIR:
		mode |= fs.ModeDir
	case syscall.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case syscall.S_IFLNK:
		mode |= fs.ModeSymlink
	case syscall.S_IFSOCK:
		mode |= fs.ModeSocket
	}
	if i.stat.Mode&syscall.S_ISGID != 0 {
		mode |= fs.ModeSetgid
	}
	if i.stat.Mode&syscall.S_ISUID != 0 {
		mode |= fs.ModeSetuid
	}
	if i.stat.Mode&syscall.S_ISVTX != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}

// infoOf returns the answer of a ring as the plain call would.
func infoOf(name string, x *uring.Statx) fs.FileInfo {
	i := &info{name: name}
	s := &i.stat
	s.Dev = device(x.DevMajor, x.DevMinor)
	s.Rdev = device(x.RdevMajor, x.RdevMinor)
	s.Ino, s.Mode, s.Uid, s.Gid = x.Ino, uint32(x.Mode), x.UID, x.GID
	setNumber(&s.Nlink, x.Nlink)
	setNumber(&s.Blksize, x.Blksize)
	s.Size, s.Blocks = int64(x.Size), int64(x.Blocks)
	s.Atim = syscall.NsecToTimespec(x.Atime.Time().UnixNano())
	s.Mtim = syscall.NsecToTimespec(x.Mtime.Time().UnixNano())
	s.Ctim = syscall.NsecToTimespec(x.Ctime.Time().UnixNano())
	return i
}

// setNumber sets a field whose type differs between processors.
func setNumber[T int32 | int64 | uint32 | uint64](field *T, value uint32) { *field = T(value) }

// device returns a device number as stat(2) has it.
func device(major, minor uint32) uint64 {
	ma, mi := uint64(major), uint64(minor)
	return (ma&0xfff)<<8 | (ma&^0xfff)<<32 | mi&0xff | (mi&^0xff)<<12
}

// SameFile reports whether two results of Stat, of this package or of os,
// describe the same file.
func SameFile(a, b fs.FileInfo) bool {
	x, ok := a.Sys().(*syscall.Stat_t)
	y, ok2 := b.Sys().(*syscall.Stat_t)
	return ok && ok2 && x.Dev == y.Dev && x.Ino == y.Ino
}
