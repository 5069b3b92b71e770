//go:build linux

package uring

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/golang/mock/gomock"
	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

// A zcrxKernel is the kernel behind a mock: it has one instance, and shares a
// refill ring that lies in the program's memory.
type zcrxKernel struct {
	reg    cgo.ZCRXReg
	area   cgo.ZCRXArea
	refill *Arena
}

const zcrxToken = 5 << cgo.ZCRXAreaShift

// newZCRXOnMock returns an instance with 4 refill entries and 4 pages of memory.
func newZCRXOnMock(t *testing.T, flags SetupFlags) (*ZCRX, *memory, *zcrxKernel, *mockDriverMockRecorder) {
	t.Helper()
	r, m, calls := newMockRing(t, SetupDeferTaskrun|flags)
	r.fd.Store(9)
	k := &zcrxKernel{refill: newArena(t, 2*os.Getpagesize())}
	calls.RegisterZCRX(gomock.Any(), gomock.Any(), gomock.Any()).DoAndReturn(k.register)
	z, err := r.RegisterZCRX(ZCRXConfig{
		Interface: 3, Queue: 2, Memory: newArena(t, 4*os.Getpagesize()),
		RefillEntries: 4, RefillMemory: k.refill,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := z.unmap(); err != nil {
			t.Error(err)
		}
		z.leave()
	})
	return z, m, k, calls
}

func (k *zcrxKernel) register(reg *cgo.ZCRXReg, area *cgo.ZCRXArea, region *cgo.RegionDesc) int {
	if region.UserAddr != arena.Addr(k.refill.Bytes()) || region.Flags != cgo.MemRegionTypeUser {
		return -int(syscall.EFAULT)
	}
	reg.ID, reg.Head, reg.Tail, reg.RQEs = 7, 0, 4, 64
	area.Token = zcrxToken
	k.reg, k.area = *reg, *area
	return 0
}

// took returns what the kernel finds in the refill ring, and frees it.
func (k *zcrxKernel) took() [][2]uint64 {
	var got [][2]uint64
	mem := k.refill.Bytes()
	word := func(at int) *uint32 { return (*uint32)(unsafe.Pointer(&mem[at])) }
	for *word(0) != *word(4) {
		e := 64 + int(*word(0)%k.reg.Entries)*16
		off := uint64(*word(e)) | uint64(*word(e + 4))<<32
		got = append(got, [2]uint64{off, uint64(*word(e + 8))})
		*word(0)++
	}
	return got
}

func TestZCRXSegments(t *testing.T) {
	z, _, k, _ := newZCRXOnMock(t, SetupCQE32)
	equal(t, "interface", k.reg.Interface, 3)
	equal(t, "queue", k.reg.Queue, 2)
	equal(t, "refill entries", k.reg.Entries, 4)
	equal(t, "memory", k.area.Addr, arena.Addr(z.memory.Bytes()))
	equal(t, "size", int(k.area.Len), 4*os.Getpagesize())
	equal(t, "name", z.ID(), 7)
	equal(t, "entries", z.Refill().Entries(), 4)

	const at = 4096 + 40
	copy(z.memory.Bytes()[at:], "zero copies")
	s, err := z.Segment(CQE{Res: 11, Flags: cgo.CQEFMore}, [2]uint64{zcrxToken | at, 0})
	equal(t, "error", err, nil)
	equal(t, "data", string(s.Bytes()), "zero copies")
	equal(t, "offset", s.Offset(), at)
	equal(t, "length", s.Len(), 11)
	equal(t, "nothing is given back yet", len(k.took()), 0)
	equal(t, "error of Release", s.Release(), nil)
	equal(t, "room", z.Refill().Space(), 3)
	if diff := cmp.Diff([][2]uint64{{zcrxToken | at, 11}}, k.took()); diff != "" {
		t.Error(diff)
	}
	equal(t, "a second Release is ErrReleased", errors.Is(s.Release(), ErrReleased), true)
	equal(t, "nothing was given back twice", len(k.took()), 0)

	end, err := z.Segment(CQE{}, [2]uint64{})
	equal(t, "error of the end", err, nil)
	equal(t, "bytes of the end", len(end.Bytes()), 0)
	equal(t, "error of releasing the end", end.Release(), nil)
}

// Two pieces may share a buffer. A full ring keeps nothing and loses nothing.
func TestZCRXFullRefillRing(t *testing.T) {
	z, _, k, calls := newZCRXOnMock(t, SetupCQE32)
	var held []ZCRXSegment
	for i := range uint64(6) {
		s, err := z.Segment(CQE{Res: 100}, [2]uint64{zcrxToken | i*2048, 0})
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, s)
	}
	n, err := z.Refill().Return(held...)
	equal(t, "taken", n, 4)
	equal(t, "the error is ErrRefillFull", errors.Is(err, ErrRefillFull), true)
	equal(t, "Release is ErrRefillFull", errors.Is(held[4].Release(), ErrRefillFull), true)

	calls.ZCRXControl(uint32(7), uint32(cgo.ZCRXCtrlFlushRQ)).DoAndReturn(func(uint32, uint32) int {
		equal(t, "the kernel takes", len(k.took()), 4)
		return 0
	})
	equal(t, "error of Flush", z.Flush(), nil)
	n, err = z.Refill().Return(held[4:]...)
	equal(t, "taken", n, 2)
	equal(t, "error", err, nil)
	if diff := cmp.Diff([][2]uint64{{zcrxToken | 8192, 100}, {zcrxToken | 10240, 100}}, k.took()); diff != "" {
		t.Error(diff)
	}
	_, err = z.Refill().Return(held[0])
	equal(t, "all buffers are back: ErrReleased", errors.Is(err, ErrReleased), true)

	other, _, _, _ := newZCRXOnMock(t, SetupCQE32)
	_, err = other.Refill().Return(held[0])
	wantError(t, err, "that it comes from")
}

func TestZCRXBadCompletions(t *testing.T) {
	z, _, _, _ := newZCRXOnMock(t, SetupCQEMixed)
	size := uint64(z.memory.Len())
	big := uint32(cgo.CQEF32 | cgo.CQEFMore)
	for name, c := range map[string]struct {
		c   CQE
		off uint64
	}{
		"of 16 bytes":     {CQE{Res: 1, Flags: cgo.CQEFMore}, zcrxToken},
		"another area":    {CQE{Res: 1, Flags: big}, 4 << cgo.ZCRXAreaShift},
		"beyond":          {CQE{Res: 1, Flags: big}, zcrxToken | size},
		"across the end":  {CQE{Res: 101, Flags: big}, zcrxToken | (size - 100)},
		"far beyond":      {CQE{Res: 1, Flags: big}, zcrxToken | (1<<cgo.ZCRXAreaShift - 1)},
		"longer than all": {CQE{Res: 1<<31 - 1, Flags: big}, zcrxToken},
	} {
		s, err := z.Segment(c.c, [2]uint64{c.off})
		if !errors.Is(err, ErrBadCompletion) || s.Bytes() != nil {
			t.Errorf("%s: %d bytes, error %v", name, s.Len(), err)
		}
	}
	last, err := z.Segment(CQE{Res: 100, Flags: big}, [2]uint64{zcrxToken | (size - 100)})
	equal(t, "error of the last bytes", err, nil)
	equal(t, "length", len(last.Bytes()), 100)
	equal(t, "error of Release", last.Release(), nil)
}

func TestZCRXControls(t *testing.T) {
	z, _, _, calls := newZCRXOnMock(t, SetupCQE32)
	calls.ZCRXControl(uint32(7), uint32(cgo.ZCRXCtrlExport)).Return(33)
	fd, err := z.Export()
	equal(t, "error of Export", err, nil)
	equal(t, "descriptor", fd, 33)
	calls.ZCRXControl(uint32(7), uint32(cgo.ZCRXCtrlExport)).Return(-int(syscall.EMFILE))
	fd, err = z.Export()
	equal(t, "descriptor of a failed Export", fd, -1)
	equal(t, "the error is EMFILE", errors.Is(err, syscall.EMFILE), true)

	other, _, its := newMockRing(t, SetupDeferTaskrun|SetupCQE32)
	its.RegisterZCRX(gomock.Any(), nil, nil).DoAndReturn(func(reg *cgo.ZCRXReg, _ *cgo.ZCRXArea, _ *cgo.RegionDesc) int {
		equal(t, "what is imported", *reg, cgo.ZCRXReg{Interface: 33, Flags: cgo.ZCRXRegImport})
		reg.ID = 2
		return 0
	})
	id, err := other.ImportZCRX(33)
	equal(t, "error of ImportZCRX", err, nil)
	equal(t, "name", id, 2)
	_, err = other.ImportZCRX(-1)
	wantError(t, err, "no descriptor")
}

// A layout that the package does not understand is refused, and the memory is
// kept, as the kernel has it.
func TestZCRXRefillRingElsewhere(t *testing.T) {
	r, _, calls := newMockRing(t, SetupDeferTaskrun|SetupCQE32)
	a, refill := newArena(t, 1), newArena(t, 2*os.Getpagesize())
	calls.RegisterZCRX(gomock.Any(), gomock.Any(), gomock.Any()).DoAndReturn(func(reg *cgo.ZCRXReg, _ *cgo.ZCRXArea, _ *cgo.RegionDesc) int {
		reg.Tail, reg.RQEs = 4, 1<<20
		return 0
	})
	_, err := r.RegisterZCRX(ZCRXConfig{Interface: 1, Memory: a, RefillMemory: refill, RefillEntries: 8})
	wantError(t, err, fmt.Sprintf("8 entries from byte 1048576 on, does not lie in its %d bytes", refill.Len()))
	equal(t, "users of the memory", a.users+refill.users, 2)
	equal(t, "error of release", r.zcrx[0].unmap(), nil)
	r.zcrx[0].leave()
	equal(t, "users of the memory", a.users+refill.users, 0)
}

func TestZCRXRefusals(t *testing.T) {
	a := newArena(t, 1)
	closed := newArena(t, 1)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	r, _, _ := newMockRing(t, SetupDeferTaskrun|SetupCQE32)
	r.fd.Store(3)
	for text, c := range map[string]ZCRXConfig{
		"interface 0":                {Memory: a},
		"queue -1":                   {Interface: 1, Queue: -1, Memory: a},
		"does not go with Interface": {Interface: 1, NoDevice: true, Memory: a},
		"one of Memory and DMABuf":   {Interface: 1},
		"Memory and DMABuf":          {Interface: 1, Memory: a, DMABuf: &DMABuf{FD: 1, Size: a.Len()}},
		"use after Close":            {Interface: 1, Memory: closed},
		"want whole pages":           {Interface: 1, DMABuf: &DMABuf{FD: 1, Size: 5000}},
		"descriptor -1":              {Interface: 1, DMABuf: &DMABuf{FD: -1, Size: a.Len()}},
		"BufSize is 12288":           {Interface: 1, Memory: a, BufSize: 12288},
		"BufSize is 512":             {Interface: 1, Memory: a, BufSize: 512},
		"RefillEntries is 32769":     {Interface: 1, Memory: a, RefillEntries: 32769},
		"RefillEntries is -1":        {Interface: 1, Memory: a, RefillEntries: -1},

		fmt.Sprintf("want %d for 1024 entries", a.Len()+1024*16): {Interface: 1, Memory: a, RefillMemory: a, RefillEntries: 1000},
	} {
		_, err := r.RegisterZCRX(c)
		wantError(t, err, text)
	}
	for _, flags := range []SetupFlags{SetupDeferTaskrun, SetupCQE32} {
		r, _, _ := newMockRing(t, flags)
		_, err := r.RegisterZCRX(ZCRXConfig{Interface: 1, Memory: a})
		wantError(t, err, "needs a ring with SetupDeferTaskrun, and SetupCQE32 or SetupCQEMixed")
		_, err = r.ImportZCRX(3)
		wantError(t, err, "needs a ring with SetupDeferTaskrun, and SetupCQE32 or SetupCQEMixed")
	}
	equal(t, "users of the memory", a.users, 0)
}

// What the kernel says to a device that cannot do it, and to none. That is as
// far as one gets without such a device.
func TestZCRXNeedsADevice(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	a := newArena(t, 1<<16)
	onOwner(t, Config{Entries: 4, Flags: SetupCQE32}, func(r *rig) {
		_, err := r.RegisterZCRX(ZCRXConfig{Interface: lo.Index, Memory: a})
		if !needsLinux(t, err, kernel.V(6, 15), 10) {
			return
		}
		if errors.Is(err, syscall.EPERM) {
			wantError(t, err, "CAP_NET_ADMIN")
			return
		}
		equal(t, "lo is ErrNotSupported", errors.Is(err, ErrNotSupported), true)
		wantError(t, err, "the network device, or its driver, does not support it")

		_, err = r.RegisterZCRX(ZCRXConfig{Interface: 1 << 30, Memory: a})
		equal(t, "no device is ENODEV", errors.Is(err, syscall.ENODEV), true)
		equal(t, "users of the memory", a.users, 0)

		_, err = r.RegisterZCRX(ZCRXConfig{Interface: lo.Index, Memory: a, BufSize: 2 * os.Getpagesize()})
		equal(t, "lo is ErrNotSupported with BufSize", errors.Is(err, ErrNotSupported), true)
		_, err = r.ImportZCRX(0)
		if needsLinux(t, err, kernel.V(6, 19), 15) {
			equal(t, "what is no instance is EBADF", errors.Is(err, syscall.EBADF), true)
		}
		err = (&ZCRX{ring: r.Ring, id: 1}).Flush()
		if needsLinux(t, err, kernel.V(6, 19), 15) {
			equal(t, "an instance that is not there is ENXIO", errors.Is(err, syscall.ENXIO), true)
		}
	})
}

// Linux 7.1 needs no device: there the whole way is tried.
func TestZCRXWithoutADevice(t *testing.T) {
	for _, buffers := range []int{4, 64} {
		t.Run(fmt.Sprint(buffers), func(t *testing.T) { withoutADevice(t, buffers) })
	}
}

func withoutADevice(t *testing.T, buffers int) {
	a := newArena(t, buffers*os.Getpagesize())
	onOwner(t, Config{Entries: 8, Flags: SetupCQE32}, func(r *rig) {
		z, err := r.RegisterZCRX(ZCRXConfig{NoDevice: true, Memory: a, RefillEntries: 64})
		if errors.Is(err, syscall.EPERM) { // older kernels, too, look at rights first
			wantError(t, err, "CAP_NET_ADMIN")
			return
		}
		if !needsLinux(t, err, kernel.V(7, 1), 10) {
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
		receiveZCRX(t, r.Ring, z)
	})
}

// receiveZCRX receives more than the refill ring has entries for.
func receiveZCRX(t *testing.T, r *Ring, z *ZCRX) {
	const total = 1 << 20
	// Linux 7.1 may end no request that ran out of buffers after some data, and
	// let it wait for more of it than the connection has room for.
	forgets, limit := !hasLinux(t, kernel.V(7, 2)), patience
	if forgets {
		limit = 200 * time.Millisecond
	}
	client, server := testutil.TCPPair(t)
	arm := func() {
		s, err := r.NextSQE()
		equal(t, "error of NextSQE", err, nil)
		equal(t, "error of PrepRecvZCMultishot", s.PrepRecvZCMultishot(FD(server), z.ID(), 0), nil)
	}
	arm()
	sent, got := bytes.Repeat([]byte("zero copy receive "), total/18), []byte(nil)
	done := make(chan error, 1)
	go func() {
		_, err := syscall.Write(client, sent)
		done <- errors.Join(err, syscall.Shutdown(client, syscall.SHUT_WR))
	}()
	for more := true; more; {
		if _, err := r.SubmitAndWaitTimeout(1, limit); err != nil {
			if !forgets || unread(t, server) == 0 {
				t.Errorf("after %d bytes: %v", len(got), err)
				return
			}
			n, err := r.SyncCancel(Match{Any: true}, true, 0)
			equal(t, "requests canceled", n, 1)
			equal(t, "error of SyncCancel", err, nil)
		}
		for c, second := range r.CompletionsBig() {
			if err := c.Err(); errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ECANCELED) {
				// The completion queue was full, all buffers in use, or it is canceled above.
				equal(t, "no more completions", c.More(), false)
				equal(t, "error of Flush", z.Flush(), nil)
				arm()
				continue
			}
			equal(t, "error of the completion", c.Err(), nil)
			seg, err := z.Segment(c, second)
			equal(t, "error of Segment", err, nil)
			got, more = append(got, seg.Bytes()...), c.More()
			if err := seg.Release(); errors.Is(err, ErrRefillFull) {
				equal(t, "error of Flush", z.Flush(), nil)
				err = seg.Release()
				equal(t, "error of Release", err, nil)
			}
		}
	}
	equal(t, "error of the sender", <-done, nil)
	equal(t, "the data is what was sent", bytes.Equal(got, sent), true)
}
