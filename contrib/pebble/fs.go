// Package pebblefs lets a Pebble database read and write through package file:
// gets of thousands of goroutines that miss the caches take few threads, and
// commits share syncs.
//
//	db, err := pebble.Open(dir, &pebble.Options{FS: pebblefs.New(file.Default())})
package pebblefs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/uring-go/uring/file"
)

// FS is a [vfs.FS] whose files are those of an engine. What an engine does not
// do, such as locks, is left to [vfs.Default].
type FS struct {
	vfs.FS
	engine *file.Engine
}

var _ vfs.FS = (*FS)(nil)

// New returns the file system of an engine, which must be open for as long as a
// database uses it.
func New(e *file.Engine) *FS { return &FS{vfs.Default, e} }

// Unwrap returns nil: the files are no others' in disguise.
func (s *FS) Unwrap() vfs.FS { return nil }

// Create makes a file, in the place of one that is there.
func (s *FS) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	for {
		f, err := s.engine.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return s.opened(f, err)
		}
		// A new file: the old one may have other names.
		if err := s.engine.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// Open opens a file for reading.
func (s *FS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	return s.open(name, os.O_RDONLY, opts)
}

// OpenReadWrite opens a file, which it makes if there is none.
func (s *FS) OpenReadWrite(name string, _ vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return s.open(name, os.O_RDWR|os.O_CREATE, opts)
}

func (s *FS) open(name string, flag int, opts []vfs.OpenOption) (vfs.File, error) {
	f, err := s.opened(s.engine.OpenFile(name, flag, 0o666))
	if err != nil {
		return nil, err
	}
	for _, o := range opts {
		o.Apply(f)
	}
	return f, nil
}

// OpenDir opens a directory to sync it.
func (s *FS) OpenDir(name string) (vfs.File, error) {
	f, err := s.engine.Open(name)
	if err != nil {
		return nil, err
	}
	return directory{openFile{f}}, nil
}

// ReuseForWrite renames a file and opens it.
func (s *FS) ReuseForWrite(oldname, newname string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	if err := s.engine.Rename(oldname, newname); err != nil {
		return nil, err
	}
	return s.open(newname, os.O_RDWR|os.O_CREATE, nil)
}

// Remove removes a file or an empty directory.
func (s *FS) Remove(name string) error { return s.engine.Remove(name) }

// Rename renames a file.
func (s *FS) Rename(oldname, newname string) error { return s.engine.Rename(oldname, newname) }

// MkdirAll makes a directory and those above it.
func (s *FS) MkdirAll(dir string, perm os.FileMode) error { return s.engine.MkdirAll(dir, perm) }

func (s *FS) opened(f *file.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return openFile{f}, nil
}

// An openFile is a file of the engine as Pebble wants it: most methods are
// those of file.File.
type openFile struct{ *file.File }

// Preallocate makes room, where the file system can.
func (f openFile) Preallocate(off, n int64) error { return f.Allocate(file.KeepSize, off, n) }

// SyncData writes the data, and what is needed to find it, to the disk.
func (f openFile) SyncData() error { return f.Datasync() }

// SyncTo starts to write the first n bytes to the disk. Where that does not
// work it syncs them.
func (f openFile) SyncTo(n int64) (fullSync bool, err error) {
	if err := startWriting(f.File, n); err != nil {
		return true, f.Datasync()
	}
	return false, nil
}

// Prefetch starts to read n bytes at off into the page cache.
func (f openFile) Prefetch(off, n int64) error { return f.Advise(file.WillNeed, off, n) }

// Stat returns what the file system knows about the file.
func (f openFile) Stat() (vfs.FileInfo, error) {
	// Only Pebble can make its device numbers. The name in /proc is that of this
	// very file, whatever has become of its path.
	i, err := vfs.Default.Stat(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return nil, err
	}
	return named{i, vfs.Default.PathBase(f.Name())}, nil
}

// named is a FileInfo with the right name.
type named struct {
	vfs.FileInfo
	name string
}

func (n named) Name() string { return n.name }

// A directory is only synced.
type directory struct{ openFile }

func (d directory) Preallocate(int64, int64) error { return nil }
func (d directory) Prefetch(int64, int64) error    { return nil }
func (d directory) SyncData() error                { return d.Sync() }
func (d directory) SyncTo(int64) (bool, error)     { return false, nil }

// startWriting calls sync_file_range(2): it waits for what is being written,
// and starts to write the rest.
func startWriting(f *file.File, n int64) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	const waitBefore, write = 1, 2
	var failed error
	err = conn.Control(func(fd uintptr) {
		failed = syscall.SyncFileRange(int(fd), 0, n, waitBefore|write)
	})
	return errors.Join(err, failed)
}

var _ io.WriterAt = openFile{}
