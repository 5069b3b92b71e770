//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func split(addr string) (host, port string) {
	host, port, _ = net.SplitHostPort(addr)
	return host, port
}

var redisTests = []test{
	{"a large value", true, func(s *suite, addr string) (string, error) {
		host, port := split(addr)
		path, err := s.file("value", 8<<20)
		if err != nil {
			return "", err
		}
		if _, err := opened(path, func(in io.Reader) (string, error) {
			return s.summed(in, "redis-cli", "-h", host, "-p", port, "-x", "set", "value")
		}); err != nil {
			return "", err
		}
		return s.summed(nil, "redis-cli", "-h", host, "-p", port, "--raw", "get", "value")
	}},
	{"redis-benchmark", false, func(s *suite, addr string) (string, error) {
		return s.redisBenchmark(addr, "set,get,lrange_300", pick(s, 2000, 50_000), 50, 1)
	}},
	{"redis-benchmark, pipelined", false, func(s *suite, addr string) (string, error) {
		return s.redisBenchmark(addr, "set,get", pick(s, 50_000, 500_000), 50, 16)
	}},
}

// redisBenchmark returns the rate of the last test.
func (s *suite) redisBenchmark(addr, tests string, n, clients, pipeline int) (string, error) {
	host, port := split(addr)
	out, err := s.client(nil, "redis-benchmark", "-h", host, "-p", port, "-t", tests, "-q",
		"-n", strconv.Itoa(n), "-c", strconv.Itoa(clients), "-P", strconv.Itoa(pipeline))
	if err != nil {
		return "", err
	}
	fields := strings.Fields(strings.ReplaceAll(string(out), "\r", "\n"))
	for i := len(fields) - 1; i > 0; i-- {
		if fields[i] == "requests" {
			return fields[i-1] + "/s", nil
		}
	}
	return "", fmt.Errorf("redis-benchmark: no rate in %s", tail(out))
}

// httpTests are those of nginx.
func httpTests(scheme string) []test {
	get := func(s *suite, addr, path string, args ...string) (string, error) {
		return s.summed(nil, "curl", append(args, "-sSfk", scheme+"://"+addr+"/"+path)...)
	}
	tests := []test{
		{"download", true, func(s *suite, addr string) (string, error) { return get(s, addr, "big") }},
		{"upload", true, func(s *suite, addr string) (string, error) {
			name := fmt.Sprint("up", time.Now().UnixNano())
			_, err := s.client(nil, "curl", "-sSfk", "-T", filepath.Join(s.dir, "big"), scheme+"://"+addr+"/up/"+name)
			if err != nil {
				return "", err
			}
			path := filepath.Join(s.dir, map[string]string{"http": "nginx", "https": "nginx-tls"}[scheme], "up", name)
			defer os.Remove(path)
			return sumOf(path)
		}},
		{"range", true, func(s *suite, addr string) (string, error) {
			return get(s, addr, "big", "-r", "1234567-7654321")
		}},
	}
	if scheme == "https" {
		return tests
	}
	return append(tests,
		test{"many at once", true, func(s *suite, addr string) (string, error) {
			out, err := s.client(nil, "curl", "-sSfkZ", "--parallel-max", "50", scheme+"://"+addr+"/small?["+"1-500]")
			return fmt.Sprint(len(out), " bytes"), err // which mix
		}},
		test{"killed clients", true, func(s *suite, addr string) (string, error) {
			for range 10 {
				cmd := exec.Command("curl", "-sk", "--limit-rate", "200k", "-o", "/dev/null", scheme+"://"+addr+"/big")
				if err := cmd.Start(); err != nil {
					return "", err
				}
				time.AfterFunc(200*time.Millisecond, func() { cmd.Process.Kill() })
				defer cmd.Wait()
			}
			time.Sleep(300 * time.Millisecond)
			return get(s, addr, "big")
		}})
}

// sql runs one statement.
func (s *suite) sql(addr, statement string) (string, error) {
	host, port := split(addr)
	out, err := s.client(nil, "psql", "-XAtq", "-h", host, "-p", port, "-U", "postgres", "-d", "postgres", "-c", statement)
	return strings.TrimSpace(string(out)), err
}

// fillPostgres makes what the tests use.
func (s *suite) fillPostgres(addr string) error {
	host, port := split(addr)
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, err = s.sql(addr, "select 1"); err == nil { // it listens a little before it answers
			break
		}
	}
	if err != nil {
		return err
	}
	if _, err := s.client(nil, "pgbench", "-i", "-q", "-s", pick(s, "1", "10"), "-h", host, "-p", port, "-U", "postgres", "postgres"); err != nil {
		return err
	}
	_, err = s.sql(addr, fmt.Sprintf("create table lines as select n, md5(n::text) as text from generate_series(1, %d) n", pick(s, 50_000, 1_000_000)))
	return err
}

var postgresTests = []test{
	{"pgbench", false, func(s *suite, addr string) (string, error) {
		host, port := split(addr)
		out, err := s.client(nil, "pgbench", "-n", "-c", "8", "-j", "2", "-t", pick(s, "50", "1000"), "-h", host, "-p", port, "-U", "postgres", "postgres")
		if err != nil {
			return "", err
		}
		agrees, err := s.sql(addr, "select (select sum(abalance) from pgbench_accounts) = (select coalesce(sum(delta), 0) from pgbench_history)")
		if err != nil || agrees != "t" {
			return "", fmt.Errorf("the accounts do not agree with their history: %s, %v", agrees, err)
		}
		_, rate, _ := strings.Cut(string(out), "tps = ")
		rate, _, _ = strings.Cut(rate, ".")
		return rate + " transactions/s", nil
	}},
	{"COPY out", true, func(s *suite, addr string) (string, error) {
		host, port := split(addr)
		return s.summed(nil, "psql", "-XAtq", "-h", host, "-p", port, "-U", "postgres", "-d", "postgres", "-c", "copy lines to stdout")
	}},
	{"COPY in", true, func(s *suite, addr string) (string, error) {
		host, port := split(addr)
		var lines bytes.Buffer
		for i := range pick(s, 50_000, 1_000_000) {
			fmt.Fprintf(&lines, "%d\t%x\n", i, i*i)
		}
		table := fmt.Sprint("t", time.Now().UnixNano())
		if _, err := s.sql(addr, "create table "+table+" (n int, text text)"); err != nil {
			return "", err
		}
		if _, err := s.client(&lines, "psql", "-XAtq", "-h", host, "-p", port, "-U", "postgres", "-d", "postgres", "-c", "copy "+table+" from stdin"); err != nil {
			return "", err
		}
		got, err := s.sql(addr, "select count(*), md5(string_agg(text, ',' order by n)) from "+table)
		if err != nil {
			return "", err
		}
		_, err = s.sql(addr, "drop table "+table)
		return got, err
	}},
}

// mostInSocket is how much one TCP socket may send and another one receive ahead.
func mostInSocket() (n int, err error) {
	for _, name := range []string{"tcp_rmem", "tcp_wmem"} {
		limits, err := os.ReadFile("/proc/sys/net/ipv4/" + name)
		if err != nil {
			return 0, err
		}
		var least, first, most int
		if _, err := fmt.Sscan(string(limits), &least, &first, &most); err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		n += most
	}
	return n, nil
}

var iperfTests = []test{
	{"upload", false, func(s *suite, addr string) (string, error) { return s.iperf(addr, 1) }},
	{"download", false, func(s *suite, addr string) (string, error) { return s.iperf(addr, 1, "-R") }},
	{"four streams", false, func(s *suite, addr string) (string, error) { return s.iperf(addr, 4, "-P", "4") }},
}

// iperf returns the rate. It ends without waiting for what is still on its way,
// in sockets and in the proxy.
func (s *suite) iperf(addr string, streams int, args ...string) (string, error) {
	socket, err := mostInSocket()
	if err != nil {
		return "", err
	}
	onTheWay := 2*socket + 1<<20 // of each stream
	host, port := split(addr)
	want := pick(s, 64, 1024) << 20
	out, err := s.client(nil, "iperf3", append([]string{"-c", host, "-p", port, "-J", "-n", strconv.Itoa(want)}, args...)...)
	if err != nil {
		return "", err
	}
	var result struct {
		End struct {
			Sent     struct{ Bytes float64 } `json:"sum_sent"`
			Received struct {
				Bytes float64
				Rate  float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		}
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return "", err
	}
	if got := result.End.Received.Bytes; got < float64(want-streams*onTheWay) || got > result.End.Sent.Bytes {
		return "", fmt.Errorf("%.0f bytes received of %.0f", got, result.End.Sent.Bytes)
	}
	return fmt.Sprintf("%.1f Gbit/s", result.End.Received.Rate/1e9), nil
}

// sshFlags name the key of this run, and trust the server.
func (s *suite) sshFlags() []string {
	return []string{"-F", "none", "-i", filepath.Join(s.dir, "ssh", "me"), "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"}
}

func userName() string {
	u, err := user.Current()
	if err != nil {
		return "root"
	}
	return u.Username
}

var sshTests = []test{
	{"a command with input", true, func(s *suite, addr string) (string, error) {
		host, port := split(addr)
		path, err := s.file("big", bigFile(s))
		if err != nil {
			return "", err
		}
		return opened(path, func(in io.Reader) (string, error) {
			out, err := s.client(in, "ssh", append(s.sshFlags(), "-p", port, userName()+"@"+host, "sha256sum")...)
			return string(bytes.TrimSpace(out)), err
		})
	}},
	{"scp there and back", true, func(s *suite, addr string) (string, error) {
		host, port := split(addr)
		path, err := s.file("big", bigFile(s))
		if err != nil {
			return "", err
		}
		there, back := filepath.Join(s.dir, "there"), filepath.Join(s.dir, "back")
		defer os.Remove(there)
		defer os.Remove(back)
		remote := userName() + "@" + host + ":" + there
		for _, way := range [][]string{{path, remote}, {remote, back}} {
			if _, err := s.client(nil, "scp", append(append(s.sshFlags(), "-q", "-P", port), way...)...); err != nil {
				return "", err
			}
		}
		return sumOf(back)
	}},
}

var socatTests = []test{
	{"half-close, then the answer", true, func(s *suite, addr string) (string, error) {
		path, err := s.file("big", bigFile(s))
		if err != nil {
			return "", err
		}
		return opened(path, func(in io.Reader) (string, error) { return s.summed(in, "socat", "-t", "60", "-", "TCP:"+addr) })
	}},
	{"half-close of an empty stream", true, func(s *suite, addr string) (string, error) {
		return s.summed(nil, "socat", "-t", "60", "-", "TCP:"+addr)
	}},
}
