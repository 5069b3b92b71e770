//go:build !amd64

package cgo

// An EpollEvent is a struct epoll_event.
type EpollEvent struct {
	Events uint32
	PadFd  int32
	Fd     int32
	Pad    int32
}
