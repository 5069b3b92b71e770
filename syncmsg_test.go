package uring

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"
)

// A goroutine without a ring wakes the owner of one.
func TestMessageWithoutARing(t *testing.T) {
	library(t, 12)
	needsCall(t, SyncMsg(ringOf(t, Config{Entries: 4}).FD(), CQE{}))
	for name, c := range map[string]Config{
		"default":         {Entries: 4},
		"deferred work":   {Entries: 4, Flags: SetupSingleIssuer | SetupDeferTaskrun},
		"kernel's thread": {Entries: 4, Flags: SetupSQPoll},
	} {
		t.Run(name, func(t *testing.T) {
			want := CQE{UserData: 1<<63 | 42, Res: -7}
			ring := make(chan int)
			go func() {
				fd := <-ring
				time.Sleep(time.Millisecond) // most probably it waits by now
				if err := SyncMsg(fd, want); err != nil {
					t.Error(err)
				}
				if err := SyncMsg(fd, CQE{UserData: 2, Res: 3, Flags: 1 << 16}); err != nil {
					t.Error(err)
				}
			}()
			locked(t, func() {
				r := ringOf(t, c)
				defer func() { equal(t, "error of Close", r.Close(), nil) }()
				ring <- r.FD()
				equal(t, "message", next(t, r), want)
				equal(t, "message with flags", next(t, r), CQE{UserData: 2, Res: 3, Flags: 1 << 16})
			})
		})
	}
}

func TestMessageToNoRing(t *testing.T) {
	library(t, 12)
	needsCall(t, SyncMsg(ringOf(t, Config{Entries: 4}).FD(), CQE{}))
	wantError(t, SyncMsg(-1, CQE{}), "-1 is no descriptor")
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	equal(t, "is EBADFD", errors.Is(SyncMsg(int(f.Fd()), CQE{}), syscall.Errno(77)), true)
}
