package uring

import (
	"encoding/binary"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

var (
	probeSendProvided = trialProbe("sends from provided buffers", kernel.V(6, 10),
		"send from memory of the program's own",
		func(t *trial) error {
			fd, _, err := t.pair()
			if err != nil {
				return err
			}
			if err := t.group(0, 0); err != nil {
				return err
			}
			_, addr := t.bytes(trialData, 8)
			t.provide(cgo.Slot{Addr: addr, Len: 8})
			return t.knows(cgo.SQE{Opcode: cgo.OpSend, FD: fd, Flags: cgo.SQEBufferSelect})
		})
	probeSendZC = opProbe("zero-copy send", kernel.V(6, 0), cgo.OpSendZC,
		"send with a copy")
	probeSendMsgZC = opProbe("zero-copy send of messages", kernel.V(6, 1), cgo.OpSendMsgZC,
		"one zero-copy send for each part")
	probeSendMsgZCFixed = requestProbe("zero-copy send of messages from registered buffers", kernel.V(6, 15),
		"one zero-copy send from a registered buffer for each part",
		func(t *trial) cgo.SQE {
			return cgo.SQE{Opcode: cgo.OpSendMsgZC, Addr: t.message(), Len: 1, IOPrio: cgo.RecvSendFixedBuf}
		})
	probeReportUsage = requestProbe("reports of zero-copy usage", kernel.V(6, 2),
		"whether zero copy happened stays unknown: measure both ways",
		func(t *trial) cgo.SQE {
			_, addr := t.bytes(trialData, 8)
			return cgo.SQE{Opcode: cgo.OpSendZC, Addr: addr, Len: 8, IOPrio: cgo.SendZCReportUsage}
		})
)

// Where things are in a trial's memory, behind the entries of its group.
const (
	trialMsghdr = 4 << 10
	trialData   = 8 << 10
)

// message writes a struct msghdr of one part, of 8 bytes, and returns its
// address.
func (t *trial) message() uint64 {
	_, data := t.bytes(trialData, 8)
	iovec, iovecAddr := t.bytes(trialMsghdr+128, 16)
	binary.NativeEndian.PutUint64(iovec[0:], data)
	binary.NativeEndian.PutUint64(iovec[8:], 8)
	hdr, hdrAddr := t.bytes(trialMsghdr, 56)
	binary.NativeEndian.PutUint64(hdr[16:], iovecAddr)
	binary.NativeEndian.PutUint64(hdr[24:], 1)
	return hdrAddr
}
