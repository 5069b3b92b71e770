//go:build linux

package file

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
)

// A share of the requests fail as when the thread that submitted them ended:
// nobody notices.
func TestEndedThreadsAreNotNoticed(t *testing.T) {
	var faults atomic.Int64
	e := start(t, Config{ringOnly: true, Depth: 16, inject: func(r *core.Request, c uring.CQE) uring.CQE {
		if c.Res >= 0 && rand.Uint32()%4 == 0 && !moves(r, c) {
			faults.Add(1)
			c.Res = -int32([]syscall.Errno{syscall.EFAULT, syscall.ECANCELED, syscall.EINTR}[rand.Uint32()%3])
		}
		return c
	}})
	runModel(t, e, t.TempDir(), 200)
	if faults.Load() < 100 {
		t.Errorf("%d faults", faults.Load())
	}
}

// moves reports whether a request cannot be repeated after it succeeded, which
// a test with made up errors must not ask for.
func moves(r *core.Request, c uring.CQE) bool {
	return r.Path != "" || r.Off == atPosition
}

// A read or write that moves fewer bytes than asked for goes on.
func TestShortReadsAndWritesGoOn(t *testing.T) {
	var cut atomic.Int64
	e := start(t, Config{ringOnly: true, inject: func(r *core.Request, c uring.CQE) uring.CQE {
		if c.Res > 1 && len(r.Buf) > 1 && r.Off != atPosition {
			cut.Add(1)
			c.Res = 1 + int32(rand.IntN(int(c.Res)))
		}
		return c
	}})
	name, want := written(t, 100_000)
	f := opened(t, e, name, os.O_RDWR)
	for range 50 {
		off := rand.IntN(len(want))
		p := make([]byte, rand.IntN(20_000))
		n, err := f.ReadAt(p, int64(off))
		w := want[off:min(off+len(p), len(want))]
		if n != len(w) || !bytes.Equal(p[:n], w) || (err == io.EOF) != (len(w) < len(p)) {
			t.Fatalf("%d bytes at %d: %d, %v", len(p), off, n, err)
		}
		if off+len(p) < len(want) {
			copy(want[off:], random(len(p)))
			n, err := f.WriteAt(want[off:off+len(p)], int64(off))
			if n != len(p) || err != nil {
				t.Fatalf("wrote %d: %v", n, err)
			}
		}
	}
	parts := make([]Part, 20)
	for i := range parts {
		parts[i] = Part{Buf: make([]byte, 3000), Off: int64(i * 4000)}
	}
	must(t, f.ReadBatch(parts))
	for i, p := range parts {
		if p.N != 3000 || !bytes.Equal(p.Buf, want[i*4000:i*4000+3000]) {
			t.Errorf("part %d: %d", i, p.N)
		}
	}
	b, err := f.ReadBuf(t.Context(), 50_000, 10)
	must(t, err)
	if !bytes.Equal(b.Bytes(), want[10:50_010]) {
		t.Error("ReadBuf")
	}
	b.Release()
	if cut.Load() < 100 {
		t.Errorf("%d were cut", cut.Load())
	}
	data, err := os.ReadFile(name)
	must(t, err)
	if !bytes.Equal(data, want) {
		t.Error("the file differs")
	}
}

// An error of the device reaches the one who asked, and nobody else.
func TestDeviceErrors(t *testing.T) {
	const badOffset = 8192
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
		e := start(t, Config{ringOnly: true, inject: func(r *core.Request, c uring.CQE) uring.CQE {
			if r.Off == badOffset && len(r.Buf) > 0 || r.Flags == 77 {
				c.Res = -int32(errno)
			}
			return c
		}})
		name, want := written(t, 100_000)
		f := opened(t, e, name, os.O_RDWR)
		var wg sync.WaitGroup
		for g := range 40 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				off := int64(g) * 1024
				p := make([]byte, 1024)
				check := func(op string, n int, err error) {
					var pe *fs.PathError
					bad := errors.As(err, &pe) && pe.Err == errno && pe.Op == op && pe.Path == name
					if bad != (off == badOffset) || !bad && (n != len(p) || err != nil) {
						t.Errorf("%s at %d: %d, %#v", op, off, n, err)
					}
				}
				n, err := f.ReadAt(p, off)
				check("read", n, err)
				if err == nil && !bytes.Equal(p, want[off:off+1024]) {
					t.Error("wrong bytes")
				}
				n, err = f.WriteAt(want[off:off+1024], off)
				check("write", n, err)
			}()
		}
		wg.Wait()
		parts := make([]Part, 20)
		for i := range parts {
			parts[i] = Part{Buf: make([]byte, 1024), Off: int64(i * 1024)}
		}
		if err := f.ReadBatch(parts); !errors.Is(err, errno) {
			t.Errorf("ReadBatch: %v", err)
		}
		for _, p := range parts {
			if bad := p.Off == badOffset; errors.Is(p.Err, errno) != bad || !bad && (p.Err != nil || p.N != 1024) {
				t.Errorf("part at %d: %d, %v", p.Off, p.N, p.Err)
			}
		}
		if b, err := f.ReadBuf(t.Context(), 1024, badOffset); b != nil || !errors.Is(err, errno) {
			t.Errorf("ReadBuf: %v", err)
		}
	}
}

// Real errors, by each way: a file that fails with EIO, one that is not open for
// reading, a directory, a closed file, and paths that are not there.
func TestErrors(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *Engine) {
		mem := opened(t, e, "/proc/self/mem", os.O_RDONLY)
		p := make([]byte, 100)
		if _, err := mem.ReadAt(p, 0); !errors.Is(err, syscall.EIO) {
			t.Errorf("read of /proc/self/mem: %v", err)
		}
		name, _ := written(t, 100)
		f := opened(t, e, name, os.O_WRONLY)
		if _, err := f.ReadAt(p, 0); !errors.Is(err, syscall.EBADF) {
			t.Errorf("read of a file for writing: %v", err)
		}
		if err := f.ReadBatch([]Part{{Buf: p}, {Buf: p[:10]}}); !errors.Is(err, syscall.EBADF) {
			t.Errorf("ReadBatch of a file for writing: %v", err)
		}
		dir := opened(t, e, filepath.Dir(name), os.O_RDONLY)
		if _, err := dir.Read(p); !errors.Is(err, syscall.EISDIR) {
			t.Errorf("read of a directory: %v", err)
		}
		must(t, dir.Sync())
		must(t, f.Close())
		for what, err := range map[string]error{
			"close": f.Close(), "sync": f.Sync(), "truncate": f.Truncate(1), "batch": f.WriteBatch([]Part{{Buf: p}}),
			"write": second(f.WriteAt(p, 0)), "read": second(f.ReadAt(p, 0)), "seek": second(f.Seek(0, 0)), "stat": second(f.Stat()),
		} {
			var pe *fs.PathError
			if !errors.Is(err, fs.ErrClosed) || !errors.As(err, &pe) || pe.Path != name {
				t.Errorf("%s of a closed file: %#v", what, err)
			}
		}
		for what, err := range map[string]error{
			"open": second(e.Open(name + "/x")), "stat": second(e.Stat(name + "/x")), "mkdir": e.Mkdir(name+"/x", 0o700),
			"remove": e.Remove(name + "/x"), "rename": e.Rename(name+"/x", name+"/y"), "readfile": second(e.ReadFile(name + "/x")),
		} {
			if !errors.Is(err, syscall.ENOTDIR) {
				t.Errorf("%s below a file: %v", what, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestUseOfNil(t *testing.T) {
	var f *File
	for what, err := range map[string]error{"read": second(f.Read(nil)), "close": f.Close(), "stat": second(f.Stat()), "sync": f.Sync(),
		"writeto": second(f.WriteTo(nil)), "readfrom": second(f.ReadFrom(nil)), "readat": second(f.ReadAt(nil, 0)), "readbuf": second(f.ReadBuf(t.Context(), 1, 0))} {
		if !errors.Is(err, os.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
