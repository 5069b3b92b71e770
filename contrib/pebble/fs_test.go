package pebblefs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"sort"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/uring-go/uring/file"
)

func engine(tb testing.TB, c file.Config) *file.Engine {
	tb.Helper()
	e, err := file.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	return e
}

// The file system does what Pebble's own does: results, errors, and what is in
// the folder afterwards.
func TestSameAsDefault(t *testing.T) {
	for _, c := range []file.Config{{}, {NoRing: true}} {
		ours, theirs := play(t, New(engine(t, c)), t.TempDir()), play(t, vfs.Default, t.TempDir())
		if ours != theirs {
			t.Errorf("ours:\n%s\ntheirs:\n%s", ours, theirs)
		}
	}
}

// play does the same things to a file system, and says what came of them.
func play(t *testing.T, s vfs.FS, dir string) string {
	var said bytes.Buffer
	say := func(what string, err error, more ...any) {
		kind := "no error"
		switch {
		case errors.Is(err, fs.ErrExist):
			kind = "exists"
		case errors.Is(err, fs.ErrNotExist):
			kind = "does not exist"
		case err != nil && err != io.EOF:
			kind = "error"
		}
		fmt.Fprintln(&said, what, kind, err == io.EOF, more)
	}
	path := func(name string) string { return s.PathJoin(dir, name) }
	const category = vfs.WriteCategoryUnspecified

	f, err := s.Create(path("a"), category)
	say("create", err)
	n, err := f.Write([]byte("hello world"))
	say("write", err, n)
	say("preallocate", f.Preallocate(0, 1<<20))
	say("sync", f.Sync())
	say("syncdata", f.SyncData())
	_, err = f.SyncTo(5)
	say("syncto", err)
	p := make([]byte, 5)
	n, err = f.ReadAt(p, 6)
	say("readat", err, n, string(p))
	n, err = f.ReadAt(p, 9)
	say("readat the end", err, n)
	i, err := f.Stat()
	say("stat", err, i.Name(), i.Size(), i.Mode(), i.DeviceID() != vfs.DeviceID{})
	say("close", f.Close())
	say("close again", f.Close())

	say("link", s.Link(path("a"), path("b")))
	say("link again", s.Link(path("a"), path("b")))
	f, err = s.Create(path("a"), category) // b keeps what was in a
	say("create again", err)
	say("close", f.Close())
	for _, name := range []string{"a", "b", "nothing"} {
		i, err := s.Stat(path(name))
		if err == nil {
			say("stat "+name, err, i.Size())
		} else {
			say("stat "+name, err)
		}
	}
	f, err = s.OpenReadWrite(path("c"), category, vfs.RandomReadsOption)
	say("openreadwrite", err)
	n, err = f.WriteAt([]byte("xyz"), 10)
	say("writeat", err, n)
	_ = f.Prefetch(0, 100) // Pebble's own always returns an error, of the number 0
	say("close", f.Close())
	_, err = s.Open(path("nothing"))
	say("open nothing", err)
	f, err = s.Open(path("c"), vfs.SequentialReadsOption)
	say("open", err)
	all, err := io.ReadAll(f)
	say("read all", err, all)
	_, err = f.Write(p)
	say("write of what is open for reading", err)
	say("close", f.Close())
	f, err = s.ReuseForWrite(path("b"), path("d"), category)
	say("reuse", err)
	n, err = f.Write([]byte("HE"))
	say("write", err, n)
	say("close", f.Close())
	_, err = s.ReuseForWrite(path("nothing"), path("e"), category)
	say("reuse nothing", err)
	say("mkdirall", s.MkdirAll(path("x/y/z"), 0o755))
	say("remove of a folder that is not empty", s.Remove(path("x")))
	say("rename", s.Rename(path("d"), path("x/y/d")))
	say("rename of nothing", s.Rename(path("d"), path("x/y/d")))
	d, err := s.OpenDir(path("x"))
	say("opendir", err)
	say("sync of a folder", d.Sync())
	say("close of a folder", d.Close())
	lock, err := s.Lock(path("lock"))
	say("lock", err)
	_, err = s.Lock(path("lock"))
	say("lock again", err)
	say("unlock", lock.Close())
	for _, name := range []string{"", "x/y"} {
		names, err := s.List(path(name))
		sort.Strings(names)
		say("list", err, names)
	}
	say("removeall", s.RemoveAll(path("x")))
	say("remove", s.Remove(path("c")))
	say("remove again", s.Remove(path("c")))
	_, err = s.GetDiskUsage(dir)
	say("disk usage", err)
	return said.String()
}

func key(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)*0x9e3779b97f4a7c15) }

func value(i, version int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%d.%d ", i, version), 40)
}

type quiet struct{ tb testing.TB }

func (quiet) Infof(string, ...any)             {}
func (q quiet) Errorf(format string, a ...any) { q.tb.Logf(format, a...) }
func (q quiet) Fatalf(format string, a ...any) { q.tb.Errorf(format, a...) }

func options(tb testing.TB, s vfs.FS) *pebble.Options {
	return &pebble.Options{FS: s, Logger: quiet{tb}, MemTableSize: 256 << 10, CacheSize: 1 << 20}
}

// A database under load of many goroutines, closed and opened again, has what
// was committed.
func TestDatabase(t *testing.T) {
	for _, c := range []file.Config{{}, {NoRing: true}, {Depth: 2, Workers: 1, Threads: 1}} {
		s := New(engine(t, c))
		dir := filepath.Join(t.TempDir(), "db")
		const goroutines, keys = 32, 150
		for version := range 3 {
			db, err := pebble.Open(dir, options(t, s))
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for g := range goroutines {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for k := range keys {
						i := g*keys + k
						if version > 0 {
							check(t, db, i, version-1)
						}
						if err := db.Set(key(i), value(i, version), pebble.Sync); err != nil {
							t.Error(err)
						}
						if k%3 == 0 {
							check(t, db, i, version)
						}
					}
				}()
			}
			wg.Wait()
			if err := db.Checkpoint(filepath.Join(t.TempDir(), "copy"), pebble.WithFlushedWAL()); err != nil {
				t.Error(err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
		// Pebble's own file system reads it too.
		db, err := pebble.Open(dir, options(t, vfs.Default))
		if err != nil {
			t.Fatal(err)
		}
		for range 500 {
			check(t, db, rand.IntN(goroutines*keys), 2)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func check(tb testing.TB, db *pebble.DB, i, version int) {
	v, closer, err := db.Get(key(i))
	if err != nil || !bytes.Equal(v, value(i, version)) {
		tb.Errorf("key %d: %.20q, %v", i, v, err)
		return
	}
	if err := closer.Close(); err != nil {
		tb.Error(err)
	}
}
