package uring

import (
	"errors"
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
)

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
			// Old kernels take no notice of the flag, but refuse the opcode, save 0, as it lies where nothing may.
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
// must not find it, and by its own, which must. Some kernels take no notice of
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
		return feature.No(errors.New("the kernel takes no notice of the user data"))
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

// setupProbe probes for setup flags by opening a ring with them. The newest of
// the flags gives the probe its name.
func setupProbe(flags SetupFlags, advice string) *feature.Probe {
	p := &feature.Probe{Advice: advice, Try: func() error {
		err := onTrial(uint32(flags), func(*trial) error { return nil })
		if major, minor := cgo.LinkedVersion(); flags&SetupNoMMap != 0 && errors.Is(err, syscall.ENOMEM) && major == 2 && minor < 15 {
			return feature.Off("this liburing takes a huge page for it, and none is reserved; 2.15 does not")
		}
		return noIfInvalid(err)
	}}
	for _, s := range setupSince {
		if flags&s.flag != 0 {
			p.Name, p.Since = s.name, s.since
			break
		}
	}
	return p
}

// featureBit probes for a bit that io_uring_setup(2) returns.
func featureBit(name string, since kernel.Version, bit uint32, advice string) *feature.Probe {
	return trialProbe(name, since, advice, func(t *trial) error {
		if t.setup.Features&bit == 0 {
			return ErrNotSupported
		}
		return nil
	})
}

// opProbe probes for an opcode, which the kernel says it knows.
func opProbe(name string, since kernel.Version, op int, advice string) *feature.Probe {
	return trialProbe(name, since, advice, func(t *trial) error {
		ops := make([]uint8, op+1)
		if rc := t.ring.Probe(ops); rc < 0 {
			return check("ask for the opcodes", rc)
		}
		if ops[op] == 0 {
			return ErrNotSupported
		}
		return nil
	})
}
