//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A front is what stands before a service: nothing, a mode of the proxy, or
// another proxy.
type front struct {
	name  string
	flags []string // of uring proxy
	// command returns what to start to listen on a port; limit is the most
	// connections at once, 0 as many as can be.
	command func(s *suite, f front, port int, to string, limit int) ([]string, error)
}

var (
	direct  = front{name: "direct"}
	haproxy = front{name: "haproxy", command: haproxyCommand}
	socat   = front{name: "socat", command: socatCommand}

	// allModes are those of uring proxy.
	allModes = []front{
		{"default", nil, uringCommand},
		{"no bundles", []string{"-incremental", "-recv-bundle=false", "-send", "vectored"}, uringCommand},
		{"zero copy", []string{"-send", "zc", "-zc-always"}, uringCommand},
		{"fixed files", []string{"-fixed-files"}, uringCommand},
		{"sqpoll", []string{"-sqpoll"}, uringCommand},
		{"zc-gather", []string{"-send", "zc-gather", "-incremental"}, uringCommand},
		{"single", []string{"-recv", "single", "-send", "direct"}, uringCommand},
	}
)

// modes are those that this run tries.
func (s *suite) modes() []front { return allModes[:pick(s, 5, len(allModes))] }

func uringCommand(s *suite, f front, port int, to string, limit int) ([]string, error) {
	args := []string{s.uring, "proxy", "-listen", "127.0.0.1:" + strconv.Itoa(port), "-to", to}
	if limit > 0 {
		args = append(args, "-max-conns", strconv.Itoa(limit))
	}
	return append(args, f.flags...), nil
}

func haproxyCommand(s *suite, _ front, port int, to string, limit int) ([]string, error) {
	if limit == 0 {
		limit = 4000
	}
	config := fmt.Sprintf(`global
	nbthread 1
	maxconn %[1]d
	log stdout format raw local0
defaults
	mode tcp
	log global
	option tcplog
	timeout connect 5s
	timeout client 1h
	timeout server 1h
	maxconn %[1]d
listen service
	bind 127.0.0.1:%[2]d
	server one %[3]s
`, limit, port, to)
	path := filepath.Join(s.dir, fmt.Sprintf("haproxy-%d.cfg", port))
	return []string{"haproxy", "-db", "-f", path}, os.WriteFile(path, []byte(config), 0o644)
}

func socatCommand(_ *suite, _ front, port int, to string, _ int) ([]string, error) {
	return []string{"socat", "-b", "65536", fmt.Sprintf("TCP-LISTEN:%d,bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=4096", port),
		"TCP:" + to + ",nodelay"}, nil
}

// An opening says how a front is opened.
type opening struct {
	limit  int      // most connections at once
	prefix []string // a command that runs another with less
	flags  []string // more flags, for uring only
	log    *os.File // where it logs; nil is a file
	port   int      // 0 is any
}

// open starts a front before a service, and returns its address. A direct front
// has no process.
func (s *suite) open(f front, to string, o opening) (addr string, p *process, err error) {
	if f.command == nil {
		return to, nil, nil
	}
	if o.port == 0 {
		o.port = freePort()
	}
	args, err := f.command(s, f, o.port, to, o.limit)
	if err != nil {
		return "", nil, err
	}
	if args[0] == s.uring {
		args = append(args, o.flags...)
	}
	args = append(o.prefix, args...)
	if p, err = s.start(o.log, args[0], args[1:]...); err != nil {
		return "", nil, err
	}
	if err := p.listens(o.port); err != nil {
		p.stop()
		return "", nil, err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port)), p, nil
}

// through runs f with a front before a service.
func (s *suite) through(ft front, to string, o opening, f func(addr string) (string, error)) (string, error) {
	addr, p, err := s.open(ft, to, o)
	if err != nil {
		return "", err
	}
	text, err := f(addr)
	if p == nil {
		return text, err
	}
	wait := time.Duration(0)
	if err != nil {
		wait = time.Second // it may be about to end
	}
	select {
	case <-p.done:
		return text, fmt.Errorf("the proxy ended: %w: %s (%v)", errEnded, p.said(), err)
	case <-time.After(wait):
	}
	if err != nil {
		err = fmt.Errorf("%w; the proxy says: %s", err, p.said())
	}
	p.stop()
	return text, err
}
