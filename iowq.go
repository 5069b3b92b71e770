package uring

import (
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/uring-go/uring/internal/kernel"
)

// maxCPU is the highest number of a CPU that Linux can be built for.
const maxCPU = 8191

// noCPU says that the machine has no such CPU: the kernel takes any, and makes
// workers that may run nowhere.
func noCPU(cpu int) bool {
	const all = "/sys/devices/system/cpu"
	if _, err := os.Stat(all); err != nil {
		return cpu < 0 || cpu > maxCPU // no way to tell
	}
	_, err := os.Stat(fmt.Sprintf("%s/cpu%d", all, cpu))
	return err != nil
}

// RegisterIOWQAff lets worker threads of the ring, those of io-wq, run on these
// CPUs only; it holds for those that start from now on. They belong to the
// thread that submits, and that thread must call it, as in [Serve]; with
// [SetupSQPoll] any may. Linux 5.14. See io_uring_register_iowq_aff(3).
func (r *Ring) RegisterIOWQAff(cpus ...int) error {
	if err := r.usable(); err != nil {
		return err
	}
	if len(cpus) == 0 {
		return errors.New("uring: RegisterIOWQAff: no CPU; UnregisterIOWQAff allows all")
	}
	var mask []byte
	for _, cpu := range cpus {
		if noCPU(cpu) {
			return fmt.Errorf("uring: RegisterIOWQAff: there is no CPU %d", cpu)
		}
		for len(mask) <= cpu/8 {
			mask = append(mask, make([]byte, 8)...) // the kernel takes whole words
		}
		mask[cpu/8] |= 1 << (cpu % 8)
	}
	return answer("choose CPUs for workers", r.drv.RegisterIOWQAff(mask), kernel.V(5, 14), "")
}

// UnregisterIOWQAff undoes [Ring.RegisterIOWQAff]. See
// io_uring_unregister_iowq_aff(3).
func (r *Ring) UnregisterIOWQAff() error {
	if err := r.usable(); err != nil {
		return err
	}
	return answer("choose CPUs for workers", r.drv.UnregisterIOWQAff(), kernel.V(5, 14), "")
}

// RegisterIOWQMaxWorkers limits how many worker threads the ring may have on
// each NUMA node: bounded ones, for requests that end by themselves, such as
// those on files, and unbounded ones, for requests that may wait for ever, such
// as those on sockets. 0 leaves a limit as it is. It returns the limits so far.
// The limits are per thread that submits, not per ring. Linux 5.15. See
// io_uring_register_iowq_max_workers(3).
func (r *Ring) RegisterIOWQMaxWorkers(bounded, unbounded int) (oldBounded, oldUnbounded int, err error) {
	if err := r.usable(); err != nil {
		return 0, 0, err
	}
	if min(bounded, unbounded) < 0 || max(bounded, unbounded) > math.MaxInt32 {
		return 0, 0, fmt.Errorf("uring: RegisterIOWQMaxWorkers: %d and %d workers", bounded, unbounded)
	}
	limits := [2]uint32{uint32(bounded), uint32(unbounded)}
	if err := answer("limit workers", r.drv.RegisterIOWQMaxWorkers(&limits), kernel.V(5, 15), ""); err != nil {
		return 0, 0, err
	}
	return int(limits[0]), int(limits[1]), nil
}
