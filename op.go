package uring

import (
	"fmt"

	"github.com/uring-go/uring/cgo"
)

// An Op is what a request does: an opcode.
type Op uint8

// The opcodes. Each Prep method of [SQE] uses the one of its name.
const (
	OpNop            Op = cgo.OpNop
	OpReadv          Op = cgo.OpReadv
	OpWritev         Op = cgo.OpWritev
	OpFsync          Op = cgo.OpFsync
	OpReadFixed      Op = cgo.OpReadFixed
	OpWriteFixed     Op = cgo.OpWriteFixed
	OpPollAdd        Op = cgo.OpPollAdd
	OpPollRemove     Op = cgo.OpPollRemove
	OpSyncFileRange  Op = cgo.OpSyncFileRange
	OpSendMsg        Op = cgo.OpSendMsg
	OpRecvMsg        Op = cgo.OpRecvMsg
	OpTimeout        Op = cgo.OpTimeout
	OpTimeoutRemove  Op = cgo.OpTimeoutRemove
	OpAccept         Op = cgo.OpAccept
	OpAsyncCancel    Op = cgo.OpAsyncCancel
	OpLinkTimeout    Op = cgo.OpLinkTimeout
	OpConnect        Op = cgo.OpConnect
	OpFallocate      Op = cgo.OpFallocate
	OpOpenat         Op = cgo.OpOpenat
	OpClose          Op = cgo.OpClose
	OpFilesUpdate    Op = cgo.OpFilesUpdate
	OpStatx          Op = cgo.OpStatx
	OpRead           Op = cgo.OpRead
	OpWrite          Op = cgo.OpWrite
	OpFadvise        Op = cgo.OpFadvise
	OpMadvise        Op = cgo.OpMadvise
	OpSend           Op = cgo.OpSend
	OpRecv           Op = cgo.OpRecv
	OpOpenat2        Op = cgo.OpOpenat2
	OpEpollCtl       Op = cgo.OpEpollCtl
	OpSplice         Op = cgo.OpSplice
	OpProvideBuffers Op = cgo.OpProvideBuffers
	OpRemoveBuffers  Op = cgo.OpRemoveBuffers
	OpTee            Op = cgo.OpTee
	OpShutdown       Op = cgo.OpShutdown
	OpRenameat       Op = cgo.OpRenameat
	OpUnlinkat       Op = cgo.OpUnlinkat
	OpMkdirat        Op = cgo.OpMkdirat
	OpSymlinkat      Op = cgo.OpSymlinkat
	OpLinkat         Op = cgo.OpLinkat
	OpMsgRing        Op = cgo.OpMsgRing
	OpFsetxattr      Op = cgo.OpFsetxattr
	OpSetxattr       Op = cgo.OpSetxattr
	OpFgetxattr      Op = cgo.OpFgetxattr
	OpGetxattr       Op = cgo.OpGetxattr
	OpSocket         Op = cgo.OpSocket
	OpUringCmd       Op = cgo.OpUringCmd
	OpSendZC         Op = cgo.OpSendZC
	OpSendMsgZC      Op = cgo.OpSendMsgZC
	OpReadMultishot  Op = cgo.OpReadMultishot
	OpWaitid         Op = cgo.OpWaitid
	OpFutexWait      Op = cgo.OpFutexWait
	OpFutexWake      Op = cgo.OpFutexWake
	OpFutexWaitv     Op = cgo.OpFutexWaitv
	OpFixedFDInstall Op = cgo.OpFixedFDInstall
	OpFtruncate      Op = cgo.OpFtruncate
	OpBind           Op = cgo.OpBind
	OpListen         Op = cgo.OpListen
	OpRecvZC         Op = cgo.OpRecvZC
	OpEpollWait      Op = cgo.OpEpollWait
	OpReadvFixed     Op = cgo.OpReadvFixed
	OpWritevFixed    Op = cgo.OpWritevFixed
	OpPipe           Op = cgo.OpPipe
	OpNop128         Op = cgo.OpNop128
	OpUringCmd128    Op = cgo.OpUringCmd128
)

var opNames = [...]string{
	OpNop:            "OpNop",
	OpReadv:          "OpReadv",
	OpWritev:         "OpWritev",
	OpFsync:          "OpFsync",
	OpReadFixed:      "OpReadFixed",
	OpWriteFixed:     "OpWriteFixed",
	OpPollAdd:        "OpPollAdd",
	OpPollRemove:     "OpPollRemove",
	OpSyncFileRange:  "OpSyncFileRange",
	OpSendMsg:        "OpSendMsg",
	OpRecvMsg:        "OpRecvMsg",
	OpTimeout:        "OpTimeout",
	OpTimeoutRemove:  "OpTimeoutRemove",
	OpAccept:         "OpAccept",
	OpAsyncCancel:    "OpAsyncCancel",
	OpLinkTimeout:    "OpLinkTimeout",
	OpConnect:        "OpConnect",
	OpFallocate:      "OpFallocate",
	OpOpenat:         "OpOpenat",
	OpClose:          "OpClose",
	OpFilesUpdate:    "OpFilesUpdate",
	OpStatx:          "OpStatx",
	OpRead:           "OpRead",
	OpWrite:          "OpWrite",
	OpFadvise:        "OpFadvise",
	OpMadvise:        "OpMadvise",
	OpSend:           "OpSend",
	OpRecv:           "OpRecv",
	OpOpenat2:        "OpOpenat2",
	OpEpollCtl:       "OpEpollCtl",
	OpSplice:         "OpSplice",
	OpProvideBuffers: "OpProvideBuffers",
	OpRemoveBuffers:  "OpRemoveBuffers",
	OpTee:            "OpTee",
	OpShutdown:       "OpShutdown",
	OpRenameat:       "OpRenameat",
	OpUnlinkat:       "OpUnlinkat",
	OpMkdirat:        "OpMkdirat",
	OpSymlinkat:      "OpSymlinkat",
	OpLinkat:         "OpLinkat",
	OpMsgRing:        "OpMsgRing",
	OpFsetxattr:      "OpFsetxattr",
	OpSetxattr:       "OpSetxattr",
	OpFgetxattr:      "OpFgetxattr",
	OpGetxattr:       "OpGetxattr",
	OpSocket:         "OpSocket",
	OpUringCmd:       "OpUringCmd",
	OpSendZC:         "OpSendZC",
	OpSendMsgZC:      "OpSendMsgZC",
	OpReadMultishot:  "OpReadMultishot",
	OpWaitid:         "OpWaitid",
	OpFutexWait:      "OpFutexWait",
	OpFutexWake:      "OpFutexWake",
	OpFutexWaitv:     "OpFutexWaitv",
	OpFixedFDInstall: "OpFixedFDInstall",
	OpFtruncate:      "OpFtruncate",
	OpBind:           "OpBind",
	OpListen:         "OpListen",
	OpRecvZC:         "OpRecvZC",
	OpEpollWait:      "OpEpollWait",
	OpReadvFixed:     "OpReadvFixed",
	OpWritevFixed:    "OpWritevFixed",
	OpPipe:           "OpPipe",
	OpNop128:         "OpNop128",
	OpUringCmd128:    "OpUringCmd128",
}

// String returns the name of the opcode, such as "OpSendZC".
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

// An OpProbe says which opcodes a kernel has. The zero value has none.
type OpProbe struct {
	has  [256]uint8
	last int
}

// Supports reports whether the kernel has the opcode. See
// io_uring_opcode_supported(3).
func (p *OpProbe) Supports(o Op) bool { return p.has[o] != 0 }

// Ops returns the opcodes that the kernel has, in the order of their numbers.
// Some may be newer than this package.
func (p *OpProbe) Ops() []Op {
	var ops []Op
	for o, has := range p.has {
		if has != 0 {
			ops = append(ops, Op(o))
		}
	}
	return ops
}

// Known returns how many opcodes the kernel knows by number, which includes
// those that it was built without.
func (p *OpProbe) Known() int { return p.last }

// ProbeOps asks the kernel which opcodes it has. Having one does not mean
// having all its flags: see the Have functions. Linux 5.6. See
// io_uring_get_probe_ring(3), io_uring_register_probe(3) and
// io_uring_free_probe(3).
func (r *Ring) ProbeOps() (*OpProbe, error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	p := &OpProbe{}
	p.last = r.drv.Probe(p.has[:])
	if err := check(opProbeOps, p.last); err != nil {
		return nil, err
	}
	return p, nil
}

// ProbeOps is [Ring.ProbeOps] on a ring of its own. See io_uring_get_probe(3).
func ProbeOps() (*OpProbe, error) {
	var p *OpProbe
	err := onTrial(0, func(t *trial) error {
		p = &OpProbe{}
		p.last = t.ring.Probe(p.has[:])
		return check(opProbeOps, p.last)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

const opProbeOps = "ask for the opcodes"

// A RegisterOp is a kind of registration with a ring: an opcode of
// io_uring_register(2).
type RegisterOp uint8

// The registrations, for [AllowRegister]. Each method of [Ring] uses the one of
// its name, or one of several: RegisterFiles2 and RegisterBuffers2 are used for
// tables that are empty or have tags.
const (
	RegisterBuffers        RegisterOp = cgo.RegisterBuffers
	UnregisterBuffers      RegisterOp = cgo.UnregisterBuffers
	RegisterFiles          RegisterOp = cgo.RegisterFiles
	UnregisterFiles        RegisterOp = cgo.UnregisterFiles
	RegisterEventFD        RegisterOp = cgo.RegisterEventFD
	UnregisterEventFD      RegisterOp = cgo.UnregisterEventFD
	RegisterFilesUpdate    RegisterOp = cgo.RegisterFilesUpdate
	RegisterEventFDAsync   RegisterOp = cgo.RegisterEventFDAsync
	RegisterProbe          RegisterOp = cgo.RegisterProbe
	RegisterPersonality    RegisterOp = cgo.RegisterPersonality
	UnregisterPersonality  RegisterOp = cgo.UnregisterPersonality
	RegisterRestrictions   RegisterOp = cgo.RegisterRestrictions
	RegisterEnableRings    RegisterOp = cgo.RegisterEnableRings
	RegisterFiles2         RegisterOp = cgo.RegisterFiles2
	RegisterFilesUpdate2   RegisterOp = cgo.RegisterFilesUpdate2
	RegisterBuffers2       RegisterOp = cgo.RegisterBuffers2
	RegisterBuffersUpdate  RegisterOp = cgo.RegisterBuffersUpdate
	RegisterIOWQAff        RegisterOp = cgo.RegisterIOWQAff
	UnregisterIOWQAff      RegisterOp = cgo.UnregisterIOWQAff
	RegisterIOWQMaxWorkers RegisterOp = cgo.RegisterIOWQMaxWorkers
	RegisterRingFDs        RegisterOp = cgo.RegisterRingFDs
	UnregisterRingFDs      RegisterOp = cgo.UnregisterRingFDs
	RegisterPbufRing       RegisterOp = cgo.RegisterPbufRing
	UnregisterPbufRing     RegisterOp = cgo.UnregisterPbufRing
	RegisterSyncCancel     RegisterOp = cgo.RegisterSyncCancel
	RegisterFileAllocRange RegisterOp = cgo.RegisterFileAllocRange
	RegisterPbufStatus     RegisterOp = cgo.RegisterPbufStatus
	RegisterNAPI           RegisterOp = cgo.RegisterNAPI
	UnregisterNAPI         RegisterOp = cgo.UnregisterNAPI
	RegisterClock          RegisterOp = cgo.RegisterClock
	RegisterCloneBuffers   RegisterOp = cgo.RegisterCloneBuffers
	RegisterSendMsgRing    RegisterOp = cgo.RegisterSendMsgRing
	RegisterZCRXIFQ        RegisterOp = cgo.RegisterZCRXIFQ
	RegisterResizeRings    RegisterOp = cgo.RegisterResizeRings
	RegisterMemRegion      RegisterOp = cgo.RegisterMemRegion
	RegisterQuery          RegisterOp = cgo.RegisterQuery
	RegisterZCRXCtrl       RegisterOp = cgo.RegisterZCRXCtrl
	RegisterBPFFilter      RegisterOp = cgo.RegisterBPFFilter
)

var registerOpNames = [...]string{
	RegisterBuffers:        "RegisterBuffers",
	UnregisterBuffers:      "UnregisterBuffers",
	RegisterFiles:          "RegisterFiles",
	UnregisterFiles:        "UnregisterFiles",
	RegisterEventFD:        "RegisterEventFD",
	UnregisterEventFD:      "UnregisterEventFD",
	RegisterFilesUpdate:    "RegisterFilesUpdate",
	RegisterEventFDAsync:   "RegisterEventFDAsync",
	RegisterProbe:          "RegisterProbe",
	RegisterPersonality:    "RegisterPersonality",
	UnregisterPersonality:  "UnregisterPersonality",
	RegisterRestrictions:   "RegisterRestrictions",
	RegisterEnableRings:    "RegisterEnableRings",
	RegisterFiles2:         "RegisterFiles2",
	RegisterFilesUpdate2:   "RegisterFilesUpdate2",
	RegisterBuffers2:       "RegisterBuffers2",
	RegisterBuffersUpdate:  "RegisterBuffersUpdate",
	RegisterIOWQAff:        "RegisterIOWQAff",
	UnregisterIOWQAff:      "UnregisterIOWQAff",
	RegisterIOWQMaxWorkers: "RegisterIOWQMaxWorkers",
	RegisterRingFDs:        "RegisterRingFDs",
	UnregisterRingFDs:      "UnregisterRingFDs",
	RegisterPbufRing:       "RegisterPbufRing",
	UnregisterPbufRing:     "UnregisterPbufRing",
	RegisterSyncCancel:     "RegisterSyncCancel",
	RegisterFileAllocRange: "RegisterFileAllocRange",
	RegisterPbufStatus:     "RegisterPbufStatus",
	RegisterNAPI:           "RegisterNAPI",
	UnregisterNAPI:         "UnregisterNAPI",
	RegisterClock:          "RegisterClock",
	RegisterCloneBuffers:   "RegisterCloneBuffers",
	RegisterSendMsgRing:    "RegisterSendMsgRing",
	RegisterZCRXIFQ:        "RegisterZCRXIFQ",
	RegisterResizeRings:    "RegisterResizeRings",
	RegisterMemRegion:      "RegisterMemRegion",
	RegisterQuery:          "RegisterQuery",
	RegisterZCRXCtrl:       "RegisterZCRXCtrl",
	RegisterBPFFilter:      "RegisterBPFFilter",
}

// String returns the name of the registration, such as "RegisterSyncCancel".
func (o RegisterOp) String() string {
	if int(o) < len(registerOpNames) {
		return registerOpNames[o]
	}
	return fmt.Sprintf("RegisterOp(%d)", uint8(o))
}
