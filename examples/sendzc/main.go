// Sendzc sends the same registered memory again and again, as fast as the
// receiver takes it, and counts: what liburing's example send-zerocopy does.
// Several sends are in flight at once. Each has a result, and a notification
// when the kernel needs the memory no more.
//
//	go run ./examples/sendzc -network tcp -to 127.0.0.1:8000 -size 65435 -batch 8 -for 4s
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

func main() {
	var o options
	flag.StringVar(&o.network, "network", "tcp", "tcp or udp")
	flag.StringVar(&o.to, "to", "127.0.0.1:8000", "address of the receiver")
	flag.IntVar(&o.size, "size", 65435, "bytes of each send")
	flag.IntVar(&o.batch, "batch", 8, "sends in flight at once; more than one may come in another order over tcp")
	flag.IntVar(&o.conns, "conns", 1, "connections, each with a ring of its own")
	flag.DurationVar(&o.limit, "for", 4200*time.Millisecond, "how long to send")
	flag.Parse()
	begin := time.Now()
	n, err := o.run()
	if err != nil {
		log.Fatal(err)
	}
	seconds := time.Since(begin).Seconds()
	fmt.Printf("packets=%d (MB=%d), rps=%.0f (MB/s=%.0f), copied by the kernel=%d\n",
		n.sends, n.bytes>>20, float64(n.sends)/seconds, float64(n.bytes>>20)/seconds, n.copied)
}

type options struct {
	network, to        string
	size, batch, conns int
	limit              time.Duration
}

// A count is what was sent.
type count struct {
	sends, bytes int64
	copied       int64 // sends for which the kernel copied after all, as it does on loopback
}

const (
	alphabet = "abcdefghijklmnopqrstuvwxyz"
	grace    = time.Second // for what is in flight when the time is over
)

// run sends on all connections at once.
func (o options) run() (total count, err error) {
	if o.size < 1 || o.batch < 1 {
		return total, errors.New("size and batch must be positive")
	}
	var running sync.WaitGroup
	counts, errs := make([]count, o.conns), make([]error, o.conns)
	for i := range o.conns {
		running.Add(1)
		go func() {
			defer running.Done()
			counts[i], errs[i] = o.send()
		}()
	}
	running.Wait()
	for _, n := range counts {
		total.sends += n.sends
		total.bytes += n.bytes
		total.copied += n.copied
	}
	return total, errors.Join(errs...)
}

// A sender is one connection, and the ring that sends on it.
type sender struct {
	options
	ring     *uring.Ring
	socket   uring.FD // the file itself is in the ring's table
	memory   uring.RegBuf
	report   uring.IOFlags
	deadline time.Time
	over     bool
	shut     func() // makes sends end that wait

	queued     int64 // bytes: says where in the alphabet the next send begins
	waiting    int   // sends without a result
	unnotified int   // sends whose memory is in use
	count
}

// send sends on one connection until the time is over or the receiver is gone.
func (o options) send() (count, error) {
	var dialer net.Dialer
	dialer.SetMultipathTCP(false) // which cannot send without a copy
	conn, err := dialer.DialContext(context.Background(), o.network, o.to)
	if err != nil {
		return count{}, err
	}
	defer conn.Close()
	file, err := conn.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return count{}, err
	}
	defer file.Close()
	memory, err := uring.NewArena(uring.ArenaConfig{Size: o.size + len(alphabet)})
	if err != nil {
		return count{}, err
	}
	for i, p := 0, memory.Bytes(); i < len(p); i++ {
		p[i] = alphabet[i%len(alphabet)]
	}
	fd := int(file.Fd())
	s := sender{options: o, shut: func() { _ = syscall.Shutdown(fd, syscall.SHUT_RDWR) }}
	// As many again may still have their notification to come.
	err = uring.Serve(uring.Config{Entries: o.batch, CQEntries: 4 * o.batch}, func(ring *uring.Ring) error {
		s.ring = ring
		if err := s.register(fd, memory); err != nil {
			return err
		}
		return s.run()
	})
	return s.count, errors.Join(err, memory.Close())
}

// register spares the kernel looking up the file, and the memory's pages, for
// each send.
func (s *sender) register(fd int, memory *uring.Arena) (err error) {
	if err := s.ring.RegisterFiles(1); err != nil {
		return err
	}
	slot := uring.DirectSlot(0)
	s.socket = slot.FD()
	if err := s.ring.UpdateFile(slot, fd); err != nil {
		return err
	}
	if uring.HaveReportUsage() == nil {
		s.report = uring.ReportUsage
	}
	s.memory, err = s.ring.RegisterArena(memory)
	return err
}

func (s *sender) run() error {
	s.deadline = time.Now().Add(s.limit)
	for {
		for !s.over && s.waiting < s.batch && s.unnotified < s.batch {
			if err := s.queue(); err != nil {
				return err
			}
		}
		if s.waiting+s.unnotified == 0 {
			return nil
		}
		if err := s.wait(); err != nil {
			return err
		}
		for cqe := range s.ring.Completions() {
			if err := s.handle(cqe); err != nil {
				return err
			}
		}
	}
}

// queue queues a send that goes on with the alphabet where the one before it
// ends. With MSG_WAITALL it is over when all is sent.
func (s *sender) queue() error {
	sqe, err := s.ring.Request(uring.MakeToken(1, 0, 0))
	if err != nil {
		return err
	}
	part := s.memory.Bytes()
	if s.network != "udp" {
		part = part[s.queued%int64(len(alphabet)):]
	}
	s.queued += int64(s.size)
	s.waiting++
	return sqe.PrepSendZCFixed(s.socket, s.memory, part[:s.size], syscall.MSG_WAITALL, s.report)
}

// wait submits, and waits for a completion. When the time is over, nothing new
// is sent; and sends that still wait for room are given up after grace. What the
// socket has taken is the receiver's: its notifications come when it has read.
func (s *sender) wait() error {
	left := time.Until(s.deadline)
	_, err := s.ring.SubmitAndWaitTimeout(1, max(left, 0))
	switch {
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case left > 0:
		return nil
	case s.over:
		s.shut()
	}
	s.over, s.deadline = true, time.Now().Add(grace)
	return nil
}

func (s *sender) handle(cqe uring.CQE) error {
	if cqe.Notif() {
		s.unnotified--
		if cqe.Copied() {
			s.copied++
		}
		return nil
	}
	s.waiting--
	if cqe.More() { // a failed send may have a notification, too
		s.unnotified++
	}
	switch err := cqe.Err(); err {
	case nil:
		s.sends++
		s.bytes += int64(cqe.Res)
	case syscall.ECONNREFUSED, syscall.EPIPE, syscall.ECONNRESET:
		s.over = true // the receiver is gone
	default:
		return fmt.Errorf("send: %w", err)
	}
	return nil
}
