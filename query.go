package uring

import (
	"errors"
	"math"
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
)

// A KernelInfo says what the kernel's io_uring knows, as far as opcodes and
// flags tell it. What works is another question, as some of it depends on
// devices, protocols and rights: ask the Have functions.
type KernelInfo struct {
	// Ops and Registers count the opcodes of requests and of registrations:
	// those from 0 to below the number are known.
	Ops, Registers int
	// Features are the flags that a ring may show in [Ring.Features].
	Features FeatFlags
	// Setup are the flags that a ring may be opened with. IORING_SETUP_CQSIZE
	// and IORING_SETUP_ATTACH_WQ, which are fields of [Config], are among them.
	Setup SetupFlags
	// Enter are the IORING_ENTER_ flags of io_uring_enter(2).
	Enter uint32
	// SQE are the flags of requests. IOSQE_FIXED_FILE and IOSQE_BUFFER_SELECT,
	// which the Prep methods set, are among them.
	SQE SQEFlags
	// Queries counts what can be asked: [QueryKernel], [QueryZCRX] and
	// [QueryQueues] make three.
	Queries int
}

// QueryKernel asks the kernel what it knows, without a ring. Linux 6.18. See
// io_uring_register_query(3).
func QueryKernel() (KernelInfo, error) {
	var a cgo.QueryOpcodesAnswer
	if err := query("ask what io_uring the kernel has", cgo.QueryOpcodesInto(&a), kernel.V(6, 18)); err != nil {
		return KernelInfo{}, err
	}
	return kernelInfo(a), nil
}

func kernelInfo(a cgo.QueryOpcodesAnswer) KernelInfo {
	return KernelInfo{
		Ops: int(a.Requests), Registers: int(a.Registers),
		Features: FeatFlags(a.Features), Setup: SetupFlags(a.Setup), Enter: uint32(a.Enter), SQE: SQEFlags(a.SQE),
		Queries: int(a.Queries),
	}
}

// A ZCRXInfo says what the kernel can do for a [ZCRX]. Whether a network device
// can is for [Ring.RegisterZCRX] to find out.
type ZCRXInfo struct {
	Register     uint64 // ZCRX_REG_ flags of registrations
	Area         uint64 // IORING_ZCRX_AREA_ flags of the memory
	Controls     int    // operations on an instance: [ZCRX.Flush], [ZCRX.Export]
	BufSize      bool   // takes ZCRXConfig.BufSize
	RefillHeader int    // bytes of a refill ring before its entries
	RefillAlign  int    // alignment that they have, in bytes
}

// QueryZCRX asks the kernel what it can do for zero-copy receives, without a
// ring. Linux 6.19. See io_uring_register_query(3).
func QueryZCRX() (ZCRXInfo, error) {
	var a cgo.QueryZCRXAnswer
	if err := query("ask about zero-copy receives", cgo.QueryZCRXInto(&a), kernel.V(6, 19)); err != nil {
		return ZCRXInfo{}, err
	}
	return zcrxInfo(a), nil
}

func zcrxInfo(a cgo.QueryZCRXAnswer) ZCRXInfo {
	return ZCRXInfo{
		Register: a.Register, Area: a.Area, Controls: int(a.Controls),
		BufSize:      a.Features&cgo.ZCRXFeatureRXPageSize != 0,
		RefillHeader: int(a.HeaderSize), RefillAlign: int(a.HeaderAlignment),
	}
}

// A QueueInfo says how the kernel lays out the memory of a ring's queues, for
// programs that place it: see [Config.Memory].
type QueueInfo struct {
	Header int // bytes before the first completion
	Align  int // alignment of them, in bytes
}

// QueryQueues asks the kernel how it lays out queues, without a ring.
// Linux 6.19. See io_uring_register_query(3).
func QueryQueues() (QueueInfo, error) {
	var a cgo.QuerySCQAnswer
	if err := query("ask for the layout of queues", cgo.QuerySCQInto(&a), kernel.V(6, 19)); err != nil {
		return QueueInfo{}, err
	}
	return queueInfo(a), nil
}

func queueInfo(a cgo.QuerySCQAnswer) QueueInfo {
	bytes := func(n uint64) int { return int(min(n, math.MaxInt)) }
	return QueueInfo{Header: bytes(a.HeaderSize), Align: bytes(a.HeaderAlignment)}
}

// query is [checkSince] for a question. That the kernel does not know the question
// has an errno of its own.
func query(op string, rc int, since kernel.Version) error {
	err := checkSince(op, rc, since, "2.15")
	if errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, ErrNotSupported) {
		return &feature.MissingError{Feature: "to " + op, Since: since, Cause: err}
	}
	return err
}
