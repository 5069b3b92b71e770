//go:build linux

package uring

import (
	"bytes"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

func TestRecvMultishotLimitBoundsEachCompletionAndEndsAfterTotal(t *testing.T) {
	testutil.Need(t, HaveRecvMultishotLimit)
	for _, flags := range []IOFlags{0, Bundle} {
		if flags == Bundle {
			testutil.Need(t, HaveBundles)
		}
		client, server := testutil.TCPPair(t)
		sent := randomBytes(1, 0x3000)
		writeAll(t, client, sent)
		var got []byte
		var results []int32
		err := Serve(Config{}, func(r *Ring) error {
			br, err := r.NewBufRing(BufRingConfig{Group: 1, Entries: 32, BufSize: 0x400})
			if err != nil {
				return err
			}
			s, err := r.NextSQE()
			if err != nil {
				return err
			}
			if err := s.PrepRecvMultishotLimit(FD(server), br, 0x800, 0x1800, flags); err != nil {
				return err
			}
			for more := true; more; {
				if _, err := r.SubmitAndWait(1); err != nil {
					return err
				}
				for c := range r.Completions() {
					more = c.More()
					results = append(results, c.Res)
					if err := br.Consume(c, func(p []byte) error { got = append(got, p...); return nil }); err != nil {
						return err
					}
				}
			}
			return br.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range results {
			if n > 0x800 {
				t.Errorf("flags %#x: completions %#x, want at most 0x800 each", flags, results)
			}
		}
		if len(got) < 0x1800 || len(got) >= 0x1800+0x800 {
			t.Errorf("flags %#x: %#x bytes in all, want 0x1800 and at most one completion more", flags, len(got))
		}
		if string(got) != string(sent[:len(got)]) {
			t.Errorf("flags %#x: other bytes than were sent", flags)
		}
	}
}

// Who cancels a multishot receive after its first completion gets 33 of them
// all the same, or more with SQPOLL.
func TestRecvMultishotBrings33BuffersBeforeItCanBeCancelled(t *testing.T) {
	testutil.Need(t, HaveRecvMultishot)
	inEachMode(t, func(t *testing.T, g *rig) {
		client, server := testutil.TCPPair(t)
		sent := randomBytes(1, 200*100)
		writeAll(t, client, sent)
		br, err := g.NewBufRing(BufRingConfig{Group: 1, Entries: 256, BufSize: 100})
		g.must(err)
		g.queue(1, func(s SQE) { g.must(s.PrepRecvMultishot(FD(server), br, 0)) })
		_, err = g.SubmitAndWait(1)
		g.must(err)
		g.queue(2, func(s SQE) { s.PrepCancel(1, 0) })

		var got []byte
		buffers, more := 0, true
		for more {
			for c := range g.Completions() {
				if c.UserData == 2 {
					continue
				}
				more = c.More()
				if c.Err() == syscall.ECANCELED {
					continue
				}
				buffers++
				g.must(br.Consume(c, func(p []byte) error { got = append(got, p...); return nil }))
			}
			if more {
				_, err = g.SubmitAndWait(1)
				g.must(err)
			}
		}
		if buffers < 33 {
			t.Errorf("%d buffers came, want 33 or more", buffers)
		}
		if !bytes.Equal(got, sent[:len(got)]) {
			t.Error("what came is not what was sent")
		}
	})
}
