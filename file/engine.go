package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
)

// A Config says how an engine works. The zero value is a good default.
type Config struct {
	// Depth is the most reads and direct writes that are given to the kernel
	// at once; others wait in Go. It should be about what the device takes at
	// a time, as /sys/block/*/queue/nr_requests says: with more, the kernel
	// makes threads wait. 0 means 128.
	Depth int
	// Workers is the most syncs, buffered writes, and requests on paths that
	// are given to the kernel at once. Each takes a thread of the kernel's
	// while it runs. 0 means 24.
	Workers int
	// Threads is the most calls that may block threads of Go's where nothing
	// else works: without io_uring, on file systems that cannot say whether they
	// would have to wait, and for directories. 0 means 64.
	Threads int
	// Rings is the number of rings that share Depth. Files are given to them in
	// turn; many requests at a time on files of one ring go to the others too. 0
	// means 2, or 1 with a Depth below 64 or a single processor; more are for
	// machines on which many processors wait for the locks of two.
	Rings int
	// Memory limits the registered memory of File.ReadBuf, in bytes. Beyond it
	// buffers come from the Go heap, and cost a little more. 0 means 16 MiB.
	Memory int
	// NoRing makes the engine work as it does where io_uring is not allowed.
	NoRing bool

	inject   func(*core.Request, uring.CQE) uring.CQE // for tests
	ringOnly bool                                     // for tests: no plain calls, no questions to the page cache
}

// An Engine carries out requests on files, with few threads however many
// goroutines wait. Its methods may be called from any goroutine.
type Engine struct {
	cores  []*core.Core // for what the disk carries out; nil without io_uring
	noRing error        // why there are none
	pool   workers      // for what workers of the kernel's carry out
	turn   atomic.Uint32
	closed atomic.Bool

	hot    tokens // for calls that will hardly block
	reads  tokens // for reads that block a thread though there is a ring
	writes tokens // the same for writes
	syncs  tokens
	paths  tokens
	gate   gate // for calls that must block a thread
	mem    memory

	inline, plain counter

	ringOnly bool
}

// New starts an engine. It fails only if c makes no sense: where io_uring is
// missing or forbidden the engine works without, see [Stats].
func New(c Config) (*Engine, error) {
	for _, f := range []struct {
		name     string
		value    *int
		fallback int
	}{
		{"Depth", &c.Depth, core.DefaultDepth},
		{"Workers", &c.Workers, core.DefaultWorkers},
		{"Threads", &c.Threads, 64},
		{"Rings", &c.Rings, c.rings()},
		{"Memory", &c.Memory, 16 << 20},
	} {
		switch {
		case *f.value < 0:
			return nil, fmt.Errorf("file: Config.%s is %d, want at least 1, or 0 for %d", f.name, *f.value, f.fallback)
		case *f.value == 0:
			*f.value = f.fallback
		}
	}
	e := &Engine{ringOnly: c.ringOnly}
	if !c.ringOnly {
		// While they do not wait, no more than GOMAXPROCS calls run at a time,
		// and a few more that the kernel has interrupted.
		procs := runtime.GOMAXPROCS(0)
		e.hot, e.paths = make(tokens, 2*procs+2), make(tokens, 2*procs+2)
		e.writes, e.syncs = make(tokens, procs+1), make(tokens, procs+1)
		e.reads = make(tokens, 4)
	}
	e.gate.free = c.Threads
	e.mem.limit = c.Memory
	e.openRings(c)
	e.mem.rings = e.cores
	e.pool.config = core.Config{Workers: c.Workers, OwnThread: true, Inject: c.inject}
	return e, nil
}

// rings is how many rings are opened if the caller does not care.
func (c *Config) rings() int {
	if c.Depth != 0 && c.Depth < 64 || runtime.GOMAXPROCS(0) == 1 {
		return 1
	}
	return 2
}

func (e *Engine) openRings(c Config) {
	if c.NoRing {
		e.noRing = errors.New("Config.NoRing is set")
		return
	}
	// Interrupting the thread that submitted a read, to complete it, costs more
	// than waiting until that thread enters the kernel: it soon does.
	each := max(c.Depth/c.Rings, 1)
	config := core.Config{Depth: each, Inject: c.inject, Ring: uring.Config{Flags: uring.SetupCoopTaskrun}}
	for range c.Rings {
		ring, err := core.New(config)
		if err != nil {
			if len(e.cores) == 0 {
				e.noRing = err
			}
			return
		}
		e.cores = append(e.cores, ring)
	}
}

// Close refuses new requests, waits for those that were begun, and stops what
// the engine runs in the background. Files stay open, for Close only, and
// buffers until they are released.
func (e *Engine) Close() error {
	e.closed.Store(true)
	err := e.pool.close()
	for _, c := range e.cores {
		err = errors.Join(err, c.Close())
	}
	return errors.Join(err, e.mem.close())
}

var defaultEngine = sync.OnceValue(func() *Engine {
	e, err := New(Config{})
	if err != nil {
		panic(err) // the zero Config makes sense
	}
	return e
})

// Default returns the engine of the package's functions. It starts when it is
// first used.
func Default() *Engine { return defaultEngine() }

// Stats tell what an engine does.
type Stats struct {
	// Ring reports whether the engine uses io_uring. If not, Why says why.
	Ring bool
	Why  error

	Inline uint64 // requests that the page cache answered, without waiting
	Plain  uint64 // requests that were plain system calls
	Rings  uint64 // requests that a ring carried out

	Running int // requests in the kernel, through a ring
	Queued  int // requests that wait for a place there
	Threads int // calls that may block a thread now
	Waiting int // requests that wait to be such a call

	Lent int // buffers of ReadBuf that were not released yet
}

// Stats returns what the engine does now, and did since it was started.
func (e *Engine) Stats() Stats {
	s := Stats{Ring: len(e.cores) > 0, Why: e.noRing, Inline: e.inline.sum(), Plain: e.plain.sum()}
	for _, c := range append(e.pool.running(), e.cores...) {
		cs := c.Stats()
		s.Running += cs.Running
		s.Queued += cs.Queued
		s.Rings += cs.Completed
		if cs.Broken != nil {
			s.Ring, s.Why = false, cs.Broken
		}
	}
	in, waiting := e.gate.state()
	s.Threads = in + e.hot.taken() + e.reads.taken() + e.writes.taken() + e.syncs.taken() + e.paths.taken()
	s.Waiting = waiting
	s.Lent = e.mem.lentNow()
	return s
}

// String says in a line which way requests go.
func (s Stats) String() string {
	way := "io_uring"
	if !s.Ring {
		way = fmt.Sprintf("a limited number of threads (%v)", s.Why)
	}
	return fmt.Sprintf("by %s: %d requests inline, %d plain, %d by a ring; %d running, %d queued, %d threads, %d waiting for one",
		way, s.Inline, s.Plain, s.Rings, s.Running, s.Queued, s.Threads, s.Waiting)
}

// pick returns a ring for a file, and its number; nil if there is none.
func (e *Engine) pick() (c *core.Core, number int) {
	switch len(e.cores) {
	case 0:
		return nil, 0
	case 1:
		return e.cores[0], 0
	}
	number = int(e.turn.Add(1) % uint32(len(e.cores)))
	return e.cores[number], number
}

// workers is the ring for requests that take a worker of the kernel's. It is
// opened when it is first needed, as it takes a thread.
type workers struct {
	config core.Config
	mu     sync.Mutex
	core   *core.Core
	tried  bool
}

// ring returns the ring, nil if it cannot be opened.
func (w *workers) ring() *core.Core {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.tried {
		w.tried = true
		w.core, _ = core.New(w.config) // without it there are plain calls
	}
	return w.core
}

func (w *workers) running() []*core.Core {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.core == nil {
		return nil
	}
	return []*core.Core{w.core}
}

func (w *workers) close() error {
	w.mu.Lock()
	w.tried = true
	c := w.core
	w.mu.Unlock()
	if c == nil {
		return nil
	}
	return c.Close()
}

// ringFor returns the ring for a request, nil if there is none.
func (e *Engine) ringFor(f *File, class core.Class) *core.Core {
	switch {
	case len(e.cores) == 0:
		return nil
	case class == core.Worker:
		return e.pool.ring()
	}
	c, _ := f.ring()
	return c
}

// ring returns the ring for the next request on the file, and its number; nil if
// there is none. Few requests go to one ring, as many in a call to the kernel are
// cheap. Beyond that, threads wait for each other where there is but one.
func (f *File) ring() (c *core.Core, number int) {
	cores := f.engine.cores
	if n := uint64(len(cores)); n > 1 && f.home.Busy(core.Disk) > enoughForOne {
		number = int(goroutineHint() % n)
		return cores[number], number
	}
	return f.home, f.number
}

// enoughForOne is how many requests at a time one ring is enough for.
const enoughForOne = 16

// carry carries out a request that blocks, on a file or, if f is nil, on a path:
// as a plain call if there is a token for it, else by a ring, or under the gate
// without one. It frees r.
func (e *Engine) carry(ctx context.Context, f *File, r *core.Request, t tokens, plain func() (int, error)) (int, error) {
	if e.closed.Load() {
		r.Free()
		return 0, fs.ErrClosed
	}
	if k := e.quick(t); k != nil {
		r.Free()
		defer k.give()
		return plain()
	}
	c := e.ringFor(f, r.Class)
	if c == nil {
		r.Free()
		return e.blocking(ctx, plain)
	}
	err := c.Run(ctx, r)
	if err == nil {
		var n int
		if n, err = r.Result(); err == nil {
			r.Free()
			return n, nil
		}
	}
	r.Free()
	if ctx.Err() == nil && plainMayTell(err) {
		return e.blocking(ctx, plain)
	}
	return 0, closedAsFS(err)
}

// quick returns a token for a plain call, nil if there is none now.
func (e *Engine) quick(t tokens) *token {
	if e.closed.Load() {
		return nil
	}
	k := t.take()
	if k != nil {
		e.plain.add(1)
	}
	return k
}

// plainMayTell reports whether a plain call could succeed, or give a better
// reason, where the ring failed: as the thread ended that had submitted the
// request, time and again, or the kernel does not know it, or takes no requests
// any more.
func plainMayTell(err error) bool {
	if op := (*uring.OpError)(nil); errors.As(err, &op) {
		return true
	}
	switch err {
	case syscall.EFAULT, syscall.ECANCELED, syscall.EAGAIN, syscall.EINVAL, syscall.EOPNOTSUPP, syscall.ENOSYS:
		return true
	}
	return false
}

// blocking makes a call that may block a thread, when it is its turn.
func (e *Engine) blocking(ctx context.Context, call func() (int, error)) (int, error) {
	if e.closed.Load() {
		return 0, fs.ErrClosed
	}
	if err := e.gate.enter(ctx); err != nil {
		return 0, err
	}
	defer e.gate.leave()
	e.plain.add(1)
	return call()
}

// closedAsFS makes the error of a ring that was closed one that os knows.
func closedAsFS(err error) error {
	if errors.Is(err, uring.ErrClosed) {
		return fs.ErrClosed
	}
	return err
}
