package uring

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// FDOf returns the descriptor of c, which is a connection or a listener of
// package net, or an [os.File], for use in requests.
//
// It stays c's: do not close it, but c. Keep c open and reachable until the last
// completion of each request on it, with [runtime.KeepAlive] if nothing else uses
// it: an unreachable c is closed by a finalizer, and a request that is prepared
// after that works on whatever gets the number next. A request that the kernel has
// goes on with the socket after c was closed, until it is cancelled.
//
// Descriptors of package net are O_NONBLOCK. Requests wait all the same, with few
// exceptions, see Waiting in the package documentation. Deadlines of c do not
// concern requests, and what a request receives is not there for c to read: let
// either c or the ring receive, and either send.
func FDOf(c syscall.Conn) (FD, error) {
	if c == nil {
		return -1, errors.New("uring: FDOf nil")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("uring: the descriptor of a %T: %w", c, err)
	}
	fd := FD(-1)
	if err := raw.Control(func(n uintptr) { fd = FD(n) }); err != nil {
		return -1, fmt.Errorf("uring: the descriptor of a %T: %w", c, err)
	}
	return fd, nil
}

// NetConn makes a connection of package net of fd, a connected socket, such as one
// that the ring has accepted. It takes fd over, which is closed on an error, too;
// the connection has a descriptor of its own. No request on fd may be in flight:
// what it received would be lost to the connection.
//
// The socket becomes O_NONBLOCK. A direct descriptor must become an ordinary one
// first, see [SQE.PrepFixedFDInstall]. For a file, [os.NewFile] does the same.
func NetConn(fd FD) (net.Conn, error) {
	if fd.IsDirect() {
		return nil, fmt.Errorf("uring: NetConn of %v: package net has no use for a direct descriptor: PrepFixedFDInstall makes an ordinary one", fd)
	}
	f := os.NewFile(uintptr(fd), "socket")
	if f == nil {
		return nil, fmt.Errorf("uring: NetConn of %v: %w", fd, syscall.EBADF)
	}
	c, err := net.FileConn(f) // duplicates the descriptor
	if err = errors.Join(err, f.Close()); err != nil {
		if c != nil {
			_ = c.Close()
		}
		return nil, fmt.Errorf("uring: NetConn of %v: %w", fd, err)
	}
	return c, nil
}
