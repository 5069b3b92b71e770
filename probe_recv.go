package uring

import (
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
)

// Receives and buffer rings.
var (
	probeBufRings = trialProbe("buffer rings", kernel.V(5, 19),
		"receive into memory of the program's own",
		func(t *trial) error { return t.group(0, 0) })
	probeBufRingStatus = trialProbe("buffer ring status", kernel.V(6, 8),
		"BufRing.Head and BufRing.Available fail; everything else works",
		func(t *trial) error {
			if err := t.group(0, 0); err != nil {
				return err
			}
			return verdict(opBufRingHead, t.ring.BufRingHead(trialGroup))
		})
	probeIncremental = trialProbe("incremental buffers", kernel.V(6, 12),
		"a receive takes a whole buffer: smaller buffers waste less",
		func(t *trial) error { return t.group(cgo.PbufRingInc, 0) })
	probeMinLeft = withBackports(trialProbe("minimum left in incremental buffers", kernel.V(7, 1),
		"receive datagrams and messages into a buffer ring that is not incremental",
		func(t *trial) error { return t.group(cgo.PbufRingInc, 2) }),
		kernel.Version{Major: 7, Patch: 13}, kernel.Version{Major: 6, Minor: 18, Patch: 44}, kernel.Version{Major: 6, Minor: 12, Patch: 107})

	probeRecvMultishot = trialProbe("multishot receive", kernel.V(6, 0),
		"prepare a receive for each completion",
		func(t *trial) error { return t.recvMultishot(cgo.SQE{}) })
	probeRecvMultishotLimit = trialProbe("length limits of multishot receives", kernel.V(6, 17),
		"one completion may take as many buffers as there are",
		func(t *trial) error { return t.recvMultishot(cgo.SQE{Len: 8, FileIndex: 16}) }) // optlen

	probeAcceptMultishot = acceptProbe("multishot accept", kernel.V(5, 19),
		"prepare an accept for each connection",
		cgo.SQE{IOPrio: cgo.AcceptMultishot})
	probeAcceptMultishotDirect = acceptProbe("multishot accept of direct descriptors", kernel.V(5, 19),
		"prepare an accept for each connection",
		cgo.SQE{IOPrio: cgo.AcceptMultishot, FileIndex: cgo.FileIndexAlloc})
	probeSocket = opProbe("opening sockets", kernel.V(5, 19), cgo.OpSocket,
		"open sockets with socket(2)")
	probeSocketOptions = trialProbe("setting options of sockets", kernel.V(6, 7),
		"set them with setsockopt(2), which direct descriptors cannot", (*trial).setsockopt)
)

// setsockopt switches something off that is off. Many kernels do not do that
// for UNIX sockets.
func (t *trial) setsockopt() error {
	const solSocket, keepAlive = 1, 9
	fd, err := t.socket()
	if err != nil {
		return err
	}
	value, addr := t.bytes(trialIovec, 4)
	clear(value)
	return t.knows(cgo.SQE{
		Opcode: cgo.OpUringCmd, FD: fd, Off: words(cgo.SocketOpSetsockopt, 0),
		Addr: words(solSocket, keepAlive), FileIndex: uint32(len(value)), Addr3: addr,
	})
}

// recvMultishot tries a multishot receive with what more sets.
func (t *trial) recvMultishot(more cgo.SQE) error {
	fd, _, err := t.pair(cgo.SockStream)
	if err != nil {
		return err
	}
	if err := t.group(0, 0); err != nil {
		return err
	}
	sqe := more
	sqe.Opcode, sqe.FD, sqe.Flags, sqe.IOPrio = cgo.OpRecv, fd, cgo.SQEBufferSelect, cgo.RecvMultishot
	return t.knows(sqe, syscall.ENOBUFS) // as no buffer is in the group
}

const (
	trialGroup   = 0
	trialEntries = 64 // in the group, whose entries are at the start of the trial's memory
)

// group registers a group without buffers.
func (t *trial) group(flags, minLeft uint32) error {
	return verdict(opRegisterBufRing, t.ring.RegisterBufRing(t.mem.Pointer(), trialEntries, trialGroup, flags, minLeft))
}

// provide gives buffers to the group.
func (t *trial) provide(slots ...cgo.Slot) {
	cgo.Refill(t.mem.Pointer(), trialEntries-1, slots)
}

func withBackports(p *feature.Probe, v ...kernel.Version) *feature.Probe {
	p.Backports = v
	return p
}
