//go:build linux

package file

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var modelSteps = flag.Int("model.steps", 120, "steps of each goroutine of the model test")

// Goroutines do random things to files of their own, through the package and
// through package os: results, errors, positions and contents are the same.
func TestFilesAreThoseOfOS(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *Engine) { runModel(t, e, t.TempDir(), *modelSteps) })
}

func runModel(t *testing.T, e *Engine, dir string, steps int) {
	t.Helper()
	const goroutines = 16
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			seed := rand.Uint64()
			m := &model{
				t: t, e: e, r: rand.New(rand.NewPCG(seed, 0)),
				ours: filepath.Join(dir, "ours", fmt.Sprint(g)), theirs: filepath.Join(dir, "theirs", fmt.Sprint(g)),
			}
			m.run(steps)
			if m.failed {
				t.Logf("seed %d:\n%s", seed, strings.Join(m.log[max(0, len(m.log)-20):], "\n"))
			}
		}()
	}
	wg.Wait()
}

// A model does the same things to two directories.
type model struct {
	t            *testing.T
	e            *Engine
	r            *rand.Rand
	ours, theirs string
	f            *File
	o            *os.File
	name         string
	flag         int
	log          []string
	failed       bool
}

func (m *model) run(steps int) {
	if err := m.e.MkdirAll(m.ours, 0o755); err != nil {
		m.t.Error(err)
		return
	}
	if err := os.MkdirAll(m.theirs, 0o755); err != nil {
		m.t.Error(err)
		return
	}
	for range steps {
		if m.f == nil {
			m.open()
		} else {
			m.step()
		}
		if m.failed {
			break
		}
	}
	m.close()
	m.compareTrees()
}

// check compares what a step gave.
func (m *model) check(what string, got, want any, gotErr, wantErr error) {
	m.log = append(m.log, fmt.Sprintf("%s: %v, %v", what, want, wantErr))
	if fmt.Sprint(got) != fmt.Sprint(want) {
		m.failed = true
		m.t.Errorf("%s: %v, want %v", what, got, want)
	}
	if !same(gotErr, wantErr) {
		m.failed = true
		m.t.Errorf("%s: %#v, want %#v", what, gotErr, wantErr)
	}
}

func (m *model) path(dir, name string) string { return filepath.Join(dir, name) }

func (m *model) anyName() string {
	return []string{"a", "b", "c", "d/a", "d/e/f", "d", "a/b", "", strings.Repeat("x", 300), "a\x00b"}[m.r.IntN(10)]
}

func (m *model) open() {
	flags := []int{os.O_RDONLY, os.O_RDWR | os.O_CREATE, os.O_RDWR | os.O_CREATE | os.O_TRUNC, os.O_WRONLY | os.O_CREATE | os.O_APPEND,
		os.O_RDWR | os.O_CREATE | os.O_EXCL, os.O_RDWR | os.O_CREATE | os.O_SYNC}
	m.name, m.flag = m.anyName(), flags[m.r.IntN(len(flags))]
	var err, oerr error
	if m.r.IntN(4) == 0 {
		m.paths()
		return
	}
	m.f, err = m.e.OpenFile(m.path(m.ours, m.name), m.flag, 0o640)
	m.o, oerr = os.OpenFile(m.path(m.theirs, m.name), m.flag, 0o640)
	m.check(fmt.Sprintf("open %q %#x", m.name, m.flag), m.f != nil, m.o != nil, err, oerr)
}

// paths does something that needs no open file.
func (m *model) paths() {
	name, other := m.anyName(), m.anyName()
	a, b := m.path(m.ours, name), m.path(m.theirs, name)
	if b == m.theirs || m.path(m.theirs, other) == m.theirs {
		return
	}
	switch m.r.IntN(7) {
	case 0:
		m.check("mkdir "+name, 0, 0, m.e.Mkdir(a, 0o750), os.Mkdir(b, 0o750))
	case 1:
		m.check("mkdirall "+name, 0, 0, m.e.MkdirAll(a, 0o700), os.MkdirAll(b, 0o700))
	case 2:
		m.check("remove "+name, 0, 0, m.e.Remove(a), os.Remove(b))
	case 3:
		m.check("rename "+name+" "+other, 0, 0, m.e.Rename(a, m.path(m.ours, other)), os.Rename(b, m.path(m.theirs, other)))
	case 4:
		data := random(m.r.IntN(10000))
		m.check("writefile "+name, 0, 0, m.e.WriteFile(a, data, 0o600), os.WriteFile(b, data, 0o600))
	case 5:
		data, err := m.e.ReadFile(a)
		want, oerr := os.ReadFile(b)
		m.check("readfile "+name, bytes.Equal(data, want), true, err, oerr)
	case 6:
		i, err := m.e.Stat(a)
		j, oerr := os.Stat(b)
		m.check("stat "+name, describe(i), describe(j), err, oerr)
		list, err := m.e.ReadDir(a)
		want, oerr := os.ReadDir(b)
		m.check("readdir "+name, list, want, err, oerr)
	}
}

func describe(i fs.FileInfo) string {
	if i == nil {
		return ""
	}
	size := i.Size()
	if i.IsDir() {
		size = 0 // is the file system's business
	}
	return fmt.Sprint(i.Name(), size, i.Mode(), i.IsDir())
}

func (m *model) close() {
	if m.f == nil {
		return
	}
	m.check("close", 0, 0, m.f.Close(), m.o.Close())
	m.f, m.o = nil, nil
}

func (m *model) length() int {
	switch m.r.IntN(8) {
	case 0:
		return 0
	case 1:
		return 1 + m.r.IntN(200_000)
	}
	return 1 + m.r.IntN(9000)
}

func (m *model) offset() int64 { return int64(m.r.IntN(300_000)) }

func (m *model) step() {
	switch m.r.IntN(16) {
	case 0, 1:
		p := make([]byte, m.length())
		q, off := make([]byte, len(p)), m.offset()-3
		n, err := m.f.ReadAt(p, off)
		k, oerr := m.o.ReadAt(q, off)
		m.check(fmt.Sprintf("readat %d %d", len(p), off), fmt.Sprint(n, bytes.Equal(p, q)), fmt.Sprint(k, true), err, oerr)
	case 2, 3:
		p, off := random(m.length()), m.offset()-3
		n, err := m.f.WriteAt(p, off)
		k, oerr := m.o.WriteAt(p, off)
		m.check(fmt.Sprintf("writeat %d %d", len(p), off), n, k, err, oerr)
	case 4:
		p := make([]byte, m.length())
		q := make([]byte, len(p))
		n, err := m.f.Read(p)
		k, oerr := m.o.Read(q)
		m.check(fmt.Sprint("read ", len(p)), fmt.Sprint(n, bytes.Equal(p, q)), fmt.Sprint(k, true), err, oerr)
	case 5:
		p := random(m.length())
		n, err := m.f.Write(p)
		k, oerr := m.o.Write(p)
		m.check(fmt.Sprint("write ", len(p)), n, k, err, oerr)
	case 6:
		off, whence := m.offset()-1000, m.r.IntN(3)
		n, err := m.f.Seek(off, whence)
		k, oerr := m.o.Seek(off, whence)
		m.check(fmt.Sprint("seek ", off, whence), n, k, err, oerr)
	case 7:
		n := m.offset() - 1000
		m.check(fmt.Sprint("truncate ", n), 0, 0, m.f.Truncate(n), m.o.Truncate(n))
	case 8:
		i, err := m.f.Stat()
		j, oerr := m.o.Stat()
		m.check("stat", describe(i), describe(j), err, oerr)
	case 9:
		m.check("sync", 0, 0, m.f.Sync(), m.o.Sync())
	case 10:
		m.batch()
	case 11:
		m.copying()
	case 12:
		m.readBuf()
	case 13:
		list, err := m.f.ReadDir(3)
		want, oerr := m.o.ReadDir(3)
		m.check("readdir 3", len(list), len(want), err, oerr)
	default:
		m.close()
	}
}

func (m *model) batch() {
	parts := make([]Part, m.r.IntN(20))
	writes := m.r.IntN(2) == 0 && m.flag&os.O_APPEND == 0
	for i := range parts {
		// One after the other, or the order of writes would matter.
		parts[i] = Part{Buf: random(m.r.IntN(5000)), Off: int64(i) * 5000}
	}
	m.r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	if writes {
		_ = m.f.WriteBatch(parts)
	} else {
		_ = m.f.ReadBatch(parts)
	}
	for i, p := range parts {
		q := bytes.Clone(p.Buf)
		var n int
		var oerr error
		if writes {
			n, oerr = m.o.WriteAt(q, p.Off)
		} else {
			n, oerr = m.o.ReadAt(q, p.Off)
		}
		m.check(fmt.Sprintf("batch %d, writes %v: %d at %d", i, writes, len(p.Buf), p.Off),
			fmt.Sprint(p.N, bytes.Equal(p.Buf[:p.N], q[:n])), fmt.Sprint(n, true), p.Err, oerr)
	}
}

func (m *model) copying() {
	switch m.r.IntN(4) {
	case 0:
		p := random(m.length())
		n, err := m.f.ReadFrom(bytes.NewReader(p))
		k, oerr := m.o.ReadFrom(bytes.NewReader(p))
		m.check(fmt.Sprint("readfrom ", len(p)), n, k, err, oerr)
	case 1:
		var p, q bytes.Buffer
		n, err := m.f.WriteTo(&p)
		k, oerr := m.o.WriteTo(&q)
		m.check("writeto", fmt.Sprint(n, bytes.Equal(p.Bytes(), q.Bytes())), fmt.Sprint(k, true), err, oerr)
	case 2:
		f, err := m.e.Open(m.path(m.ours, "a"))
		o, oerr := os.Open(m.path(m.theirs, "a"))
		m.check("open a", f != nil, o != nil, err, oerr)
		if f == nil || o == nil {
			return
		}
		if m.name != "a" { // a file that is copied to itself grows
			n, err := m.f.ReadFrom(io.LimitReader(f, 5000))
			k, oerr := m.o.ReadFrom(io.LimitReader(o, 5000))
			m.check("readfrom a", n, k, err, oerr)
			at, err := f.Seek(0, io.SeekCurrent)
			oat, oerr := o.Seek(0, io.SeekCurrent)
			m.check("position of a", at, oat, err, oerr)
		}
		m.check("close a", 0, 0, f.Close(), o.Close())
	case 3:
		n, err := m.f.WriteString("hello")
		k, oerr := m.o.WriteString("hello")
		m.check("writestring", n, k, err, oerr)
	}
}

func (m *model) readBuf() {
	n, off := 1+m.length(), m.offset()
	b, err := m.f.ReadBuf(m.t.Context(), n, off)
	q := make([]byte, n)
	k, oerr := m.o.ReadAt(q, off)
	if k > 0 {
		oerr = nil
	}
	var got []byte
	if b != nil {
		got = b.Bytes()
		defer b.Release()
	}
	m.check(fmt.Sprint("readbuf ", n, off), fmt.Sprint(len(got), bytes.Equal(got, q[:k])), fmt.Sprint(k, true), err, oerr)
}

// compareTrees compares everything below the two directories.
func (m *model) compareTrees() {
	list := func(dir string) string {
		var b strings.Builder
		err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || name == "." {
				return err
			}
			i, err := d.Info()
			if err != nil {
				return err
			}
			fmt.Fprintln(&b, name, describe(i))
			if i.Mode().IsRegular() {
				data, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					return err
				}
				fmt.Fprintf(&b, "%x\n", data)
			}
			return nil
		})
		if err != nil {
			m.t.Error(err)
		}
		return b.String()
	}
	if list(m.ours) != list(m.theirs) {
		m.t.Error("the trees differ")
	}
}
