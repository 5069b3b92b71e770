//go:build linux

package uring

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/live"
	"github.com/uring-go/uring/internal/testutil"
)

// A stage is a rig with a buffer ring and a connected pair of sockets, through
// which a stream goes that both ends know.
type stage struct {
	*rig
	br  *BufRing
	in  int // bytes written to out arrive here
	out int

	sent int // length of the stream written to out
	got  int // and of what was received of it
}

// newStage opens a stage on a pair of UNIX stream sockets. A test that asks for
// incremental buffers, or MinLeft, needs a kernel that has them.
func newStage(tb testing.TB, c BufRingConfig) *stage {
	tb.Helper()
	in, out := streamPair(tb)
	return stageOn(tb, Config{}, c, in, out)
}

// newTCPStage opens a stage on a TCP connection.
func newTCPStage(tb testing.TB, c BufRingConfig) *stage {
	tb.Helper()
	in, out := testutil.TCPPair(tb)
	return stageOn(tb, Config{}, c, in, out)
}

func stageOn(tb testing.TB, rc Config, c BufRingConfig, in, out int) *stage {
	tb.Helper()
	if c.Incremental {
		testutil.Need(tb, HaveIncremental)
	}
	if c.MinLeft > 1 {
		testutil.Need(tb, HaveMinLeft)
	}
	g := newRig(tb, rc)
	br, err := g.NewBufRing(c)
	g.must(err)
	return &stage{rig: g, br: br, in: in, out: out}
}

// streamByte is what stands at position i of the stream that tests send.
func streamByte(i int) byte { return byte(uint32(i+1) * 2654435761 >> 24) }

func stream(from, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = streamByte(from + i)
	}
	return p
}

// send writes the next n bytes of the stream, in one piece.
func (s *stage) send(n int) {
	s.Helper()
	writeAll(s, s.out, stream(s.sent, n))
	s.sent += n
}

// fewer is how often to repeat what is worth repeating n times.
func fewer(n int) int {
	if testing.Short() || raceOn {
		return n / 8
	}
	return n
}

// armOn starts a multishot receive; its completions carry the descriptor.
func (s *stage) armOn(fd int, flags IOFlags) {
	s.Helper()
	s.queue(uint64(fd), func(q SQE) {
		err := q.PrepRecvMultishot(FD(fd), s.br, flags&^PollFirst)
		q.IOPrio |= uint16(flags & PollFirst) // which is refused, as it can miss the end
		s.must(err)
	})
	s.submit()
}

func (s *stage) arm(flags IOFlags) { s.Helper(); s.armOn(s.in, flags) }

// recv receives once and returns the completion.
func (s *stage) recv(n, msgFlags int, flags IOFlags) CQE {
	s.Helper()
	s.queue(uint64(s.in), func(q SQE) { s.must(q.PrepRecvProvided(FD(s.in), s.br, n, msgFlags, flags)) })
	return s.next()
}

// is fails the test if c is not as expected. Whether more data had come by then
// is a matter of timing: E counts only where it is expected.
func (s *stage) is(c CQE, res, bid int, flags string) {
	s.Helper()
	got, want := observe(c), completion{res, bid, flags}
	if !strings.Contains(flags, "E") {
		got.Flags = strings.ReplaceAll(got.Flags, "E", "")
	}
	equal(s, "completion", got, want)
}

// A place is a part of a buffer.
type place struct{ BID, Off, Len int }

func (s *stage) place(p []byte) place {
	at := int(arena.Addr(p) - arena.Addr(s.br.arena.Bytes()))
	return place{at / s.br.BufSize(), at % s.br.BufSize(), len(p)}
}

// hold takes the segments of c, checks that they are at the given places and
// go on with the stream, and keeps them.
func (s *stage) hold(c CQE, want ...place) []Segment {
	s.Helper()
	var held []Segment
	var places []place
	for seg, err := range s.br.Segments(c) {
		if err != nil {
			s.Fatal(err)
		}
		held = append(held, seg)
		places = append(places, s.place(seg.Bytes))
		s.inStream(seg.Bytes)
	}
	equal(s, "places", places, want)
	return held
}

// take is hold for segments that are released at once.
func (s *stage) take(c CQE, want ...place) {
	s.Helper()
	s.release(s.hold(c, want...)...)
}

func (s *stage) release(segs ...Segment) {
	s.Helper()
	for _, seg := range segs {
		if err := seg.Release(); err != nil {
			s.Fatal(err)
		}
	}
}

// inStream checks that p goes on with the stream where the last one ended.
func (s *stage) inStream(p []byte) {
	s.Helper()
	if want := stream(s.got, len(p)); string(p) != string(want) {
		s.Fatalf("%d bytes at %#x of the stream are wrong:\n%x, want\n%x", len(p), s.got, p, want)
	}
	s.got += len(p)
}

// consume checks bytes and error of c, whose completion brings no other.
func (s *stage) consume(c CQE) {
	s.Helper()
	if err := s.br.Consume(c, func(p []byte) error { s.inStream(p); return nil }); err != nil {
		s.Fatal(err)
	}
}

// fails hands over a completion that must bring an error and no bytes.
func (s *stage) failed(c CQE, want error) {
	s.Helper()
	err := s.br.Consume(c, func(p []byte) error {
		s.Fatalf("%d bytes from a failed completion", len(p))
		return nil
	})
	if !errors.Is(err, want) {
		s.Fatalf("error %v, want %v", err, want)
	}
}

// ends hands over a completion at the end of a stream: no bytes, no error.
func (s *stage) ends(c CQE) {
	s.Helper()
	s.is(c, 0, -1, "")
	s.failed(c, nil)
}

// head checks how far the kernel has come, where it can be asked.
func (s *stage) head(want int) {
	s.Helper()
	head, err := s.br.Head()
	if errors.Is(err, ErrNotSupported) {
		return
	}
	if err != nil {
		s.Fatal(err)
	}
	equal(s, "head", int(head), want)
}

// entry checks what the kernel made of the entry at a position: where it
// points to in the buffer of that number, and how much is left. Only when
// nothing is in flight.
func (s *stage) entry(pos int, want place) {
	s.Helper()
	equal(s, "entry", s.entryAt(pos), want)
}

// waitEntry waits until the kernel has made that of the entry.
func (s *stage) waitEntry(pos int, want place) {
	s.Helper()
	for deadline := time.Now().Add(5 * time.Second); s.entryAt(pos) != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.entry(pos, want)
		}
	}
}

func (s *stage) entryAt(pos int) place {
	const size = 16 // struct io_uring_buf: addr, len, bid, resv
	raw := s.br.entries.Bytes()[pos*size:][:size]
	at := int(binary.NativeEndian.Uint64(raw) - arena.Addr(s.br.arena.Bytes()))
	got := place{
		BID: int(binary.NativeEndian.Uint16(raw[12:])),
		Len: int(binary.NativeEndian.Uint32(raw[8:])),
	}
	got.Off = at - got.BID*s.br.BufSize()
	return got
}

// settled checks that no slice is lent, that the kernel has all buffers, or
// will have, and that all that was sent was received.
func (s *stage) settled() {
	s.Helper()
	stats := s.br.Stats()
	equal(s, "slices lent", stats.Lent, 0)
	equal(s, "buffers in the kernel", stats.InKernel, s.br.Entries())
	equal(s, "bytes received", s.got, s.sent)
	s.balanced()
}

// balanced checks the account of b against its buffers, one by one.
func (s *stage) balanced() {
	s.Helper()
	checkAccount(s, s.br)
}

func checkAccount(tb testing.TB, b *BufRing) {
	tb.Helper()
	var refs, out, back int
	for bid := range b.bufs {
		buf := &b.bufs[bid]
		refs += int(buf.refs)
		switch buf.state {
		case retired:
			out++
			if buf.refs == 0 {
				tb.Fatalf("buffer %d is with the program, which holds no slice of it", bid)
			}
		case returned:
			back++
			if buf.refs != 0 || buf.off != 0 {
				tb.Fatalf("buffer %d goes back with %d slices lent, filled to %d", bid, buf.refs, buf.off)
			}
		case inRing:
			if int32(b.tail-buf.pos) <= 0 {
				tb.Fatalf("buffer %d is at position %d, the tail is %d", bid, buf.pos, b.tail)
			}
			if !b.incremental && buf.off != 0 || buf.off >= b.size {
				tb.Fatalf("buffer %d of %d bytes is in the ring, filled to %d", bid, b.size, buf.off)
			}
		}
	}
	equal(tb, "sum of references", b.stats.Lent, refs)
	equal(tb, "buffers with the program", b.out, out)
	equal(tb, "buffers on their way back", len(b.returned), back)
	equal(tb, "buffers in the kernel", b.Stats().InKernel, len(b.bufs)-out)
}

var localhost = netip.MustParseAddrPort("127.0.0.1:0")

// memoryKept says whether the closed buffer ring's memory waits for the Ring's
// Close.
func (s *stage) memoryKept() bool { return slices.Contains(s.Ring.unfreed, s.br) }

// closeBuffers closes the buffer ring and checks that it is.
func (s *stage) closeBuffers() {
	s.Helper()
	for range 2 {
		if err := s.br.Close(); err != nil {
			s.Fatal(err)
		}
	}
	if _, err := s.br.Head(); !errors.Is(err, ErrClosed) {
		s.Errorf("Head: %v", err)
	}
	if _, err := s.br.Available(); !errors.Is(err, ErrClosed) {
		s.Errorf("Available: %v", err)
	}
	// The group is free again.
	br, err := s.NewBufRing(BufRingConfig{Group: s.br.Group(), Entries: 1, BufSize: 1})
	if err != nil {
		s.Fatal(err)
	}
	if err := br.Close(); err != nil {
		s.Fatal(err)
	}
}

// outliveRing closes the ring with segments lent and checks that they stay
// readable, and that the memory goes with the last of them.
func (s *stage) outliveRing(held []Segment) {
	s.Helper()
	var before []string
	for _, seg := range held {
		before = append(before, string(seg.Bytes))
	}
	open := live.Counts() // with what tests that failed left
	if err := s.Close(); err != nil {
		s.Fatal(err)
	}
	for i, seg := range held {
		equal(s, "bytes", string(seg.Bytes), before[i])
		equal(s, "buffer rings open", live.Counts()["buffer ring"], open["buffer ring"])
		s.release(seg)
		if err := seg.Release(); !errors.Is(err, ErrReleased) {
			s.Errorf("second Release: %v", err)
		}
	}
	equal(s, "buffer rings open", live.Counts()["buffer ring"], open["buffer ring"]-1)
	equal(s, "arenas open", live.Counts()["arena"], open["arena"]-1)
}

// async starts a receive in a worker thread.
func (s *stage) async(fd int) {
	s.Helper()
	s.singleReceives()
	s.queue(uint64(fd), func(q SQE) {
		if err := q.PrepRecvProvided(FD(fd), s.br, 0, 0, 0); err != nil {
			s.must(err)
			return
		}
		s.must(q.SetFlags(Async))
	})
	s.submit()
}

// singleReceives makes receives single ones, as on kernels that cannot end a
// multishot receive: they may run in worker threads.
func (s *stage) singleReceives() {
	s.Helper()
	replaceProbe(s, &probeRecvMultishotLimit, lacking("length limits of multishot receives", 6, 17))
	s.br.limits = false
}

// waitHead waits until the kernel has come to a position.
func (s *stage) waitHead(want int) {
	s.Helper()
	testutil.Need(s, HaveBufRingStatus)
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		head, err := s.br.Head()
		if err != nil {
			s.Fatal(err)
		}
		if int(head) == want {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("head %d, want %d", head, want)
		}
	}
}

// available checks how many buffers the kernel can pick after a submit.
func (s *stage) available(want int) {
	s.Helper()
	s.submit()
	if HaveBufRingStatus() != nil {
		return
	}
	n, err := s.br.Available()
	if err != nil {
		s.Fatal(err)
	}
	equal(s, "available", n, want)
}

// refuses checks that prep fails with the text, and that the entry does nothing.
func (s *stage) refuses(prep func(SQE) error, want string) {
	s.Helper()
	before := s.br.Stats()
	q, err := s.NextSQE()
	if err != nil {
		s.Fatal(err)
	}
	equal(s, "error", text(prep(q)), want)
	s.none()
	equal(s, "stats", s.br.Stats(), before)
}

// Receive bundles: one completion covers as many buffers as the bytes take, in
// the order in which the kernel was given them. Kernels differ in how they
// split the same bytes into completions.

// bundle handles completions until total bytes of the stream have come, checks
// that they lie in the given places, whatever the split, and returns the
// completions and the segments.
func (s *stage) bundle(total int, want ...place) (cqes []CQE, held []Segment) {
	s.Helper()
	var places []place
	for n := 0; n < total; {
		c := s.next()
		if c.Res <= 0 {
			s.Fatalf("%d of %d bytes, then %+v", n, total, observe(c))
		}
		n += int(c.Res)
		cqes = append(cqes, c)
		for seg, err := range s.br.Segments(c) {
			if err != nil {
				s.Fatal(err)
			}
			s.inStream(seg.Bytes)
			held = append(held, seg)
			places = append(places, s.place(seg.Bytes))
		}
	}
	equal(s, "places", places, want)
	return cqes, held
}

// newBundleStage opens a stage on a TCP connection, where every kernel knows how
// much there is to receive: of UNIX sockets older ones do not, and begin with
// one buffer.
func newBundleStage(tb testing.TB, c BufRingConfig) *stage {
	tb.Helper()
	needBundles(tb, c.Incremental)
	return newTCPStage(tb, c)
}

// datagram sends the next n bytes of the stream as one.
func (s *stage) datagram(n int) { s.Helper(); s.send(n) }

var errStop = errors.New("stop")

// name says what kind of buffers these are.
func name(c BufRingConfig) string {
	if c.Incremental {
		return "incremental"
	}
	return "classic"
}
