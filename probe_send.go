package uring

import (
	"encoding/binary"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

// Sends.
var (
	probeSendBundles = featureBit("send bundles", kernel.V(6, 10), cgo.FeatRecvSendBundle,
		"send several pieces with one message (PrepSendMsg)")
	probeSendProvided = trialProbe("sends from provided buffers", kernel.V(6, 10),
		"send from memory of the program's own",
		func(t *trial) error { return t.sendProvided(0) })
	probeSendProvidedPart = trialProbe("sends of parts of provided buffers", kernel.V(6, 12),
		"give the kernel buffers of exactly the length to send",
		func(t *trial) error { return t.sendProvided(4) })
	probeSendVectorized = sendProbe("vectorized send", kernel.V(6, 17),
		"send several pieces with one message (PrepSendMsg)",
		func(t *trial) cgo.SQE {
			return cgo.SQE{Opcode: cgo.OpSend, Addr: t.iovec(), Len: 1, IOPrio: cgo.SendVectorized}
		})
	probeSendFixed = sendProbe("plain send from registered buffers", kernel.V(7, 2),
		"send from the same memory without naming the buffer",
		func(t *trial) cgo.SQE {
			return cgo.SQE{Opcode: cgo.OpSend, Addr: t.data(), Len: 8, IOPrio: cgo.RecvSendFixedBuf}
		})

	probeSendZC = opProbe("zero-copy send", kernel.V(6, 0), cgo.OpSendZC,
		"send with a copy")
	probeSendMsgZC = opProbe("zero-copy send of messages", kernel.V(6, 1), cgo.OpSendMsgZC,
		"one zero-copy send for each part")
	// The kernel learned that together with reads into several parts of a
	// registered buffer. Older kernels know the flag, but sends then fail.
	probeSendMsgZCFixed = opProbe("zero-copy send of messages from registered buffers", kernel.V(6, 15), cgo.OpReadvFixed,
		"one zero-copy send from a registered buffer for each part")
	probeReportUsage = withBackports(sendProbe("reports of zero-copy usage", kernel.V(6, 2),
		"whether zero copy happened stays unknown: measure both ways",
		func(t *trial) cgo.SQE {
			return cgo.SQE{Opcode: cgo.OpSendZC, Addr: t.data(), Len: 8, IOPrio: cgo.SendZCReportUsage}
		}), kernel.Version{Major: 6, Minor: 1, Patch: 176})
	probeNotifUserData = sendProbe("user data of zero-copy notifications", kernel.V(7, 1),
		"both completions of a zero-copy send carry the same user data",
		func(t *trial) cgo.SQE {
			return cgo.SQE{Opcode: cgo.OpSendZC, Addr: t.data(), Len: 8, Addr3: 1}
		})
)

// sendProvided sends n bytes of a provided buffer of 8, or all if n is 0.
func (t *trial) sendProvided(n uint32) error {
	fd, _, err := t.pair(cgo.SockStream)
	if err != nil {
		return err
	}
	if err := t.group(0, 0); err != nil {
		return err
	}
	t.provide(cgo.Slot{Addr: t.data(), Len: 8})
	return t.knows(cgo.SQE{Opcode: cgo.OpSend, FD: fd, Len: n, Flags: cgo.SQEBufferSelect})
}

// Where things are in a trial's memory, behind the entries of its group.
const (
	trialIovec = 4 << 10
	trialData  = 8 << 10
)

// data returns the address of memory that is free to use.
func (t *trial) data() uint64 {
	_, addr := t.bytes(trialData, trialMemory-trialData)
	return addr
}

// iovec writes a struct iovec of 8 bytes and returns its address.
func (t *trial) iovec() uint64 {
	p, addr := t.bytes(trialIovec, 16)
	binary.NativeEndian.PutUint64(p[0:], t.data())
	binary.NativeEndian.PutUint64(p[8:], 8)
	return addr
}
