package uring

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/uring-go/uring"

// layers says which packages of the module a folder may import; a folder below
// counts for itself if it is listed. Imports point one way: cmd and examples to
// file and shared, these to the core, the core to uring, uring to cgo, cgo to C;
// other internal packages serve those above them and know none.
var layers = map[string][]string{
	".":             {"cgo", "internal"},
	"cgo":           {"internal"},
	"internal":      {"internal"},
	"internal/core": {".", "internal"},
	"shared":        {".", "internal/core"},
	"file":          {".", "internal/core", "internal/nowait"},
	"cmd":           {".", "cmd", "file", "shared", "internal/live"},
	"examples":      {".", "file", "shared"},

	"internal/cmd/torture": {".", "internal"}, // a program
}

// layerOf returns the layer of a file: the longest folder that is listed.
func layerOf(file string) string {
	for dir := path.Dir(file); ; dir = path.Dir(dir) {
		if _, ok := layers[dir]; ok || dir == "." {
			return dir
		}
	}
}

// mayBeUnsafe lists what may import unsafe: the two packages whose business is
// memory outside Go's, and these files of the root.
var mayBeUnsafe = []string{
	"cgo", "internal/arena",
	"internal/nowait",   // hands buffers to system calls that package syscall lacks
	"file/limit.go",     // tells goroutines apart by their stacks
	"file/direct.go",    // asks whether a buffer is aligned
	"file/memory.go",    // aligns buffers
	"driver.go",         // hands the memory of a buffer ring on
	"bufring.go",        // keeps where its buffers start
	"bufring_walk.go",   // makes slices of buffers without a check for each
	"sendqueue.go",      // sizes the memory of its entries
	"sendqueue_send.go", // builds messages in memory outside the heap
	"msg.go",            // fills a struct msghdr
	"sqe_mem.go",        // makes addresses of memory that entries point at
	"region.go",         // sizes the arguments of waits
	"wait.go",           // fills them in memory that the kernel reads
	"zcrx.go",           // sizes the entries of a refill ring
}

func TestImportsPointOneWay(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if file != "." && (strings.HasPrefix(d.Name(), ".") || isModule(file)) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(file) != ".go" {
			return nil
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		files++
		for _, wrong := range wrongImports(t, file, source) {
			t.Errorf("%s: %s", file, wrong)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 50 {
		t.Errorf("looked at %d files only", files)
	}
}

func TestWrongImportsAreFound(t *testing.T) {
	for _, c := range []struct {
		file, imports string
		wrong         []string
	}{
		{file: "ring.go", imports: `"C"`, wrong: []string{"only cgo may talk to C"}},
		{file: "cmd/internal/command/probe.go", imports: `"C"`, wrong: []string{"only cgo may talk to C"}},
		{file: "cgo/ring.go", imports: `"C"; "unsafe"`},
		{file: "ring.go", imports: `"unsafe"`, wrong: []string{"unsafe is not for this file"}},
		{file: "sqe_mem.go", imports: `"unsafe"`},
		{file: "ring_test.go", imports: `"unsafe"`},
		{file: "internal/live/live.go", imports: `"unsafe"`, wrong: []string{"unsafe is not for this file"}},
		{file: "internal/arena/map.go", imports: `"unsafe"`},
		{file: "ring.go", imports: `"fmt"; "` + module + `/cgo"; "` + module + `/internal/live"`},
		{file: "ring.go", imports: `"` + module + `/cmd/uring"`, wrong: []string{". must not import cmd/uring"}},
		{file: "example_test.go", imports: `"` + module + `"`},
		{file: "cgo/ring.go", imports: `"` + module + `"`, wrong: []string{"cgo must not import ."}},
		{file: "cgo/ring.go", imports: `"golang.org/x/sys/unix"`, wrong: []string{"cgo must not import golang.org/x/sys/unix"}},
		{file: "cgo/const_test.go", imports: `"github.com/google/go-cmp/cmp"`},
		{file: "internal/feature/feature.go", imports: `"` + module + `/cgo"`, wrong: []string{"internal must not import cgo"}},
		{file: "cmd/internal/command/probe.go", imports: `"` + module + `"; "` + module + `/internal/live"`},
		{file: "cmd/internal/command/probe.go", imports: `"` + module + `/cgo"`, wrong: []string{"cmd must not import cgo"}},
		{file: "cmd/internal/command/probe.go", imports: `"` + module + `/internal/testutil"`, wrong: []string{"cmd must not import internal/testutil"}},
		{file: "cmd/internal/command/command_test.go", imports: `"` + module + `/internal/testutil"`},
		{file: "internal/core/turn.go", imports: `"` + module + `"; "` + module + `/internal/live"`},
		{file: "internal/core/turn.go", imports: `"` + module + `/cgo"`, wrong: []string{"internal/core must not import cgo"}},
		{file: "file/read.go", imports: `"` + module + `"; "` + module + `/internal/core"`},
		{file: "file/read.go", imports: `"unsafe"`, wrong: []string{"unsafe is not for this file"}},
		{file: "file/read.go", imports: `"` + module + `/shared"`, wrong: []string{"file must not import shared"}},
		{file: "ring.go", imports: `"` + module + `/file"`, wrong: []string{". must not import file"}},
		{file: "shared/ring.go", imports: `"` + module + `/file"`, wrong: []string{"shared must not import file"}},
		{file: "examples/copytree/main.go", imports: `"` + module + `/file"; "` + module + `/shared"`},
		{file: "examples/copytree/main.go", imports: `"` + module + `/internal/core"`, wrong: []string{"examples must not import internal/core"}},
		{file: "examples/echo/main.go", imports: `"` + module + `/internal/live"`, wrong: []string{"examples must not import internal/live"}},
	} {
		source := "package p\nimport (" + c.imports + ")\n"
		if diff := cmp.Diff(c.wrong, wrongImports(t, c.file, []byte(source))); diff != "" {
			t.Errorf("%s importing %s (-want +got):\n%s", c.file, c.imports, diff)
		}
	}
}

// wrongImports lists the imports of a file that the rules forbid.
func wrongImports(t *testing.T, file string, source []byte) (wrong []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, source, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range f.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if w := wrongImport(file, name); w != "" {
			wrong = append(wrong, w)
		}
	}
	return wrong
}

// Rings are opened and closed in open.go only, where the one knows of the
// other: a ring may have to wait for the memory of one that was closed.
func TestRingsAreOpenedAndClosedInOnePlace(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, file := range files {
		if isTest(file) {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				switch f := types.ExprString(call.Fun); {
				case f == "cgo.Open", f == "cgo.Setup", strings.HasSuffix(f, ".Exit"):
					got[file] = append(got[file], f)
				}
			}
			return true
		})
	}
	want := map[string][]string{"open.go": {"cgo.Open", "cgo.Setup", "ring.Exit"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls that open or close rings (-want +got):\n%s", diff)
	}
}

func wrongImport(file, name string) string {
	layer := layerOf(file)
	switch {
	case name == "C":
		if layer != "cgo" {
			return "only cgo may talk to C"
		}
	case name == "unsafe":
		if !isTest(file) && !lies(file, mayBeUnsafe) {
			return "unsafe is not for this file"
		}
	case name == module || strings.HasPrefix(name, module+"/"):
		to := strings.TrimPrefix(strings.TrimPrefix(name, module), "/")
		if to == "" {
			to = "."
		}
		forTests := isTest(file) && (to == "internal/testutil" || to == path.Dir(file))
		if !forTests && !lies(to, layers[layer]) {
			return layer + " must not import " + to
		}
	case layer == "cgo" && !isTest(file) && strings.Contains(name, "."):
		return layer + " must not import " + name
	}
	return ""
}

func isTest(file string) bool { return strings.HasSuffix(file, "_test.go") }

// lies says whether a path is one of those listed or below one.
func lies(p string, listed []string) bool {
	for _, l := range listed {
		if p == l || l != "." && strings.HasPrefix(p, l+"/") {
			return true
		}
	}
	return false
}

// isModule says whether a folder is a module of its own.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}
