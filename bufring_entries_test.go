package uring

import (
	"errors"
	"syscall"
	"testing"
	"unsafe"
)

// A ring of buffers whose entries the kernel allocated works like any other:
// around the ring, classic and incremental.
func TestBufRingInTheKernelsMemory(t *testing.T) {
	_, err := ringOf(t, Config{Entries: 4}).NewBufRing(BufRingConfig{Entries: 4, BufSize: 64, KernelMemory: true})
	needsCall(t, err)
	for _, incremental := range []bool{false, true} {
		name := map[bool]string{false: "classic", true: "incremental"}[incremental]
		t.Run(name, func(t *testing.T) {
			s := newStage(t, BufRingConfig{Group: 0x7ff, Entries: 4, BufSize: 64, KernelMemory: true, Incremental: incremental})
			for i := range 20 {
				n := 40 + i%24
				s.send(n)
				c := one(t, s.ring, func(q SQE) {
					if err := q.PrepRecvProvided(FD(s.in), s.br, 0, 0, 0); err != nil {
						t.Fatal(err)
					}
				})
				var got []byte
				if err := s.br.Consume(c, func(p []byte) error { got = append(got, p...); return nil }); err != nil {
					t.Fatal(err)
				}
				equal(t, "bytes", got, stream(s.got, len(got)))
				s.got += len(got)
			}
			if n, err := s.br.Available(); err != nil || n < 1 {
				t.Errorf("available: %d, %v", n, err)
			}
			equal(t, "error of Close", s.br.Close(), nil)
			again, err := s.ring.NewBufRing(BufRingConfig{Group: 0x7ff, Entries: 8, BufSize: 64, KernelMemory: true})
			equal(t, "error of the same group again", err, nil)
			equal(t, "error of Close", again.Close(), nil)
		})
	}
}

func TestKernelMemoryNeedsADescriptor(t *testing.T) {
	needsCloseRingFD(t)
	onOwner(t, Config{Entries: 4}, func(r *Ring) {
		equal(t, "error of RegisterRingFD", r.RegisterRingFD(), nil)
		equal(t, "error of CloseRingFD", r.CloseRingFD(), nil)
		_, err := r.NewBufRing(BufRingConfig{Entries: 4, BufSize: 64, KernelMemory: true})
		wantError(t, err, "no descriptor to map the memory by")
		_, err = r.NewBufRing(BufRingConfig{Group: 2048, Entries: 4, BufSize: 64, KernelMemory: true})
		wantError(t, err, "Group is 2048, the kernel can map 0 to 2047")
	})
}

// What fails after the kernel made the ring takes it back.
func TestKernelMemoryIsGivenBackOnErrors(t *testing.T) {
	r, _, _ := newMockRing(t, 0)
	_, err := r.NewBufRing(BufRingConfig{Entries: 4, BufSize: 64, KernelMemory: true})
	wantError(t, err, "no descriptor")

	r, _, drv := newMockRing(t, 0)
	r.fd.Store(1 << 20)
	drv.RegisterBufRing(unsafe.Pointer(nil), uint32(4), uint32(9), uint32(1), uint32(0)).Return(0)
	drv.UnregisterBufRing(uint32(9)).Return(0)
	_, err = r.NewBufRing(BufRingConfig{Group: 9, Entries: 4, BufSize: 64, KernelMemory: true})
	equal(t, "is EBADF", errors.Is(err, syscall.EBADF), true)
}
