//go:build linux

package uring

import (
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// packageDoc is the package as go doc sees it.
func packageDoc(t *testing.T) *doc.Package {
	t.Helper()
	list, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range list.GoFiles {
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(fset, files, list.ImportPath)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The package comment groups the API: it links to every function, and to every
// method of rings and entries, except those that it names in one word: the Have
// functions, the Unregister methods, and the Prep methods that end in Direct.
func TestOverviewLinksToTheAPI(t *testing.T) {
	p := packageDoc(t)
	expect := func(name string) {
		if strings.HasPrefix(name, "Have") || strings.HasPrefix(name, "Ring.Unregister") ||
			strings.HasPrefix(name, "SQE.Prep") && strings.HasSuffix(name, "Direct") {
			return
		}
		if !strings.Contains(p.Doc, "["+name+"]") {
			t.Errorf("doc.go does not link to [%s]", name)
		}
	}
	for _, f := range p.Funcs {
		expect(f.Name)
	}
	for _, typ := range p.Types {
		for _, f := range typ.Funcs {
			expect(f.Name)
		}
		if typ.Name != "Ring" && typ.Name != "SQE" {
			continue
		}
		for _, m := range typ.Methods {
			expect(typ.Name + "." + m.Name)
		}
	}
}
