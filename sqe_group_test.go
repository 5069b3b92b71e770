//go:build linux

package uring

import (
	"syscall"
	"testing"
)

func TestBuffersProvidedByRequests(t *testing.T) {
	g := newRig(t, Config{})
	const group, first, size = 7, 40, 8
	mem := make([]byte, 4*size)
	in, out := g.pipe()
	g.must(g.answer(func(s SQE) { g.must(s.PrepProvideBuffers(mem, size, group, first)) }).Err())
	seen := map[uint16]string{}
	read := func(s SQE) {
		s.PrepRead(in, nil, CurrentOffset)
		s.Len = size
		g.must(s.SetBufGroup(group))
	}
	for _, want := range []string{"one", "two"} {
		_, err := syscall.Write(int(out), []byte(want))
		g.must(err)
		c := g.answer(read)
		id, ok := c.BufferID()
		if !ok || c.Res != int32(len(want)) || id < first || id >= first+4 {
			t.Fatalf("completion %+v", c)
		}
		seen[id] = string(mem[(id-first)*size:][:c.Res])
		if seen[id] != want {
			t.Errorf("buffer %d has %q, want %q", id, seen[id], want)
		}
	}
	if len(seen) != 2 {
		t.Errorf("a buffer was used twice: %v", seen)
	}
	g.want(1, func(s SQE) { g.must(s.PrepRemoveBuffers(1, group)) })
	g.want(1, func(s SQE) { g.must(s.PrepRemoveBuffers(100, group)) })
	_, err := syscall.Write(int(out), []byte("x"))
	g.must(err)
	g.fails(syscall.ENOBUFS, read)
}

func TestGroupsOfBufferRingsAreLeftAlone(t *testing.T) {
	g := newRig(t, Config{})
	_, err := g.NewBufRing(BufRingConfig{Group: 3, Entries: 1, BufSize: 8})
	g.must(err)
	for name, prep := range map[string]func(SQE) error{
		"provide": func(s SQE) error { return s.PrepProvideBuffers(held(make([]byte, 8)), 8, 3, 0) },
		"remove":  func(s SQE) error { return s.PrepRemoveBuffers(1, 3) },
		"select":  func(s SQE) error { return s.SetBufGroup(3) },
	} {
		if err := prep(g.sqe()); err != errRingGroup {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A group of the older kind whose buffers are used up becomes a buffer ring.
func TestGroupOfTheOlderKindBecomesABufferRing(t *testing.T) {
	g := newRig(t, Config{})
	in, out := streamPair(t)
	const group = 0x444
	mem := held(make([]byte, 64))
	g.want(0, func(s SQE) { g.must(s.PrepProvideBuffers(mem, 64, group, 0)) })
	old := func(s SQE) {
		s.PrepRecv(FD(in), nil, 0)
		g.must(s.SetBufGroup(group))
	}
	g.start(1, old)
	g.write(out, "old")
	equal(t, "result", g.await(1)[0].Res, 3)
	equal(t, "memory", string(mem[:3]), "old")

	br, err := g.NewBufRing(BufRingConfig{Group: group, Entries: 8, BufSize: 64})
	g.must(err)
	g.start(2, func(s SQE) { g.must(s.PrepRecvProvided(FD(in), br, 0, 0, 0)) })
	g.write(out, "new one")
	var got []byte
	g.must(br.Consume(g.await(1)[0], func(p []byte) error { got = append(got, p...); return nil }))
	equal(t, "received", string(got), "new one")
	g.must(br.Close())
}
