package cgo

// A Wait says how to wait for completions.
type Wait struct {
	Sec, Nsec int64  // at most; for ever if Sec is negative
	Block     uint64 // signals to block meanwhile, bit 0 for signal 1
	N         uint32
	MinUsec   uint32
	Submit    uint32 // 1 to submit what is queued
	_         uint32
}

// A RegWait is a struct io_uring_reg_wait.
type RegWait struct {
	Sec, Nsec   int64
	MinWaitUsec uint32
	Flags       uint32
	SigMask     uint64
	SigMaskSize uint32
	_           [3]uint32
	_           [2]uint64
}
