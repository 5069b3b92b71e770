// Command zc sends blocks from registered memory in one of several ways and
// says what that took.
//
//	zc send|sendmsg|send_zc|"send_zc fixed"|"sendmsg_zc fixed" PORT BLOCK-SIZE BLOCKS SECONDS
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/bench/internal/peer"
)

const (
	gap     = 4096 // between blocks
	ahead   = 8    // turns of which the kernel may hold the memory
	msgFlag = syscall.MSG_WAITALL | syscall.MSG_NOSIGNAL
)

// A sender sends turns of blocks. It uses the memory of ahead turns in a circle.
type sender struct {
	ring   *uring.Ring
	reg    uring.RegBuf
	fd     uring.FD
	how    string
	blocks [ahead][][]byte
	msgs   [ahead]*uring.Msg
	held   [ahead]int // notifications to come

	bytes, turns, requests, notifications, enters int
}

func main() {
	if len(os.Args) != 6 {
		log.Fatal(`usage: zc send|sendmsg|send_zc|"send_zc fixed"|"sendmsg_zc fixed" PORT BLOCK-SIZE BLOCKS SECONDS`)
	}
	size, err := strconv.Atoi(os.Args[3])
	peer.Must(err)
	blocks, err := strconv.Atoi(os.Args[4])
	peer.Must(err)
	seconds, err := strconv.ParseFloat(os.Args[5], 64)
	peer.Must(err)
	d := time.Duration(seconds * 1e9)
	conn := dial("127.0.0.1:" + os.Args[2])
	defer conn.Close()
	peer.Must(uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		s, closeArena := newSender(ring, uring.FD(conn.Fd()), os.Args[1], size, blocks)
		s.run(d / 5) // warm-up
		s.bytes, s.turns, s.requests, s.notifications, s.enters = 0, 0, 0, 0, 0
		cpu, start := peer.CPUTime(), time.Now()
		s.run(d)
		if err := s.print(peer.CPUTime()-cpu, time.Since(start)); err != nil {
			return err
		}
		return closeArena()
	}))
}

// dial connects, and tries again while nobody listens yet.
func dial(addr string) *os.File {
	deadline := time.Now().Add(5 * time.Second)
	for {
		c, err := net.Dial("tcp4", addr)
		if err == nil {
			f, err := c.(*net.TCPConn).File()
			peer.Must(errors.Join(err, c.Close()))
			return f
		}
		if time.Now().After(deadline) {
			log.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func newSender(ring *uring.Ring, fd uring.FD, how string, size, blocks int) (s *sender, closeArena func() error) {
	arena, err := uring.NewArena(uring.ArenaConfig{Size: ahead * blocks * (size + gap)})
	peer.Must(err)
	reg, err := ring.RegisterArena(arena)
	peer.Must(err)
	s = &sender{ring: ring, reg: reg, fd: fd, how: how}
	rest := arena.Bytes()
	for t := range ahead {
		for range blocks {
			for i := range rest[:size] {
				rest[i] = byte(i * 7)
			}
			s.blocks[t] = append(s.blocks[t], rest[:size:size])
			rest = rest[size+gap:]
		}
		s.msgs[t] = uring.NewMsg(s.blocks[t]...)
	}
	return s, func() error {
		return errors.Join(ring.UnregisterArena(reg), arena.Close())
	}
}

// run sends for d, and waits for the last notification.
func (s *sender) run(d time.Duration) {
	start := time.Now()
	for i := 0; time.Since(start) < d; i++ {
		s.turn(i % ahead)
	}
	for t := range ahead {
		s.wait(func() bool { return s.held[t] == 0 })
	}
}

// turn sends the blocks of turn t in order, one request after the other.
func (s *sender) turn(t int) {
	s.wait(func() bool { return s.held[t] == 0 })
	s.turns++
	switch s.how {
	case "sendmsg", "sendmsg_zc fixed":
		s.send(t, nil)
	default:
		for _, p := range s.blocks[t] {
			s.send(t, p)
		}
	}
}

// send sends block p of turn t, or all of them, and waits for the result.
func (s *sender) send(t int, p []byte) {
	sqe, err := s.ring.NextSQE()
	peer.Must(err)
	want := len(p)
	switch s.how {
	case "send":
		sqe.PrepSend(s.fd, p, msgFlag)
	case "send_zc":
		peer.Must(sqe.PrepSendZC(s.fd, p, msgFlag, 0))
	case "send_zc fixed":
		peer.Must(sqe.PrepSendZCFixed(s.fd, s.reg, p, msgFlag, 0))
	case "sendmsg":
		sqe.PrepSendMsg(s.fd, s.msgs[t], msgFlag)
		want = len(s.blocks[t]) * len(s.blocks[t][0])
	case "sendmsg_zc fixed":
		peer.Must(sqe.PrepSendMsgZCFixed(s.fd, s.reg, s.msgs[t], msgFlag, 0))
		want = len(s.blocks[t]) * len(s.blocks[t][0])
	default:
		log.Fatalf("no way to send is called %q", s.how)
	}
	sqe.UserData = uint64(t)
	s.requests++
	before := s.bytes
	s.wait(func() bool { return s.bytes > before })
	if n := s.bytes - before; n != want {
		peer.Must(fmt.Errorf("%d of %d bytes sent", n, want))
	}
}

// wait handles completions until done says so.
func (s *sender) wait(done func() bool) {
	for !done() {
		s.enters++
		_, err := s.ring.SubmitAndWait(1)
		peer.Must(err)
		for c := range s.ring.Completions() {
			peer.Must(c.Err())
			if c.Notif() {
				s.notifications++
				s.held[c.UserData]--
				continue
			}
			s.bytes += int(c.Res)
			if c.More() {
				s.held[c.UserData]++
			}
		}
	}
}

func (s *sender) print(cpu, elapsed time.Duration) error {
	mb, turns := float64(s.bytes)/1e6, float64(s.turns)
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"mbps":          mb / elapsed.Seconds(),
		"cpu_us_per_mb": float64(cpu.Nanoseconds()) / 1e3 / mb,
		"requests":      float64(s.requests) / turns,
		"notifications": float64(s.notifications) / turns,
		"enters":        float64(s.enters) / turns,
	})
}
