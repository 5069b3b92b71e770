// Command buffers receives short messages over many connections into few large
// buffers and says how much of the buffers that used up.
//
//	buffers classic|incremental CONNECTIONS MESSAGE-SIZE BUFFER-SIZE BUFFERS ROUNDS
package main

import (
	"encoding/json"
	"errors"
	"log"
	"net"
	"os"
	"strconv"
	"syscall"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/bench/internal/peer"
)

func main() {
	if len(os.Args) != 7 {
		log.Fatal("usage: buffers classic|incremental CONNECTIONS MESSAGE-SIZE BUFFER-SIZE BUFFERS ROUNDS")
	}
	var n [5]int
	for i, arg := range os.Args[2:] {
		v, err := strconv.Atoi(arg)
		peer.Must(err)
		n[i] = v
	}
	r := receiver{message: make([]byte, n[1])}
	r.connect(n[0])
	peer.Must(uring.Serve(uring.Config{Entries: 4096}, func(ring *uring.Ring) error {
		br, err := ring.NewBufRing(uring.BufRingConfig{Group: 1, Entries: n[3], BufSize: n[2], Incremental: os.Args[1] == "incremental"})
		if err != nil {
			return err
		}
		r.ring, r.br = ring, br
		for i := range r.in {
			r.arm(i)
		}
		cpu := peer.CPUTime()
		for range n[4] {
			r.round()
		}
		cpu = peer.CPUTime() - cpu
		return r.print(float64(cpu.Microseconds()) / float64(n[0]*n[4]))
	}))
}

type receiver struct {
	message []byte
	in, out []int // descriptors
	keep    []any // what they belong to
	ring    *uring.Ring
	br      *uring.BufRing
	got     int // bytes of this round
	starved int
}

func (r *receiver) connect(conns int) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	peer.Must(err)
	defer l.Close()
	for range conns {
		out, err := net.Dial("tcp4", l.Addr().String())
		peer.Must(err)
		in, err := l.Accept()
		peer.Must(err)
		r.out = append(r.out, r.descriptor(out))
		r.in = append(r.in, r.descriptor(in))
		peer.Must(errors.Join(in.Close(), out.Close()))
	}
}

// descriptor returns a duplicate that does not belong to Go's poller.
func (r *receiver) descriptor(c net.Conn) int {
	f, err := c.(*net.TCPConn).File()
	peer.Must(err)
	r.keep = append(r.keep, f)
	return int(f.Fd())
}

func (r *receiver) arm(i int) {
	sqe, err := r.ring.NextSQE()
	peer.Must(err)
	peer.Must(sqe.PrepRecvMultishot(uring.FD(r.in[i]), r.br, 0))
	sqe.UserData = uint64(i)
}

// round sends a message over each connection and receives all of them.
func (r *receiver) round() {
	r.got = 0
	for _, fd := range r.out {
		n, err := syscall.Write(fd, r.message)
		peer.Must(err)
		if n != len(r.message) {
			log.Fatalf("%d of %d bytes written", n, len(r.message))
		}
	}
	for r.got < len(r.out)*len(r.message) {
		_, err := r.ring.SubmitAndWait(1)
		peer.Must(err)
		for c := range r.ring.Completions() {
			r.received(c)
		}
	}
}

func (r *receiver) received(c uring.CQE) {
	err := r.br.Consume(c, func(p []byte) error {
		r.got += len(p)
		return nil
	})
	if errors.Is(err, syscall.ENOBUFS) {
		r.starved++
		err = nil
	}
	peer.Must(err)
	if !c.More() {
		r.arm(int(c.UserData))
	}
}

func (r *receiver) print(cpu float64) error {
	s := r.br.Stats()
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"used_per_byte": float64(s.Bytes+s.Wasted) / float64(s.Bytes),
		"buffers":       float64(s.Buffers),
		"completions":   float64(s.Completions),
		"starved":       float64(r.starved),
		"cpu_us":        cpu,
	})
}
