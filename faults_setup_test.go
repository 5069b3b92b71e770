//go:build linux

package uring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/live"
)

// A scarce kernel runs out of memory at one of the calls that set something
// up. It remembers what is registered with it.
type scarce struct {
	*model
	fd      int // the ring's
	left    int // calls that succeed
	failed  bool
	groups  map[uint32]bool
	buffers map[uint32]bool
	eventFD bool
	memory  []uint64 // every address that it was told of
}

func newScarce(t *testing.T, flags SetupFlags, left int) *scarce {
	t.Helper()
	atOnce(t)
	file, err := os.Create(filepath.Join(t.TempDir(), "ring")) // can be mapped as a ring can
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if err := file.Truncate(1 << 32); err != nil {
		t.Fatal(err)
	}
	k := &scarce{model: openModel(), fd: int(file.Fd()), left: left, groups: map[uint32]bool{}, buffers: map[uint32]bool{}}
	k.ring.drv, k.ring.flags = k, flags
	return k
}

// does carries out what a call asks for, or fails.
func (k *scarce) does(f func()) int {
	if k.left == 0 {
		k.failed = true
		return -int(syscall.ENOMEM)
	}
	k.left--
	f()
	return 0
}

func (k *scarce) FD() int { return k.fd }

func (k *scarce) RegisterBufRing(mem unsafe.Pointer, _, group, _, _ uint32) int {
	k.memory = append(k.memory, uint64(uintptr(mem)))
	return k.does(func() { k.groups[group] = true })
}

func (k *scarce) UnregisterBufRing(group uint32) int { delete(k.groups, group); return 0 }

func (k *scarce) RegisterBuffersSparse(uint32) int { return k.does(func() {}) }

func (k *scarce) UpdateBuffer(i uint32, addr, _ uint64) int {
	if addr == 0 {
		delete(k.buffers, i)
		return 1
	}
	k.memory = append(k.memory, addr)
	return k.does(func() { k.buffers[i] = true })
}

func (k *scarce) RegisterEventFD(int, bool) int { return k.does(func() { k.eventFD = true }) }
func (k *scarce) UnregisterEventFD() int        { k.eventFD = false; return 0 }

func (k *scarce) RegisterRegion(d *cgo.RegionDesc, _ uint64) int {
	k.memory = append(k.memory, d.UserAddr)
	return k.does(func() {})
}

// mapped says whether there is memory at addr.
func mapped(addr uint64) bool {
	page := uint64(os.Getpagesize())
	var in byte
	_, _, errno := syscall.Syscall(syscall.SYS_MINCORE, uintptr(addr&^(page-1)), uintptr(page), uintptr(unsafe.Pointer(&in)))
	return errno == 0
}

// Each of the steps that set something up may fail. Then nothing of it is left:
// no memory, no descriptor and nothing that is registered, and the next try works.
func TestSetupThatFailsLeavesNothing(t *testing.T) {
	type closer interface{ Close() error }
	queue := func(mode SendMode) func(*testing.T, *Ring) (closer, error) {
		return func(t *testing.T, r *Ring) (closer, error) {
			return some(r.NewSendQueue(DirectSlot(0).FD(), SendQueueConfig{Mode: mode, Memory: 4096, Token: senderToken}))
		}
	}
	bufRing := func(c BufRingConfig) func(*testing.T, *Ring) (closer, error) {
		return func(t *testing.T, r *Ring) (closer, error) { return some(r.NewBufRing(c)) }
	}
	for _, c := range []struct {
		name  string
		flags SetupFlags
		calls int // that may fail
		open  func(*testing.T, *Ring) (closer, error)
	}{
		{"buffer ring", 0, 1, bufRing(BufRingConfig{Entries: 4, BufSize: 4096})},
		{"registered buffer ring", 0, 3, bufRing(BufRingConfig{Entries: 4, BufSize: 4096, Registered: true})},
		{"buffer ring in the kernel's memory", 0, 1, bufRing(BufRingConfig{Entries: 4, BufSize: 4096, KernelMemory: true})},
		{"registered buffer ring in the kernel's memory", 0, 3, bufRing(BufRingConfig{Entries: 4, BufSize: 4096, KernelMemory: true, Registered: true})},
		{"provided send queue", 0, 1, queue(SendProvided)},
		{"bundle send queue", 0, 1, queue(SendBundle)},
		{"copying send queue", 0, 0, queue(SendVectored)},
		{"await", SetupDeferTaskrun, 1, func(_ *testing.T, r *Ring) (closer, error) {
			ctx, stop := context.WithTimeout(context.Background(), time.Millisecond)
			defer stop()
			_, err := r.Await(ctx, 1)
			if errors.Is(err, context.DeadlineExceeded) {
				err = nil
			}
			return nil, err
		}},
		{"region", 0, 1, func(_ *testing.T, r *Ring) (closer, error) {
			_, err := r.RegisterRegion(RegionConfig{Size: 4096})
			return nil, err
		}},
	} {
		for failing := range c.calls + 1 {
			t.Run(fmt.Sprint(c.name, "/", failing), func(t *testing.T) {
				k := newScarce(t, c.flags, failing)
				objects, files := live.Counts(), openDescriptors(t)
				leftovers := func(what string) {
					t.Helper()
					equal(t, what+": objects", live.Counts(), objects)
					equal(t, what+": descriptors", openDescriptors(t), files)
					equal(t, what+": groups", k.groups, nil)
					equal(t, what+": buffer groups in use", len(k.ring.groups), 0)
					equal(t, what+": registered buffers", k.buffers, nil)
					equal(t, what+": eventfd", k.eventFD, false)
					for _, addr := range k.memory {
						if addr != 0 && mapped(addr) {
							t.Errorf("%s: memory at %#x is still mapped", what, addr)
						}
					}
				}
				o, err := c.open(t, k.ring)
				if failing < c.calls {
					equal(t, "call failed", k.failed, true)
					if !errors.Is(err, syscall.ENOMEM) {
						t.Fatal(err)
					}
					leftovers("after the failure")
					k.left = c.calls
					o, err = c.open(t, k.ring)
				}
				if err != nil {
					t.Fatal(err)
				}
				if o != nil {
					equal(t, "error of Close", o.Close(), nil)
					leftovers("after Close")
				}
				equal(t, "error of Ring.Close", k.ring.Close(), nil)
				k.eventFD = false // went with the ring
				leftovers("after Ring.Close")
			})
		}
	}
}

// some turns a typed nil into none.
func some[T any, P interface {
	*T
	Close() error
}](p P, err error) (interface{ Close() error }, error) {
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Without memory to register a zero-copy send queue does without.
func TestZeroCopyQueueDoesWithoutRegistration(t *testing.T) {
	for failing := range 2 {
		for _, mode := range []SendMode{SendZC, SendZCGather} {
			t.Run(fmt.Sprint(mode, failing), func(t *testing.T) {
				k := newScarce(t, 0, failing)
				q, err := k.ring.NewSendQueue(DirectSlot(0).FD(), SendQueueConfig{Mode: mode, Memory: 4096})
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "registered", q.own.regIndex(), int16(unregistered))
				equal(t, "error of Close", q.Close(), nil)
				equal(t, "registered buffers", k.buffers, nil)
				for _, addr := range k.memory {
					equal(t, "mapped", mapped(addr), false)
				}
				equal(t, "error of Ring.Close", k.ring.Close(), nil)
			})
		}
	}
}
