package file

import (
	"context"
	"sync"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
)

// Sync writes what was written to the file to the disk, with all that is needed
// to find it there. See [os.File.Sync].
//
// Calls for one File at the same time share a sync: it covers every write that
// had returned before Sync was called, as a sync of its own would.
func (f *File) Sync() error { return f.SyncContext(context.Background()) }

// SyncContext is Sync until ctx ends. What the kernel has begun goes on.
func (f *File) SyncContext(ctx context.Context) error { return f.sync(ctx, false) }

// Datasync is Sync without what is not needed to read the data back, such as
// the time of the change: fdatasync(2).
func (f *File) Datasync() error { return f.DatasyncContext(context.Background()) }

// DatasyncContext is Datasync until ctx ends. What the kernel has begun goes on.
func (f *File) DatasyncContext(ctx context.Context) error { return f.sync(ctx, true) }

func (f *File) sync(ctx context.Context, data bool) error {
	if err := ctx.Err(); err != nil {
		return f.fail("sync", err)
	}
	if err := f.begin(); err != nil {
		return f.fail("sync", err)
	}
	if ctx.Done() == nil {
		defer f.uses.end()
		return f.fail("sync", f.syncs.join(data, f.syncNow))
	}
	// It goes on without the caller, as others may rely on it.
	done := make(chan error, 1)
	go func() {
		defer f.uses.end()
		done <- f.syncs.join(data, f.syncNow)
	}()
	select {
	case err := <-done:
		return f.fail("sync", err)
	case <-ctx.Done():
		return f.fail("sync", ctx.Err())
	}
}

// syncNow asks the kernel for a sync.
func (f *File) syncNow(data bool) error {
	r := f.request(core.Worker, prepSync)
	if data {
		r.Flags = uint32(uring.FsyncDatasync)
	}
	_, err := f.engine.carry(context.Background(), f, r, f.engine.syncs, func() (int, error) { return 0, f.fsync(data) })
	return err
}

func prepSync(s uring.SQE, r *core.Request) error {
	s.PrepFsync(r.FD, uring.FsyncFlags(r.Flags))
	return nil
}

// A merger lets calls share syncs. While one runs, those who come wait for the
// next, which one of them does for all: it begins after they came, and so
// covers what they wrote.
type merger struct {
	mu      sync.Mutex
	running bool
	next    *round // of those who wait
	rounds  uint64
}

// A round is a sync that has yet to begin.
type round struct {
	calls int           // that it is for
	full  bool          // some want more than the data
	begin chan struct{} // closed when the one who does it may begin
	done  chan struct{}
	err   error
}

// join has a sync done that begins after the call.
func (m *merger) join(data bool, sync func(data bool) error) error {
	m.mu.Lock()
	if !m.running {
		m.running = true
		m.mu.Unlock()
		return m.finish(sync(data))
	}
	r := m.next
	if r != nil {
		r.calls++
		r.full = r.full || !data
		m.mu.Unlock()
		<-r.done
		return r.err
	}
	r = &round{calls: 1, full: !data, begin: make(chan struct{}), done: make(chan struct{})}
	m.next = r
	m.mu.Unlock()
	<-r.begin
	err := sync(!r.full)
	if r.err == nil {
		r.err = err
	}
	close(r.done)
	_ = m.finish(err)
	return r.err
}

// finish lets the next round begin, whose members are then settled. The kernel
// reports an error once for each open file. What the members wrote may be what
// failed, so the error is theirs too.
func (m *merger) finish(err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rounds++
	r := m.next
	m.next = nil
	if r == nil {
		m.running = false
		return err
	}
	if err != nil {
		r.err = err
	}
	close(r.begin)
	return err
}
