package uring

import (
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"
)

// RegisterRingFD lets the calling thread enter the kernel for this ring a
// little faster. Only on a goroutine locked to its thread, as in [Serve]: the
// registration belongs to the thread. Linux 5.18. See
// io_uring_register_ring_fd(3).
func (r *Ring) RegisterRingFD() error {
	if err := r.usable(); err != nil {
		return err
	}
	if r.ringFD {
		return errors.New("uring: RegisterRingFD: the descriptor is registered; UnregisterRingFD undoes it, on the same thread")
	}
	err := check("register the ring's descriptor", r.drv.RegisterRingFD())
	r.ringFD = err == nil
	return err
}

// UnregisterRingFD undoes [Ring.RegisterRingFD], on the same thread. See
// io_uring_unregister_ring_fd(3).
func (r *Ring) UnregisterRingFD() error {
	if err := r.usable(); err != nil {
		return err
	}
	if !r.ringFD {
		return errors.New("uring: UnregisterRingFD: RegisterRingFD was not called before")
	}
	err := check("unregister the ring's descriptor", r.drv.UnregisterRingFD())
	r.ringFD = err != nil
	return err
}

// RegisterFiles gives the ring a table of n direct descriptors, all empty.
// Requests fill slots ([SQE.PrepAcceptDirect], [SQE.PrepSocketDirect]), and so
// does [Ring.UpdateFile]. n is bounded by RLIMIT_NOFILE. Linux 5.19. See
// io_uring_register_files_sparse(3).
func (r *Ring) RegisterFiles(n int) error {
	if err := r.usable(); err != nil {
		return err
	}
	if n < 1 || n > math.MaxInt32 {
		return fmt.Errorf("uring: RegisterFiles: %d slots, want 1 or more", n)
	}
	if r.files > 0 {
		return fmt.Errorf("uring: RegisterFiles: the ring has a table of %d slots; UnregisterFiles drops it", r.files)
	}
	err := check(opRegisterFiles, r.drv.RegisterFilesSparse(uint32(n)))
	if errors.Is(err, syscall.EMFILE) {
		return fmt.Errorf("%w: %d slots are more than RLIMIT_NOFILE allows (ulimit -n)", err, n)
	}
	if err == nil {
		r.files = n
	}
	return err
}

// UpdateFile puts the ordinary descriptor fd into a slot of the table of
// direct descriptors, or empties the slot if fd is -1. The ring keeps the file
// open by itself: fd may be closed. See io_uring_register_files_update(3).
func (r *Ring) UpdateFile(d Direct, fd int) error {
	if err := r.usable(); err != nil {
		return err
	}
	if d.Slot() >= r.files {
		return fmt.Errorf("uring: UpdateFile: no slot %d, RegisterFiles made %d", d.Slot(), r.files)
	}
	if fd < -1 || fd > math.MaxInt32 {
		return fmt.Errorf("uring: UpdateFile: %d is no descriptor", fd)
	}
	return check("update files", r.drv.UpdateFiles(d.slot, []int32{int32(fd)}))
}

// SetFileAllocRange limits the slots that requests with [DirectAlloc] may pick
// to n slots from first on. Linux 6.0. See io_uring_register_file_alloc_range(3).
func (r *Ring) SetFileAllocRange(first Direct, n int) error {
	if err := r.usable(); err != nil {
		return err
	}
	if n < 1 || first.Slot()+n > r.files {
		return fmt.Errorf("uring: SetFileAllocRange: slots %d to %d, RegisterFiles made %d", first.Slot(), first.Slot()+n-1, r.files)
	}
	return check("set the range of direct descriptors", r.drv.RegisterFileAllocRange(first.slot, uint32(n)))
}

// UnregisterFiles drops the table of direct descriptors. Files in it are
// closed when the last request that uses them is over.
func (r *Ring) UnregisterFiles() error {
	if err := r.usable(); err != nil {
		return err
	}
	err := check("unregister files", r.drv.UnregisterFiles())
	if err == nil {
		r.files = 0
	}
	return err
}

// RegisterEventFD makes the ring signal the eventfd for completions; with
// async only for those of requests that ran in a worker thread. One signal may
// stand for many completions, and there may be more signals than completions.
// After one, go over [Ring.Completions] until it yields nothing: with
// [SetupDeferTaskrun] the signal comes while the completion is still in the
// kernel, and one call does not always fetch all. See
// io_uring_register_eventfd(3).
func (r *Ring) RegisterEventFD(fd int, async bool) error {
	if err := r.usable(); err != nil {
		return err
	}
	if r.flags&SetupDeferTaskrun != 0 && r.parked != nil {
		return errors.New("uring: RegisterEventFD: Await has taken the ring's eventfd, as it must with SetupDeferTaskrun")
	}
	err := check(opRegisterEventFD, r.drv.RegisterEventFD(fd, async))
	r.eventFD = r.eventFD || err == nil
	return err
}

// UnregisterEventFD undoes [Ring.RegisterEventFD].
func (r *Ring) UnregisterEventFD() error {
	if err := r.usable(); err != nil {
		return err
	}
	if !r.eventFD {
		return errors.New("uring: UnregisterEventFD: RegisterEventFD was not called before")
	}
	err := check("unregister the eventfd", r.drv.UnregisterEventFD())
	r.eventFD = err != nil
	return err
}

// RegisterNAPI makes waits on the ring poll the network device for up to
// busyPoll before they sleep; prefer turns interrupts off meanwhile. It needs
// a device that supports it. Linux 6.9. See io_uring_register_napi(3).
func (r *Ring) RegisterNAPI(busyPoll time.Duration, prefer bool) error {
	if err := r.usable(); err != nil {
		return err
	}
	if us := busyPoll.Microseconds(); us < 0 || us > math.MaxUint32 {
		return fmt.Errorf("uring: RegisterNAPI: %v is out of range", busyPoll)
	}
	return check("register busy polling", r.drv.RegisterNAPI(uint32(busyPoll.Microseconds()), prefer))
}

// UnregisterNAPI undoes [Ring.RegisterNAPI].
func (r *Ring) UnregisterNAPI() error {
	if err := r.usable(); err != nil {
		return err
	}
	return check("unregister busy polling", r.drv.UnregisterNAPI())
}
