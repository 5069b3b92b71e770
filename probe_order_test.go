package uring

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

// The order test must notice when the account is not what the kernel does.
func TestOrderTestNoticesASwappedBuffer(t *testing.T) {
	for _, incremental := range []bool{false, true} {
		t.Run(fmt.Sprintf("incremental=%v", incremental), func(t *testing.T) {
			testutil.Need(t, HaveSendBundles) // and so receive bundles, right or wrong
			if incremental {
				testutil.Need(t, HaveIncremental)
			}
			x := &orderTest{fds: [2]int{-1, -1}}
			defer x.close()
			if err := x.open(incremental); err != nil {
				t.Fatal(err)
			}
			order := x.br.order
			order[1], order[2] = order[2], order[1]
			x.br.bufs[1].pos, x.br.bufs[2].pos = 2, 1
			if answer, err := x.run(); answer == "" || err != nil {
				t.Fatalf("got %q, %v; want it to notice", answer, err)
			}
		})
	}
}

func TestOrderTestNoticesAWrongByte(t *testing.T) {
	testutil.Need(t, HaveSendBundles)
	x := &orderTest{fds: [2]int{-1, -1}}
	defer x.close()
	if err := x.open(false); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(x.send(), x.recv()); err != nil {
		t.Fatal(err)
	}
	if _, err := x.ring.SubmitAndWait(2); err != nil { // the first piece was sent and arrived
		t.Fatal(err)
	}
	x.data[500]++
	for c := range x.ring.Completions() {
		answer, err := x.handle(c)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(answer, "wrong bytes behind the first 0") {
			return
		}
	}
	t.Error("the changed byte was not noticed")
}
