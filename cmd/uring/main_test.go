package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

// asProgram makes the test program be the program itself, as run by command.
const asProgram = "URING_TEST_AS_PROGRAM=1"

func TestMain(m *testing.M) {
	if os.Getenv("URING_TEST_AS_PROGRAM") != "" {
		main()
	}
	testutil.Main(m)
}

// program returns the program as it is to run with args.
func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram)
	return cmd
}
