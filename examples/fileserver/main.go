// Fileserver is a server that sends files. It reads them into registered
// memory, from where the network device may take the bytes without a copy: one
// request gathers all that waits.
//
// A client sends the name of a file and a newline. The answer is "ok", the size
// and a newline, and then the file, or "error" and the reason.
//
//	go run ./examples/fileserver -listen 127.0.0.1:7777 -dir .
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

func main() {
	address := flag.String("listen", "127.0.0.1:7777", "address to listen on")
	dir := flag.String("dir", ".", "folder whose files to send")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root, err := os.OpenRoot(*dir)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := listen(ctx, *address)
	if err != nil {
		log.Fatal(err)
	}
	log.Println("listening on", listener.Addr())
	s := server{root: root}
	if err := s.serve(ctx, listener); err != nil {
		log.Fatal(err)
	}
}

// listen leaves out multipath TCP, which net.Listen uses where the kernel has
// it: connections from such a listener cannot send without a copy.
func listen(ctx context.Context, address string) (*net.TCPListener, error) {
	var c net.ListenConfig
	c.SetMultipathTCP(false)
	l, err := c.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// The kinds of requests. The slot of a token is the connection's descriptor.
const (
	accepting = iota + 1
	asking
	reading
	sending
	pausing
)

const (
	chunk     = 64 << 10  // how much of a file is read at once
	memory    = 256 << 10 // how much of it may wait to be sent
	maxName   = 256
	zeroCopy  = 16 << 10 // less than this is cheaper to copy
	maxAnswer = 512
)

// A server is the state of serve.
type server struct {
	root     *os.Root // nothing outside of it is sent
	zcAlways bool     // go on without copies where they do not pay

	ring     *uring.Ring
	listener uring.FD
	conns    map[uint32]*conn // by descriptor
	sent     uring.SendQueueStats
}

// A conn is a connection that is open.
type conn struct {
	fd   uint32
	out  *uring.SendQueue
	name []byte   // what came of it
	file *os.File // nil until it is known, and when all of it was read
	off  int64
	size int64

	busy   bool // a request other than a send is in flight
	done   bool // all of the answer is in the queue
	broken bool
}

// serve answers until ctx is done, and then closes all connections.
func (s *server) serve(ctx context.Context, listener *net.TCPListener) (err error) {
	file, err := listener.File()
	if err != nil {
		return err
	}
	defer file.Close()
	s.listener, s.conns = uring.FD(file.Fd()), map[uint32]*conn{}
	if s.ring, err = uring.New(uring.Config{CQEntries: 4096}); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, s.ring.Close()) // which ends all requests
		for _, c := range s.conns {
			err = errors.Join(err, c.closeFiles())
		}
	}()
	if err := s.accept(); err != nil {
		return err
	}
	for {
		_, err := s.ring.Await(ctx, 1)
		if ended := ctx.Err(); ended != nil && errors.Is(err, ended) {
			return nil
		}
		if err != nil {
			return err
		}
		for cqe := range s.ring.Completions() {
			if err := s.handle(cqe); err != nil {
				return err
			}
		}
	}
}

func (s *server) handle(cqe uring.CQE) error {
	switch cqe.Token().Kind() {
	case accepting:
		return s.accepted(cqe)
	case pausing:
		return s.accept()
	}
	c := s.conns[cqe.Token().Slot()]
	var err error
	switch cqe.Token().Kind() {
	case asking:
		c.busy = false
		err = s.asked(c, cqe)
	case reading:
		c.busy = false
		err = c.read(cqe)
	case sending:
		if _, err = c.out.Complete(cqe); cqe.Err() != nil {
			err = c.out.Err() // what was not sent still waits if it is nil
		}
	}
	if err != nil && !c.broken {
		log.Printf("connection %d: %v", c.fd, err)
		c.abort()
	}
	return s.advance(c)
}

func (s *server) accept() error {
	sqe, err := s.ring.Request(uring.MakeToken(accepting, 0, 0))
	if err == nil {
		sqe.PrepAcceptMultishot(s.listener, uring.CloseOnExec)
	}
	return err
}

func (s *server) accepted(cqe uring.CQE) error {
	switch err := cqe.Err(); err {
	case nil:
		if err := s.open(uint32(cqe.Res)); err != nil {
			return err
		}
	case syscall.ECONNABORTED: // the client has left
	case syscall.EMFILE, syscall.ENFILE: // connections wait in the listener
		return s.pause()
	default:
		return fmt.Errorf("accept: %w", err)
	}
	if cqe.More() {
		return nil
	}
	return s.accept()
}

// pause accepts again in a while.
func (s *server) pause() error {
	sqe, err := s.ring.Request(uring.MakeToken(pausing, 0, 0))
	if err == nil {
		sqe.PrepTimeout(100*time.Millisecond, 0, 0)
	}
	return err
}

func (s *server) open(fd uint32) error {
	c := &conn{fd: fd, name: make([]byte, 0, maxName)}
	s.conns[fd] = c
	config := uring.SendQueueConfig{
		Token: uring.MakeToken(sending, 0, fd), Memory: memory,
		Mode: uring.SendZCGather, ZCMin: zeroCopy, ZCAlways: s.zcAlways,
	}
	if uring.HaveSendZC() != nil { // Linux 6.0
		config.Mode = uring.SendAuto
	}
	var err error
	if c.out, err = s.ring.NewSendQueue(uring.FD(fd), config); err != nil {
		return err
	}
	return s.ask(c)
}

// ask receives the name, or more of it.
func (s *server) ask(c *conn) error {
	sqe, err := s.ring.Request(uring.MakeToken(asking, 0, c.fd))
	if err == nil {
		c.busy = true
		sqe.PrepRecv(uring.FD(c.fd), c.name[len(c.name):cap(c.name)], 0)
	}
	return err
}

// asked begins the answer when the name is there.
func (s *server) asked(c *conn, cqe uring.CQE) error {
	if err := cqe.Err(); err != nil {
		return err
	}
	c.name = c.name[:len(c.name)+int(cqe.Res)]
	name, _, whole := bytes.Cut(c.name, []byte("\n"))
	switch {
	case !whole && (cqe.Res == 0 || len(c.name) == cap(c.name)):
		return errors.New("a request without an end")
	case !whole:
		return s.ask(c)
	}
	if err := c.find(s.root, string(name)); err != nil {
		c.done = true
		return c.say("error %v\n", err)
	}
	return c.say("ok %d\n", c.size)
}

// find opens the file.
func (c *conn) find(root *os.Root, name string) error {
	file, err := root.Open(name)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	c.file, c.size = file, info.Size()
	return nil
}

// say queues a line.
func (c *conn) say(format string, args ...any) error {
	line := fmt.Appendf(nil, format, args...)
	_, err := c.out.Write(line[:min(len(line), maxAnswer)])
	return err
}

// fill reads the next part of the file into the queue's memory, if there is
// room. Reserved memory stays where it is until it is committed.
func (s *server) fill(c *conn) error {
	room, err := c.out.Reserve(int(min(chunk, c.size-c.off)))
	if err == uring.ErrQueueFull {
		return nil // a send is in flight, and makes room
	}
	if err != nil {
		return err
	}
	sqe, err := s.ring.Request(uring.MakeToken(reading, 0, c.fd))
	if err == nil {
		c.busy = true
		sqe.PrepRead(uring.FD(c.file.Fd()), room, uint64(c.off))
	}
	return err
}

// read queues what was read.
func (c *conn) read(cqe uring.CQE) error {
	if err := cqe.Err(); err != nil {
		return fmt.Errorf("read %s: %w", c.file.Name(), err)
	}
	if cqe.Res == 0 {
		return fmt.Errorf("%s became shorter", c.file.Name()) // the client gets less than was announced
	}
	c.off += int64(cqe.Res)
	return c.out.Commit(int(cqe.Res))
}

// abort makes the requests of a connection end.
func (c *conn) abort() {
	c.done, c.broken = true, true
	_ = syscall.Shutdown(int(c.fd), syscall.SHUT_RDWR)
}

// advance does what is to be done next for a connection.
func (s *server) advance(c *conn) error {
	if c.out.Err() == nil {
		if err := c.out.Flush(); err != nil {
			return err
		}
	}
	if c.file != nil && !c.busy && !c.done {
		if c.off < c.size {
			return s.fill(c)
		}
		c.done = true
	}
	// The memory is the kernel's until the last notification.
	if c.done && !c.busy && c.out.Unnotified() == 0 && !c.out.InFlight() && (c.out.Queued() == 0 || c.out.Err() != nil) {
		return s.close(c)
	}
	return nil
}

func (s *server) close(c *conn) error {
	delete(s.conns, c.fd)
	s.sent.ZeroCopy += c.out.Stats().ZeroCopy
	s.sent.Requests += c.out.Stats().Requests
	return errors.Join(c.out.Close(), c.closeFiles())
}

func (c *conn) closeFiles() error {
	err := syscall.Close(int(c.fd))
	if c.file != nil {
		err = errors.Join(err, c.file.Close())
	}
	return err
}
