//go:build linux

package uring

import (
	"encoding/binary"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/testutil"
)

// With SetupDeferTaskrun the eventfd is signalled while the completion is still
// in the kernel: going over Completions until there is nothing finds it. Where the
// eventfd falls silent, registering it anew helps.
func TestScenario53_EventFDWithDeferredWorkLosesNoWakeUp(t *testing.T) {
	messages := 100000
	if testing.Short() {
		messages = 5000
	}
	const inFlight = 60
	g := newRig(t, Config{Entries: 64, Flags: SetupSingleIssuer | SetupDeferTaskrun | SetupSubmitAll})
	a, b := testutil.UnixPair(t, syscall.SOCK_DGRAM)
	fd := newEventFD(t)
	g.must(g.RegisterEventFD(fd, false))
	event := os.NewFile(uintptr(dupFD(t, fd)), "eventfd") // to wait with a deadline
	defer event.Close()

	wakesOnce(g, fd, a, b)
	renew(g, fd)
	memory := make([][8]byte, inFlight)
	arm := func(slot uint64) { g.queue(slot, func(s SQE) { s.PrepRecv(FD(a), memory[slot][:], 0) }) }
	for slot := range uint64(inFlight) {
		arm(slot)
	}
	g.submit()

	var sent atomic.Int64
	writer := make(chan error, 1)
	go func() { writer <- writeNumbers(b, messages, &sent) }()

	seen := make([]bool, messages)
	for got := 0; got < messages; {
		if err := event.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		var counter [8]byte
		if _, err := event.Read(counter[:]); err != nil {
			t.Fatalf("no wake-up after %d of %d messages, %d sent, %d ready, flags %#x: %v",
				got, messages, sent.Load(), g.Ready(), g.q.SQFlags(), err)
		}
		renew(g, fd)
		for more := true; more; {
			more = false
			for c := range g.Completions() {
				more = true
				if c.Res != 8 {
					t.Fatalf("completion %+v", c)
				}
				i := binary.NativeEndian.Uint64(memory[c.UserData][:])
				if seen[i] {
					t.Fatalf("message %d came twice", i)
				}
				seen[i] = true
				got++
				arm(c.UserData)
			}
			g.submit()
		}
	}
	if err := <-writer; err != nil {
		t.Fatal(err)
	}
}

// wakesOnce receives one message from b, of which fd tells.
func wakesOnce(g *rig, fd, a, b int) {
	g.Helper()
	g.queue(1, func(s SQE) { s.PrepRecv(FD(a), held(make([]byte, 8)), 0) })
	g.submit()
	g.write(b, "x")
	waitSignal(g, fd) // Linux 7.1 and 7.2 take their time
	equal(g, "ready", g.Ready(), 0)
	equal(g, "completions", userData(g.Ring), []uint64{1})
	signals(g, fd)
}

// renew registers the eventfd anew where the kernel would not signal it again.
func renew(g *rig, fd int) {
	g.Helper()
	answer, err := bugEventFD.check()
	g.must(err)
	if answer != "" {
		g.must(g.UnregisterEventFD())
		g.must(g.RegisterEventFD(fd, false))
	}
}

// writeNumbers writes messages of a number each to fd, and counts them.
func writeNumbers(fd, messages int, sent *atomic.Int64) error {
	for i := range messages {
		var p [8]byte
		binary.NativeEndian.PutUint64(p[:], uint64(i))
		if _, err := syscall.Write(fd, p[:]); err != nil {
			return err
		}
		sent.Add(1)
		if i%64 == 0 {
			runtime.Gosched()
		}
	}
	return nil
}
