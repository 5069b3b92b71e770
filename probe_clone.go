package uring

import (
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
)

var bugClone = &bug{
	name:        "cloned buffers drop those behind them",
	consequence: "CloneBuffersAt is refused where buffers are registered behind the places that it replaces",
	look:        onTrialLook(lookClone),
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

// Of two registered buffers the first is replaced. The second must stay.
func lookClone(t *trial) (string, error) {
	other, _, rc := openRaw(1, cgo.Params{}, nil)
	if rc < 0 {
		return "", check(opOpen, rc)
	}
	defer closeRaw(other)
	page := cgo.IovecAddr{Addr: t.spare(), Len: 4096}
	for ring, buffers := range map[*cgo.Ring][]cgo.IovecAddr{other: {page}, t.ring: {page, page}} {
		if err := check(opRegisterBuffers, settled(func() int { return ring.RegisterBuffers(buffers, nil) })); err != nil {
			return "", err
		}
	}
	const replace = cgo.RegisterDstReplace
	if err := verdict(opTry, cloneResult(replace, t.ring.CloneBuffers(other, 0, 0, 1, replace))); err != nil {
		return "", err
	}
	_, out, err := t.pipe()
	if err != nil {
		return "", err
	}
	c, err := t.do(cgo.SQE{Opcode: cgo.OpWriteFixed, FD: out, Off: CurrentOffset, Addr: page.Addr, Len: 1, BufIndex: 1})
	if err == nil && c.Res == -int32(syscall.EFAULT) {
		return "replaced the first buffer of a ring by one of another's, and dropped the second", nil
	}
	return "", result(c, err, 1)
}
