// Search prints the lines of all files below a folder that contain a text, as
// grep -r does. Each file is read in a goroutine of its own.
//
//	go run ./examples/search text folder
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"sync"

	"github.com/uring-go/uring/file"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: search text folder")
	}
	out := bufio.NewWriter(os.Stdout)
	err := search(os.Args[1], os.Args[2], out)
	if err := errors.Join(err, out.Flush()); err != nil {
		log.Fatal(err)
	}
}

// atOnce is how many files are read at the same time: so many descriptors are
// open, and so much is in memory.
const atOnce = 512

// search writes the lines with the text to out, those of a file together.
func search(text, folder string, out io.Writer) error {
	var (
		mu     sync.Mutex
		failed error
		wg     sync.WaitGroup
		limit  = make(chan struct{}, atOnce)
	)
	walked := filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		limit <- struct{}{}
		wg.Add(1)
		go func() {
			defer wg.Done()
			found, err := lines(name, []byte(text))
			<-limit
			mu.Lock()
			defer mu.Unlock()
			_, werr := out.Write(found)
			failed = errors.Join(failed, err, werr)
		}()
		return nil
	})
	wg.Wait()
	return errors.Join(walked, failed)
}

// lines returns the lines of a file that have the text, each with the names of
// file and line.
func lines(name string, text []byte) (found []byte, err error) {
	data, err := file.ReadFile(name)
	if err != nil || !bytes.Contains(data, text) {
		return nil, err
	}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if bytes.Contains(line, text) {
			found = fmt.Appendf(found, "%s:%d: %s\n", name, n, bytes.TrimRight(line, "\n"))
		}
	}
	return found, nil
}
