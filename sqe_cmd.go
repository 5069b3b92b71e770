package uring

import (
	"errors"
	"fmt"

	"github.com/uring-go/uring/cgo"
)

// What the kernel has room for in an entry besides the fields that every
// command has.
const (
	cmdBytes    = 16
	cmdBytes128 = 80
)

// Commands, for [SQE.PrepUringCmd] and filters: those that have Prep methods of their
// own. Sockets take the first six, and block devices the last.
const (
	SocketCmdSIOCINQ     = cgo.SocketOpSIOCINQ
	SocketCmdSIOCOUTQ    = cgo.SocketOpSIOCOUTQ
	SocketCmdGetsockopt  = cgo.SocketOpGetsockopt
	SocketCmdSetsockopt  = cgo.SocketOpSetsockopt
	SocketCmdTxTimestamp = cgo.SocketOpTXTimestamp
	SocketCmdGetsockname = cgo.SocketOpGetsockname
	BlockCmdDiscard      = cgo.BlockCmdDiscard
)

var errNarrow = errors.New("uring: the request needs an entry of 128 bytes: open the ring with SetupSQE128, or with SetupSQEMixed and take the entry with NextSQE128")

// is128 reports whether the entry has 128 bytes.
func (s SQE) is128() bool { return s.wide || s.ring.flags&SetupSQE128 != 0 }

// silenceHalf notes that the second half of the entry will bring no completion of
// its own, as it would if it were an entry, see [Ring.InFlight].
func (s SQE) silenceHalf() {
	if s.ring.flags&SetupSQEMixed == 0 || s.Opcode == cgo.OpNop128 || s.Opcode == cgo.OpUringCmd128 || cgo.SecondHalf(s.SQE).Silent() {
		return
	}
	s.ring.silent++
}

// PrepNop128 is [SQE.PrepNop] for an entry of 128 bytes. Linux 6.19. See
// io_uring_prep_nop128(3).
func (s SQE) PrepNop128() error {
	if !s.is128() {
		return s.refuse(errNarrow)
	}
	s.silenceHalf()
	s.prep(cgo.OpNop128, -1, 0, 0, 0)
	return nil
}

// PrepUringCmd makes the file fd, such as a device, carry out its command op with
// data, which is copied: at most 16 bytes, or 80 in every entry of a ring with
// [SetupSQE128]. The file defines what data and the result mean. The fields of the
// entry are open for more. Linux 5.19; 6.12 reads the entry of a request that starts
// late, in a chain or after a Drain, when that is used again, unless it has Async:
// there it gets Async. See io_uring_prep_uring_cmd(3).
func (s SQE) PrepUringCmd(fd FD, op uint32, data []byte) error {
	room := cmdBytes
	if s.ring.flags&SetupSQE128 != 0 {
		room = cmdBytes128
	}
	return s.prepCmd(cgo.OpUringCmd, fd, op, data, room)
}

// PrepUringCmd128 is [SQE.PrepUringCmd] with at most 80 bytes of data, in an
// entry of 128 bytes. Linux 6.19; before that, use PrepUringCmd on a ring with
// [SetupSQE128]. See io_uring_prep_uring_cmd128(3).
func (s SQE) PrepUringCmd128(fd FD, op uint32, data []byte) error {
	if !s.is128() {
		return s.refuse(errNarrow)
	}
	return s.prepCmd(cgo.OpUringCmd128, fd, op, data, cmdBytes128)
}

// PrepUringCmdFixed is [SQE.PrepUringCmd] for commands that move bytes of the
// registered buffer b. data says where in the buffer, usually by address. Commands
// without a buffer ignore b. It is IORING_URING_CMD_FIXED of io_uring_enter(2).
// Linux 6.1.
func (s SQE) PrepUringCmdFixed(fd FD, op uint32, b RegBuf, data []byte) error {
	var all []byte
	if b.arena != nil {
		all = b.Bytes()
	}
	if err := s.checkBuffer(b, all); err != nil {
		return s.refuse(err)
	}
	if err := s.PrepUringCmd(fd, op, data); err != nil {
		return err
	}
	s.OpFlags = cgo.UringCmdFixed
	s.BufIndex = b.index
	return nil
}

// prepCommand prepares a command of the file.
func (s SQE) prepCommand(code uint8, fd FD, addr uint64, op uint32) {
	s.prep(code, fd, addr, 0, words(op, 0))
	if s.startsLate() {
		s.startInWorker()
	}
}

// startInWorker sees to it that the kernel reads a command when it is submitted. See
// bugLateCommand: such kernels do so only for what a worker thread is to start.
func (s SQE) startInWorker() {
	if answer, err := bugLateCommand.check(); answer != "" || err != nil {
		s.Flags |= cgo.SQEAsync
	}
}

// isCommand reports whether the request is one of prepCommand.
func (s SQE) isCommand() bool {
	return (s.Opcode == cgo.OpUringCmd || s.Opcode == cgo.OpUringCmd128) && !s.setsOption()
}

func (s SQE) prepCmd(code uint8, fd FD, op uint32, data []byte, room int) error {
	if len(data) > room {
		return s.refuse(fmt.Errorf("uring: command with %d bytes of data, the entry has room for %d", len(data), room))
	}
	if code == cgo.OpUringCmd128 {
		s.silenceHalf()
	}
	s.prepCommand(code, fd, 0, op)
	space := s.Cmd(room)
	clear(space[copy(space, data):])
	return nil
}

// PrepDiscard tells a block device that n bytes at off are not needed any more;
// both must be multiples of its sectors. Their content is lost. Linux 6.12. See
// io_uring_prep_cmd_discard(3); the command is BLOCK_URING_CMD_DISCARD.
func (s SQE) PrepDiscard(fd FD, off, n uint64) {
	s.prepCommand(cgo.OpUringCmd, fd, off, cgo.BlockCmdDiscard)
	s.Addr3 = n
}
