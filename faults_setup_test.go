//go:build linux

package uring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/live"
	"github.com/uring-go/uring/internal/testutil"
)

// A scarce kernel runs out of memory at one of the calls that set something
// up. It remembers what is registered with it.
type scarce struct {
	*model
	arena   *Arena // the program's
	left    int    // calls that succeed
	stuck   bool   // nothing can be unregistered
	failed  bool
	groups  map[uint32]bool
	buffers map[uint32]bool
	eventFD bool
	files   bool
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
	k := &scarce{model: openModel(), arena: newArena(t, 4096), left: left, groups: map[uint32]bool{}, buffers: map[uint32]bool{}}
	k.ring.drv, k.ring.flags = k, flags
	k.ring.fd.Store(int32(file.Fd()))
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

func (k *scarce) RegisterBufRing(mem unsafe.Pointer, _, group, _, _ uint32) int {
	k.memory = append(k.memory, uint64(uintptr(mem)))
	return k.does(func() { k.groups[group] = true })
}

func (k *scarce) UnregisterBufRing(group uint32) int { delete(k.groups, group); return 0 }

func (k *scarce) RegisterBuffersSparse(uint32) int { return k.does(func() {}) }

func (k *scarce) UpdateBuffer(i uint32, addr, _ uint64) int {
	if addr == 0 {
		if k.stuck {
			return -int(syscall.ENOMEM)
		}
		delete(k.buffers, i)
		return 1
	}
	k.memory = append(k.memory, addr)
	return k.does(func() { k.buffers[i] = true })
}

func (k *scarce) RegisterEventFD(int, bool) int { return k.does(func() { k.eventFD = true }) }
func (k *scarce) UnregisterEventFD() int        { k.eventFD = false; return 0 }

func (k *scarce) RegisterBuffers(bufs []cgo.IovecAddr, _ []uint64) int {
	return k.does(func() {
		for i, b := range bufs {
			k.memory = append(k.memory, b.Addr)
			k.buffers[uint32(i)] = true
		}
	})
}

func (k *scarce) UnregisterBuffers() int { clear(k.buffers); return 0 }

func (k *scarce) RegisterFilesSparse(uint32) int { return k.does(func() { k.files = true }) }
func (k *scarce) UnregisterFiles() int           { k.files = false; return 0 }

func (k *scarce) RegisterZCRX(reg *cgo.ZCRXReg, area *cgo.ZCRXArea, region *cgo.RegionDesc) int {
	return k.does(func() { reg.Tail, reg.RQEs = 4, 64 })
}

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
	// Without, they take another way, on which less can fail.
	have := map[string]func() error{"provided send queue": HaveSendProvided, "bundle send queue": HaveSendBundles}
	for _, c := range scarceSetups() {
		for failing := range c.calls + 1 {
			t.Run(fmt.Sprint(c.name, "/", failing), func(t *testing.T) {
				if need := have[c.name]; need != nil {
					testutil.Need(t, need)
				}
				if c.name == "await" { // else it registers its eventfd again and again
					needs(t, "an eventfd that does not fall silent", kernel.V(6, 1), bugEventFD.off())
				}
				k := newScarce(t, c.flags, failing)
				before := leftoversOf(t)
				o, err := c.open(k)
				if failing < c.calls {
					equal(t, "call failed", k.failed, true)
					if !errors.Is(err, syscall.ENOMEM) {
						t.Fatal(err)
					}
					k.leavesNothing(t, before, "after the failure")
					k.left = c.calls
					o, err = c.open(k)
				}
				if err != nil {
					t.Fatal(err)
				}
				if o != nil {
					equal(t, "error of Close", o.Close(), nil)
					k.leavesNothing(t, before, "after Close")
				}
				equal(t, "error of Ring.Close", k.ring.Close(), nil)
				k.eventFD = false // went with the ring
				k.leavesNothing(t, before, "after Ring.Close")
			})
		}
	}
}

type closer interface{ Close() error }

// A scarceSetup opens something with calls of which each may fail.
type scarceSetup struct {
	name  string
	flags SetupFlags
	calls int // that may fail
	open  func(*scarce) (closer, error)
}

func scarceSetups() []scarceSetup {
	queue := func(mode SendMode) func(*scarce) (closer, error) {
		return func(k *scarce) (closer, error) {
			return some(k.ring.NewSendQueue(DirectSlot(0).FD(), SendQueueConfig{Mode: mode, Memory: 4096, Token: senderToken}))
		}
	}
	bufRing := func(c BufRingConfig) func(*scarce) (closer, error) {
		return func(k *scarce) (closer, error) { return some(k.ring.NewBufRing(c)) }
	}
	return []scarceSetup{
		{"buffer ring", 0, 1, bufRing(BufRingConfig{Entries: 4, BufSize: 4096})},
		{"registered buffer ring", 0, 3, bufRing(BufRingConfig{Entries: 4, BufSize: 4096, Registered: true})},
		{"buffer ring in the kernel's memory", 0, 1, bufRing(BufRingConfig{Entries: 4, BufSize: 4096, KernelMemory: true})},
		{"registered buffer ring in the kernel's memory", 0, 3, bufRing(BufRingConfig{Entries: 4, BufSize: 4096, KernelMemory: true, Registered: true})},
		{"provided send queue", 0, 1, queue(SendProvided)},
		{"bundle send queue", 0, 1, queue(SendBundle)},
		{"copying send queue", 0, 0, queue(SendVectored)},
		{"await", SetupDeferTaskrun, 1, func(k *scarce) (closer, error) {
			ctx, stop := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer stop()
			_, err := k.ring.Await(ctx, 1)
			if errors.Is(err, context.DeadlineExceeded) {
				err = nil
			}
			return nil, err
		}},
		{"table of files", 0, 1, func(k *scarce) (closer, error) {
			return undo(k.ring.UnregisterFiles), k.ring.RegisterFiles(4)
		}},
		{"arena in a table", 0, 2, func(k *scarce) (closer, error) {
			reg, err := k.ring.RegisterArena(k.arena)
			return undo(func() error { return k.ring.UnregisterArena(reg) }), err
		}},
		{"table of arenas", 0, 1, func(k *scarce) (closer, error) {
			return undo(k.ring.UnregisterBuffers), second(k.ring.RegisterArenas([]*Arena{k.arena}))
		}},
		{"zero-copy receive", SetupDeferTaskrun | SetupCQE32, 1, func(k *scarce) (closer, error) {
			return nil, second(k.ring.RegisterZCRX(ZCRXConfig{Interface: 1, Memory: k.arena, RefillEntries: 4}))
		}},
		{"region", 0, 1, func(k *scarce) (closer, error) {
			_, err := k.ring.RegisterRegion(RegionConfig{Size: 4096})
			return nil, err
		}},
	}
}

// leftovers is what a process has that setups may leave behind.
type leftovers struct {
	objects  map[string]int
	files    int
	routines int
}

func leftoversOf(t *testing.T) leftovers {
	t.Helper()
	return leftovers{live.Counts(), len(openFDs(t)), runtime.NumGoroutine()}
}

// leavesNothing compares with what was there before.
func (k *scarce) leavesNothing(t *testing.T, before leftovers, what string) {
	t.Helper()
	equal(t, what+": objects", live.Counts(), before.objects)
	equal(t, what+": descriptors", len(openFDs(t)), before.files)
	equal(t, what+": groups", k.groups, nil)
	equal(t, what+": buffer groups in use", len(k.ring.groups), 0)
	equal(t, what+": registered buffers", k.buffers, nil)
	equal(t, what+": eventfd", k.eventFD, false)
	equal(t, what+": files", k.files, false)
	equal(t, what+": users of the arena", k.arena.users, 0)
	atMost(t, what+": goroutines", runtime.NumGoroutine, before.routines)
	for _, addr := range k.memory {
		if addr != 0 && addr != arena.Addr(k.arena.Bytes()) && mapped(addr) {
			t.Errorf("%s: memory at %#x is still mapped", what, addr)
		}
	}
}

// An undo is what undoes a registration that has no object.
type undo func() error

func (u undo) Close() error { return u() }

// atMost waits until count is at most n: goroutines that have nothing left to do
// take a moment to end.
func atMost(t *testing.T, what string, count func() int, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); count() > n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("%s: %d, want %d", what, count(), n)
			return
		}
	}
}

// What cannot be unregistered, for want of memory, stays mapped for the kernel,
// and goes when the ring is closed.
func TestBuffersThatCannotBeUnregisteredGoWithTheRing(t *testing.T) {
	c := BufRingConfig{Entries: 4, BufSize: 4096, Registered: true}
	for name, leave := range map[string]func(*scarce){
		"by Close": func(k *scarce) {
			b, err := k.ring.NewBufRing(c)
			equal(t, "error", err, nil)
			k.stuck = true
			equal(t, "error of Close", b.Close(), nil)
		},
		"after a failure": func(k *scarce) {
			k.left, k.stuck = 2, true
			_, err := k.ring.NewBufRing(c)
			equal(t, "is ENOMEM", errors.Is(err, syscall.ENOMEM), true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newScarce(t, 0, 3)
			objects := live.Counts()
			leave(k)
			equal(t, "groups", k.groups, nil)
			equal(t, "registered buffers", len(k.buffers), 1)
			buffers := k.memory[slices.IndexFunc(k.memory, mapped)]
			equal(t, "error of Ring.Close", k.ring.Close(), nil)
			equal(t, "buffers are mapped", mapped(buffers), false)
			equal(t, "objects", live.Counts(), objects)
		})
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
