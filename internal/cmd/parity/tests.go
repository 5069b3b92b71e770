package main

import (
	"go/ast"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// How a symbol is tested, in the order in which it is printed.
var kinds = []string{"oracle", "kernel", "mock", "unit"}

// uses says what functions and variables of the test files use.
type uses map[types.Object][]types.Object

// tested says of each symbol how it is tested. See the head of page.go for what
// the words mean.
func (s *source) tested() map[types.Object]string {
	used := s.usesInTests()
	found := map[types.Object]map[string]bool{}
	note := func(o types.Object, kind string) {
		if found[o] == nil {
			found[o] = map[string]bool{}
		}
		found[o][kind] = true
	}
	for o := range used {
		if !isTest(o) {
			continue
		}
		reached := used.reach(o)
		kind := s.kind(reached)
		for r := range reached {
			note(r, kind)
		}
	}
	for _, o := range s.compared() {
		note(o, "oracle")
	}
	tested := map[types.Object]string{}
	for o, how := range found {
		var list []string
		for _, k := range kinds {
			if how[k] && (k != "unit" || len(list) == 0) {
				list = append(list, k)
			}
		}
		tested[o] = strings.Join(list, ", ")
	}
	return tested
}

// trips returns the tests that use each symbol on the kernel: if there are any,
// those of the files that are about requests. Tests of refusals do not count.
func (s *source) trips() map[types.Object][]string {
	used := s.usesInTests()
	about, others := map[types.Object][]string{}, map[types.Object][]string{}
	for o := range used {
		if !isTest(o) || !strings.HasPrefix(o.Name(), "Test") || strings.Contains(o.Name(), "Refus") {
			continue
		}
		reached := used.reach(o)
		if s.kind(reached) != "kernel" {
			continue
		}
		list := others
		file := filepath.Base(s.fset.Position(o.Pos()).Filename)
		if strings.HasPrefix(file, "roundtrip_") || strings.HasPrefix(file, "sqe_") {
			list = about
		}
		for r := range reached {
			list[r] = append(list[r], o.Name())
		}
	}
	maps.Copy(others, about)
	for _, tests := range others {
		slices.Sort(tests)
	}
	return others
}

// kind says what a test that reaches all this is.
func (s *source) kind(reached map[types.Object]bool) string {
	scope := s.pkg.Scope()
	switch {
	case reached[scope.Lookup("mockDriver")]:
		return "mock"
	case reached[scope.Lookup("New")] || reached[scope.Lookup("Serve")]:
		return "kernel"
	}
	return "unit"
}

// isTest reports whether the go command runs the function.
func isTest(o types.Object) bool {
	f, ok := o.(*types.Func)
	if !ok || f.Signature().Recv() != nil {
		return false
	}
	return slices.ContainsFunc([]string{"Test", "Example", "Fuzz"}, func(prefix string) bool {
		return strings.HasPrefix(f.Name(), prefix) && f.Name() != "TestMain"
	})
}

// usesInTests collects what the declarations of the test files use.
func (s *source) usesInTests() uses {
	used := uses{}
	for _, file := range s.tests {
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				used[s.info.Defs[decl.Name]] = s.usedIn(decl)
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok {
						for _, name := range v.Names {
							used[s.info.Defs[name]] = s.usedIn(v)
						}
					}
				}
			}
		}
	}
	return used
}

func (s *source) usedIn(n ast.Node) []types.Object {
	var list []types.Object
	ast.Inspect(n, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			if o := s.info.Uses[id]; o != nil && o.Pkg() != nil {
				list = append(list, o)
			}
		}
		return true
	})
	return list
}

// reach returns what a declaration uses, itself and by other declarations of
// the test files.
func (u uses) reach(from types.Object) map[types.Object]bool {
	reached := map[types.Object]bool{from: true}
	for queue := []types.Object{from}; len(queue) > 0; {
		o := queue[0]
		queue = queue[1:]
		for _, next := range u[o] {
			if !reached[next] {
				reached[next] = true
				queue = append(queue, next)
			}
		}
	}
	return reached
}

// compared returns the Prep methods in the table of the oracle test.
func (s *source) compared() []types.Object {
	row := s.pkg.Scope().Lookup("prepCase")
	var list []types.Object
	for _, file := range s.tests {
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || !types.Identical(s.info.Types[lit].Type, row.Type()) {
				return true
			}
			for _, o := range s.usedIn(lit) {
				if f, ok := o.(*types.Func); ok && strings.HasPrefix(f.Name(), "Prep") {
					list = append(list, f)
				}
			}
			return false
		})
	}
	return list
}
