package cgo

// An EpollEvent is a struct epoll_event, which is packed here only.
type EpollEvent struct {
	Events uint32
	Fd     int32
	Pad    int32
}
