//go:build linux

package uring

import (
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
