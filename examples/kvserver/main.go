// Kvserver answers GET /key with the value that a data file has for the key.
// Only the index is in memory. Each request reads the file in its own goroutine,
// into memory of the engine's; a client that goes away does not wait for the
// disk.
//
//	printf 'one\tEins\ntwo\tZwei\n' > data
//	go run ./examples/kvserver -data data -listen :8080 &
//	curl localhost:8080/one
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"

	"github.com/uring-go/uring/file"
)

func main() {
	data := flag.String("data", "data", "`file` with a line for each key: the key, a tab, the value")
	listen := flag.String("listen", ":8080", "`address` to listen on")
	flag.Parse()
	s, err := open(*data)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("%d keys", len(s.index))
	log.Fatal(http.ListenAndServe(*listen, s))
}

// A store is a data file and where it has what.
type store struct {
	file  *file.File
	index map[string]place
}

// A place is where a value is.
type place struct {
	off int64
	n   int
}

// open reads the file once, to make the index.
func open(name string) (*store, error) {
	f, err := file.Open(name)
	if err != nil {
		return nil, err
	}
	s := &store{f, map[string]place{}}
	if err := s.read(bufio.NewReaderSize(f, 1<<20)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func (s *store) read(r *bufio.Reader) error {
	for off := int64(0); ; {
		line, err := r.ReadBytes('\n')
		if key, value, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte("\t")); ok {
			s.index[string(key)] = place{off + int64(len(key)) + 1, len(value)}
		}
		off += int64(len(line))
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

var errNoKey = errors.New("no such key")

// get hands the value to use, which must not keep it.
func (s *store) get(ctx context.Context, key string, use func(value []byte) error) error {
	p, ok := s.index[key]
	if !ok {
		return errNoKey
	}
	if p.n == 0 {
		return use(nil)
	}
	b, err := s.file.ReadBuf(ctx, p.n, p.off)
	if err != nil {
		return err
	}
	defer b.Release()
	if len(b.Bytes()) < p.n {
		return fmt.Errorf("the data file ends in the value of %q", key)
	}
	return use(b.Bytes())
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := s.get(r.Context(), strings.TrimPrefix(r.URL.Path, "/"), func(value []byte) error {
		_, err := w.Write(value)
		return err
	})
	switch {
	case errors.Is(err, errNoKey):
		http.NotFound(w, r)
	case err != nil && r.Context().Err() == nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
