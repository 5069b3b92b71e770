//go:build linux

package uring

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/golang/mock/gomock"

	"github.com/uring-go/uring/cgo"
)

func TestFailedRegistrationsLeaveNothing(t *testing.T) {
	r, _, drv := newMockRing(t, 0)
	a := newArena(t, 4096)
	gomock.InOrder(
		drv.RegisterBuffersSparse(gomock.Any()).Return(-int(syscall.ENOMEM)),
		drv.RegisterBuffersSparse(gomock.Any()).Return(0),
		drv.UpdateBuffer(uint32(0), gomock.Any(), gomock.Any()).Return(-int(syscall.ENOMEM)),
		drv.UpdateBuffer(uint32(0), gomock.Any(), gomock.Any()).Return(1),
		drv.UpdateBuffer(uint32(0), uint64(0), uint64(0)).Return(1),
	)
	for range 2 {
		_, err := r.RegisterArena(a)
		if !errors.Is(err, syscall.ENOMEM) || !strings.Contains(err.Error(), "register buffers") {
			t.Fatalf("error is %v", err)
		}
		equal(t, "users of the arena", a.users, 0)
	}
	reg, err := r.RegisterArena(a)
	equal(t, "error", err, nil)
	equal(t, "index", reg.Index(), 0)
	equal(t, "error of UnregisterArena", r.UnregisterArena(reg), nil)
}

func TestFailedFileRegistrationsKeepTheState(t *testing.T) {
	r, _, drv := newMockRing(t, 0)
	drv.RegisterFilesSparse(uint32(9)).Return(-int(syscall.EMFILE))
	err := r.RegisterFiles(9)
	if !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), "RLIMIT_NOFILE") {
		t.Errorf("error is %v", err)
	}
	if err := r.UpdateFile(DirectSlot(0), 0); err == nil {
		t.Error("UpdateFile works without a table")
	}

	drv.RegisterFilesSparse(uint32(9)).Return(0)
	equal(t, "error", r.RegisterFiles(9), nil)
	drv.UnregisterFiles().Return(-int(syscall.EEXIST))
	if err := r.UnregisterFiles(); err == nil {
		t.Error("UnregisterFiles hides an error")
	}
	drv.UpdateFiles(uint32(8), []int32{5}).Return(1)
	equal(t, "error of UpdateFile after it", r.UpdateFile(DirectSlot(8), 5), nil)
}

func TestEnableFails(t *testing.T) {
	r, _, drv := newMockRing(t, SetupRDisabled)
	drv.Submit().Return(-cgo.EBadFD)
	_, err := r.Submit()
	if err == nil || !strings.Contains(err.Error(), "Ring.Enable") {
		t.Errorf("error of Submit is %v", err)
	}
	drv.Enable().Return(-int(syscall.ENOMEM))
	equal(t, "is ENOMEM", errors.Is(r.Enable(), syscall.ENOMEM), true)
	drv.Enable().Return(0)
	equal(t, "error", r.Enable(), nil)
}
