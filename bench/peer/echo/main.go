// Command echo is an echo server: with package net, and with this package in
// three ways: one goroutine handles completions, and runs nothing else, or a
// coroutine for each connection; or each connection has a goroutine.
//
//	echo net|callbacks|coroutines|goroutines PORT
package main

import (
	"io"
	"log"
	"net"
	"os"

	"github.com/uring-go/uring/bench/internal/peer"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: echo net|callbacks|coroutines|goroutines PORT")
	}
	l, err := net.Listen("tcp4", "127.0.0.1:"+os.Args[2])
	peer.Must(err)
	switch os.Args[1] {
	case "net":
		serveNet(l)
	case "callbacks":
		serveCallbacks(l.(*net.TCPListener))
	case "coroutines":
		serveCoroutines(l.(*net.TCPListener))
	case "goroutines":
		serveGoroutines(l.(*net.TCPListener))
	default:
		log.Fatalf("no way to serve is called %q", os.Args[1])
	}
}

func serveNet(l net.Listener) {
	for {
		c, err := l.Accept()
		peer.Must(err)
		go func() {
			defer c.Close()
			buf := make([]byte, 4096)
			for {
				n, err := c.Read(buf)
				if err == io.EOF {
					return
				}
				if err == nil {
					_, err = c.Write(buf[:n])
				}
				if err != nil {
					log.Print(err)
					return
				}
			}
		}()
	}
}
