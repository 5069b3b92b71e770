package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A round is the proxy in one mode under load.
type round struct {
	config
	flags []string
	base  uint64 // number of its first connection, less 1

	proxy *proxy
	mu    sync.Mutex // of sink
	sink  *sink
	// disturbances counts the sink's deaths and returns: it is odd while there
	// is none. A connection that saw the same even number at both ends of its
	// life has no excuse.
	disturbances atomic.Int64

	last, bytes            atomic.Int64 // connections started, bytes the clients got
	ended, whole, excused  atomic.Int64 // connections
	early, late            int          // KiB resident
	before, after, threads int          // descriptors
	said                   string

	problems struct {
		sync.Mutex
		n int
	}
}

func newRound(c config, index int, flags []string) *round {
	return &round{config: c, flags: flags, base: uint64(index) << 40}
}

// complain prints a problem; the first ten, as the others are likely the same.
func (r *round) complain(format string, args ...any) {
	r.problems.Lock()
	defer r.problems.Unlock()
	if r.problems.n++; r.problems.n <= 10 {
		fmt.Fprintf(os.Stderr, "%s: %s\n", strings.Join(r.flags, " "), fmt.Sprintf(format, args...))
	}
}

func (r *round) complaints() int {
	r.problems.Lock()
	defer r.problems.Unlock()
	return r.problems.n
}

func (r *round) run(ctx context.Context) (err error) {
	if r.sink, err = startSink("127.0.0.1:0", r.seed, nil); err != nil {
		return err
	}
	defer func() { r.sink.kill() }()
	if r.proxy, err = startProxy(r.uring, r.sink.addr, r.flags); err != nil {
		return err
	}
	r.before = r.proxy.descriptors()
	r.load(ctx)
	r.settle()
	r.threads = r.proxy.status("Threads")
	r.said, err = r.proxy.stop()
	return err
}

// load keeps the connections going until the time is over.
func (r *round) load(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.each())
	defer cancel()
	var wg sync.WaitGroup
	run := func(f func()) {
		wg.Add(1)
		go func() { defer wg.Done(); f() }()
	}
	for range r.conns {
		run(func() {
			for ctx.Err() == nil {
				r.connection(r.base + uint64(r.last.Add(1)))
			}
		})
	}
	run(func() { r.watch(ctx) })
	run(func() { r.kills(ctx) })
	wg.Wait()
}

// connection is a client from dialling to the end.
func (r *round) connection(id uint64) {
	before := r.disturbances.Load()
	e, err := dial(r.proxy.addr, r.seed, id)
	if err == nil {
		err = e.talk()
		r.bytes.Add(e.got.n)
	}
	p := newPlan(r.seed, id)
	excused := r.disturbances.Load() != before || before%2 == 1
	r.ended.Add(1)
	if e != nil {
		// The sockets of a killed program end as if it had closed them.
		if wrong := e.check(err == nil && !excused); wrong != nil {
			r.complain("connection %d %+v, client: %v", id, p, wrong)
		}
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		r.complain("connection %d %+v, client: it hangs: %v", id, p, err)
	case excused:
		r.excused.Add(1)
	case p.complete() && err != nil:
		r.complain("connection %d %+v, client: %v", id, p, err)
	case p.complete():
		r.whole.Add(1)
		r.arrived(id, p)
	}
}

// arrived checks that a connection that was whole for the client was so for
// the sink, whose line may be on its way.
func (r *round) arrived(id uint64, p plan) {
	before := r.disturbances.Load()
	deadline := time.Now().Add(10 * time.Second)
	for {
		r.mu.Lock()
		wrong, ended := r.sink.result(id)
		r.mu.Unlock()
		switch {
		case wrong != "":
			r.complain("connection %d %+v, sink: %s", id, p, wrong)
			return
		case ended:
			return
		case r.disturbances.Load() != before:
			return // the line died with the sink
		case time.Now().After(deadline):
			r.complain("connection %d %+v: the sink knows nothing of its end", id, p)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// kills kills the sink now and then and starts another one a little later.
func (r *round) kills(ctx context.Context) {
	if r.killEvery <= 0 {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(r.killEvery):
		}
		r.disturbances.Add(1)
		r.mu.Lock()
		r.sink.kill()
		r.mu.Unlock()
		time.Sleep(300 * time.Millisecond)
		s, err := startSink(r.sink.addr, r.seed, r.sink)
		if err != nil {
			r.complain("start the sink again: %v", err)
			return
		}
		r.mu.Lock()
		r.sink = s
		r.mu.Unlock()
		r.disturbances.Add(1)
	}
}

// watch prints how it goes and looks at the proxy's memory.
func (r *round) watch(ctx context.Context) {
	every := min(5*time.Second, r.each()/4) // the first look is the one that the last is compared with
	start := time.Now()
	for {
		select {
		case <-ctx.Done():
			r.late = r.proxy.status("VmRSS")
			return
		case <-time.After(every):
		}
		if r.early == 0 {
			r.early = r.proxy.status("VmRSS")
		}
		fmt.Printf("%6v  %d connections ended, %d MB to clients, proxy: %d descriptors, %d KiB resident\n",
			time.Since(start).Round(time.Second), r.ended.Load(), r.bytes.Load()/1e6, r.proxy.descriptors(), r.proxy.status("VmRSS"))
	}
}

// settle waits until the proxy has closed all connections and judges what it
// holds.
func (r *round) settle() {
	deadline := time.Now().Add(10 * time.Second)
	for {
		if r.after = r.proxy.descriptors(); r.after <= r.before || time.Now().After(deadline) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if r.after > r.before {
		r.complain("the proxy had %d descriptors before the load and %d after it", r.before, r.after)
	}
	// The first look is at a time when all connections are open.
	if r.early > 0 && r.late > r.early+r.early/4+16<<10 {
		r.complain("the proxy's memory grew from %d to %d KiB", r.early, r.late)
	}
}

func (r *round) summary() string {
	verdict := "passed"
	if n := r.complaints(); n > 0 {
		verdict = fmt.Sprintf("FAILED, %d problems", n)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("%s: %s\n"+
		"        %d connections: %d whole, %d disturbed by %d kills of the sink, the others reset; %d MB to clients, %d MB to the sink\n"+
		"        proxy: %d descriptors before, %d after; %d to %d KiB resident, %d threads; %s",
		strings.Join(r.flags, " "), verdict,
		r.ended.Load(), r.whole.Load(), r.excused.Load(), r.disturbances.Load()/2, r.bytes.Load()/1e6, r.sink.bytes/1e6,
		r.before, r.after, r.early, r.late, r.threads, r.said)
}
