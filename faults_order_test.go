//go:build linux

package uring

import (
	"errors"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

// Completions come in any order, more than once, or late. What they bring counts
// once.

// A cancellation may be reported before the request that it ends. Until that one
// is, its buffers and memory are the kernel's.
func TestCancellationBeforeItsTarget(t *testing.T) {
	t.Run("send", func(t *testing.T) {
		for _, mode := range []SendMode{SendPlain, SendVectored, SendBundle, SendZC} {
			t.Run(mode.String(), func(t *testing.T) {
				testutil.Need(t, mode.have)
				k := newSendModel(t, BufRingConfig{Entries: 4, BufSize: 16}, SendQueueConfig{Mode: mode, Memory: 64, ZCAlways: true}, false, 0)
				k.queue("sixteen bytes ..")
				k.must(k.q.Flush())
				k.submit(t)
				k.post(CQE{UserData: otherData}) // the cancellation, with success
				equal(t, "cancellation", k.take(), CQE{UserData: otherData})
				equal(t, "is busy", errors.Is(k.q.Close(), ErrBusy), true)
				equal(t, "space", k.q.Space(), 48)

				k.fail(syscall.ECANCELED, true)
				n, err := k.q.Complete(k.take())
				equal(t, "bytes sent", n, 0)
				equal(t, "is ECANCELED", errors.Is(err, syscall.ECANCELED), true)
				equal(t, "bytes that wait", k.q.Queued(), 16)
				if mode == SendZC {
					equal(t, "is busy", errors.Is(k.q.Close(), ErrBusy), true)
					k.notify(0, false)
					k.must(second(k.q.Complete(k.take())))
				}

				// Nothing is lost: the bytes go out with the next send, once.
				k.must(k.q.Flush())
				k.submit(t)
				k.send(16, 1, false)
				n, err = k.q.Complete(k.take())
				equal(t, "bytes sent", n, 16)
				equal(t, "error", err, nil)
				equal(t, "bytes that left", k.sent, 16)
			})
		}
	})
	t.Run("receive", func(t *testing.T) {
		k := newModel(t, BufRingConfig{Entries: 2, BufSize: 16}, 0)
		p := &play{TB: t, model: k}
		p.post(CQE{}, "") // the cancellation, with success
		p.post(k.receive([]byte("came before it"), 1), "")
		p.post(CQE{Res: -int32(syscall.ECANCELED)}, "")
		var got string
		var errs []error
		for c := range k.ring.Completions() {
			if c.UserData == 0 {
				continue
			}
			errs = append(errs, k.br.Consume(c, func(b []byte) error { got += string(b); return nil }))
		}
		equal(t, "bytes", got, "came before it")
		equal(t, "errors", errs, []error{nil, syscall.ECANCELED})
		k.submit(t)
		equal(t, "buffers in the kernel", int(k.tail()-k.head), 2)
	})
}

// Completions of earlier sends, and those that were handled, change nothing.
func TestStaleAndRepeatedCompletionsOfSends(t *testing.T) {
	for _, mode := range []SendMode{SendPlain, SendVectored, SendBundle, SendZC} {
		t.Run(mode.String(), func(t *testing.T) {
			testutil.Need(t, mode.have)
			k := newSendModel(t, BufRingConfig{Entries: 4, BufSize: 16}, SendQueueConfig{Mode: mode, Memory: 64, ZCAlways: true}, false, 0)
			var old []CQE
			refuseOld := func() {
				t.Helper()
				before := sendAccount(k.q)
				for _, c := range old {
					n, err := k.q.Complete(c)
					equal(t, "bytes of an old completion", n, 0)
					equal(t, "is ErrBadCompletion", errors.Is(err, ErrBadCompletion), true)
				}
				equal(t, "account", sendAccount(k.q), before)
			}
			for range 3 {
				k.queue("sixteen bytes ..")
				k.must(k.q.Flush())
				k.submit(t)
				refuseOld() // while another one is in flight
				k.send(16, 1, false)
				result := k.take()
				equal(t, "bytes sent", first(k.q.Complete(result)), 16)
				old = append(old, result)
				refuseOld()
				if result.More() {
					k.notify(0, false)
					notif := k.take()
					k.must(second(k.q.Complete(notif)))
					old = append(old, notif)
					refuseOld()
				}
			}
			equal(t, "bytes that left", k.sent, 48)
			equal(t, "space", k.q.Space(), 64)
			equal(t, "error of Close", k.q.Close(), nil)
		})
	}
}

// queue writes s to the queue.
func (k *sendModel) queue(s string) {
	k.Helper()
	k.must(second(k.q.Write([]byte(s))))
	k.want = append(k.want, s...)
}

// take takes the next completion, which must be there.
func (k *sendModel) take() CQE {
	k.Helper()
	for c := range k.ring.Completions() {
		return c
	}
	k.Fatal("no completion")
	return CQE{}
}

func first[T any](v T, _ error) T { return v }
