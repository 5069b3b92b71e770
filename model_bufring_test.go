//go:build linux

package uring

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"syscall"
	"testing"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/testutil"
)

// A model is a kernel of our own that fills the buffers of one BufRing. Unlike
// a real one it can be told what to do, such as to behave like an older one.
type model struct {
	driver
	mem    memory
	ring   *Ring
	br     *BufRing
	slots  []byte // struct io_uring_buf: addr, len, bid; the first one's resv is the tail
	head   uint16
	mute   bool          // has no way to ask for the head, like kernels before 6.8
	status int           // what it says instead of its head, if not 0
	fails  syscall.Errno // what registering anything, or undoing that, ends with
}

const slotBytes = 16

// newModel opens a ring and a buffer ring on a model. Positions begin at start,
// a multiple of the number of entries.
func newModel(tb testing.TB, c BufRingConfig, start uint32) *model {
	tb.Helper()
	if c.Incremental {
		testutil.Need(tb, HaveIncremental) // NewBufRing asks the real one
	}
	if c.MinLeft > 1 {
		testutil.Need(tb, HaveMinLeft)
	}
	k := openModel()
	br, err := k.ring.NewBufRing(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := k.ring.Close(); err != nil {
			tb.Error(err)
		}
	})
	k.br = br
	for bid := range br.bufs {
		br.bufs[bid].pos += start
	}
	br.head += start
	br.tail += start
	br.upTo += start
	br.singles = c.Incremental // requests may run in worker threads
	k.head += uint16(start)
	binary.NativeEndian.PutUint16(k.slots[14:], uint16(br.tail))
	return k
}

// openModel opens a ring on a model.
func openModel() *model {
	k := &model{}
	m := &k.mem
	q := cgo.NewQueues(cgo.QueueMemory{
		SQHead: &m.sqHead, SQTail: &m.sqTail, SQFlags: &m.sqFlags,
		SQEs: unsafe.Pointer(&m.sqes), SQEntries: uint32(len(m.sqes)),
		CQHead: &m.cqHead, CQTail: &m.cqTail, CQEs: unsafe.Pointer(&m.cqes), CQEntries: uint32(len(m.cqes)),
	})
	k.ring = newRing(&q, k, 0, 0)
	return k
}

func (k *model) RegisterBufRing(mem unsafe.Pointer, entries, _, _, _ uint32) int {
	k.slots = unsafe.Slice((*byte)(mem), entries*slotBytes)
	return -int(k.fails)
}

func (k *model) UnregisterBufRing(uint32) int { return -int(k.fails) }

func (k *model) RegisterBuffersSparse(uint32) int { return -int(k.fails) }

func (k *model) UnregisterBuffers() int { return -int(k.fails) }

func (k *model) UpdateBuffer(_ uint32, _, _ uint64) int { return -int(k.fails) }

func (k *model) BufRingHead(uint32) int {
	if k.mute {
		return -int(syscall.EINVAL)
	}
	if k.status != 0 {
		return k.status
	}
	return int(k.head)
}

func (k *model) Submit() int { return k.mem.take(k.mem.sqTail - k.mem.sqHead) }

func (k *model) SyncCancelAll(int64) int { return -int(syscall.ENOENT) }

func (k *model) Exit() {}

// GetEvents and RegisterFiles are what Close calls. The kernel lets go of what it is
// given at once.
func (k *model) GetEvents() int { return 0 }

func (k *model) RegisterFiles([]int32, []uint64) int { return 0 }

func (k *model) tail() uint16 { return binary.NativeEndian.Uint16(k.slots[14:]) }

// slot is an entry of the ring.
type slot []byte

func (k *model) first() slot {
	i := int(k.head) % (len(k.slots) / slotBytes)
	return k.slots[i*slotBytes:][:slotBytes]
}

func (s slot) len() int { return int(binary.NativeEndian.Uint32(s[8:])) }

func (s slot) bid() uint16 { return binary.NativeEndian.Uint16(s[12:]) }

func (s slot) use(n int) {
	binary.NativeEndian.PutUint64(s, binary.NativeEndian.Uint64(s)+uint64(n))
	binary.NativeEndian.PutUint32(s[8:], uint32(s.len()-n))
}

// memory returns the part of the buffers that the entry stands for.
func (k *model) memory(s slot) []byte {
	all := k.br.arena.Bytes()
	at := int(binary.NativeEndian.Uint64(s) - arena.Addr(all))
	return all[at:][:s.len()]
}

func buffered(res int, bid uint16, flags uint32) CQE {
	return CQE{Res: int32(res), Flags: uint32(bid)<<cgo.CQEBufferShift | cgo.CQEFBuffer | flags}
}

// receive puts as much of p into at most so many buffers as they take.
func (k *model) receive(p []byte, most int) CQE {
	bid, n, flags := k.first().bid(), 0, uint32(cgo.CQEFMore)
	for ; n < len(p) && most > 0 && k.head != k.tail(); most-- {
		s := k.first()
		part := copy(k.memory(s), p[n:])
		n += part
		if k.br.incremental && s.len()-part >= int(k.br.least) {
			s.use(part)
			flags |= cgo.CQEFBufMore
			break
		}
		k.retire()
	}
	return buffered(n, bid, flags)
}

// pick takes a buffer for a request that goes on in a worker thread.
func (k *model) pick() (bid uint16, mem []byte) {
	s := k.first()
	bid, mem = s.bid(), k.memory(s)
	k.retire()
	return bid, mem
}

// retire lets go of the first buffer. The address of an incremental one stays as it
// is.
func (k *model) retire() {
	if k.br.incremental {
		binary.NativeEndian.PutUint32(k.first()[8:], 0)
	}
	k.head++
}

// A play lets a model and a program do things in random order.
type play struct {
	testing.TB
	*model
	*rand.Rand
	held    []work
	loans   []Segment
	wants   []string // of loans
	expects []string // by user data: the bytes of each completion
}

// work is a request in a worker thread.
type work struct {
	bid uint16
	mem []byte
}

func (p *play) post(c CQE, bytes string) {
	m := &p.mem
	c.UserData = uint64(len(p.expects))
	p.expects = append(p.expects, bytes)
	m.cqes[m.cqTail%uint32(len(m.cqes))] = cgo.CQE{UserData: c.UserData, Res: c.Res, Flags: c.Flags}
	m.cqTail++
}

func (p *play) full() bool { return int(p.mem.cqTail-p.mem.cqHead) == len(p.mem.cqes) }

// kernel does one thing of those that kernels do.
func (p *play) kernel(spurious bool) {
	if p.full() {
		return
	}
	if len(p.held) > 0 && p.Intn(4) == 0 {
		p.finish()
		return
	}
	if p.head == p.tail() {
		p.post(CQE{Res: -int32(syscall.ENOBUFS)}, "")
		return
	}
	bid := p.first().bid()
	switch p.Intn(8) {
	case 0: // an end or an error that names a buffer and does not take it
		if p.br.incremental {
			p.post(buffered(0, bid, cgo.CQEFBufMore), "")
		} else if spurious {
			p.post(buffered(-int(syscall.ECANCELED), bid, 0), "")
		}
	case 1: // one that does
		p.retire()
		p.post(buffered(-p.Intn(2)*int(syscall.ECANCELED), bid, 0), "")
	case 2:
		if !spurious {
			bid, mem := p.pick()
			p.held = append(p.held, work{bid, mem})
		}
	case 3: // one that names none
		p.post(CQE{Res: -int32(p.Intn(2)) * int32(syscall.ECONNRESET)}, "")
	default:
		data := make([]byte, p.Intn(3*int(p.br.size))+1)
		p.Read(data)
		c := p.receive(data, []int{1, 2, 100}[p.Intn(3)])
		p.post(c, string(data[:c.Res]))
	}
}

// finish completes a request in a worker thread.
func (p *play) finish() {
	i := p.Intn(len(p.held))
	w := p.held[i]
	p.held = append(p.held[:i], p.held[i+1:]...)
	switch p.Intn(4) {
	case 0:
		p.post(buffered(-int(syscall.ECANCELED), w.bid, 0), "")
	case 1:
		p.post(buffered(0, w.bid, 0), "")
	default:
		n := p.Intn(len(w.mem)) + 1
		p.Read(w.mem[:n])
		p.post(buffered(n, w.bid, 0), string(w.mem[:n]))
	}
}

// program does one thing of those that programs do.
func (p *play) program() {
	switch p.Intn(4) {
	case 0:
		p.submit()
	case 1:
		p.release(p.Intn(len(p.loans) + 1))
	default:
		p.handle(p.Intn(4))
	}
}

func (p *play) submit() {
	seen := map[uint16]bool{}
	for _, bid := range p.br.returned {
		if seen[bid] {
			p.Fatalf("buffer %d goes back twice", bid)
		}
		seen[bid] = true
	}
	if _, err := p.ring.Submit(); err != nil {
		p.Fatal(err)
	}
	if n := int(p.tail() - p.head); n > p.br.Entries() {
		p.Fatalf("%d buffers in a ring of %d", n, p.br.Entries())
	}
}

// handle handles up to n completions.
func (p *play) handle(n int) {
	if n == 0 {
		return
	}
	for c := range p.ring.Completions() {
		p.complete(c)
		if n--; n == 0 {
			return
		}
	}
}

func (p *play) complete(c CQE) {
	want, got := p.expects[c.UserData], ""
	if p.Intn(3) == 0 {
		if err := p.br.Consume(c, func(b []byte) error { got += string(b); return nil }); err != c.Err() {
			p.Fatalf("%+v: %v", observe(c), err)
		}
	} else {
		for seg, err := range p.br.Segments(c) {
			if err != nil {
				if err != c.Err() {
					p.Fatalf("%+v: %v", observe(c), err)
				}
				continue
			}
			got += string(seg.Bytes)
			p.loans, p.wants = append(p.loans, seg), append(p.wants, string(seg.Bytes))
			if p.Intn(3) == 0 {
				p.program() // in the middle of this one
			}
		}
	}
	if got != want {
		p.Fatalf("%+v brought\n%x, want\n%x", observe(c), got, want)
	}
}

// release releases segments until so many are left.
func (p *play) release(keep int) {
	for len(p.loans) > keep {
		i, last := p.Intn(len(p.loans)), len(p.loans)-1
		if string(p.loans[i].Bytes) != p.wants[i] {
			p.Fatalf("kept %x, want %x", p.loans[i].Bytes, p.wants[i])
		}
		if err := p.loans[i].Release(); err != nil {
			p.Fatal(err)
		}
		p.loans[i], p.wants[i] = p.loans[last], p.wants[last]
		p.loans, p.wants = p.loans[:last], p.wants[:last]
	}
}

// end lets everything come to its end and checks that the kernel has each
// buffer, once.
func (p *play) end() {
	for len(p.held) > 0 {
		p.handle(100)
		p.finish()
	}
	p.handle(100)
	p.release(0)
	p.submit()
	equal(p, "buffers that the kernel has", int(p.tail()-p.head), p.br.Entries())
	have := map[uint16]bool{}
	for ; p.head != p.tail(); p.head++ {
		have[p.first().bid()] = true
	}
	equal(p, "different ones", len(have), p.br.Entries())
	equal(p, "lent", p.br.Stats().Lent, 0)
	checkAccount(p, p.br)
}

// Whatever a kernel and a program do, in whichever order, each completion
// brings its bytes, kept slices keep theirs, and no buffer is lost or given
// away twice.
func TestAccountAgreesWithAModelOfTheKernel(t *testing.T) {
	seeds := fewer(40)
	replaceProbe(t, &probeBufRingStatus, lacking("buffer ring status", 6, 8)) // asked of the mute one
	for _, kind := range []struct {
		name           string
		mute, spurious bool
		config         BufRingConfig
	}{
		{"classic", false, false, BufRingConfig{Entries: 8, BufSize: 24}},
		{"classic, one buffer", false, false, BufRingConfig{Entries: 1, BufSize: 24}},
		{"classic, errors name buffers that they do not take", false, true, BufRingConfig{Entries: 4, BufSize: 24}},
		{"classic, head unknown", true, false, BufRingConfig{Entries: 4, BufSize: 24}},
		{"incremental", false, false, BufRingConfig{Entries: 8, BufSize: 24, Incremental: true}},
		{"incremental, one buffer", false, false, BufRingConfig{Entries: 1, BufSize: 24, Incremental: true}},
		{"incremental, with a rest", false, false, BufRingConfig{Entries: 4, BufSize: 24, Incremental: true, MinLeft: 7}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			for seed := range seeds {
				for _, start := range []uint32{0, 1<<16 - 8, 1<<32 - 8} {
					t.Run(fmt.Sprint(seed, start), func(t *testing.T) {
						p := &play{TB: t, model: newModel(t, kind.config, start), Rand: rand.New(rand.NewSource(int64(seed)))}
						p.mute = kind.mute
						for range 400 {
							if p.Intn(2) == 0 {
								p.kernel(kind.spurious)
							} else {
								p.program()
							}
							checkAccount(t, p.br)
						}
						p.end()
					})
				}
			}
		})
	}
}

func (k *model) submit(tb testing.TB) {
	tb.Helper()
	if _, err := k.ring.Submit(); err != nil {
		tb.Fatal(err)
	}
}

// Completions that no kernel should post: each is refused or means nothing, and
// the account is what it was.

// account is all that a BufRing knows, for comparison.
func account(b *BufRing) string {
	return fmt.Sprintf("%+v head %d tail %d order %v\n%+v\nreturned %v doubts %v leases %+v",
		b.Stats(), b.head, b.tail, b.order, b.bufs, b.returned, b.doubts, b.leases)
}
