package uring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/uring-go/uring/cgo"
)

// SetupParams is what the kernel says of a ring that [Setup] opened: the 120
// bytes of a struct io_uring_params. They go with the descriptor to where it is
// used.
type SetupParams cgo.RawParams

// Setup opens a ring for [OpenFD] to map, in this process or in another of the
// same machine that gets the descriptor, over a UNIX socket or by inheritance.
// So a process that may open rings can serve those that may not. The descriptor
// is the caller's to close, and closed by exec unless that is changed.
//
// With [SetupRDisabled] the ring belongs to the thread that calls
// [Ring.Enable]; without it, [SetupSingleIssuer] makes it the caller's. Memory
// of the program, [SetupNoMMap] and [SetupIOPoll] are not for such rings, nor is
// [SetupSQPoll]: the kernel's thread works with the memory and the descriptors of
// the process that opened the ring, so that requests of another would write over
// its memory. Errors are those of [New]. See io_uring_setup(2): in C it is io_uring_setup of
// liburing.
func Setup(c Config) (fd int, p SetupParams, err error) {
	c, err = c.normalize()
	if err != nil {
		return -1, p, err
	}
	if no := c.Flags & (SetupNoMMap | SetupIOPoll | SetupSQPoll); no != 0 {
		return -1, p, fmt.Errorf("uring: Setup does not go with %v", no)
	}
	rc := setupRaw(uint32(c.Entries), c.params(), (*cgo.RawParams)(&p))
	if err := check(opOpen, rc); err != nil {
		return -1, SetupParams{}, explain(c, err)
	}
	return rc, p, nil
}

// flags returns the ring's flags, the third word.
func (p *SetupParams) flags() uint32 { return binary.NativeEndian.Uint32(p[8:]) }

// OpenFD maps a ring that [Setup] opened and that nothing was submitted to. The
// descriptor then belongs to the ring, which closes it. A process that forks
// off others, or hands a descriptor on, must leave the ring to one of them. See
// io_uring_queue_mmap(3).
func OpenFD(fd int, p SetupParams) (*Ring, error) {
	if SetupFlags(p.flags())&SetupSQPoll != 0 {
		return nil, errors.New("uring: OpenFD does not go with SetupSQPoll: the kernel's thread would use the memory and descriptors of the process that opened the ring")
	}
	raw, params, rc := cgo.Map(fd, (*cgo.RawParams)(&p))
	switch syscall.Errno(-rc) {
	case syscall.EBADMSG:
		return nil, errors.New("uring: OpenFD: the SetupParams are not those of the descriptor's ring")
	case syscall.EBUSY:
		return nil, fmt.Errorf("uring: OpenFD: %w: requests have been submitted to the ring", ErrBusy)
	}
	if err := check(opMap, rc); err != nil {
		return nil, err
	}
	r := opened(raw, params)
	r.owner = thread{} // whoever called Setup, or will call Enable
	return r, nil
}
