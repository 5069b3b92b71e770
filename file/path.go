package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
)

// Open opens a file for reading. See [os.Open].
func (e *Engine) Open(name string) (*File, error) {
	return e.OpenFileContext(context.Background(), name, os.O_RDONLY, 0)
}

// Create makes a file, or empties the one that is there, and opens it for
// reading and writing. See [os.Create].
func (e *Engine) Create(name string) (*File, error) {
	return e.OpenFileContext(context.Background(), name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// OpenFile opens a file. See [os.OpenFile]. flag may have syscall.O_DIRECT:
// reads then work with any offset, length and buffer, at the cost of a copy for
// those that do not suit the device; writes need offsets and lengths that do.
func (e *Engine) OpenFile(name string, flag int, perm fs.FileMode) (*File, error) {
	return e.OpenFileContext(context.Background(), name, flag, perm)
}

// request returns a request on a path.
func request(prep func(uring.SQE, *core.Request) error, name string) *core.Request {
	r := core.Get()
	r.Class, r.Prep, r.Path = core.Worker, prep, name
	return r
}

// checkPath refuses what cannot be a path.
func checkPath(names ...string) error {
	for _, name := range names {
		if strings.IndexByte(name, 0) >= 0 {
			return syscall.EINVAL
		}
	}
	return nil
}

// Stat returns what the file system knows about a file. Its Sys is a
// *syscall.Stat_t; for [os.SameFile] there is [SameFile]. See [os.Stat].
func (e *Engine) Stat(name string) (fs.FileInfo, error) {
	return e.stat(context.Background(), name, false)
}

// StatContext is Stat until ctx ends.
func (e *Engine) StatContext(ctx context.Context, name string) (fs.FileInfo, error) {
	return e.stat(ctx, name, false)
}

// Lstat is Stat of a symbolic link itself. See [os.Lstat].
func (e *Engine) Lstat(name string) (fs.FileInfo, error) {
	return e.stat(context.Background(), name, true)
}

func (e *Engine) stat(ctx context.Context, name string, link bool) (fs.FileInfo, error) {
	op := "stat"
	if link {
		op = "lstat"
	}
	i, err := e.statInfo(ctx, name, link)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return i, nil
}

func (e *Engine) statInfo(ctx context.Context, name string, link bool) (i fs.FileInfo, err error) {
	if k := e.quick(e.paths); k != nil {
		defer k.give()
		return statPath(name, link)
	}
	if err := checkPath(name); err != nil {
		return nil, err
	}
	r := request(prepStat, name)
	if link {
		r.Flags = uring.AtSymlinkNofollow
	}
	x := statxes.Get().(*uring.Statx)
	defer statxes.Put(x)
	r.Statx = x
	_, err = e.carry(ctx, nil, r, nil, func() (_ int, err error) {
		i, err = statPath(name, link)
		return 0, err
	})
	if err == nil && i == nil {
		i = infoOf(name, x)
	}
	return i, err
}

var statxes = sync.Pool{New: func() any { return new(uring.Statx) }}

func prepStat(s uring.SQE, r *core.Request) error {
	return s.PrepStatx(uring.AtFDCWD, r.Path, int(r.Flags), uring.StatxBasicStats, r.Statx)
}

// Remove removes a file or an empty directory. See [os.Remove].
func (e *Engine) Remove(name string) error {
	ctx := context.Background()
	err := checkPath(name)
	if err == nil {
		// One of the two succeeds, or the better error counts, as in os.
		err = e.unlink(ctx, name, 0)
		if err == nil {
			return nil
		}
		dirErr := e.unlink(ctx, name, uring.AtRemovedir)
		if dirErr == nil {
			return nil
		}
		if dirErr != syscall.ENOTDIR {
			err = dirErr
		}
	}
	return &fs.PathError{Op: "remove", Path: name, Err: err}
}

func (e *Engine) unlink(ctx context.Context, name string, flags int) error {
	r := request(prepUnlink, name)
	r.Flags = uint32(flags)
	_, err := e.carry(ctx, nil, r, e.paths, func() (int, error) {
		if flags != 0 {
			return 0, retry(func() error { return syscall.Rmdir(name) })
		}
		return 0, retry(func() error { return syscall.Unlink(name) })
	})
	return err
}

func prepUnlink(s uring.SQE, r *core.Request) error {
	return s.PrepUnlinkat(uring.AtFDCWD, r.Path, int(r.Flags))
}

// Rename gives a file another name. See [os.Rename].
func (e *Engine) Rename(oldpath, newpath string) error {
	err := checkPath(oldpath, newpath)
	if err == nil {
		err = e.mayReplace(oldpath, newpath)
	}
	if err == nil {
		r := request(prepRename, oldpath)
		r.NewPath = newpath
		_, err = e.carry(context.Background(), nil, r, e.paths, func() (int, error) {
			return 0, retry(func() error { return syscall.Rename(oldpath, newpath) })
		})
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: oldpath, New: newpath, Err: err}
	}
	return nil
}

// mayReplace refuses to replace a directory, as package os does before it asks
// the kernel, which would replace an empty one.
func (e *Engine) mayReplace(oldpath, newpath string) error {
	i, err := e.Lstat(newpath)
	if err != nil || !i.IsDir() {
		return nil
	}
	j, err := e.Lstat(oldpath)
	switch {
	case err != nil:
		return bare(err)
	case oldpath == newpath || !SameFile(i, j):
		return syscall.EEXIST
	}
	return nil // the letters of its name change, where these do not matter
}

func prepRename(s uring.SQE, r *core.Request) error {
	return s.PrepRenameat(uring.AtFDCWD, r.Path, uring.AtFDCWD, r.NewPath, 0)
}

// Mkdir makes a directory. See [os.Mkdir].
func (e *Engine) Mkdir(name string, perm fs.FileMode) error {
	err := checkPath(name)
	if err == nil {
		r := request(prepMkdir, name)
		r.Mode = unixMode(perm)
		_, err = e.carry(context.Background(), nil, r, e.paths, func() (int, error) {
			return 0, retry(func() error { return syscall.Mkdir(name, unixMode(perm)) })
		})
	}
	if err != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: err}
	}
	return nil
}

func prepMkdir(s uring.SQE, r *core.Request) error {
	return s.PrepMkdirat(uring.AtFDCWD, r.Path, r.Mode)
}

// MkdirAll makes a directory and those above it that are missing. See
// [os.MkdirAll].
func (e *Engine) MkdirAll(name string, perm fs.FileMode) error {
	err := e.Mkdir(name, perm)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		parent := filepath.Dir(strings.TrimRight(name, "/"))
		if parent == name || parent == "." || name == "" {
			return err
		}
		if err := e.MkdirAll(parent, perm); err != nil {
			return err
		}
		if err = e.Mkdir(name, perm); err == nil {
			return nil
		}
	}
	i, serr := e.Stat(name)
	switch {
	case serr != nil:
		return err
	case !i.IsDir():
		return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
	}
	return nil
}

// ReadFile returns what is in a file. See [os.ReadFile].
func (e *Engine) ReadFile(name string) ([]byte, error) {
	return e.ReadFileContext(context.Background(), name)
}

// ReadFileContext is ReadFile until ctx ends.
func (e *Engine) ReadFileContext(ctx context.Context, name string) ([]byte, error) {
	f, err := e.OpenFileContext(ctx, name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.kind == directory {
		return nil, f.fail("read", syscall.EISDIR)
	}
	size := f.sizeHint()
	data := make([]byte, 0, size)
	for {
		n, err := f.readNext(ctx, data[len(data):cap(data)], int64(len(data)))
		data = data[:len(data)+n]
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return data, f.fail("read", bare(err))
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
}

// sizeHint returns how much room reading all of the file takes, with a byte
// more to find its end. Files in /proc have the size 0.
func (f *File) sizeHint() int {
	i, err := f.os.Stat()
	if err != nil || i.Size() > 1<<40 {
		return 512
	}
	return int(max(i.Size()+1, 512))
}

// readNext reads once, from an offset where the file has such.
func (f *File) readNext(ctx context.Context, p []byte, off int64) (int, error) {
	if f.kind == stream {
		return f.os.Read(p)
	}
	if err := f.begin(); err != nil {
		return 0, err
	}
	defer f.uses.end()
	n, err := f.read(ctx, p, off)
	if err == nil && n == 0 {
		err = io.EOF
	}
	return n, err
}

// WriteFile makes a file, or empties the one that is there, and writes data to
// it. See [os.WriteFile].
func (e *Engine) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return e.WriteFileContext(context.Background(), name, data, perm)
}

// WriteFileContext is WriteFile until ctx ends.
func (e *Engine) WriteFileContext(ctx context.Context, name string, data []byte, perm fs.FileMode) error {
	f, err := e.OpenFileContext(ctx, name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	if f.kind == stream {
		_, err = f.os.Write(data)
	} else if len(data) > 0 {
		_, err = f.WriteAtContext(ctx, data, 0)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// ReadDir lists a directory, sorted by name. See [os.ReadDir].
func (e *Engine) ReadDir(name string) (list []fs.DirEntry, err error) {
	var failed error
	_, err = e.blocking(context.Background(), func() (int, error) {
		list, failed = os.ReadDir(name)
		return 0, nil
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return list, failed
}

// baseName is what FileInfo.Name returns for a path.
func baseName(name string) string {
	for len(name) > 1 && name[len(name)-1] == '/' {
		name = name[:len(name)-1]
	}
	if i := strings.LastIndexByte(name, '/'); i >= 0 && len(name) > 1 {
		name = name[i+1:]
	}
	return name
}
