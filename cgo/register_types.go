package cgo

// A Restriction is a struct io_uring_restriction.
type Restriction struct {
	Kind  uint16
	Value uint8
	_     uint8
	_     [3]uint32
}

// A SyncCancel is a struct io_uring_sync_cancel_reg.
type SyncCancel struct {
	Addr      uint64
	FD        int32
	Flags     uint32
	Sec, Nsec int64
	Opcode    uint8
	_         [7]uint8
	_         [3]uint64
}

// A NAPI is a struct io_uring_napi of Linux 6.13.
type NAPI struct {
	BusyPollUsec uint32
	Prefer       uint8
	Op           uint8
	_            [2]uint8
	Param        uint32
	_            uint32
}

// NAPI.Op, and NAPI.Param for the first of them: enum io_uring_napi_op and
// enum io_uring_napi_tracking_strategy, which the headers of liburing lack.
const (
	NAPIRegister  = 0
	NAPIStaticAdd = 1
	NAPIStaticDel = 2

	NAPIDynamic  = 0
	NAPIStatic   = 1
	NAPIInactive = 255
)

// A RegionDesc is a struct io_uring_region_desc.
type RegionDesc struct {
	UserAddr   uint64
	Size       uint64
	Flags      uint32
	ID         uint32
	MMapOffset uint64
	_          [4]uint64
}

// A ZCRXReg is a struct io_uring_zcrx_ifq_reg.
type ZCRXReg struct {
	Interface uint32
	Queue     uint32
	Entries   uint32
	Flags     uint32
	_         [2]uint64 // pointers, filled in by RegisterZCRX
	Head      uint32    // offsets in the refill queue's memory
	Tail      uint32
	RQEs      uint32
	_         uint32
	_         [2]uint64
	ID        uint32
	BufLen    uint32
	_         [3]uint64
}

// A ZCRXArea is a struct io_uring_zcrx_area_reg.
type ZCRXArea struct {
	Addr     uint64
	Len      uint64
	Token    uint64
	Flags    uint32
	DMABufFD uint32
	_        [2]uint64
}

// A ZCRXRQE is a struct io_uring_zcrx_rqe.
type ZCRXRQE struct {
	Off uint64
	Len uint32
	_   uint32
}

// A BPFInsn is a struct sock_filter.
type BPFInsn struct {
	Op     uint16
	Jt, Jf uint8
	K      uint32
}

// A QueryOpcodesAnswer is a struct io_uring_query_opcode.
type QueryOpcodesAnswer struct {
	Requests  uint32
	Registers uint32
	Features  uint64
	Setup     uint64
	Enter     uint64
	SQE       uint64
	Queries   uint32
	_         uint32
}

// A QueryZCRXAnswer is a struct io_uring_query_zcrx.
type QueryZCRXAnswer struct {
	Register        uint64
	Area            uint64
	Controls        uint32
	Features        uint32
	HeaderSize      uint32
	HeaderAlignment uint32
	_               uint64
}

// A QuerySCQAnswer is a struct io_uring_query_scq.
type QuerySCQAnswer struct {
	HeaderSize      uint64
	HeaderAlignment uint64
}
