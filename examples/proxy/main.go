// Proxy forwards connections, in both directions. What comes is received into
// shared buffers and sent on from there, many buffers with one request: no byte is
// copied in the program. cmd/uring has a proxy with everything that one may want.
//
//	go run ./examples/proxy -listen 127.0.0.1:7777 -to 127.0.0.1:80
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"net/netip"
	"os/signal"
	"syscall"

	"github.com/uring-go/uring"
)

func main() {
	address := flag.String("listen", "127.0.0.1:7777", "address to listen on")
	to := flag.String("to", "127.0.0.1:80", "IP address and port to forward to")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	target, err := netip.ParseAddrPort(*to)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *address)
	if err == nil {
		log.Printf("listening on %v, forwarding to %v", listener.Addr(), target)
		err = serve(ctx, listener.(*net.TCPListener), target)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// The kinds of requests. The slot of a token is the descriptor that the flow comes
// from.
const accepting, connecting, receiving, sending, cancelling = 1, 2, 3, 4, 5

// A proxy is the state of serve. It belongs to the ring's goroutine.
type proxy struct {
	ring     *uring.Ring
	acceptor *uring.Acceptor
	buffers  *uring.BufRing
	family   int
	target   uring.Sockaddr
	flows    map[uint32]*flow // by the descriptor that they come from
}

// A flow is one direction of a connection.
type flow struct {
	from, to uint32
	back     *flow             // the other direction
	in       *uring.RecvStream // nil until both sides are connected
	out      *uring.SendQueue
	finished bool // the receiver has got everything, and knows
	broken   bool // both directions end, with a reset
}

// serve forwards until ctx is done, and then closes all connections.
func serve(ctx context.Context, listener *net.TCPListener, target netip.AddrPort) error {
	fd, err := uring.FDOf(listener)
	if err != nil {
		return err
	}
	defer listener.Close()
	// A listener that is shut down ends the acceptor.
	defer context.AfterFunc(ctx, func() { _ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })()
	return uring.Serve(uring.Config{CQEntries: 4096}, func(ring *uring.Ring) (err error) {
		p := proxy{ring: ring, family: syscall.AF_INET, flows: map[uint32]*flow{}}
		if target.Addr().Is6() {
			p.family = syscall.AF_INET6
		}
		if p.target, err = uring.InetAddr(target); err != nil {
			return err
		}
		// Spare: so many buffers are left when receivers do not read.
		c := uring.BufRingConfig{Entries: 64, BufSize: 64 << 10, Spare: 16, Incremental: uring.HaveRecvMultishotLimit() == nil}
		if p.buffers, err = ring.NewBufRing(c); err == nil {
			p.acceptor, err = ring.NewAcceptor(fd, uring.AcceptorConfig{Token: uring.MakeToken(accepting, 0, 0)})
		}
		for err == nil && p.acceptor.Err() == nil {
			_, err = ring.SubmitAndWait(1)
			for cqe := range ring.Completions() {
				err = errors.Join(err, p.handle(cqe))
			}
		}
		for fd := range p.flows {
			_ = syscall.Close(int(fd)) // Serve ends the requests
		}
		if err == nil && p.acceptor.Err() != net.ErrClosed {
			err = p.acceptor.Err()
		}
		return err
	})
}

func (p *proxy) handle(cqe uring.CQE) (err error) {
	f := p.flows[cqe.Token().Slot()]
	switch cqe.Token().Kind() {
	case accepting:
		return p.accepted(cqe)
	case connecting:
		return p.connected(f, cqe)
	case receiving:
		_, err = f.in.Complete(cqe)
	case sending:
		_, _ = f.out.Complete(cqe) // Err tells, too
	case cancelling:
		return nil // what it cancelled completes too
	}
	return errors.Join(err, p.advance(f))
}

// accepted connects to the target for a client.
func (p *proxy) accepted(cqe uring.CQE) error {
	client, ok, err := p.acceptor.Complete(cqe)
	if !ok || err != nil {
		return err
	}
	target, err := syscall.Socket(p.family, syscall.SOCK_STREAM|uring.CloseOnExec, 0)
	if err != nil {
		log.Printf("socket: %v", err)
		return syscall.Close(int(client))
	}
	there, back := &flow{from: uint32(client), to: uint32(target)}, &flow{from: uint32(target), to: uint32(client)}
	there.back, back.back = back, there
	p.flows[there.from], p.flows[back.from] = there, back
	sqe, err := p.ring.Request(uring.MakeToken(connecting, 0, there.from))
	if err == nil {
		sqe.PrepConnect(uring.FD(target), p.target)
	}
	return err
}

func (p *proxy) connected(f *flow, cqe uring.CQE) (err error) {
	if err := cqe.Err(); err != nil {
		log.Printf("connect: %v", err)
		f.broken, f.back.broken = true, true
		return p.close(f)
	}
	for _, f := range []*flow{f, f.back} {
		f.out, err = p.ring.NewSendQueue(uring.FD(f.to), uring.SendQueueConfig{Token: uring.MakeToken(sending, 0, f.from)})
		if err == nil {
			f.in, err = p.ring.NewRecvStream(uring.FD(f.from), p.buffers, uring.RecvStreamConfig{Token: uring.MakeToken(receiving, 0, f.from), To: f.out})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// advance does what is to be done next for a flow.
func (p *proxy) advance(f *flow) (err error) {
	ended := f.in.Err()
	switch {
	case f.broken:
	case f.out.Err() != nil || ended != nil && ended != io.EOF:
		err = errors.Join(p.abort(f), p.abort(f.back))
	case f.out.Queued() > 0:
		return f.out.Flush()
	case ended != nil && !f.finished:
		f.finished = true
		_ = syscall.Shutdown(int(f.to), syscall.SHUT_WR) // it may have left
	}
	if over := f.broken || f.finished && f.back.finished; err != nil || !over || f.busy() || f.back.busy() {
		return err
	}
	return p.close(f)
}

// busy reports whether requests of the flow are in flight.
func (f *flow) busy() bool { return f.in.InFlight() || f.out.InFlight() }

// abort cancels the requests of a flow.
func (p *proxy) abort(f *flow) error {
	f.broken = true
	if f.out.InFlight() {
		sqe, err := p.ring.Request(uring.MakeToken(cancelling, 0, f.from))
		if err != nil {
			return err
		}
		sqe.PrepCancelFD(uring.FD(f.to), uring.CancelAll)
	}
	return f.in.Cancel()
}

// close closes both sockets. After a failure both peers get a reset, so that neither
// takes what it got for everything.
func (p *proxy) close(f *flow) (err error) {
	for _, f := range []*flow{f, f.back} {
		delete(p.flows, f.from)
		if f.in != nil {
			err = errors.Join(err, f.in.Close(), f.out.Close())
		}
		if f.broken {
			_ = syscall.SetsockoptLinger(int(f.from), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
		}
		err = errors.Join(err, syscall.Close(int(f.from)))
	}
	return err
}
