package main

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math"
	"math/rand/v2"
	"time"
)

// A style is how a connection behaves.
type style int

const (
	plain       style = iota
	stalls            // both sides pause now and then
	halfCloses        // the answer starts after the end of the question
	slowSink          // the sink reads slowly
	slowClient        // the client reads slowly
	clientReset       // the client resets the connection midway
	sinkReset         // the sink does
	styles            // how many there are
)

// A plan says what happens on a connection. It follows from the seed and the
// connection's number, so both of its ends know it.
type plan struct {
	seed, id uint64
	style    style
	up, down int64 // bytes from client to sink, and back
	resetAt  int64 // how many bytes the side that resets writes before
}

func newPlan(seed, id uint64) plan {
	r := rand.New(rand.NewPCG(seed, id))
	p := plan{seed: seed, id: id, style: style(r.IntN(int(styles)))}
	most := 1 << 20
	switch {
	case p.style == slowSink || p.style == slowClient:
		most = 256 << 10
	case id%128 == 0:
		most = 16 << 20
	}
	p.up, p.down = size(r, most), size(r, most)
	switch p.style {
	case clientReset:
		p.resetAt = r.Int64N(p.up + 1)
	case sinkReset:
		p.resetAt = r.Int64N(p.down + 1)
	}
	return p
}

// size is of any order of magnitude up to most, each as likely.
func size(r *rand.Rand, most int) int64 {
	return int64(math.Exp(r.Float64()*math.Log(float64(most)+1))) - 1
}

// complete says that all bytes must arrive.
func (p plan) complete() bool { return p.style != clientReset && p.style != sinkReset }

// The directions of a connection.
const (
	up = iota
	down
)

func (p plan) length(direction int) int64 {
	if direction == up {
		return p.up
	}
	return p.down
}

// content generates the bytes of a direction.
func (p plan) content(direction int) *rand.ChaCha8 {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[0:], p.seed)
	binary.LittleEndian.PutUint64(key[8:], p.id)
	key[16] = byte(direction)
	return rand.NewChaCha8(key)
}

// sum is the SHA-256 of the first n bytes of a direction.
func (p plan) sum(direction int, n int64) []byte {
	h, from, buf := sha256.New(), p.content(direction), make([]byte, min(n, 64<<10))
	for n > 0 {
		part := buf[:min(n, int64(len(buf)))]
		_, _ = from.Read(part)
		h.Write(part)
		n -= int64(len(part))
	}
	return h.Sum(nil)
}

// An arrival is what one end received.
type arrival struct {
	n    int64
	hash hash.Hash
}

// pauses is when and how long one end of a connection pauses.
type pauses struct {
	style style
	r     *rand.Rand
}

func (p plan) pauses(salt uint64) pauses {
	return pauses{p.style, rand.New(rand.NewPCG(p.seed^salt, p.id))}
}

// chunk is how many bytes to write next.
func (p pauses) chunk(left int64) int64 { return min(left, 1+size(p.r, 256<<10)) }

func (p pauses) stall() {
	if p.style == stalls && p.r.IntN(8) == 0 {
		time.Sleep(time.Duration(p.r.IntN(300)) * time.Millisecond)
	}
}
