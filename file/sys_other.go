//go:build !linux

package file

import (
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/uring-go/uring"
)

// Elsewhere than on Linux package os does the work, under the limit of threads.

const (
	directFlag = 0
	syncFlags  = 0
	atPosition = -1
)

func inspect(f *os.File) (fd int, k kind, flags int, err error) {
	st, err := f.Stat()
	switch {
	case err != nil:
		return 0, 0, 0, err
	case st.IsDir():
		k = directory
	case !st.Mode().IsRegular():
		k = stream
	}
	return -1, k, 0, nil
}

func (f *File) pread(p []byte, off int64) (n int, err error) {
	if off == atPosition {
		n, err = f.os.Read(p)
	} else {
		n, err = f.os.ReadAt(p, off)
	}
	if err == io.EOF {
		err = nil // 0 bytes say it
	}
	return n, bare(err)
}

func (f *File) pwrite(p []byte, off int64) (n int, err error) {
	if off == atPosition {
		n, err = f.os.Write(p)
	} else {
		n, err = f.os.WriteAt(p, off)
	}
	return n, bare(err)
}

func (f *File) fsync(bool) error                     { return bare(f.os.Sync()) }
func (f *File) fallocate(uint32, int64, int64) error { return syscall.ENOSYS }
func (f *File) fadvise(int64, int64, int) error      { return syscall.ENOSYS }

func statPath(name string, link bool) (fs.FileInfo, error) {
	if link {
		i, err := os.Lstat(name)
		return i, bare(err)
	}
	i, err := os.Stat(name)
	return i, bare(err)
}

func infoOf(string, *uring.Statx) fs.FileInfo { return nil }

// SameFile reports whether two results of Stat describe the same file.
func SameFile(a, b fs.FileInfo) bool { return os.SameFile(a, b) }

func onDisk(int) bool { return false }
