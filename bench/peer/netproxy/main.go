// Command netproxy forwards TCP connections in one direction with package net.
//
//	netproxy rw|copy LISTEN-PORT TARGET-PORT BUFFER-SIZE
//
// rw reads into a buffer and writes it; copy is io.Copy, for which the kernel
// moves the data from socket to socket. Nagle's algorithm stays on, as it is
// in the other proxies.
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"

	"github.com/uring-go/uring/bench/internal/peer"
)

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: netproxy rw|copy LISTEN-PORT TARGET-PORT BUFFER-SIZE")
	}
	size, err := strconv.Atoi(os.Args[4])
	peer.Must(err)
	l, err := net.Listen("tcp4", "127.0.0.1:"+os.Args[2])
	peer.Must(err)
	for {
		c, err := l.Accept()
		peer.Must(err)
		go func() {
			if err := forward(c.(*net.TCPConn), "127.0.0.1:"+os.Args[3], os.Args[1], size); err != nil {
				fmt.Fprintln(os.Stderr, "netproxy:", err)
			}
		}()
	}
}

func forward(in *net.TCPConn, target, mode string, size int) error {
	defer in.Close()
	c, err := net.Dial("tcp4", target)
	if err != nil {
		return err
	}
	out := c.(*net.TCPConn)
	defer out.Close()
	if err := errors.Join(in.SetNoDelay(false), out.SetNoDelay(false)); err != nil {
		return err
	}
	if mode == "copy" {
		_, err := io.Copy(out, in)
		return err
	}
	buf := make([]byte, size)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			if _, err := out.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
