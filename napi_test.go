package uring

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/testutil"
)

func TestBusyPollSettingsComeBack(t *testing.T) {
	testutil.Need(t, HaveNAPI)
	_, err := ringOf(t, Config{Entries: 4}).RegisterNAPI(NAPI{Tracking: NAPIStatic})
	needsCall(t, err) // older ones do not tell how queues are tracked
	r := ringOf(t, Config{Entries: 4})
	first := NAPI{BusyPoll: 50 * time.Microsecond, Prefer: true}
	was, err := r.RegisterNAPI(first)
	equal(t, "error", err, nil)
	equal(t, "before the first", was, NAPI{Tracking: NAPIInactive})

	second := NAPI{BusyPoll: 20 * time.Microsecond, Tracking: NAPIStatic}
	was, err = r.RegisterNAPI(second)
	equal(t, "error", err, nil)
	equal(t, "before the second", was, first)

	const id = 1 << 20
	equal(t, "error of AddNAPI", r.AddNAPI(id), nil)
	err = r.AddNAPI(id)
	equal(t, "adding it again is EEXIST", errors.Is(err, syscall.EEXIST), true)
	equal(t, "on this thread", errors.Is(err, ErrWrongThread), false)
	equal(t, "error of RemoveNAPI", r.RemoveNAPI(id), nil)
	equal(t, "removing it again is ENOENT", errors.Is(r.RemoveNAPI(id), syscall.ENOENT), true)
	equal(t, "a number that no queue has is EINVAL", errors.Is(r.AddNAPI(0), syscall.EINVAL), true)

	was, err = r.UnregisterNAPI()
	equal(t, "error of UnregisterNAPI", err, nil)
	equal(t, "at the end", was, NAPI{BusyPoll: second.BusyPoll})
	equal(t, "AddNAPI without NAPIStatic is EINVAL", errors.Is(r.AddNAPI(id), syscall.EINVAL), true)

	_, err = r.RegisterNAPI(NAPI{BusyPoll: -time.Microsecond})
	wantError(t, err, "out of range")
	_, err = r.RegisterNAPI(NAPI{BusyPoll: 2 * time.Hour})
	wantError(t, err, "out of range")
	_, err = r.RegisterNAPI(NAPI{Tracking: 17})
	equal(t, "a tracking that nobody has is EINVAL", errors.Is(err, syscall.EINVAL), true)
}
