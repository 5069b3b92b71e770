package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/uring-go/uring/bench/internal/peer"
	"github.com/uring-go/uring/file"
)

// A handle is an open file of any of those that are measured.
type handle interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	Sync() error
	Close() error
}

// A way is how files are worked on.
type way interface {
	open(name string, flag int) (handle, error)
	stat(name string) (fs.FileInfo, error)
	readBatch(h handle, parts []file.Part) error
}

type osWay struct{ limit chan struct{} }

func (w osWay) enter() {
	if w.limit != nil {
		w.limit <- struct{}{}
	}
}

func (w osWay) leave() {
	if w.limit != nil {
		<-w.limit
	}
}

func (w osWay) open(name string, flag int) (handle, error) {
	w.enter()
	defer w.leave()
	f, err := os.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err
	}
	if w.limit == nil {
		return f, nil
	}
	return limited{f, w}, nil
}

func (w osWay) stat(name string) (fs.FileInfo, error) {
	w.enter()
	defer w.leave()
	return os.Stat(name)
}

func (w osWay) readBatch(h handle, parts []file.Part) error {
	for i := range parts {
		p := &parts[i]
		if p.N, p.Err = h.ReadAt(p.Buf, p.Off); p.Err != nil {
			return p.Err
		}
	}
	return nil
}

// limited is an os.File under a semaphore.
type limited struct {
	*os.File
	w osWay
}

func (l limited) ReadAt(p []byte, off int64) (int, error) {
	l.w.enter()
	defer l.w.leave()
	return l.File.ReadAt(p, off)
}

func (l limited) WriteAt(p []byte, off int64) (int, error) {
	l.w.enter()
	defer l.w.leave()
	return l.File.WriteAt(p, off)
}

func (l limited) Sync() error {
	l.w.enter()
	defer l.w.leave()
	return l.File.Sync()
}

type fileWay struct{ e *file.Engine }

func (w fileWay) open(name string, flag int) (handle, error) {
	f, err := w.e.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return f, nil
}
func (w fileWay) stat(name string) (fs.FileInfo, error) { return w.e.Stat(name) }
func (w fileWay) readBatch(h handle, parts []file.Part) error {
	return h.(*file.File).ReadBatch(parts)
}

// work is what all goroutines share.
type work struct {
	options
	way     way
	engine  *file.Engine
	file    handle
	bytes   int64
	mem     []byte
	names   []string
	handles []handle
}

func newWork(o options) (*work, error) {
	w := &work{options: o}
	switch o.via {
	case "os":
		w.way = osWay{}
	case "sem":
		w.way = osWay{make(chan struct{}, 64)}
	case "iouring-go":
		way, err := newIouringWay()
		if err != nil {
			return nil, err
		}
		w.way = way
	case "file", "noring":
		e, err := file.New(file.Config{Depth: o.depth, NoRing: o.via == "noring"})
		if err != nil {
			return nil, err
		}
		w.engine, w.way = e, fileWay{e}
	default:
		return nil, fmt.Errorf("no -via %q", o.via)
	}
	w.mem = alignedMemory(o.n * o.size * max(1, w.perCall()))
	switch o.work {
	case "stat", "open":
		return w, w.listTree()
	case "manysync":
		return w, w.openMany()
	}
	return w, w.openOne()
}

func (w *work) perCall() int {
	if w.work == "batch" {
		return w.batch
	}
	return 1
}

// hotBytes is how much of the file is in the page cache when not all of it is.
const hotBytes = 128 << 20

func (w *work) openOne() error {
	flag := os.O_RDONLY
	switch w.work {
	case "direct", "batch":
		flag |= syscall.O_DIRECT
	case "write", "writesync":
		flag = os.O_RDWR
	}
	f, err := os.Open(w.path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	w.bytes = st.Size()
	const random, dontneed = 1, 4
	switch w.work {
	case "cold", "cached":
		if w.hot < 100 || w.work == "cold" {
			advise(f, dontneed)
		}
		if w.work == "cached" {
			if err := warm(f, min(w.bytes, map[bool]int64{true: w.bytes, false: hotBytes}[w.hot == 100])); err != nil {
				return err
			}
		}
	}
	if w.file, err = w.way.open(w.path, flag); err != nil {
		return err
	}
	if w.work == "cold" || w.hot < 100 {
		conn, err := w.file.(interface {
			SyscallConn() (syscall.RawConn, error)
		}).SyscallConn()
		if err != nil {
			return err
		}
		return conn.Control(func(fd uintptr) {
			_, _, errno := syscall.Syscall6(syscall.SYS_FADVISE64, fd, 0, 0, random, 0, 0)
			if errno != 0 {
				peer.Must(errno)
			}
		})
	}
	return nil
}

func advise(f *os.File, advice uintptr) {
	if _, _, errno := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, advice, 0, 0); errno != 0 {
		peer.Must(errno)
	}
}

// warm reads the first n bytes into the page cache.
func warm(f *os.File, n int64) error {
	p := make([]byte, 1<<20)
	for off := int64(0); off < n; off += int64(len(p)) {
		if _, err := f.ReadAt(p[:min(int64(len(p)), n-off)], off); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) listTree() error {
	return filepath.WalkDir(w.path, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			w.names = append(w.names, name)
		}
		return err
	})
}

func (w *work) openMany() error {
	for i := range w.n {
		h, err := w.way.open(filepath.Join(w.path, strconv.Itoa(i)), os.O_RDWR|os.O_CREATE)
		if err != nil {
			return err
		}
		w.handles = append(w.handles, h)
	}
	return nil
}

func (w *work) close() {
	if w.file != nil {
		peer.Must(w.file.Close())
	}
	for _, h := range w.handles {
		peer.Must(h.Close())
	}
	if w.engine != nil {
		fmt.Fprintln(os.Stderr, w.engine.Stats())
		peer.Must(w.engine.Close())
	}
}

// A goroutine works by itself.
type goroutine struct {
	*work
	p     []byte
	rand  *rand.Rand
	parts []file.Part
	file  handle
	at    int64
}

func (w *work) goroutine(i int) *goroutine {
	each := w.size * w.perCall()
	g := &goroutine{work: w, p: w.mem[i*each : (i+1)*each], rand: rand.New(rand.NewPCG(uint64(i), uint64(os.Getpid()))), file: w.file}
	if w.handles != nil {
		g.file = w.handles[i]
	}
	if w.work == "batch" {
		g.parts = make([]file.Part, w.batch)
	}
	return g
}

// offset returns where to read or write.
func (g *goroutine) offset() int64 {
	bytes := g.bytes
	if g.hot < 100 {
		if g.rand.IntN(100) < g.hot {
			bytes = hotBytes
		} else {
			return (hotBytes + g.rand.Int64N(bytes-hotBytes-int64(g.size))) &^ int64(g.size-1)
		}
	}
	return g.rand.Int64N(bytes/int64(g.size)) * int64(g.size)
}

// do does one thing, and returns how many operations that was.
func (g *goroutine) do() int {
	switch g.work.work {
	case "cached", "cold", "direct":
		n, err := g.file.ReadAt(g.p, g.offset())
		peer.Must(err)
		return n / g.size
	case "batch":
		for i := range g.parts {
			g.parts[i] = file.Part{Buf: g.p[i*g.size : (i+1)*g.size], Off: g.offset()}
		}
		peer.Must(g.way.readBatch(g.file, g.parts))
		return len(g.parts)
	case "write", "writesync":
		g.p[0]++
		_, err := g.file.WriteAt(g.p, g.offset())
		peer.Must(err)
		if g.work.work == "writesync" {
			peer.Must(g.file.Sync())
		}
	case "manysync":
		g.p[0]++
		_, err := g.file.WriteAt(g.p, 0)
		peer.Must(err)
		peer.Must(g.file.Sync())
	case "stat":
		_, err := g.way.stat(g.names[g.rand.IntN(len(g.names))])
		peer.Must(err)
	case "open":
		f, err := g.way.open(g.names[g.rand.IntN(len(g.names))], os.O_RDONLY)
		peer.Must(err)
		peer.Must(f.Close())
	}
	return 1
}
