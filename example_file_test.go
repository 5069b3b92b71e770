package uring_test

import (
	"fmt"
	"log"
	"os"
	"runtime"

	"github.com/uring-go/uring"
)

// Open a ring, read a file.
func ExampleNew() {
	ring, err := uring.New(uring.Config{})
	if err != nil {
		log.Fatal(err) // it says what to do
	}
	defer ring.Close()

	f, err := os.Open("LICENSE")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()

	sqe, err := ring.NextSQE()
	if err != nil {
		log.Fatal(err)
	}
	buf := make([]byte, 11)
	sqe.PrepRead(uring.FD(f.Fd()), buf, 0)
	cqe, err := ring.Wait() // submits, too
	if err != nil {
		log.Fatal(err)
	}
	if err := cqe.Err(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", buf[:cqe.Res])
	// Output: MIT License
}

// A registered buffer is known to the kernel: a request that names it saves
// looking its pages up.
func ExampleRing_RegisterArena() {
	f, err := os.CreateTemp("", "uring")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	defer os.Remove(f.Name())
	arena, err := uring.NewArena(uring.ArenaConfig{Size: 4096})
	if err != nil {
		log.Fatal(err)
	}
	defer arena.Close()

	err = uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		reg, err := ring.RegisterArena(arena)
		if err != nil {
			return err
		}
		text := reg.Bytes()[:copy(reg.Bytes(), "from registered memory")]
		sqe, err := ring.NextSQE()
		if err != nil {
			return err
		}
		if err := sqe.PrepWriteFixed(uring.FD(f.Fd()), reg, text, 0); err != nil {
			return err
		}
		cqe, err := ring.Wait()
		if err != nil {
			return err
		}
		return cqe.Err()
	})
	if err != nil {
		log.Fatal(err)
	}
	got, err := os.ReadFile(f.Name())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", got)
	// Output: from registered memory
}

// A link makes a request wait for the one before it: here the file is synced
// when it is written. If the write failed or was short, the sync would be
// cancelled.
func ExampleSQE_SetFlags() {
	f, err := os.CreateTemp("", "uring")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	defer os.Remove(f.Name())
	text := []byte("durable")
	defer runtime.KeepAlive(text) // Serve closes the ring before

	err = uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		write, err := ring.NextSQE()
		if err != nil {
			return err
		}
		write.PrepWrite(uring.FD(f.Fd()), text, 0)
		if err := write.SetFlags(uring.Link); err != nil {
			return err
		}
		sync, err := ring.NextSQE()
		if err != nil {
			return err
		}
		sync.PrepFsync(uring.FD(f.Fd()), 0)

		if _, err := ring.SubmitAndWait(2); err != nil {
			return err
		}
		for cqe := range ring.Completions() {
			fmt.Println(cqe.Res, cqe.Err())
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 7 <nil>
	// 0 <nil>
}

// A chain of direct descriptors: the file is opened in slot 0 of the ring's own
// table, read there, and closed, with one system call. HardLink closes it in any
// case.
func ExampleSQE_PrepOpenatDirect() {
	buf := make([]byte, 11)
	err := uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		if err := ring.RegisterFiles(1); err != nil {
			return err
		}
		slot := uring.DirectSlot(0)
		if err := ring.MakeRoom(3); err != nil { // a chain is submitted as a whole
			return err
		}
		open, err := ring.NextSQE()
		if err != nil {
			return err
		}
		if err := open.PrepOpenatDirect(uring.AtFDCWD, "LICENSE", os.O_RDONLY, 0, slot); err != nil {
			return err
		}
		if err := open.SetFlags(uring.Link); err != nil {
			return err
		}
		read, err := ring.NextSQE()
		if err != nil {
			return err
		}
		read.PrepRead(slot.FD(), buf, 0)
		if err := read.SetFlags(uring.HardLink); err != nil {
			return err
		}
		done, err := ring.NextSQE()
		if err != nil {
			return err
		}
		done.PrepCloseDirect(slot)

		if _, err := ring.SubmitAndWait(3); err != nil {
			return err
		}
		for cqe := range ring.Completions() {
			if err := cqe.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", buf)
	// Output: MIT License
}

// Statx fills in memory of the caller's, which must stay until the completion.
func ExampleSQE_PrepStatx() {
	f, err := os.CreateTemp("", "uring")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	defer os.Remove(f.Name())
	if _, err := f.WriteString("twelve bytes"); err != nil {
		log.Fatal(err)
	}

	var st uring.Statx
	err = uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		sqe, err := ring.NextSQE()
		if err != nil {
			return err
		}
		if err := sqe.PrepStatx(uring.AtFDCWD, f.Name(), 0, uring.StatxBasicStats, &st); err != nil {
			return err
		}
		cqe, err := ring.Wait()
		if err != nil {
			return err
		}
		return cqe.Err()
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(st.Size)
	// Output: 12
}
