package uring

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
)

// The Have functions say whether the running kernel has a feature. They return
// nil if it has, an error that matches [ErrNotSupported] and names the kernel
// that has it if not, and another error if that could not be found out, as when
// io_uring is forbidden. They try the feature once, on a ring of their own, and
// remember the answer.
//
// URING_WITHOUT=name,… in the environment switches features off by name.

// HaveBundles: send and receive bundles. Linux 6.10.
func HaveBundles() error { return probeBundles.Check() }

// HaveIncremental: incremental buffer rings. Linux 6.12.
func HaveIncremental() error { return probeIncremental.Check() }

// HaveMinLeft: BufRingConfig.MinLeft above 1. Linux 7.1, and stable releases
// such as 7.0.13, 6.18.44 and 6.12.107.
func HaveMinLeft() error { return probeMinLeft.Check() }

// HaveBufRingStatus: asking for a buffer ring's head. Linux 6.8.
func HaveBufRingStatus() error { return probeBufRingStatus.Check() }

// HaveMinTimeout: [Ring.SubmitAndWaitMin]. Linux 6.12.
func HaveMinTimeout() error { return probeMinTimeout.Check() }

var (
	probeBundles     = featureBit("send and receive bundles", kernel.V(6, 10), cgo.FeatRecvSendBundle)
	probeMinTimeout  = featureBit("minimum wait time", kernel.V(6, 12), cgo.FeatMinTimeout)
	probeIncremental = bufRingProbe("incremental buffers", kernel.V(6, 12), func(r *cgo.Ring, mem *arena.Mapping) int {
		return r.RegisterBufRing(mem.Pointer(), 1, 0, cgo.PbufRingInc, 0)
	})
	probeMinLeft = bufRingProbe("minimum left in incremental buffers", kernel.V(7, 1), func(r *cgo.Ring, mem *arena.Mapping) int {
		return r.RegisterBufRing(mem.Pointer(), 1, 0, cgo.PbufRingInc, 2)
	})
	probeBufRingStatus = bufRingProbe("buffer ring status", kernel.V(6, 8), func(r *cgo.Ring, mem *arena.Mapping) int {
		if rc := r.RegisterBufRing(mem.Pointer(), 1, 0, 0, 0); rc < 0 {
			return rc
		}
		return r.BufRingHead(0)
	})
)

// onRing runs try on a small ring of its own.
func onRing(try func(*cgo.Ring, cgo.Params) error) error {
	var p cgo.Params
	r, rc := cgo.Open(4, &p)
	if err := check(opOpen, rc); err != nil {
		return err
	}
	defer r.Exit()
	return try(r, p)
}

// featureBit probes for a bit that io_uring_setup(2) returns.
func featureBit(name string, since kernel.Version, bit uint32) *feature.Probe {
	return &feature.Probe{Name: name, Since: since, Try: func() error {
		return onRing(func(_ *cgo.Ring, p cgo.Params) error {
			if p.Features&bit == 0 {
				return ErrNotSupported
			}
			return nil
		})
	}}
}

// bufRingProbe probes with a call that a kernel without the feature answers
// with EINVAL.
func bufRingProbe(name string, since kernel.Version, try func(*cgo.Ring, *arena.Mapping) int) *feature.Probe {
	return &feature.Probe{Name: name, Since: since, Try: func() error {
		mem, err := arena.Map(1, false)
		if err != nil {
			return err
		}
		defer mem.Unmap()
		return onRing(func(r *cgo.Ring, _ cgo.Params) error {
			return answer(check(opRegisterBufRing, try(r, mem)))
		})
	}}
}

// answer turns EINVAL into a no.
func answer(err error) error {
	if errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("%w: %w", ErrNotSupported, err)
	}
	return err
}
