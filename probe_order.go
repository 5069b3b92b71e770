package uring

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
)

// lookOrder receives a stream in bundles through a small BufRing while it is
// being sent in uneven pieces, and compares every byte. That is what programs
// do: the kernel and the account that a BufRing keeps must agree.
func lookOrder(incremental bool) (answer string, err error) {
	if err := probeSendBundles.Try(); err != nil {
		return "", err
	}
	x := &orderTest{fds: [2]int{-1, -1}}
	defer func() { err = errors.Join(err, x.close()) }()
	if err := x.open(incremental); err != nil {
		return "", err
	}
	return x.run()
}

type orderTest struct {
	fds      [2]int
	ring     *Ring
	br       *BufRing
	data     [64 << 10]byte
	sent     int
	received int
}

const (
	orderSend = 1
	orderRecv = 2
)

func (x *orderTest) open(incremental bool) (err error) {
	for i := range x.data {
		x.data[i] = byte(uint32(i) * 2654435761 >> 24)
	}
	var rc int
	if x.fds, rc = cgo.TCPPair(); rc < 0 {
		return check(opConnectPair, rc)
	}
	if x.ring, err = New(Config{Entries: 8, CQEntries: 64}); err != nil {
		return err
	}
	x.br, err = x.ring.NewBufRing(BufRingConfig{Entries: 4, BufSize: 1024, Incremental: incremental})
	return err
}

// close ends the requests, then closes what they use.
func (x *orderTest) close() (err error) {
	if x.ring != nil {
		err = x.ring.Close()
	}
	for _, fd := range x.fds {
		if fd >= 0 {
			cgo.CloseFD(fd)
		}
	}
	return err
}

func (x *orderTest) run() (answer string, err error) {
	if err := errors.Join(x.send(), x.recv()); err != nil {
		return "", err
	}
	for deadline := time.Now().Add(trialTime); x.received < len(x.data); {
		if time.Now().After(deadline) {
			return "", errNoAnswer
		}
		if _, err := x.ring.SubmitAndWaitTimeout(1, trialTime); err != nil {
			return "", err
		}
		for c := range x.ring.Completions() {
			if answer, err = x.handle(c); err != nil || answer != "" {
				return answer, err
			}
		}
	}
	return "", nil
}

func (x *orderTest) handle(c CQE) (answer string, err error) {
	if c.UserData == orderSend {
		x.sent += max(int(c.Res), 0)
		return "", errors.Join(c.Err(), x.send())
	}
	err = x.br.Consume(c, func(p []byte) error {
		if string(p) != string(x.data[x.received:min(x.received+len(p), len(x.data))]) {
			answer = fmt.Sprintf("gave wrong bytes behind the first %d of a stream", x.received)
		}
		x.received += len(p)
		return nil
	})
	switch {
	case errors.Is(err, ErrBadCompletion):
		return "gave an impossible completion: " + err.Error(), nil
	case err != nil && !errors.Is(err, syscall.ENOBUFS):
		return "", err
	case answer == "" && !c.More():
		return "", x.recv() // the buffers were used up, and are back
	}
	return answer, nil
}

// send sends the next piece.
func (x *orderTest) send() error {
	if x.sent == len(x.data) {
		return nil
	}
	s, err := x.ring.NextSQE()
	if err != nil {
		return err
	}
	s.PrepSend(FD(x.fds[0]), x.data[x.sent:min(x.sent+7531, len(x.data))], 0)
	s.UserData = orderSend
	return nil
}

func (x *orderTest) recv() error {
	s, err := x.ring.NextSQE()
	if err != nil {
		return err
	}
	// Not PrepRecvMultishot: it wants to know what is to be found out here.
	s.prep(cgo.OpRecv, FD(x.fds[1]), 0, 0, 0)
	s.selectBuffer(x.br, 0, Bundle|cgo.RecvMultishot)
	s.UserData = orderRecv
	return nil
}
