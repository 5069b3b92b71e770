//go:build linux

package file_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/uring-go/uring/file"
)

// A thousand goroutines read a file at the same time.
func Example() {
	files, err := file.New(file.Config{}) // or the package's functions
	if err != nil {
		log.Fatal(err)
	}
	defer files.Close()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "data")
	if err := files.WriteFile(name, make([]byte, 1000*4096), 0o600); err != nil {
		log.Fatal(err)
	}
	f, err := files.Open(name)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			p := make([]byte, 4096)
			if _, err := f.ReadAt(p, int64(i)*4096); err != nil {
				log.Fatal(err)
			}
		}()
	}
	wg.Wait()
	fmt.Println("done")
	// Output: done
}

// Many parts of a file are read with one call, from one goroutine.
func ExampleFile_ReadBatch() {
	files, err := file.New(file.Config{}) // or the package's functions
	if err != nil {
		log.Fatal(err)
	}
	defer files.Close()
	name := filepath.Join(os.TempDir(), fmt.Sprint("uring-example-", os.Getpid()))
	if err := files.WriteFile(name, []byte("one two three"), 0o600); err != nil {
		log.Fatal(err)
	}
	defer files.Remove(name)
	f, err := files.Open(name)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	parts := []file.Part{
		{Buf: make([]byte, 3), Off: 0},
		{Buf: make([]byte, 5), Off: 8},
		{Buf: make([]byte, 5), Off: 100},
	}
	_ = f.ReadBatch(parts) // the first error of a part
	for _, p := range parts {
		fmt.Printf("%q %v\n", p.Buf[:p.N], p.Err)
	}
	// Output:
	// "one" <nil>
	// "three" <nil>
	// "" EOF
}

// A read whose context ends returns at once, however long the disk takes.
func ExampleFile_ReadBuf() {
	files, err := file.New(file.Config{}) // or the package's functions
	if err != nil {
		log.Fatal(err)
	}
	defer files.Close()
	name := filepath.Join(os.TempDir(), fmt.Sprint("uring-example-", os.Getpid()))
	if err := files.WriteFile(name, []byte("hello"), 0o600); err != nil {
		log.Fatal(err)
	}
	defer files.Remove(name)
	f, err := files.Open(name)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	b, err := f.ReadBuf(ctx, 4096, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Release()
	fmt.Printf("%s\n", b.Bytes())
	// Output: hello
}
