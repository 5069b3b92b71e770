//go:build linux

package main

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

var (
	seed   = flag.Uint64("torture.seed", 0, "repeat the rounds of the run that printed it")
	length = flag.Duration("torture.for", 8*time.Second, "how long to begin further rounds")
)

// Whatever a program does, each byte that its peers sent arrives, and the kernel
// has each buffer in the end.
func TestRandomPrograms(t *testing.T) {
	c := config{seed: *seed, round: -1, steps: 2000, players: 3, length: *length}
	if testing.Short() {
		c.length = min(c.length, 2*time.Second)
	}
	for c.seed == 0 {
		c.seed = rand.Uint64()
	}
	t.Logf("-torture.seed=%d", c.seed)
	total := &tally{}
	if err := c.run(total); err != nil {
		t.Error(err)
	}
	var b strings.Builder
	total.print(&b)
	t.Logf("\n%s", b.String())
	if total.get("rounds that settled") == 0 || total.get("rounds that were closed") == 0 {
		t.Error("no round came to its end in one of the two ways")
	}
}
