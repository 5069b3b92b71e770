//go:build linux && cgo

package cgo

import (
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/internal/testutil"
)

// The constants for builds without C are those of the headers that builds with
// C use. A difference means: run go generate in the folder cgo.
func TestStubHasTheHeadersConstants(t *testing.T) {
	compiled, stub := compiledPackage(t), stubPackage(t)
	want, got := map[string]string{}, map[string]string{}
	for name := range namesInC(t) {
		want[name] = value(t, compiled, name)
	}
	for _, name := range stub.Names() {
		got[name] = value(t, stub, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("const_stub.go differs from the headers (-headers +stub):\n%s", diff)
	}
}

// Every constant of the kernel's header is in const.go, with the value that the
// list of liburing 2.15 has. A later header may only have longer lists.
func TestConstantsAreThoseOfLiburing215(t *testing.T) {
	goName := map[string]string{}
	for name, c := range namesInC(t) {
		goName[c] = name
	}
	compiled := compiledPackage(t)
	listed := constants215(t)
	if len(listed) != 270 {
		t.Errorf("the list has %d constants, want 270", len(listed))
	}
	for c, want := range listed {
		name, ok := goName[c]
		if !ok {
			t.Errorf("const.go lacks %s", c)
			continue
		}
		got := number(value(t, compiled, name))
		same := constant.Compare(got, token.EQL, want)
		longer := endOfList.MatchString(c) && constant.Compare(got, token.GTR, want)
		if !same && !longer {
			t.Errorf("%s, which is %s, is %v, want %v", name, c, got, want)
		}
	}
}

// endOfList matches the enumerators that count those before them.
var endOfList = regexp.MustCompile(`^(IORING_(OP|REGISTER|RESTRICTION)_LAST|__ZCRX_CTRL_LAST|__IO_URING_QUERY_MAX)$`)

// constants215 reads the list of liburing 2.15.
func constants215(t *testing.T) map[string]constant.Value {
	t.Helper()
	b, err := os.ReadFile("../internal/cmd/parity/constants-2.15.tsv")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]constant.Value{}
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n")[1:] {
		fields := strings.Split(line, "\t")
		listed[fields[0]] = number(fields[1])
	}
	return listed
}

// number reads a literal that may have a sign.
func number(s string) constant.Value {
	digits, negative := strings.CutPrefix(s, "-")
	v := constant.MakeFromLiteral(digits, token.INT, 0)
	if negative {
		v = constant.UnaryOp(token.SUB, v, 0)
	}
	return v
}

// namesInC returns the constants of const.go and what each is called in C.
func namesInC(t *testing.T) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "const.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			names[name.Name] = spec.Values[i].(*ast.SelectorExpr).Sel.Name
		}
		return false
	})
	return names
}

func value(t *testing.T, pkg *types.Scope, name string) string {
	t.Helper()
	c, ok := pkg.Lookup(name).(*types.Const)
	if !ok {
		t.Fatalf("%s is no constant", name)
	}
	return constant.ToInt(c.Val()).ExactString()
}

// stubPackage is const_stub.go, which needs nothing else.
func stubPackage(t *testing.T) *types.Scope {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "const_stub.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := new(types.Config).Check("cgo", fset, []*ast.File{f}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return pkg.Scope()
}

// compiledPackage reads the package's own export data, where the C compiler has
// given every constant its value.
func compiledPackage(t *testing.T) *types.Scope {
	t.Helper()
	testutil.NeedGo(t)
	list := exec.Command("go", "list", "-export", "-f", "{{.Export}}", ".")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	open := func(string) (io.ReadCloser, error) { return os.Open(strings.TrimSpace(string(out))) }
	const path = "github.com/uring-go/uring/cgo"
	pkg, err := importer.ForCompiler(token.NewFileSet(), "gc", open).Import(path)
	if err != nil {
		t.Fatal(err)
	}
	return pkg.Scope()
}
