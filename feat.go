package uring

import (
	"fmt"
	"strings"

	"github.com/uring-go/uring/cgo"
)

// FeatFlags are what the kernel says of a ring's abilities when it is opened.
// They tell little of what can be done with it: for that, ask the Have
// functions. See io_uring_setup(2).
type FeatFlags uint32

// The feature flags.
const (
	// FeatSingleMMap: one mapping holds both queues. Linux 5.4.
	FeatSingleMMap FeatFlags = cgo.FeatSingleMMap
	// FeatNodrop: completions that find no room are kept, not dropped. See
	// [Ring.Overflowed]. Linux 5.5.
	FeatNodrop FeatFlags = cgo.FeatNodrop
	// FeatSubmitStable: what a request tells the kernel by address, but not its
	// data, may change after Submit. Linux 5.5.
	FeatSubmitStable FeatFlags = cgo.FeatSubmitStable
	// FeatRWCurPos: reads and writes take [CurrentOffset]. Linux 5.6.
	FeatRWCurPos FeatFlags = cgo.FeatRWCurPos
	// FeatCurPersonality: requests have the rights of the thread that submits,
	// not of the one that opened the ring. Linux 5.6.
	FeatCurPersonality FeatFlags = cgo.FeatCurPersonality
	// FeatFastPoll: requests wait for sockets and pipes without a worker
	// thread. Linux 5.7.
	FeatFastPoll FeatFlags = cgo.FeatFastPoll
	// FeatPoll32bits: polls take all 32 bits of events. Linux 5.9.
	FeatPoll32bits FeatFlags = cgo.FeatPoll32bits
	// FeatSQPollNonfixed: [SetupSQPoll] works with ordinary descriptors.
	// Linux 5.11.
	FeatSQPollNonfixed FeatFlags = cgo.FeatSQPollNonfixed
	// FeatExtArg: waits take a timeout. Linux 5.11.
	FeatExtArg FeatFlags = cgo.FeatExtArg
	// FeatNativeWorkers: worker threads belong to the process. Linux 5.12.
	FeatNativeWorkers FeatFlags = cgo.FeatNativeWorkers
	// FeatRsrcTags: registered buffers and files may have tags, and be replaced
	// one by one. Linux 5.13.
	FeatRsrcTags FeatFlags = cgo.FeatRsrcTags
	// FeatCQESkip: there is [SkipSuccess]. Linux 5.17.
	FeatCQESkip FeatFlags = cgo.FeatCQESkip
	// FeatLinkedFile: the descriptor of a linked request is looked up when the
	// request starts, so that those before it can make it. Linux 5.17.
	FeatLinkedFile FeatFlags = cgo.FeatLinkedFile
	// FeatRegRegRing: a ring can be registered by its registered descriptor.
	// Linux 6.3.
	FeatRegRegRing FeatFlags = cgo.FeatRegRegRing
	// FeatRecvSendBundle: there are bundles; but ask [HaveBundles]. Linux 6.10.
	FeatRecvSendBundle FeatFlags = cgo.FeatRecvSendBundle
	// FeatMinTimeout: there is [Ring.SubmitAndWaitMin]. Linux 6.12.
	FeatMinTimeout FeatFlags = cgo.FeatMinTimeout
	// FeatRWAttr: reads and writes take attributes, such as checksums.
	// Linux 6.14.
	FeatRWAttr FeatFlags = cgo.FeatRWAttr
	// FeatNoIowait: waits need not count as waits for I/O. Linux 6.15.
	FeatNoIowait FeatFlags = cgo.FeatNoIowait
)

// featNames names the flags in the order of their bits.
var featNames = []string{
	"FeatSingleMMap", "FeatNodrop", "FeatSubmitStable", "FeatRWCurPos",
	"FeatCurPersonality", "FeatFastPoll", "FeatPoll32bits", "FeatSQPollNonfixed",
	"FeatExtArg", "FeatNativeWorkers", "FeatRsrcTags", "FeatCQESkip",
	"FeatLinkedFile", "FeatRegRegRing", "FeatRecvSendBundle", "FeatMinTimeout",
	"FeatRWAttr", "FeatNoIowait",
}

// String returns the names of the flags, joined by "|".
func (f FeatFlags) String() string {
	var names []string
	for i, name := range featNames {
		if flag := FeatFlags(1) << i; f&flag != 0 {
			names = append(names, name)
			f &^= flag
		}
	}
	if f != 0 || len(names) == 0 {
		names = append(names, fmt.Sprintf("%#x", uint32(f)))
	}
	return strings.Join(names, "|")
}

// Features returns what the kernel said about the ring when it was opened.
func (r *Ring) Features() FeatFlags {
	if r == nil {
		return 0
	}
	return FeatFlags(r.features)
}
