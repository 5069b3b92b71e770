package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

// A targetList is the flag -to: addresses with commas between them, or the flag
// several times.
type targetList []string

// Set is for package flag.
func (l *targetList) Set(s string) error {
	*l = append(*l, strings.Split(s, ",")...)
	return nil
}

func (l *targetList) String() string { return strings.Join(*l, ",") }

// maxTargets is how many a set of bits for those that were tried has room for.
const maxTargets = 64

// A target is something to forward to: all addresses of a name.
type target struct {
	name  string // as it was given
	addrs atomic.Pointer[[]targetAddr]
	down  atomic.Bool // the last attempt failed; others are asked first
	good  int         // the address that answered last; the ring's goroutine has it
}

// A targetAddr is one address of a target.
type targetAddr struct {
	sock   uring.Sockaddr
	domain int
	ap     netip.AddrPort // the zero value for a UNIX socket
}

// newTarget finds the addresses of a target.
func newTarget(ctx context.Context, name string) (*target, error) {
	t := &target{name: name}
	if path, ok := unixPath(name); ok {
		sock, err := uring.UnixAddr(path)
		t.addrs.Store(&[]targetAddr{{sock: sock, domain: syscall.AF_UNIX}})
		return t, err
	}
	return t, t.resolve(ctx)
}

// resolve asks for the addresses of the target's name, and keeps those it had if
// there is no answer.
func (t *target) resolve(ctx context.Context) error {
	found, err := resolveAll(ctx, t.name)
	if err != nil {
		return err
	}
	addrs := make([]targetAddr, 0, len(found))
	for _, ap := range found {
		sock, err := uring.InetAddr(ap)
		if err != nil {
			return err
		}
		addrs = append(addrs, targetAddr{sock, domain(ap), ap})
	}
	if old := t.addrs.Load(); old == nil || !slices.Equal(*old, addrs) {
		t.addrs.Store(&addrs)
	}
	return nil
}

// named reports whether the target has a name, which may get other addresses.
func (t *target) named() bool {
	if _, ok := unixPath(t.name); ok {
		return false
	}
	_, err := netip.ParseAddrPort(t.name)
	return err != nil
}

// A targetSet is what a proxy forwards to, in turn.
type targetSet struct {
	list []*target
	next int // whose turn it is
}

// newTargets finds all targets.
func newTargets(ctx context.Context, names []string) (*targetSet, error) {
	s := &targetSet{}
	for _, name := range names {
		t, err := newTarget(ctx, name)
		if err != nil {
			return nil, err
		}
		s.list = append(s.list, t)
	}
	return s, nil
}

// check refuses targets that are where l listens.
func (s *targetSet) check(l *listener) error {
	for _, t := range s.list {
		if t.isItself(l) {
			return fmt.Errorf("-to %s is where this proxy listens: it would forward to itself for ever", t.name)
		}
	}
	return nil
}

func (t *target) isItself(l *listener) bool {
	if path, ok := unixPath(t.name); ok {
		if l.addr.Network() != "unix" {
			return false
		}
		a, errA := os.Stat(path)
		b, errB := os.Stat(l.addr.String())
		return path == l.addr.String() || errA == nil && errB == nil && os.SameFile(a, b)
	}
	return slices.ContainsFunc(*t.addrs.Load(), func(a targetAddr) bool { return l.reaches(a.ap) })
}

// A route is which targets a connection has tried.
type route struct {
	target *target
	tried  uint64       // targets, a bit each
	start  int          // the first target
	addrs  []targetAddr // of target, as they were
	at     int          // the next of them
	left   int          // how many of them are left
}

// begin gives a new connection its turn.
func (s *targetSet) begin() route {
	s.next = (s.next + 1) % len(s.list)
	return route{start: s.next}
}

// advance goes to the next address to try: of the same target, of the next one that
// is not down, or of one that is. ok is false when there is none left.
func (s *targetSet) advance(r *route) (a targetAddr, ok bool) {
	if r.left == 0 && !s.nextTarget(r) {
		return a, false
	}
	a = r.addrs[r.at]
	r.at = (r.at + 1) % len(r.addrs)
	r.left--
	return a, true
}

func (s *targetSet) nextTarget(r *route) bool {
	for _, down := range []bool{false, true} {
		for i := range s.list {
			n := (r.start + i) % len(s.list)
			t := s.list[n]
			if r.tried&(1<<n) != 0 || t.down.Load() && !down {
				continue
			}
			r.tried |= 1 << n
			r.target, r.addrs = t, *t.addrs.Load()
			r.at, r.left = t.good%len(r.addrs), len(r.addrs)
			return true
		}
	}
	return false
}

// answered notes that the last attempt of r had a connection.
func (r *route) answered() {
	r.target.good = (r.at + len(r.addrs) - 1) % len(r.addrs)
	if r.target.down.Load() {
		r.target.down.Store(false)
	}
}

// failed notes that the last attempt of r failed, and reports whether its target
// is down only now.
func (s *targetSet) failed(r *route) bool {
	return r.left == 0 && len(s.list) > 1 && !r.target.down.Swap(true)
}

// healthEvery is how often a target that is down is asked whether it is up again.
const healthEvery = time.Second

// watch resolves names again, and connects to targets that are down to see whether
// they are up, until ctx is done. hello is what a target is sent first.
func (s *targetSet) watch(ctx context.Context, resolveEvery time.Duration, hello []byte, l *proxyLog) {
	if resolveEvery > 0 {
		for _, t := range s.list {
			if t.named() {
				go every(ctx, resolveEvery, func() {
					if err := t.resolve(ctx); err != nil && ctx.Err() == nil {
						l.warn("name not resolved, its old addresses stay in use", "target", t.name, "error", err)
					}
				})
			}
		}
	}
	if len(s.list) == 1 {
		return // it is asked all the time
	}
	for _, t := range s.list {
		go every(ctx, healthEvery, func() {
			if t.down.Load() && t.connects(ctx, hello) {
				t.down.Store(false)
				l.info("target is up again", "target", t.name)
			}
		})
	}
}

// every calls fn once in a while until ctx is done.
func every(ctx context.Context, d time.Duration, fn func()) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			fn()
		}
	}
}

func (t *target) connects(ctx context.Context, hello []byte) bool {
	network, address := "tcp", t.name
	if path, ok := unixPath(t.name); ok {
		network, address = "unix", path
	}
	c, err := (&net.Dialer{Timeout: healthEvery}).DialContext(ctx, network, address)
	if err != nil {
		return false
	}
	defer c.Close()
	_, err = c.Write(hello)
	return err == nil
}

// resolveAll finds the addresses of host:port.
func resolveAll(ctx context.Context, hostPort string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "localhost"
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(ips) == 0 {
		err = errors.New("no address")
	}
	if err != nil {
		return nil, err
	}
	var all []netip.AddrPort
	for _, ip := range ips {
		if ap := netip.AddrPortFrom(ip.Unmap(), uint16(port)); !slices.Contains(all, ap) {
			all = append(all, ap)
		}
	}
	return all, nil
}

func domain(ap netip.AddrPort) int {
	if ap.Addr().Is4() {
		return syscall.AF_INET
	}
	return syscall.AF_INET6
}
