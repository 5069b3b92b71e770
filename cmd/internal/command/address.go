package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/uring-go/uring"
)

// unixPath returns the path of an address such as unix:/run/x.sock or unix:@name,
// of which the latter is in the abstract namespace.
func unixPath(address string) (path string, ok bool) { return strings.CutPrefix(address, "unix:") }

// checkAddress says what is wrong with an address to listen at, or to connect to.
func checkAddress(address string, connect bool) error {
	if path, ok := unixPath(address); ok {
		_, err := uring.UnixAddr(path)
		return err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if strings.Contains(host, "/") {
		return fmt.Errorf("%s: write unix:%[1]s for a UNIX socket", address)
	}
	if n, err := strconv.Atoi(port); connect && (port == "" || err == nil && n == 0) {
		return fmt.Errorf("%s: nobody can connect to port 0; name the port that the target listens at", address)
	}
	return nil
}

// A listener is a socket that connections come from.
type listener struct {
	file *os.File
	addr net.Addr
	path string      // of a UNIX socket, to be removed
	made os.FileInfo // what it was when it was made
}

// systemdAddress stands for the socket that systemd hands over.
const systemdAddress = "systemd"

// listenAt opens a listener at host:port, unix:path or unix:@name, or takes over
// the one of systemd.
func listenAt(ctx context.Context, address string, reusePort bool) (*listener, error) {
	if address == systemdAddress {
		return inheritListener()
	}
	if path, ok := unixPath(address); ok {
		return listenUnix(ctx, path)
	}
	l, err := listenTCP(ctx, address, reusePort)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	file, err := l.File()
	return &listener{file: file, addr: l.Addr()}, err
}

// listenTCP leaves out multipath TCP: connections from such a listener cannot send
// without a copy. 0.0.0.0 is for IPv4 only, which package net sees otherwise.
func listenTCP(ctx context.Context, address string, reusePort bool) (*net.TCPListener, error) {
	network := "tcp"
	if host, _, err := net.SplitHostPort(address); err == nil {
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
			network = "tcp4"
		}
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	if reusePort {
		lc.Control = setReusePort
	}
	l, err := lc.Listen(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

func setReusePort(_, _ string, c syscall.RawConn) (err error) {
	const reusePort = 15 // SO_REUSEPORT
	if e := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, reusePort, 1) }); e != nil {
		return e
	}
	return os.NewSyscallError("set SO_REUSEPORT", err)
}

// listenUnix listens at a path. The file of a program that is gone is replaced.
func listenUnix(ctx context.Context, path string) (*listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err = removeStale(path, err); err == nil {
			l, err = lc.Listen(ctx, "unix", path)
		}
	}
	if err != nil {
		return nil, err
	}
	defer l.Close()
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	out := &listener{addr: l.Addr()}
	if path[0] != '@' {
		out.path = path
		out.made, _ = os.Stat(path)
	}
	out.file, err = l.(*net.UnixListener).File()
	return out, err
}

// removeStale removes the socket file at path if nobody listens there, and else
// returns what to do about inUse.
func removeStale(path string, inUse error) error {
	if path[0] == '@' {
		return fmt.Errorf("%w: another program listens at this name", inUse)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%w: the file there is no socket; remove it, or listen elsewhere", inUse)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return fmt.Errorf("%w: another program listens there", inUse)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w, and whether anybody listens there cannot be told (%v): remove the file if not", inUse, err)
	}
	return os.Remove(path)
}

// inheritListener takes over the one socket that systemd, or whatever speaks its
// protocol, has opened: see sd_listen_fds(3).
func inheritListener() (*listener, error) {
	const first = 3
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	switch {
	case count == "":
		return nil, errors.New("-listen systemd: LISTEN_FDS is not set; start this as the service of a socket unit")
	case pid != strconv.Itoa(os.Getpid()):
		return nil, fmt.Errorf("-listen systemd: LISTEN_PID is %q, and this process is %d: the sockets are another's", pid, os.Getpid())
	case count != "1":
		return nil, fmt.Errorf("-listen systemd: LISTEN_FDS is %q, want 1 socket", count)
	}
	syscall.CloseOnExec(first)
	const acceptConn = 30 // SO_ACCEPTCONN
	if on, err := syscall.GetsockoptInt(first, syscall.SOL_SOCKET, acceptConn); err != nil || on == 0 {
		return nil, errors.New("-listen systemd: descriptor 3 is no listening socket; want ListenStream=, and Accept=no")
	}
	file := os.NewFile(first, "LISTEN_FD_3")
	l, err := net.FileListener(file)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("-listen systemd: %w", err)
	}
	defer l.Close()
	return &listener{file: file, addr: l.Addr()}, nil
}

// String names the listener as flags do.
func (l *listener) String() string {
	if l.addr.Network() == "unix" {
		return "unix:" + l.addr.String()
	}
	return l.addr.String()
}

// port returns the address of a TCP listener.
func (l *listener) tcp() (netip.AddrPort, bool) {
	a, ok := l.addr.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, false
	}
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), true
}

// close ends listening, and removes the file of a UNIX socket unless a successor
// has made another one there. A second close does nothing, nor does that of nil.
func (l *listener) close() {
	if l == nil || l.file == nil {
		return
	}
	if l.path != "" {
		if now, err := os.Stat(l.path); err == nil && os.SameFile(now, l.made) {
			_ = os.Remove(l.path)
		}
	}
	l.file.Close()
	l.file = nil
}

// reaches reports whether a connection to the address would come to the listener.
func (l *listener) reaches(to netip.AddrPort) bool {
	at, ok := l.tcp()
	if !ok || at.Port() != to.Port() {
		return false
	}
	switch {
	case at.Addr() == to.Addr():
		return true
	case !at.Addr().IsUnspecified(), at.Addr().Is4() && !to.Addr().Is4():
		return false
	}
	return isOwn(to.Addr())
}

// isOwn reports whether the address is one of this machine's.
func isOwn(ip netip.Addr) bool {
	if ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == ip.WithZone("") {
			return true
		}
	}
	return false
}
