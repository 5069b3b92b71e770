//go:build linux

package command

import (
	"net"
	"runtime"
	"syscall"
	"testing"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/testutil"
)

// A connection that the proxy or the sink accepts can send without copying. One
// from a listener for multipath TCP could not.
func TestAcceptedConnectionsSendWithoutACopy(t *testing.T) {
	testutil.Need(t, uring.HaveSendZC)
	file, addr, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	client, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	fd, _, err := syscall.Accept4(int(file.Fd()), syscall.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	text := []byte("hello")
	defer runtime.KeepAlive(text) // the notification may come when the ring is closed
	err = uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		sqe, err := ring.NextSQE()
		if err != nil {
			return err
		}
		if err := sqe.PrepSendZC(uring.FD(fd), text, 0, 0); err != nil {
			return err
		}
		cqe, err := ring.Wait()
		if err != nil {
			return err
		}
		return cqe.Err()
	})
	if err != nil {
		t.Error(err)
	}
}
