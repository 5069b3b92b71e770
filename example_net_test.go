//go:build linux

package uring_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"runtime"
	"syscall"

	"github.com/uring-go/uring"
)

// A server of one ring: it accepts connections and sends back what they send.
// Tables of the requests in flight say for which connection each is, and hold
// the memory that it uses.
func ExampleSQE_PrepAcceptMultishot() {
	listener, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer syscall.Close(listener)
	if err := syscall.Bind(listener, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		log.Fatal(err)
	}
	if err := syscall.Listen(listener, 8); err != nil {
		log.Fatal(err)
	}
	name, err := syscall.Getsockname(listener)
	if err != nil {
		log.Fatal(err)
	}
	go func() { // the client
		c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port))
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "hello")
		got := make([]byte, 5)
		if _, err := io.ReadFull(c, got); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("client got %s\n", got)
	}()

	const accepting, receiving, sending = 1, 2, 3 // kinds
	type conn struct {
		fd  uring.FD
		buf []byte
	}
	err = uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		receives := uring.NewInFlight[conn](ring, receiving)
		sends := uring.NewInFlight[conn](ring, sending)
		sqe, err := ring.Request(uring.MakeToken(accepting, 0, 0))
		if err != nil {
			return err
		}
		sqe.PrepAcceptMultishot(uring.FD(listener), syscall.SOCK_CLOEXEC)
		for {
			if _, err := ring.SubmitAndWait(1); err != nil {
				return err
			}
			for cqe := range ring.Completions() {
				if err := cqe.Err(); err != nil {
					return err
				}
				var c conn
				switch cqe.Token().Kind() {
				case accepting:
					c = conn{uring.FD(cqe.Res), make([]byte, 4096)}
				case sending:
					c, _ = sends.Complete(cqe)
				case receiving:
					c, _ = receives.Complete(cqe)
					if cqe.Res == 0 { // the end of the stream
						syscall.Close(int(c.fd))
						fmt.Println("connection closed")
						return nil // a real server would go on
					}
					sqe, err := sends.Request(c)
					if err != nil {
						return err
					}
					sqe.PrepSend(c.fd, c.buf[:cqe.Res], syscall.MSG_WAITALL)
					continue
				}
				sqe, err := receives.Request(c)
				if err != nil {
					return err
				}
				sqe.PrepRecv(c.fd, c.buf, 0)
			}
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// client got hello
	// connection closed
}

// A direct descriptor lives in the ring's own table of files, which spares the
// process's table and its lock. Here the kernel picks the slot.
func ExampleSQE_PrepAcceptDirect() {
	listener, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer syscall.Close(listener)
	if err := syscall.Bind(listener, &syscall.SockaddrUnix{}); err != nil { // any free name
		log.Fatal(err)
	}
	if err := syscall.Listen(listener, 1); err != nil {
		log.Fatal(err)
	}
	name, err := syscall.Getsockname(listener)
	if err != nil {
		log.Fatal(err)
	}
	client, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer syscall.Close(client)
	if err := syscall.Connect(client, name); err != nil {
		log.Fatal(err)
	}
	if _, err := syscall.Write(client, []byte("hello")); err != nil {
		log.Fatal(err)
	}

	buf := make([]byte, 100)
	defer runtime.KeepAlive(buf) // Serve closes the ring before

	err = uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		if err := ring.RegisterFiles(8); err != nil {
			return err
		}
		sqe, err := ring.NextSQE()
		if err != nil {
			return err
		}
		sqe.PrepAcceptDirect(uring.FD(listener), 0, uring.DirectAlloc)
		cqe, err := ring.Wait()
		if err != nil {
			return err
		}
		if err := cqe.Err(); err != nil {
			return err
		}
		conn := uring.DirectSlot(int(cqe.Res))

		if sqe, err = ring.NextSQE(); err != nil {
			return err
		}
		sqe.PrepRecv(conn.FD(), buf, 0)
		if cqe, err = ring.Wait(); err != nil {
			return err
		}
		fmt.Printf("%v: %s\n", conn, buf[:max(cqe.Res, 0)])

		if sqe, err = ring.NextSQE(); err != nil {
			return err
		}
		sqe.PrepCloseDirect(conn)
		if cqe, err = ring.Wait(); err != nil {
			return err
		}
		return cqe.Err()
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: direct 0: hello
}

// A zero-copy send has two completions: the result, and a notification when
// the kernel is done with the memory.
func ExampleSQE_PrepSendZC() {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	received := make(chan []byte)
	go func() {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		all, err := io.ReadAll(c)
		if err != nil {
			log.Fatal(err)
		}
		received <- all
	}()
	conn, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	f, err := conn.(*net.TCPConn).File()
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()

	data := bytes.Repeat([]byte("0123456789abcdef"), 1024)
	err = uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		sqe, err := ring.NextSQE()
		if err != nil {
			return err
		}
		if uring.HaveSendZC() == nil { // Linux 6.0
			err = sqe.PrepSendZC(uring.FD(f.Fd()), data, syscall.MSG_WAITALL, 0)
		} else {
			sqe.PrepSend(uring.FD(f.Fd()), data, syscall.MSG_WAITALL)
		}
		if err != nil {
			return err
		}
		for more := true; more; {
			if _, err := ring.SubmitAndWait(1); err != nil {
				return err
			}
			for cqe := range ring.Completions() {
				if err := cqe.Err(); err != nil {
					return err
				}
				if !cqe.Notif() {
					fmt.Println("accepted:", cqe.Res)
				}
				more = cqe.More() // a notification follows
			}
		}
		fmt.Println("the memory is free again")
		return syscall.Shutdown(int(f.Fd()), syscall.SHUT_WR)
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("received:", bytes.Equal(<-received, data))
	// Output:
	// accepted: 16384
	// the memory is free again
	// received: true
}

// A segment may be kept: its bytes stay until it is released, and only then
// its buffer goes back to the kernel.
func ExampleBufRing_Segments() {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer syscall.Close(pair[0])
	defer syscall.Close(pair[1])
	for _, s := range []string{"one", "two", "three"} {
		if _, err := syscall.Write(pair[1], []byte(s)); err != nil {
			log.Fatal(err)
		}
	}

	err = uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		br, err := ring.NewBufRing(uring.BufRingConfig{Group: 1, Entries: 4, BufSize: 4096})
		if err != nil {
			return err
		}
		sqe, err := ring.NextSQE()
		if err != nil {
			return err
		}
		if err := sqe.PrepRecvMultishot(uring.FD(pair[0]), br, 0); err != nil {
			return err
		}
		var kept []uring.Segment
		for len(kept) < 3 {
			if _, err := ring.SubmitAndWait(1); err != nil {
				return err
			}
			for cqe := range ring.Completions() {
				for segment, err := range br.Segments(cqe) {
					if err != nil {
						return err
					}
					kept = append(kept, segment)
				}
			}
		}
		fmt.Println("lent:", br.Stats().Lent)
		for _, segment := range kept {
			fmt.Printf("%s\n", segment.Bytes)
			if err := segment.Release(); err != nil {
				return err
			}
		}
		fmt.Println("lent:", br.Stats().Lent)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// lent: 3
	// one
	// two
	// three
	// lent: 0
}
