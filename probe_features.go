package uring

import (
	"errors"
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

// Rings and what is registered with them.
var (
	probeSingleIssuer = setupProbe(SetupSingleIssuer,
		"leave the flag out; only speed is lost")
	probeDeferTaskrun = setupProbe(SetupDeferTaskrun|SetupSingleIssuer,
		"SetupCoopTaskrun interrupts nearly as rarely")
	probeNoMMap = setupProbe(SetupNoMMap,
		"leave the flag out; the kernel allocates the queues")
	probeRegisteredFDOnly = setupProbe(SetupRegisteredFDOnly|SetupNoMMap,
		"Ring.RegisterRingFD is as fast, but keeps the descriptor")
	probeNoSQArray = setupProbe(SetupNoSQArray,
		"leave the flag out; only speed is lost")
	probeHybridIOPoll = setupProbe(SetupHybridIOPoll|SetupIOPoll,
		"SetupIOPoll alone uses more of the processor")
	probeCQEMixed = setupProbe(SetupCQEMixed,
		"SetupCQE32 makes all completions large")
	probeSQEMixed = setupProbe(SetupSQEMixed,
		"SetupSQE128 makes all entries large")
	probeSQRewind = setupProbe(SetupSQRewind|SetupNoSQArray,
		"leave the flag out; only speed is lost")

	probeMinTimeout = featureBit("minimum wait time", kernel.V(6, 12), cgo.FeatMinTimeout,
		"wait for one completion, then for more with a short timeout")
	probeNoIowait = featureBit("waits not counted as I/O", kernel.V(6, 15), cgo.FeatNoIowait,
		"waiting for completions shows as iowait in the system's statistics")

	probeRingFD = trialProbe("registered ring descriptors", kernel.V(5, 18),
		"leave it out; entering the kernel takes a little longer",
		func(t *trial) error {
			if rc := t.ring.RegisterRingFD(); rc < 0 {
				return verdict("register the ring's descriptor", rc)
			}
			return check("unregister the ring's descriptor", t.ring.UnregisterRingFD())
		})
	probeNAPI = trialProbe("busy polling of network devices", kernel.V(6, 9),
		"leave it out; receives have the usual latency (the kernel needs CONFIG_NET_RX_BUSY_POLL)",
		func(t *trial) error {
			if rc := t.ring.RegisterNAPI(&cgo.NAPI{BusyPollUsec: 1}); rc < 0 {
				return verdict("register busy polling", rc)
			}
			return check("unregister busy polling", t.ring.UnregisterNAPI(&cgo.NAPI{}))
		})
	probeSyncCancel = trialProbe("cancelling from outside the queue", kernel.V(6, 0),
		"cancel with requests; Ring.Close leaves what still runs to the kernel",
		func(t *trial) error {
			// Nothing runs: ENOENT is a yes.
			return verdict("cancel", t.ring.SyncCancelAll(0), syscall.ENOENT)
		})
	probeCancelOp = trialProbe("cancelling by opcode", kernel.V(6, 6),
		"cancel by descriptor or user data",
		func(t *trial) error {
			// Old kernels ignore the flag but reject a non-zero opcode in that
			// reserved field.
			c := cgo.SyncCancel{Flags: cgo.AsyncCancelOp, Opcode: cgo.OpSend, FD: -1}
			return verdict("cancel", t.ring.SyncCancel(&c), syscall.ENOENT)
		})
	probeCancelBoth = withBackports(trialProbe("cancelling by user data and descriptor together", kernel.V(7, 0),
		"cancel by user data alone, and let no two requests have the same", tryCancelBoth),
		kernel.Version{Major: 6, Minor: 19, Patch: 14}, kernel.Version{Major: 6, Minor: 18, Patch: 15}, kernel.Version{Major: 6, Minor: 12, Patch: 85})
	probeMsgRing = opProbe("messages between rings", kernel.V(5, 18), cgo.OpMsgRing,
		"wake the other ring with an eventfd")
	probeFixedFDInstall = opProbe("descriptors for direct descriptors", kernel.V(6, 8), cgo.OpFixedFDInstall,
		"open files as ordinary descriptors where other system calls need them")
	probeReadMultishot = opProbe("multishot read", kernel.V(6, 7), cgo.OpReadMultishot,
		"prepare a read for each completion")
)

// tryCancelBoth cancels a request by its descriptor and other user data, which
// must not find it, and by its own, which must. Some kernels ignore
// the user data, and some compare it with something else.
func tryCancelBoth(t *trial) error {
	in, _, err := t.pipe()
	if err != nil {
		return err
	}
	id, err := t.start(cgo.SQE{Opcode: cgo.OpPollAdd, FD: in, OpFlags: pollWord(1)})
	if err != nil {
		return err
	}
	c := cgo.SyncCancel{FD: in, Addr: id + 1, Flags: cgo.AsyncCancelFD | cgo.AsyncCancelUserData, Sec: -1, Nsec: -1}
	switch rc := t.ring.SyncCancel(&c); {
	case rc >= 0:
		return feature.No(errors.New("the kernel ignores the user data"))
	case rc != -int(syscall.ENOENT):
		return verdict("cancel", rc)
	}
	c.Addr = id
	if rc := t.ring.SyncCancel(&c); rc == -int(syscall.ENOENT) {
		return feature.No(errors.New("the kernel finds no request"))
	} else {
		return verdict("cancel", rc)
	}
}

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

// Where things are in a trial's memory, after the entries of its group.
const (
	trialIovec = 4 << 10
	trialData  = 8 << 10
)

// Receive bundles are used only where the kernel gets them right.
var (
	probeBundles = &feature.Probe{
		Name: "receive bundles", Since: kernel.V(6, 10),
		Advice: "one buffer for each completion: use larger buffers, or incremental ones",
		Try: func() error {
			// A shortened buffer takes less than a BufRing counts on: inside
			// a bundle, what follows would be read from the wrong place.
			return bundlesUnless(bugShortened, bugOrder)
		},
	}
	probeIncrementalBundles = &feature.Probe{
		Name: "receive bundles into incremental buffers", Since: kernel.V(6, 12),
		Advice: "one buffer for each completion: use larger buffers",
		Try: func() error {
			if err := probeIncremental.Check(); err != nil {
				return err
			}
			return bundlesUnless(bugIncrementalOrder, bugIncrementalSteps)
		},
	}
)

// bundlesUnless is the answer no if the kernel has no bundles, and off if it
// has one of the bugs.
func bundlesUnless(list ...*bug) error {
	if err := probeSendBundles.Try(); err != nil {
		return err
	}
	for _, b := range list {
		if err := b.off(); err != nil {
			return err
		}
	}
	return nil
}

// probeCloneInFront finds out whether buffers can be cloned to places in front
// of others.
var probeCloneInFront = &feature.Probe{
	Name:      "cloning buffers to places in front of others",
	Since:     kernel.V(6, 19),
	Backports: []kernel.Version{{Major: 6, Minor: 18, Patch: 15}},
	Advice:    "clone to places behind all others",
	Try:       bugClone.off,
}
