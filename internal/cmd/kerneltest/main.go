// Command kerneltest reads what the machines of scripts/kernels/test.sh say.
//
//	kerneltest results                      what passed, failed and was skipped on a kernel
//	kerneltest -page docs/kernels.md results...   write the page about all of them
//
// It fails if a test failed, or was skipped for any other reason than that the
// kernel lacks something.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	page := flag.String("page", "", "write the table of features, bugs and results to this `file`")
	flag.Parse()
	if err := run(*page, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "kerneltest:", err)
		os.Exit(1)
	}
}

func run(page string, files []string) error {
	var runs []*kernelRun
	for _, file := range files {
		r, err := read(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		runs = append(runs, r)
	}
	if page != "" {
		return os.WriteFile(page, write(runs), 0o644)
	}
	bad := 0
	for _, r := range runs {
		fmt.Print(r.summary())
		bad += len(r.wrong())
	}
	if bad > 0 {
		return fmt.Errorf("%d things are wrong", bad)
	}
	return nil
}
