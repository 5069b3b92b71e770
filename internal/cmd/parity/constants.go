package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A constant is a public constant of the kernel's header, and where Go has it.
type constant struct {
	name, value, group string

	raw   string   // its name in package cgo
	same  bool     // with the value listed
	typed []string // exported constants of the root package that are set to it
	named []string // symbols whose doc comment names it
	users []string // exported functions and methods that use it
	used  bool     // by other code of the root package
	trips []string // tests that use the Prep methods among users on the kernel

	because string // why programs do without it
}

func (c constant) covered() bool { return c.raw != "" && c.same }

// constants finds the constants of the list in the sources.
func constants(dir string, s *source, symbols []symbol) ([]constant, error) {
	raw, err := rawNames(filepath.Join(dir, "cgo", "const.go"))
	if err != nil {
		return nil, err
	}
	// The stub has the same constants as numbers; a test of package cgo
	// compares both with the header.
	stub, err := stubPackage(filepath.Join(dir, "cgo", "const_stub.go"))
	if err != nil {
		return nil, err
	}
	typed := s.typedConstants()
	users := s.users()
	var list []constant
	for _, row := range rows(constantList) {
		c := constant{name: row[0], value: row[1], group: row[2]}
		c.raw = raw[c.name]
		c.because = because(c.name)
		if o, ok := stub.Lookup(c.raw).(*types.Const); ok {
			c.same = sameNumber(o, c.value)
		}
		c.typed = typed[c.raw]
		for _, user := range users[c.raw] {
			if user == "" {
				c.used = true
			} else if !slices.Contains(c.users, user) {
				c.users = append(c.users, user)
			}
		}
		whole := regexp.MustCompile(`\b` + c.name + `\b`)
		for _, sym := range symbols {
			if whole.MatchString(sym.text()) && !slices.Contains(c.typed, sym.name) {
				c.named = append(c.named, sym.name)
			}
		}
		for _, sym := range symbols {
			if strings.HasPrefix(sym.name, "SQE.Prep") && slices.Contains(c.users, sym.name) {
				c.trips = append(c.trips, sym.trips...)
			}
		}
		slices.Sort(c.trips)
		c.trips = slices.Compact(c.trips)
		list = append(list, c)
	}
	return list, nil
}

// isOpcode reports whether the constant is an opcode of requests.
func (c constant) isOpcode() bool { return c.group == "opcodes" && c.name != "IORING_OP_LAST" }

func sameNumber(o *types.Const, literal string) bool {
	tv, err := types.Eval(token.NewFileSet(), nil, token.NoPos, literal)
	return err == nil && o.Val().ExactString() == tv.Value.ExactString()
}

// rawNames returns what the constants of C are called in package cgo.
func rawNames(file string) (map[string]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for i, name := range spec.Names {
				if c, ok := spec.Values[i].(*ast.SelectorExpr); ok {
					names[c.Sel.Name] = name.Name
				}
			}
		}
		return true
	})
	return names, nil
}

// stubPackage type-checks the file, which needs no other.
func stubPackage(file string) (*types.Scope, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, 0)
	if err != nil {
		return nil, err
	}
	pkg, err := new(types.Config).Check("cgo", fset, []*ast.File{f}, nil)
	if err != nil {
		return nil, err
	}
	return pkg.Scope(), nil
}

// typedConstants returns the exported symbols that are set to constants of
// package cgo.
func (s *source) typedConstants() map[string][]string {
	typed := map[string][]string{}
	for _, f := range s.files {
		for _, decl := range f.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				spec, ok := spec.(*ast.ValueSpec)
				if !ok {
					continue
				}
				for i, v := range spec.Values {
					if raw := s.rawConstant(v); raw != "" && spec.Names[i].IsExported() {
						typed[raw] = append(typed[raw], spec.Names[i].Name)
					}
				}
			}
		}
	}
	return typed
}

// users returns the exported functions and methods that use constants of
// package cgo, and "" for other code.
func (s *source) users() map[string][]string {
	names := objects(s.pkg)
	users := map[string][]string{}
	for _, f := range s.files {
		for _, decl := range f.Decls {
			user := ""
			if f, ok := decl.(*ast.FuncDecl); ok {
				user = names[s.info.Defs[f.Name]]
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				if e, ok := n.(ast.Expr); ok {
					raw := s.rawConstant(e)
					users[raw] = append(users[raw], user)
				}
				return true
			})
		}
	}
	return users
}

// rawConstant returns X if an expression is cgo.X, a constant.
func (s *source) rawConstant(e ast.Expr) string {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if o, ok := s.info.Uses[sel.Sel].(*types.Const); ok && o.Pkg().Path() == module+"/cgo" {
		return o.Name()
	}
	return ""
}
