//go:build linux

package uring

import (
	"errors"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
)

// A fickle kernel completes no-ops, but now and then it is interrupted, has no
// memory, or takes a part of the entries. When the completion queue is full it
// keeps completions, and takes nothing until there is room for them.
type fickle struct {
	driver
	*rand.Rand
	mem  *memory
	kept []uint64
}

func newFickle(seed int64) (*Ring, *fickle) {
	k := &fickle{Rand: rand.New(rand.NewSource(seed)), mem: &memory{}}
	return newRing(k.mem.queues(0), k, 0, cgo.FeatMinTimeout), k
}

// enter is io_uring_enter.
func (k *fickle) enter(wait uint32, getEvents bool) int {
	m := k.mem
	queued := m.sqTail - m.sqHead
	if getEvents || queued == 0 {
		k.letIn()
	}
	switch {
	case queued > 0 && len(k.kept) > 0:
		return -int(syscall.EBUSY)
	case k.Intn(6) == 0:
		return -int([]syscall.Errno{syscall.EINTR, syscall.EAGAIN}[k.Intn(2)])
	}
	n := uint32(k.Intn(int(queued) + 1))
	for i := range n {
		k.complete(m.sqes[(m.sqHead+i)%uint32(len(m.sqes))].UserData)
	}
	if n == 0 && wait > m.cqTail-m.cqHead {
		return -int(syscall.EINTR) // which is hidden if something was submitted
	}
	return m.take(n)
}

func (k *fickle) complete(userData uint64) {
	if len(k.kept) > 0 || int(k.mem.cqTail-k.mem.cqHead) == len(k.mem.cqes) {
		k.kept = append(k.kept, userData)
		k.mem.sqFlags = cgo.SQCQOverflow
		return
	}
	k.mem.post(userData)
}

// letIn posts what was kept, as far as there is room.
func (k *fickle) letIn() {
	kept := k.kept
	k.kept, k.mem.sqFlags = nil, 0
	for _, u := range kept {
		k.complete(u)
	}
}

func (k *fickle) Submit() int                                          { return k.enter(0, false) }
func (k *fickle) SubmitAndGetEvents() int                              { return k.enter(0, true) }
func (k *fickle) GetEvents() int                                       { k.letIn(); return 0 }
func (k *fickle) SubmitAndWait(n uint32) int                           { return k.enter(n, n > 0) }
func (k *fickle) SubmitAndWaitTimeout(n uint32, _ int64, _ uint32) int { return k.timed(n) }
func (k *fickle) SyncCancelAll(int64) int                              { return 0 }
func (k *fickle) RegisterFiles([]int32, []uint64) int                  { return 0 }
func (k *fickle) Exit()                                                {}

// timed is a wait whose time is up at once.
func (k *fickle) timed(n uint32) int {
	if rc := k.enter(n, true); rc < 0 || k.mem.cqTail-k.mem.cqHead >= n {
		return rc
	}
	return -cgo.ETime
}

// submitSomehow calls one of the methods that submit. What it says it has
// submitted must be what the kernel took.
func submitSomehow(t *testing.T, r *Ring, k *fickle) {
	t.Helper()
	before := r.Queued()
	var n int
	var err error
	switch k.Intn(4) {
	case 0:
		n, err = r.Submit()
	case 1:
		n, err = r.SubmitAndGetEvents()
	case 2:
		n, err = r.SubmitAndWaitTimeout(1+k.Intn(20), 0)
	case 3:
		if r.Ready()+len(k.kept)+r.Queued() == 0 {
			return // it would wait for ever
		}
		n, err = r.SubmitAndWait(1)
	}
	equal(t, "entries submitted", n, before-r.Queued())
	switch {
	case err == nil, errors.Is(err, syscall.EAGAIN), errors.Is(err, os.ErrDeadlineExceeded):
	case errors.Is(err, syscall.EBUSY):
		equal(t, "overflowed", r.Overflowed(), true)
	default:
		t.Fatal(err)
	}
}

// Whatever goes wrong when entries are submitted, each request is made once, in
// order, and each completion comes once.
func TestNothingIsLostOrDoneTwiceByAFickleKernel(t *testing.T) {
	const requests = 2000
	for seed := range int64(fewer(50)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r, k := newFickle(seed)
			var got, want []uint64
			for next, deadline := uint64(0), time.Now().Add(patience); len(got) < requests; {
				if time.Now().After(deadline) {
					t.Fatalf("%d completions of %d requests", len(got), next)
				}
				for range min(k.Intn(20), r.SQSpace(), requests-int(next)) {
					nops(t, r, 1)
					r.q.Last().UserData = next
					want = append(want, next)
					next++
				}
				submitSomehow(t, r, k)
				most := k.Intn(40)
				if len(k.kept) == 0 && k.Intn(3) > 0 {
					continue // until the queue overflows
				}
				for c := range r.Completions() {
					got = append(got, c.UserData)
					if most--; most <= 0 {
						break
					}
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("completions %v, want each of the %d once, in order", got, requests)
			}
			equal(t, "queued", r.Queued(), 0)
			equal(t, "error of Close", r.Close(), nil)
		})
	}
}
