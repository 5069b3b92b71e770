//go:build linux

package uring

import (
	"testing"
	"time"
)

func TestMultishotIsTold(t *testing.T) {
	r, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	m := NewMsg(make([]byte, 1))
	br, err := r.NewBufRing(BufRingConfig{Entries: 1, BufSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		want bool
		prep func(SQE)
	}{
		{"accept", false, func(s SQE) { s.PrepAccept(3, 0) }},
		{"accept multishot", true, func(s SQE) { s.PrepAcceptMultishot(3, 0) }},
		{"accept multishot direct", true, func(s SQE) { s.PrepAcceptMultishotDirect(3, 0) }},
		{"poll", false, func(s SQE) { s.PrepPollAdd(3, 1) }},
		{"poll multishot", true, func(s SQE) { s.PrepPollAddMultishot(3, 1) }},
		{"timeout", false, func(s SQE) { s.PrepTimeout(time.Second, 0, 0) }},
		{"timeout multishot", true, func(s SQE) { s.PrepTimeout(time.Second, 0, TimeoutMultishot) }},
		{"recv", false, func(s SQE) { s.PrepRecv(3, make([]byte, 1), 0) }},
		{"recv into provided buffers", false, func(s SQE) { _ = s.PrepRecvProvided(3, br, 0, 0, 0) }},
		{"recv multishot", true, func(s SQE) { _ = s.PrepRecvMultishot(3, br, 0) }},
		{"recvmsg", false, func(s SQE) { s.PrepRecvMsg(3, m, 0) }},
		{"read", false, func(s SQE) { s.PrepRead(3, make([]byte, 1), 1) }},
		{"how many bytes wait", false, func(s SQE) { s.PrepSIOCINQ(3) }},
	} {
		s, err := r.NextSQE()
		if err != nil {
			t.Fatal(err)
		}
		c.prep(s)
		if got := s.Multishot(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		s.PrepNop()
	}
}
