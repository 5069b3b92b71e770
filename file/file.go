package file

import (
	"context"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
)

// A File is an open file. Its methods may be called from any goroutine; they
// are those of [os.File], and do the same, except where their comments say
// otherwise. Errors are of type [*fs.PathError].
type File struct {
	engine *Engine
	home   *core.Core // the ring that it uses first; nil without io_uring
	number int        // of home among the engine's rings
	os     *os.File
	fd     int
	kind   kind
	flags  int
	direct *alignment // with O_DIRECT

	nowait atomic.Int32 // what nowait reads can do: unknown, can or cannot
	writes atomic.Int32 // the same for writes
	score  atomic.Int32 // not negative when reads find their data in the page cache
	disk   atomic.Int32 // can if the file system is one of a disk's, see short

	_    [64]byte // what follows is written for each request
	uses uses
	_    [64]byte

	pos   sync.Mutex // held by who uses the file's own position
	syncs merger
}

// kind says what a file is, as far as that matters.
type kind uint8

const (
	regular   kind = iota // or a block device: has positions, cannot be polled
	directory             // only listed and synced
	stream                // a pipe, terminal, socket: os.File waits without a thread
)

// Wrap makes a File of an open file, which belongs to it from then on: f is
// closed with it. What f is used for otherwise goes on to work.
func (e *Engine) Wrap(f *os.File) (*File, error) {
	fd, k, flags, err := inspect(f)
	if err != nil {
		return nil, err
	}
	return e.newFile(f, fd, k, flags), nil
}

func (e *Engine) newFile(f *os.File, fd int, k kind, flags int) *File {
	home, number := e.pick()
	file := &File{engine: e, home: home, number: number, os: f, fd: fd, kind: k, flags: flags}
	if e.ringOnly {
		file.nowait.Store(can)
		file.writes.Store(cannot)
		file.score.Store(-1 << 30)
	}
	if k == regular && flags&directFlag != 0 && directFlag != 0 {
		file.direct = file.askAlignment()
	}
	return file
}

// Name returns the name with which the file was opened.
func (f *File) Name() string { return f.os.Name() }

// Fd returns the file's descriptor, which is valid until Close.
func (f *File) Fd() uintptr { return f.os.Fd() }

// SyscallConn returns the raw file. See [os.File.SyscallConn].
func (f *File) SyscallConn() (syscall.RawConn, error) { return f.os.SyscallConn() }

// Close closes the file when the requests on it are over, and waits for that.
// Later requests get [fs.ErrClosed].
func (f *File) Close() error {
	if f == nil {
		return os.ErrInvalid
	}
	if !f.uses.close() {
		return f.fail("close", fs.ErrClosed)
	}
	return f.os.Close()
}

// begin notes that a request uses the file, until end.
func (f *File) begin() error {
	if f == nil {
		return os.ErrInvalid
	}
	if !f.uses.begin() {
		return fs.ErrClosed
	}
	if f.engine.closed.Load() {
		f.uses.end()
		return fs.ErrClosed
	}
	return nil
}

// fail returns the error of a request on the file.
func (f *File) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	name := ""
	if f != nil {
		name = f.Name()
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// request returns a request on the file.
func (f *File) request(class core.Class, prep func(uring.SQE, *core.Request) error) *core.Request {
	r := core.Get()
	r.Class, r.Prep, r.FD = class, prep, uring.FD(f.fd)
	r.Short = class == core.Disk && f.short()
	return r
}

// short reports whether the kernel itself answers requests on the file, so that
// calls for what need not wait are short. Other file systems may ask a server,
// which could even be this process.
func (f *File) short() bool {
	is := f.disk.Load()
	if is == unknown {
		is = cannot
		if onDisk(f.fd) {
			is = can
		}
		f.disk.Store(is)
	}
	return is == can
}

// gated makes a call on the file that may block a thread.
func (f *File) gated(op string, call func() error) error {
	err := f.begin()
	if err == nil {
		defer f.uses.end()
		if k := f.engine.quick(f.engine.paths); k != nil {
			defer k.give()
			err = call()
		} else {
			_, err = f.engine.blocking(context.Background(), func() (int, error) { return 0, call() })
		}
	}
	if pe, ok := err.(*fs.PathError); ok {
		return pe
	}
	return f.fail(op, err)
}

// Stat returns what the file system knows about the file.
func (f *File) Stat() (info fs.FileInfo, err error) {
	err = f.gated("stat", func() (err error) {
		info, err = f.os.Stat()
		return err
	})
	return info, err
}

// ReadDir lists a directory. See [os.File.ReadDir].
func (f *File) ReadDir(n int) (list []fs.DirEntry, err error) {
	var end error
	err = f.gated("readdir", func() error {
		list, end = f.os.ReadDir(n)
		return nil
	})
	if err == nil {
		err = end // io.EOF too
	}
	return list, err
}

// Readdirnames lists the names in a directory. See [os.File.Readdirnames].
func (f *File) Readdirnames(n int) (names []string, err error) {
	var end error
	err = f.gated("readdir", func() error {
		names, end = f.os.Readdirnames(n)
		return nil
	})
	if err == nil {
		err = end
	}
	return names, err
}

// Chmod changes the file's mode. See [os.File.Chmod].
func (f *File) Chmod(mode fs.FileMode) error {
	return f.gated("chmod", func() error { return f.os.Chmod(mode) })
}

// Chown changes the file's owner. See [os.File.Chown].
func (f *File) Chown(uid, gid int) error {
	return f.gated("chown", func() error { return f.os.Chown(uid, gid) })
}

// Seek sets the file's position. See [os.File.Seek].
func (f *File) Seek(offset int64, whence int) (int64, error) {
	if err := f.begin(); err != nil {
		return 0, f.fail("seek", err)
	}
	defer f.uses.end()
	f.pos.Lock()
	defer f.pos.Unlock()
	return f.os.Seek(offset, whence)
}

// uses counts the requests on a file, and lets close wait for them.
type uses struct {
	n      atomic.Int64 // and usesClosed, once it is closed
	closed atomic.Bool
	over   sync.Once
	idle   chan struct{} // written before usesClosed is added, read after
}

const usesClosed = 1 << 40

func (u *uses) begin() bool {
	if u.n.Add(1) < usesClosed {
		return true
	}
	u.end()
	return false
}

func (u *uses) end() {
	if u.n.Add(-1) == usesClosed {
		u.over.Do(func() { close(u.idle) })
	}
}

// close waits until nothing uses the file. It returns false if it was closed
// before.
func (u *uses) close() bool {
	if !u.closed.CompareAndSwap(false, true) {
		return false
	}
	u.idle = make(chan struct{})
	if u.n.Add(usesClosed) > usesClosed {
		<-u.idle
	}
	return true
}
