// Wal is a write-ahead log with group commit. Goroutines append records, and
// each returns when its record is on the disk; those that wait at the same time
// share a sync.
//
//	go run ./examples/wal -writers 100 log
package main

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uring-go/uring/file"
)

func main() {
	writers := flag.Int("writers", 100, "`goroutines` that append")
	length := flag.Duration("time", 3*time.Second, "for how `long`")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: wal [flags] log")
	}
	w, err := openLog(flag.Arg(0), func([]byte) error { return nil })
	if err != nil {
		log.Fatal(err)
	}
	var count atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(*length)
	for i := range *writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			record := fmt.Appendf(nil, "a record of writer %d", i)
			for time.Now().Before(end) {
				if err := w.append(record); err != nil {
					log.Fatal(err)
				}
				count.Add(1)
			}
		}()
	}
	wg.Wait()
	fmt.Printf("%.0f records a second, each on the disk when its append returned\n", float64(count.Load())/length.Seconds())
	if err := w.close(); err != nil {
		log.Fatal(err)
	}
}

// A writeLog is a file of records: for each the length, a checksum, the bytes.
type writeLog struct {
	file *file.File
	mu   sync.Mutex
	end  int64 // where the next record goes
	err  error // of a write: what follows would not be found
}

const headerSize = 8

// openLog opens a log, or makes one, and hands the records that are there to
// replay. What was being appended when the program or the machine stopped is cut
// off.
func openLog(name string, replay func(record []byte) error) (*writeLog, error) {
	f, err := file.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	w := &writeLog{file: f}
	if err := w.replay(replay); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

func (w *writeLog) replay(replay func([]byte) error) error {
	info, err := w.file.Stat()
	if err != nil {
		return err
	}
	for {
		record, err := w.read(w.end, info.Size())
		if err == io.EOF {
			return w.file.Truncate(w.end)
		}
		if err != nil {
			return err
		}
		if err := replay(record); err != nil {
			return err
		}
		w.end += headerSize + int64(len(record))
	}
}

// read returns the record at off, or io.EOF if there is no whole one.
func (w *writeLog) read(off, size int64) ([]byte, error) {
	var header [headerSize]byte
	if _, err := w.file.ReadAt(header[:], off); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(header[:]))
	if n == 0 || off+headerSize+n > size {
		return nil, io.EOF
	}
	record := make([]byte, n)
	if _, err := w.file.ReadAt(record, off+headerSize); err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(record) != binary.LittleEndian.Uint32(header[4:]) {
		return nil, io.EOF
	}
	return record, nil
}

// append adds a record, and returns when it is on the disk.
func (w *writeLog) append(record []byte) error {
	if len(record) == 0 {
		return errors.New("an empty record")
	}
	p := make([]byte, headerSize, headerSize+len(record))
	binary.LittleEndian.PutUint32(p, uint32(len(record)))
	binary.LittleEndian.PutUint32(p[4:], crc32.ChecksumIEEE(record))
	if err := w.write(append(p, record...)); err != nil {
		return err
	}
	// Records are written in order, so a sync that covers this one covers all
	// before it. Those who get here at the same time share one.
	if err := w.file.Datasync(); err != nil {
		return w.fail(err)
	}
	return nil
}

func (w *writeLog) write(p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	_, w.err = w.file.WriteAt(p, w.end)
	w.end += int64(len(p))
	return w.err
}

// fail notes an error, after which nobody knows what is on the disk.
func (w *writeLog) fail(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	return err
}

func (w *writeLog) close() error { return w.file.Close() }
