//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
)

// A service is a server of others', on loopback, with data of this run.
type service struct {
	name  string
	start func(s *suite) (addr string, err error)
	tests []test
}

// A test uses a service as its clients do. What it returns must be the same
// behind each front, if same is set; else it is a figure.
type test struct {
	name string
	same bool
	run  func(s *suite, addr string) (string, error)
}

var services = []service{
	{"redis", startRedis, redisTests},
	{"nginx", startNginx, httpTests("http")},
	{"nginx, TLS", startNginxTLS, httpTests("https")},
	{"PostgreSQL", startPostgres, postgresTests},
	{"iperf3", startIperf, iperfTests},
	{"ssh", startSSH, sshTests},
	{"socat", startSocat, socatTests},
}

// programs runs each test of each service behind each front.
func (s *suite) programs() error {
	for _, sv := range services {
		if s.ctx.Err() != nil {
			return nil
		}
		if !s.wanted(sv) {
			continue
		}
		addr, err := sv.start(s)
		if err != nil {
			return fmt.Errorf("%s: %w", sv.name, err)
		}
		for _, t := range sv.tests {
			s.program(sv, t, addr)
		}
	}
	return nil
}

// wanted reports whether -only leaves something of a service.
func (s *suite) wanted(sv service) bool {
	for _, t := range sv.tests {
		for _, f := range append([]front{direct, haproxy}, s.modes()...) {
			if s.only.MatchString(sv.name + ": " + t.name + ", " + f.name) {
				return true
			}
		}
	}
	return false
}

func (s *suite) program(sv service, t test, addr string) {
	r := row{part: "programs", name: sv.name + ": " + t.name, same: t.same, cells: map[string]cell{}}
	want := ""
	for _, f := range append([]front{direct, haproxy}, s.modes()...) {
		s.check(&r, f.name, func() (string, error) {
			got, err := s.through(f, addr, opening{}, func(addr string) (string, error) { return t.run(s, addr) })
			if f.name == direct.name {
				want = got
			} else if err == nil && t.same && want != "" && got != want {
				err = fmt.Errorf("%q, but directly %q", got, want)
			}
			return got, err
		})
	}
	s.add(r)
}

// file makes a file of this run, of n bytes that do not repeat.
func (s *suite) file(name string, n int) (path string, err error) {
	path = filepath.Join(s.dir, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	content := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(content)
	return path, os.WriteFile(path, content, 0o644)
}

// config writes a configuration, and makes the service's folder.
func (s *suite) config(service, name, text string) (path string, err error) {
	dir := filepath.Join(s.dir, service)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path = filepath.Join(dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}

// server starts a server and waits until it listens.
func (s *suite) server(port int, name string, args ...string) (addr string, err error) {
	p, err := s.start(nil, name, args...)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), p.listens(port)
}

func startRedis(s *suite) (string, error) {
	port := freePort()
	config, err := s.config("redis", "redis.conf", fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s/redis\nsave \"\"\nappendonly no\n", port, s.dir))
	if err != nil {
		return "", err
	}
	return s.server(port, "redis-server", config)
}

const nginxConfig = `daemon off;
error_log %[1]s/error.log;
pid %[1]s/pid;
worker_processes 1;
events { worker_connections 1024; }
http {
	access_log off;
	client_max_body_size 2g;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	server {
		listen 127.0.0.1:%[2]d %[3]s;
		root %[4]s;
		location /up/ { alias %[1]s/up/; dav_methods PUT; }
	}
}
`

func startNginx(s *suite) (string, error) { return s.nginx("nginx", "") }

func startNginxTLS(s *suite) (string, error) {
	dir := filepath.Join(s.dir, "tls")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if _, err := s.client(nil, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
		"-keyout", dir+"/key", "-out", dir+"/cert"); err != nil {
		return "", err
	}
	return s.nginx("nginx-tls", fmt.Sprintf("ssl; ssl_certificate %[1]s/cert; ssl_certificate_key %[1]s/key", dir))
}

func (s *suite) nginx(name, listen string) (string, error) {
	for path, n := range map[string]int{"big": bigFile(s), "small": 10_000} {
		if _, err := s.file(path, n); err != nil {
			return "", err
		}
	}
	port, dir := freePort(), filepath.Join(s.dir, name)
	config, err := s.config(name, "nginx.conf", fmt.Sprintf(nginxConfig, dir, port, listen, s.dir))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir+"/up", 0o777); err != nil {
		return "", err
	}
	if err := os.Chmod(dir+"/up", 0o777); err != nil { // the worker is another user
		return "", err
	}
	return s.server(port, "nginx", "-c", config)
}

// bigFile is the size of what is downloaded.
func bigFile(s *suite) int { return pick(s, 8<<20, 128<<20) }

// asPostgres runs a command as a user that PostgreSQL's servers accept.
func asPostgres(args ...string) []string {
	if os.Geteuid() != 0 {
		return args
	}
	return append([]string{"runuser", "-u", "postgres", "--"}, args...)
}

func startPostgres(s *suite) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("no initdb (%v)", err)
	}
	bin, port, dir := filepath.Dir(found[len(found)-1]), freePort(), filepath.Join(s.dir, "postgres")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return "", err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			return "", err
		}
	}
	init := asPostgres(bin+"/initdb", "-D", dir, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")
	if _, err := s.client(nil, init[0], init[1:]...); err != nil {
		return "", err
	}
	run := asPostgres(bin+"/postgres", "-D", dir, "-p", strconv.Itoa(port), "-k", "", "-h", "127.0.0.1", "-c", "fsync=off")
	addr, err := s.server(port, run[0], run[1:]...)
	if err != nil {
		return "", err
	}
	return addr, s.fillPostgres(addr)
}

func startIperf(s *suite) (string, error) {
	port := freePort()
	return s.server(port, "iperf3", "-s", "-p", strconv.Itoa(port))
}

const sshConfig = `Port %[1]d
ListenAddress 127.0.0.1
HostKey %[2]s/host
AuthorizedKeysFile %[2]s/me.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
`

func startSSH(s *suite) (string, error) {
	port, dir := freePort(), filepath.Join(s.dir, "ssh")
	config, err := s.config("ssh", "sshd_config", fmt.Sprintf(sshConfig, port, dir))
	if err != nil {
		return "", err
	}
	for _, key := range []string{"host", "me"} {
		if _, err := s.client(nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)); err != nil {
			return "", err
		}
	}
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return "", err
		}
	}
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		sshd = "/usr/sbin/sshd" // not in everybody's path; it wants an absolute one
	}
	return s.server(port, sshd, "-D", "-e", "-f", config)
}

// startSocat starts a server that answers with the sum of what came, once that
// has ended, and then with a file.
func startSocat(s *suite) (string, error) {
	path, err := s.file("big", bigFile(s))
	if err != nil {
		return "", err
	}
	script, err := s.config("socat", "answer", "#!/bin/sh\nsha256sum\ncat "+path+"\n")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(script, 0o755); err != nil {
		return "", err
	}
	port := freePort()
	return s.server(port, "socat", "-t", "60", fmt.Sprintf("TCP-LISTEN:%d,bind=127.0.0.1,fork,reuseaddr", port), "EXEC:"+script)
}
