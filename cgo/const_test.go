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
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The constants for builds without C are those of the headers that builds with
// C use. A difference means: run go generate in the folder cgo.
func TestStubHasTheHeadersConstants(t *testing.T) {
	want := map[string]string{}
	compiled := compiledPackage(t)
	for name := range declared(t, "const.go") {
		c, ok := compiled.Lookup(name).(*types.Const)
		if !ok {
			t.Fatalf("%s is no constant", name)
		}
		want[name] = constant.ToInt(c.Val()).ExactString()
	}
	got := map[string]string{}
	for name, value := range declared(t, "const_stub.go") {
		lit, ok := value.(*ast.BasicLit)
		if !ok {
			t.Fatalf("%s is no number", name)
		}
		got[name] = constant.MakeFromLiteral(lit.Value, lit.Kind, 0).ExactString()
	}
	if len(want) < 100 {
		t.Fatalf("const.go has %d constants only", len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("const_stub.go differs from the headers (-headers +stub):\n%s", diff)
	}
}

// declared returns the constants of a source file and what each is set to.
func declared(t *testing.T, file string) map[string]ast.Expr {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	consts := map[string]ast.Expr{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			consts[name.Name] = spec.Values[i]
		}
		return false
	})
	return consts
}

// compiledPackage reads the package's own export data, where the C compiler has
// given every constant its value.
func compiledPackage(t *testing.T) *types.Scope {
	t.Helper()
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
