package uring

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/uring-go/uring/cgo"
)

// A Sockaddr is a socket address as the kernel has it. The zero value is none.
type Sockaddr struct {
	raw [slotSize]byte
	n   uint32 // as a C socklen_t: the kernel writes it for some requests
}

// InetAddr returns the socket address of an IPv4 or IPv6 address and port.
// The zone of an IPv6 address must be a number.
func InetAddr(ap netip.AddrPort) (Sockaddr, error) {
	var a Sockaddr
	addr := ap.Addr()
	switch {
	case addr.Is4():
		binary.NativeEndian.PutUint16(a.raw[0:], cgo.AFInet)
		b := addr.As4()
		copy(a.raw[4:], b[:])
		a.n = 16
	case addr.Is6():
		zone, err := zoneIndex(addr.Zone())
		if err != nil {
			return Sockaddr{}, err
		}
		binary.NativeEndian.PutUint16(a.raw[0:], cgo.AFInet6)
		b := addr.As16()
		copy(a.raw[8:], b[:])
		binary.NativeEndian.PutUint32(a.raw[24:], zone)
		a.n = 28
	default:
		return Sockaddr{}, fmt.Errorf("uring: %v is no address", ap)
	}
	binary.BigEndian.PutUint16(a.raw[2:], ap.Port())
	return a, nil
}

func zoneIndex(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(zone, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("uring: zone %q is not the number of an interface", zone)
	}
	return uint32(n), nil
}

// UnixAddr returns the socket address of a path; one that starts with @ is in
// the abstract namespace.
func UnixAddr(path string) (Sockaddr, error) {
	var a Sockaddr
	const most = 107 // sun_path holds 108 bytes, one of them the final 0
	if path == "" || len(path) > most {
		return a, fmt.Errorf("uring: path of %d bytes for a UNIX socket, want 1 to %d", len(path), most)
	}
	if path[0] != '@' && strings.IndexByte(path, 0) >= 0 {
		return a, fmt.Errorf("uring: path %q for a UNIX socket has a zero byte in it", path)
	}
	binary.NativeEndian.PutUint16(a.raw[0:], cgo.AFUnix)
	copy(a.raw[2:], path)
	a.n = uint32(2 + len(path) + 1)
	if path[0] == '@' {
		a.raw[2] = 0
		a.n-- // the name's length counts, no 0 ends it
	}
	return a, nil
}

func (a *Sockaddr) bytes() []byte { return a.raw[:min(a.n, slotSize)] }

// room makes a what the kernel may write an address to for s.
func (a *Sockaddr) room(s SQE) (addr, n uint64) {
	*a = Sockaddr{n: slotSize}
	return addressOf(s, &a.raw), addressOf(s, &a.n)
}

// AddrPort returns the address and port; ok is false if a is not an IPv4 or
// IPv6 address.
func (a *Sockaddr) AddrPort() (ap netip.AddrPort, ok bool) { return addrPort(a.bytes()) }

func addrPort(raw []byte) (netip.AddrPort, bool) {
	if len(raw) < 2 {
		return netip.AddrPort{}, false
	}
	switch family := binary.NativeEndian.Uint16(raw); {
	case family == cgo.AFInet && len(raw) >= 16:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[4:8])), binary.BigEndian.Uint16(raw[2:])), true
	case family == cgo.AFInet6 && len(raw) >= 28:
		addr := netip.AddrFrom16([16]byte(raw[8:24]))
		if zone := binary.NativeEndian.Uint32(raw[24:]); zone != 0 {
			addr = addr.WithZone(fmt.Sprint(zone))
		}
		return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(raw[2:])), true
	}
	return netip.AddrPort{}, false
}

// A Msg is a message to send or room for one to receive: parts of memory, a
// socket address and control data. It must stay as it is while a request uses
// it; after that it may be used again, for which a receive makes its room whole.
// A copy is a message of its own, with an address of its own but the same memory
// for parts and control data.
type Msg struct {
	self    *Msg // nil, or another, before a copy is made one of its own
	hdr     cgo.Msghdr
	iov     []cgo.Iovec
	parts   [][]byte
	addr    Sockaddr
	room    uint32 // for the address of a received message
	control []byte
}

// NewMsg returns a message of the given parts. Their memory stays in use.
func NewMsg(parts ...[]byte) *Msg {
	m := &Msg{}
	m.SetParts(parts...)
	return m
}

// SetParts replaces the parts.
func (m *Msg) SetParts(parts ...[]byte) {
	m.own()
	m.parts = append(m.parts[:0], parts...)
	m.iov = m.iov[:0]
	for _, p := range parts {
		m.iov = append(m.iov, cgo.Iovec{Base: unsafe.Pointer(unsafe.SliceData(p)), Len: uint64(len(p))})
	}
}

// own makes a copy a message of its own, which changes nothing of the one that
// it was copied from.
func (m *Msg) own() {
	if m.self == m {
		return
	}
	m.self = m
	m.parts, m.iov = slices.Clone(m.parts), slices.Clone(m.iov)
	if m.hdr.Name != nil {
		m.hdr.Name = unsafe.Pointer(&m.addr.raw)
	}
}

// ready makes the header ready for another request: with the parts, or without where
// the kernel finds buffers itself and would only cut messages to the length of a
// part.
func (m *Msg) ready(withParts bool) {
	m.own()
	n := len(m.iov)
	if !withParts {
		n = 0
	}
	m.hdr.Iov, m.hdr.IovLen = unsafe.Pointer(unsafe.SliceData(m.iov)), uint64(n)
}

// SetAddr sets where the message goes.
func (m *Msg) SetAddr(a Sockaddr) {
	m.addr, m.room = a, 0
	m.hdr.Name = unsafe.Pointer(&m.addr.raw)
	m.hdr.NameLen = a.n
}

// WantAddr makes room for the source address of a received message, of whatever
// kind: 128 bytes.
func (m *Msg) WantAddr() { m.WantAddrLen(slotSize) }

// The lengths of addresses, for [Msg.WantAddrLen].
const (
	AddrLen4 = 16 // an IPv4 address
	AddrLen6 = 28 // an IPv6 address
)

// WantAddrLen makes room for a source address of at most n bytes, such as
// [AddrLen4]. Of a longer one the kernel stores the beginning. Each buffer of
// [SQE.PrepRecvMsgMultishot] has that room: see [Msg.Overhead]. It panics if n is
// not 0 to 128.
func (m *Msg) WantAddrLen(n int) {
	if n < 0 || n > slotSize {
		panic(fmt.Sprintf("uring: WantAddrLen: %d bytes, want 0 to %d", n, slotSize))
	}
	m.room = uint32(n)
	m.hdr.Name = unsafe.Pointer(&m.addr.raw)
	m.hdr.NameLen = m.room
}

// Addr returns the source address of a received message.
func (m *Msg) Addr() Sockaddr {
	a := m.addr
	a.n = min(m.hdr.NameLen, slotSize)
	return a
}

// SetControl sets the control data to send, or the room for it.
func (m *Msg) SetControl(p []byte) {
	m.control = p
	m.hdr.Control = unsafe.Pointer(unsafe.SliceData(p))
	m.hdr.ControlLen = uint64(len(p))
}

// Control returns the control data that was received.
func (m *Msg) Control() []byte { return m.control[:min(int(m.hdr.ControlLen), len(m.control))] }

// Flags returns the flags of a received message, such as MSG_TRUNC.
func (m *Msg) Flags() int { return int(m.hdr.Flags) }

// makeRoom undoes what the kernel wrote over the lengths when it received into
// m before.
func (m *Msg) makeRoom() {
	if m.room > 0 {
		m.hdr.NameLen = m.room
	}
	m.hdr.ControlLen = uint64(len(m.control))
	m.hdr.Flags = 0
}

// A RecvMsg is one message received by [SQE.PrepRecvMsgMultishot]. Its slices
// are parts of the buffer it was parsed from.
type RecvMsg struct {
	// Name is the source address, see AddrPort and io_uring_recvmsg_name(3).
	Name []byte
	// Control is control data. [syscall.ParseSocketControlMessage] does what
	// io_uring_recvmsg_cmsg_firsthdr(3) and io_uring_recvmsg_cmsg_nexthdr(3) do.
	Control []byte
	// Payload is the message. See io_uring_recvmsg_payload(3).
	Payload []byte
	// Flags are MSG_TRUNC, MSG_CTRUNC and so on.
	Flags int
	// PayloadLen is how long the message was, if the receive had MSG_TRUNC: then
	// it is more than len(Payload) for one that was cut off. Without it the
	// kernel counts what it stored, and only MSG_TRUNC in Flags tells that there
	// was more. See io_uring_recvmsg_payload_length(3).
	PayloadLen int
}

// recvMsgHeader is the size of struct io_uring_recvmsg_out.
const recvMsgHeader = 16

// Overhead returns how many bytes of a buffer come before the payload of a
// message that [SQE.PrepRecvMsgMultishot] receives: with the largest payload it
// is what BufRingConfig.BufSize, or MinLeft, must be.
func (m *Msg) Overhead() int {
	return recvMsgHeader + int(m.hdr.NameLen) + int(m.hdr.ControlLen)
}

// Parse takes a received buffer p apart. m is the message given to
// [SQE.PrepRecvMsgMultishot]. See io_uring_recvmsg_validate(3).
func (m *Msg) Parse(p []byte) (RecvMsg, error) {
	if len(p) < m.Overhead() {
		return RecvMsg{}, wrapf("message of %d bytes, its header alone has %d: %w", len(p), m.Overhead(), ErrBadCompletion)
	}
	nameLen := int(binary.NativeEndian.Uint32(p[0:]))
	controlLen := int(binary.NativeEndian.Uint32(p[4:]))
	name := p[recvMsgHeader:][:m.hdr.NameLen]
	control := p[recvMsgHeader+m.hdr.NameLen:][:m.hdr.ControlLen]
	return RecvMsg{
		Name:       name[:min(nameLen, len(name))],
		Control:    control[:min(controlLen, len(control))],
		Payload:    p[m.Overhead():],
		PayloadLen: int(binary.NativeEndian.Uint32(p[8:])),
		Flags:      int(binary.NativeEndian.Uint32(p[12:])),
	}, nil
}

// Addr returns where the message came from, to send an answer there.
func (m RecvMsg) Addr() (a Sockaddr) {
	a.n = uint32(copy(a.raw[:], m.Name))
	return a
}

// AddrPort returns where the message came from; ok is false if Name is not an
// IPv4 or IPv6 address.
func (m RecvMsg) AddrPort() (ap netip.AddrPort, ok bool) { return addrPort(m.Name) }
