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
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

func main() {
	address := flag.String("listen", "127.0.0.1:7777", "address to listen on")
	to := flag.String("to", "127.0.0.1:80", "IP address and port to forward to")
	flag.Parse()
	target, err := netip.ParseAddrPort(*to)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %v, forwarding to %v", listener.Addr(), target)
	if err := serve(ctx, listener.(*net.TCPListener), target); err != nil {
		log.Fatal(err)
	}
}

// The kinds of requests. The slot of a token is the descriptor that the flow
// comes from.
const (
	accepting = iota + 1
	connecting
	receiving
	sending
	pausing
	cancelling
)

// maxWaiting is how many bytes may wait for a receiver before its sender is
// held back.
const maxWaiting = 256 << 10

// A proxy is the state of serve.
type proxy struct {
	ring     *uring.Ring
	listener uring.FD
	family   int
	target   uring.Sockaddr
	buffers  *uring.BufRing
	flows    map[uint32]*flow // by the descriptor that they come from
}

// A flow is one direction of a connection.
type flow struct {
	from, to  uint32
	back      *flow // the other direction
	out       *uring.SendQueue
	connected bool
	busy      bool // connecting or receiving
	ended     bool // nothing more comes
	finished  bool // and the receiver has been told
	broken    bool // both directions end, with a reset
}

// serve forwards until ctx is done, and then closes all connections.
func serve(ctx context.Context, listener *net.TCPListener, target netip.AddrPort) (err error) {
	file, err := listener.File()
	if err != nil {
		return err
	}
	defer file.Close()
	p := proxy{listener: uring.FD(file.Fd()), family: syscall.AF_INET, flows: map[uint32]*flow{}}
	if target.Addr().Is6() {
		p.family = syscall.AF_INET6
	}
	if p.target, err = uring.InetAddr(target); err != nil {
		return err
	}
	if p.ring, err = uring.New(uring.Config{CQEntries: 4096}); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, p.ring.Close()) // which ends all requests
		for fd := range p.flows {
			err = errors.Join(err, syscall.Close(int(fd)))
		}
	}()
	// Small buffers: a slow receiver keeps whole ones, and must not keep all.
	c := uring.BufRingConfig{Group: 1, Entries: 2048, BufSize: 8 << 10}
	if p.buffers, err = p.ring.NewBufRing(c); err != nil {
		return err
	}
	return p.run(ctx)
}

func (p *proxy) run(ctx context.Context) error {
	if err := p.accept(); err != nil {
		return err
	}
	for {
		_, err := p.ring.Await(ctx, 1)
		if ended := ctx.Err(); ended != nil && errors.Is(err, ended) {
			return nil
		}
		if err != nil {
			return err
		}
		for cqe := range p.ring.Completions() {
			if err := p.handle(cqe); err != nil {
				return err
			}
		}
		for _, f := range p.flows {
			if err := p.advance(f); err != nil {
				return err
			}
		}
	}
}

func (p *proxy) handle(cqe uring.CQE) error {
	f := p.flows[cqe.Token().Slot()]
	switch cqe.Token().Kind() {
	case accepting:
		return p.accepted(cqe)
	case connecting:
		return p.connected(f, cqe)
	case receiving:
		return p.received(f, cqe)
	case sending:
		return p.sent(f, cqe)
	case pausing:
		return p.accept()
	}
	return nil // a cancellation: what it cancelled completes too
}

func (p *proxy) accept() error {
	sqe, err := p.ring.Request(uring.MakeToken(accepting, 0, 0))
	if err == nil {
		sqe.PrepAcceptMultishot(p.listener, uring.CloseOnExec)
	}
	return err
}

func (p *proxy) accepted(cqe uring.CQE) error {
	switch err := cqe.Err(); err {
	case nil:
		if err := p.connect(uint32(cqe.Res)); err != nil {
			return err
		}
	case syscall.ECONNABORTED: // the client has left
	case syscall.EMFILE, syscall.ENFILE: // connections wait in the listener
		return p.pause()
	default:
		return fmt.Errorf("accept: %w", err)
	}
	if cqe.More() {
		return nil
	}
	return p.accept()
}

// pause accepts again in a while.
func (p *proxy) pause() error {
	sqe, err := p.ring.Request(uring.MakeToken(pausing, 0, 0))
	if err == nil {
		sqe.PrepTimeout(100*time.Millisecond, 0, 0)
	}
	return err
}

// connect makes the connection to the target for a client.
func (p *proxy) connect(client uint32) error {
	fd, err := syscall.Socket(p.family, syscall.SOCK_STREAM|uring.CloseOnExec, 0)
	if err != nil {
		log.Printf("socket: %v", err)
		return syscall.Close(int(client))
	}
	target := uint32(fd)
	there := &flow{from: client, to: target, busy: true}
	back := &flow{from: target, to: client, back: there}
	there.back = back
	p.flows[client], p.flows[target] = there, back
	for _, f := range []*flow{there, back} {
		f.out, err = p.ring.NewSendQueue(uring.FD(f.to), uring.SendQueueConfig{
			Token: uring.MakeToken(sending, 0, f.from),
		})
		if err != nil {
			return err
		}
	}
	sqe, err := p.ring.Request(uring.MakeToken(connecting, 0, client))
	if err != nil {
		return err
	}
	sqe.PrepConnect(uring.FD(target), p.target)
	return nil
}

func (p *proxy) connected(f *flow, cqe uring.CQE) error {
	f.busy = false
	if err := cqe.Err(); err != nil {
		log.Printf("connect: %v", err)
		return p.abort(f)
	}
	f.connected, f.back.connected = true, true
	return nil // advance does the rest
}

// receive takes what is there. It is not multishot, which can miss a reset: see
// SQE.PrepRecvMultishot.
func (p *proxy) receive(f *flow) error {
	sqe, err := p.ring.Request(uring.MakeToken(receiving, 0, f.from))
	if err != nil {
		return err
	}
	f.busy = true
	return sqe.PrepRecvProvided(uring.FD(f.from), p.buffers, 0, 0, 0)
}

// received queues what came, where it lies.
func (p *proxy) received(f *flow, cqe uring.CQE) error {
	f.busy = false
	n, err := f.out.AppendCompletion(p.buffers, cqe)
	switch {
	case err == syscall.ENOBUFS: // advance tries again when there are some
		return nil
	case f.out.Err() != nil || cqe.Err() != nil:
		return p.abort(f)
	}
	f.ended = n == 0
	return err
}

func (p *proxy) sent(f *flow, cqe uring.CQE) error {
	_, err := f.out.Complete(cqe)
	switch {
	case f.out.Err() != nil:
		return p.abort(f)
	case cqe.Err() == nil:
		return err
	}
	return nil // what was not sent still waits
}

// abort cancels the requests of both directions; advance closes the sockets
// then. Both peers get a reset, so that neither takes what it got for
// everything.
func (p *proxy) abort(f *flow) error {
	if f.broken {
		return nil
	}
	for _, f := range []*flow{f, f.back} {
		f.broken, f.ended = true, true
		_ = syscall.SetsockoptLinger(int(f.from), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
		sqe, err := p.ring.Request(uring.MakeToken(cancelling, 0, f.from))
		if err != nil {
			return err
		}
		sqe.PrepCancelFD(uring.FD(f.from), uring.CancelAll)
	}
	return nil
}

// advance does what is to be done next for a flow.
func (p *proxy) advance(f *flow) error {
	if f.out.Err() == nil && !f.broken {
		if err := f.out.Flush(); err != nil {
			return err
		}
	}
	switch {
	case f.quiet() && f.back.quiet() && (f.broken || f.finished && f.back.finished):
		return p.close(f)
	case f.broken || !f.connected:
	case !f.ended && !f.busy && f.out.Queued() < maxWaiting && p.buffers.Stats().InKernel > 0:
		return p.receive(f)
	case f.ended && !f.finished && f.out.Queued() == 0:
		f.finished = true
		_ = syscall.Shutdown(int(f.to), syscall.SHUT_WR) // it may have left
	}
	return nil
}

// quiet reports whether no request of the flow is in flight.
func (f *flow) quiet() bool { return !f.busy && !f.out.InFlight() }

// close closes both sockets.
func (p *proxy) close(f *flow) error {
	delete(p.flows, f.from)
	delete(p.flows, f.to)
	return errors.Join(f.out.Close(), f.back.out.Close(), syscall.Close(int(f.from)), syscall.Close(int(f.to)))
}
