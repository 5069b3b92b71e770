//go:build linux

package uring

import (
	"slices"
	"testing"

	"github.com/uring-go/uring/cgo"
)

func TestOpsHaveNames(t *testing.T) {
	equal(t, "first", Op(0).String(), "OpNop")
	equal(t, "middle", OpSendZC.String(), "OpSendZC")
	equal(t, "last", Op(cgo.OpLast-1).String(), "OpUringCmd128")
	equal(t, "beyond", Op(200).String(), "Op(200)")
	for o := range Op(cgo.OpLast) {
		if len(o.String()) < 5 || o.String()[:2] != "Op" {
			t.Errorf("opcode %d is called %q", uint8(o), o)
		}
	}
	equal(t, "last registration", RegisterOp(cgo.RegisterLast-1).String(), "RegisterBPFFilter")
	equal(t, "beyond", RegisterOp(200).String(), "RegisterOp(200)")
	for o := range RegisterOp(cgo.RegisterLast) {
		if o.String() == "" {
			t.Errorf("registration %d has no name", uint8(o))
		}
	}
}

func TestProbeOfOpcodes(t *testing.T) {
	p, err := ProbeOps()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "OpNop", p.Supports(OpNop), true)
	equal(t, "OpSend", p.Supports(OpSend), true)
	equal(t, "an opcode that nobody has", p.Supports(255), false)
	if n := p.Known(); n < 48 || n > 256 {
		t.Errorf("the kernel knows %d opcodes", n)
	}
	ops := p.Ops()
	equal(t, "in order", slices.IsSorted(ops), true)
	for _, o := range ops {
		equal(t, o.String(), p.Supports(o), true)
	}

	r := newRig(t, Config{Entries: 4})
	q, err := r.ProbeOps()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "opcodes of a ring", q.Ops(), ops)
	// The kernel does what it says: it carries OpNop out, and refuses one that it lacks.
	equal(t, "result of OpNop", r.answer(func(s SQE) { s.PrepNop() }).Res, 0)
	lacks := r.answer(func(s SQE) { s.Opcode = 255 })
	equal(t, "result of an opcode that nobody has", lacks.Res, -22)
}
