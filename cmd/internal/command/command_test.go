package command

import (
	"os"
	"os/exec"
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

// asProgram makes the test program run as the program itself.
const asProgram = "URING_TEST_AS_PROGRAM=1"

func TestMain(m *testing.M) {
	if os.Getenv("URING_TEST_AS_PROGRAM") != "" {
		os.Exit(Main(nil))
	}
	testutil.Main(m)
}

// program returns the command that runs the program with args.
func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram)
	return cmd
}
