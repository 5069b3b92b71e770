//go:build linux && cgo && !uring_c_enter

package cgo

import (
	"syscall"
	"testing"
)

// A ring that waits for its own requests does not sleep, and the guess learns
// that. One that waits for others sleeps, and hardly ever tries without.
func TestGuess(t *testing.T) {
	r := enterRing(t, 8, 0)
	for range 100 {
		nops(r, 2)
		waits(t, r, 2, 2)
		if r.guess.left > 0 {
			t.Fatal("a wait for requests that do nothing was taken to sleep")
		}
		drain(r)
	}
	guesses := 0
	for range 300 {
		sleep(r)
		if r.guess.left == 0 {
			guesses++
		}
		waits(t, r, 1, 1)
		drain(r)
	}
	// After 0, 1, 3, 7, 15, 31 and 63 waits, and then every 128th. A thread that
	// is held up may find that a timeout is over already.
	if guesses < 7 || guesses > 30 {
		t.Errorf("%d guesses for 300 waits that sleep, want about 8", guesses)
	}
	nops(r, 1)
	r.guess.left = 0
	waits(t, r, 1, 1)
	if r.guess.wait != 0 {
		t.Error("a right guess does not make up for wrong ones")
	}
}

// A call that submits and finds too few completions waits for the rest: it does
// not submit again, and its result counts what it submitted.
func TestGuessIsWrong(t *testing.T) {
	r := enterRing(t, 8, 0)
	nops(r, 1)
	sleep(r)
	waits(t, r, 2, 2)
	if head, tail := r.CQ(); tail-head != 2 {
		t.Errorf("%d completions, want 2", tail-head)
	}
	if r.guess.left == 0 {
		t.Error("the wrong guess is not remembered")
	}
	drain(r)
	sleep(r)
	r.guess.left = 0
	if rc := r.SubmitAndWaitTimeout(2, 1e6, 0); rc != 1 {
		t.Errorf("a wait that submitted 1 entry and was over in time returns %d", rc)
	}
	drain(r)
	if rc := r.SubmitAndWaitTimeout(2, 1e6, 0); rc != -int(syscall.ETIME) {
		t.Errorf("a wait that submitted nothing returns %d, want ETIME", rc)
	}
}

// sleep queues a timeout of a millisecond.
func sleep(r *Ring) {
	sqe := r.NextSQE()
	r.wait.ts = [2]int64{0, 1e6}
	*sqe = SQE{Opcode: OpTimeout, FD: -1, Addr: r.wait.arg.ts, Len: 1}
}

// waits submits the entries that are queued and waits for n completions.
func waits(t *testing.T, r *Ring, n uint32, queued int) {
	t.Helper()
	if rc := r.SubmitAndWait(n); rc != queued {
		t.Fatalf("a wait with %d entries queued returns %d", queued, rc)
	}
	await(t, func() bool {
		// A signal of Go's scheduler may have ended the wait.
		head, tail := r.CQ()
		return tail-head >= n || r.GetEvents() < 0
	})
}
