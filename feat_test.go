package uring

import (
	"testing"

	"github.com/uring-go/uring/internal/kernel"
)

// featSince says which kernels set which flags.
var featSince = []struct {
	flag  FeatFlags
	name  string
	since kernel.Version
}{
	{FeatSingleMMap, "FeatSingleMMap", kernel.V(5, 4)},
	{FeatNodrop, "FeatNodrop", kernel.V(5, 5)},
	{FeatSubmitStable, "FeatSubmitStable", kernel.V(5, 5)},
	{FeatRWCurPos, "FeatRWCurPos", kernel.V(5, 6)},
	{FeatCurPersonality, "FeatCurPersonality", kernel.V(5, 6)},
	{FeatFastPoll, "FeatFastPoll", kernel.V(5, 7)},
	{FeatPoll32bits, "FeatPoll32bits", kernel.V(5, 9)},
	{FeatSQPollNonfixed, "FeatSQPollNonfixed", kernel.V(5, 11)},
	{FeatExtArg, "FeatExtArg", kernel.V(5, 11)},
	{FeatNativeWorkers, "FeatNativeWorkers", kernel.V(5, 12)},
	{FeatRsrcTags, "FeatRsrcTags", kernel.V(5, 13)},
	{FeatCQESkip, "FeatCQESkip", kernel.V(5, 17)},
	{FeatLinkedFile, "FeatLinkedFile", kernel.V(5, 17)},
	{FeatRegRegRing, "FeatRegRegRing", kernel.V(6, 3)},
	{FeatRecvSendBundle, "FeatRecvSendBundle", kernel.V(6, 10)},
	{FeatMinTimeout, "FeatMinTimeout", kernel.V(6, 12)},
	{FeatRWAttr, "FeatRWAttr", kernel.V(6, 14)},
	{FeatNoIowait, "FeatNoIowait", kernel.V(6, 15)},
}

func TestRingHasTheFeaturesOfItsKernel(t *testing.T) {
	running, err := kernel.Running()
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, f := range featSince {
		if r.Features()&f.flag == 0 && !running.Less(f.since) {
			t.Errorf("Linux %v has no %s, of Linux %v; it has %v", running, f.name, f.since, r.Features())
		}
	}
}

func TestFeatFlagsSayTheirNames(t *testing.T) {
	for _, f := range featSince {
		equal(t, f.name, f.flag.String(), f.name)
	}
	equal(t, "none", FeatFlags(0).String(), "0x0")
	equal(t, "several, one of them unknown", (FeatNodrop | FeatExtArg | 1<<30).String(), "FeatNodrop|FeatExtArg|0x40000000")
}
