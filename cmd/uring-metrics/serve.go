package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/uring-go/uring/cmd/internal/command"
)

// serve is the command.Monitor of this program.
func serve(address string, profiles bool, figures func() command.Figures) (at string, stop func(), err error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", nil, fmt.Errorf("-metrics: %w", err)
	}
	s := &http.Server{Handler: handler(profiles, figures), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // until it is closed
	}()
	return l.Addr().String(), func() { s.Close(); <-done }, nil
}

func handler(profiles bool, figures func() command.Figures) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{figures}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { health(w, figures()) })
	if profiles {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// health says whether new connections are welcome, and can be forwarded.
func health(w http.ResponseWriter, f command.Figures) {
	up := 0
	for _, ok := range f.Targets {
		if ok {
			up++
		}
	}
	switch {
	case f.Draining:
		http.Error(w, "draining", http.StatusServiceUnavailable)
	case up == 0:
		http.Error(w, "no target is up", http.StatusServiceUnavailable)
	default:
		fmt.Fprintf(w, "ok, %d of %d targets are up\n", up, len(f.Targets))
	}
}
