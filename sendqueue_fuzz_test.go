//go:build linux

package uring

import (
	"errors"
	"math"
	"math/rand"
	"slices"
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
)

// FuzzSendQueueComplete hands a send queue any completions, true or not, of a
// kernel that says anything about its ring of buffers. What is refused changes
// nothing; whatever is taken, the queue sends from memory that it has, its
// account adds up, and everything comes back in the end.
func FuzzSendQueueComplete(f *testing.F) {
	rnd := rand.New(rand.NewSource(1))
	for range 60 {
		seed := make([]byte, 400)
		rnd.Read(seed)
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		d := &byteDice{input}
		z := &fuzzedSend{newSendPlay(t, d.Intn(len(sendKinds)), d)}
		z.ring.drv = z
		for len(d.input) > 0 {
			z.step()
			z.check()
		}
		z.endAtOnce()
	})
}

// A fuzzedSend is a play whose kernel does not tell the truth.
type fuzzedSend struct{ *sendPlay }

func (z *fuzzedSend) Submit() int {
	z.flight = nil // it may have lied about the end of the one before
	return z.sendModel.Submit()
}

// SubmitAndWaitTimeout notifies Close of what the queue waits for.
func (z *fuzzedSend) SubmitAndWaitTimeout(uint32, int64, uint32) int {
	for i := z.q.zc.begin; i != z.q.zc.end; i++ {
		if r := z.q.zc.at(i); !r.done {
			z.post(CQE{UserData: z.userData(r.gen), Flags: cgo.CQEFNotif})
		}
	}
	return 0
}

func (z *fuzzedSend) userData(gen uint32) uint64 { return z.q.token | uint64(gen&0xffffff)<<32 }

// step does one thing. It does not ask what became of it: that is lies.
func (z *fuzzedSend) step() {
	switch z.Intn(16) {
	case 0:
		_, _ = z.q.Write(z.random(z.Intn(256)))
	case 1:
		if p, err := z.q.Reserve(z.Intn(256)); err == nil {
			_ = z.q.Commit(z.Intn(len(p) + 1))
		}
	case 2, 3:
		if z.head != z.tail() {
			z.receiveAny()
		}
	case 4:
		if len(z.held) > 0 && z.q.Append(z.held[0]) == nil {
			z.held = slices.Delete(z.held, 0, 1)
		}
	case 5:
		_ = z.q.FlushN(1 + z.Intn(60))
		z.submit(z)
	case 6, 7, 8:
		_ = z.q.Flush()
		z.submit(z)
	case 9:
		z.sendHead += uint16(z.Intn(10))
	case 10:
		z.sendHead = uint16(z.Intn(1 << 16))
	case 11:
		if !z.q.InFlight() && z.q.Unnotified() == 0 && z.Intn(4) == 0 {
			z.tryClose()
		}
	default:
		z.lie()
	}
}

func (z *fuzzedSend) receiveAny() {
	c := z.model.receive(z.random(1+z.Intn(64)), 1+z.Intn(4))
	if z.Intn(2) == 0 {
		_, _ = z.q.AppendCompletion(z.br, c)
		return
	}
	for seg, err := range z.br.Segments(c) {
		z.must(err)
		z.held = append(z.held, seg)
	}
}

// lie hands over a completion that may or may not be one.
func (z *fuzzedSend) lie() {
	c := CQE{Flags: uint32(z.Intn(256)) | uint32(z.Intn(256))<<cgo.CQEBufferShift}
	gen := z.q.flightGen
	if z.Intn(4) == 0 {
		gen += uint32(z.Intn(256)) - 128
	}
	c.UserData = z.userData(gen)
	switch z.Intn(8) {
	case 0:
		c.Res = math.MaxInt32
	case 1:
		c.Res = math.MinInt32
	case 2, 3:
		c.Res = -int32(z.Intn(256))
	case 4:
		c.Res = -int32(retryable[z.Intn(len(retryable))])
	default:
		c.Res = int32(z.Intn(1 << 9))
	}
	before, flight := sendAccount(z.q), z.q.flightBytes
	n, err := z.q.Complete(c)
	if n < 0 || n > flight {
		z.Fatalf("%+v: %d bytes of %d", observe(c), n, flight)
	}
	if errors.Is(err, ErrBadCompletion) {
		equal(z, "account", sendAccount(z.q), before)
		return
	}
	if err != nil && !errors.Is(err, syscall.Errno(-c.Res)) {
		z.Fatalf("%+v: %v", observe(c), err)
	}
}
