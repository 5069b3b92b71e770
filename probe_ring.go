package uring

import (
	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
)

var (
	probeDeferTaskrun = setupProbe("deferred task work", kernel.V(6, 1), cgo.SetupSingleIssuer|cgo.SetupDeferTaskrun,
		"SetupCoopTaskrun interrupts nearly as rarely")
	probeMinTimeout = featureBit("minimum wait time", kernel.V(6, 12), cgo.FeatMinTimeout,
		"wait for one completion, then for more with a short timeout")
)

// setupProbe probes for setup flags by opening a ring with them.
func setupProbe(name string, since kernel.Version, flags uint32, advice string) *feature.Probe {
	return &feature.Probe{Name: name, Since: since, Advice: advice, Try: func() error {
		r, rc := cgo.Open(4, &cgo.Params{Flags: flags})
		if rc >= 0 {
			r.Exit()
		}
		return verdict(opOpen, rc)
	}}
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
	return trialProbe(name, since, advice, func(t *trial) error { return t.opcode(op) })
}

// opcode asks the kernel whether it knows an opcode.
func (t *trial) opcode(op int) error {
	ops := make([]uint8, op+1)
	if rc := t.ring.Probe(ops); rc < 0 {
		return check("ask for the opcodes", rc)
	}
	if ops[op] == 0 {
		return ErrNotSupported
	}
	return nil
}
