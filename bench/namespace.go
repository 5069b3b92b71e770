package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// inNamespace marks the second incarnation of this program.
const inNamespace = "URING_BENCH_NAMESPACE"

// enterNamespace runs the program again in a network namespace of its own,
// where nobody else's traffic, firewall or congestion control is, and does not
// return unless it fails.
func enterNamespace() error {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	if errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("no network namespace to measure in: %w; run it as root", err)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(max(exit.ExitCode(), 1))
	}
	if err == nil {
		os.Exit(0)
	}
	return err
}

const congestionControl = "/proc/sys/net/ipv4/tcp_congestion_control"

// prepareNetwork brings the loopback interface up, and chooses a congestion
// control that neither paces nor models what loopback has not.
func prepareNetwork() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req); err != nil {
		return fmt.Errorf("loopback interface: %w", err)
	}
	req.SetUint16(req.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("loopback interface: %w", err)
	}
	return os.WriteFile(congestionControl, []byte("reno\n"), 0)
}
