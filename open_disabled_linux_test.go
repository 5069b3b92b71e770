//go:build uring_sysctl

// These tests change a setting of the whole machine for a moment. Nothing else
// may use io_uring meanwhile, so the tag keeps them out of other runs.

package uring

import (
	"os"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

// setDisabled sets kernel.io_uring_disabled until the test ends.
func setDisabled(t *testing.T, value string) {
	t.Helper()
	const setting = "/proc/sys/kernel/io_uring_disabled"
	was, err := os.ReadFile(setting)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(setting, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(setting, was, 0); err != nil {
			t.Error(err)
		}
	})
}

func openAndClose() error {
	r, err := New(Config{Entries: 4})
	if err != nil {
		return err
	}
	return r.Close()
}

func TestRingsDisabledForUsersWithoutRights(t *testing.T) {
	if !testutil.IsConfined(t) {
		setDisabled(t, "1")
		equal(t, "error of the superuser", openAndClose(), nil)
	}
	if testutil.Confined(t, testutil.AsNobody) {
		refused(t, "New", openAndClose(), syscall.EPERM, "kernel.io_uring_disabled is 1")
	}
}

func TestRingsDisabledForAll(t *testing.T) {
	before := newRig(t, Config{Entries: 4})
	setDisabled(t, "2")
	refused(t, "New", openAndClose(), syscall.EPERM, "sysctl kernel.io_uring_disabled=0")
	before.do(SQE.PrepNop) // rings that are open go on
}
