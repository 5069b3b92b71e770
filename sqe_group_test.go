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
