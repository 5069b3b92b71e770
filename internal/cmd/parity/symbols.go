package main

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A symbol is something exported, and what is said and known about it.
type symbol struct {
	name   string // such as Ring.Submit
	doc    string
	covers []string // the names in its directives
	since  string   // the kernel that has it, from doc
	tested string
	trips  []string // tests that use it on the kernel
}

// text is all that names what the symbol covers.
func (s symbol) text() string { return s.doc + "\n" + strings.Join(s.covers, "\n") }

// symbols lists the package's exported symbols.
func (s *source) symbols() ([]symbol, error) {
	docs, err := s.docs()
	if err != nil {
		return nil, err
	}
	tested, trips, covers := s.tested(), s.trips(), s.directives()
	names := objects(s.pkg)
	list := []symbol{{name: "package", doc: docs["package"]}}
	for o, name := range names {
		text, ok := docs[name]
		if !ok {
			continue
		}
		list = append(list, symbol{name: name, doc: text, covers: covers[o], since: sinceKernel(text), tested: tested[o], trips: trips[o]})
	}
	slices.SortFunc(list, func(a, b symbol) int { return compareNames(a.name, b.name) })
	return list, nil
}

// docs returns the doc comments of everything exported.
func (s *source) docs() (map[string]string, error) {
	// go/doc changes the trees that it is given.
	fset := token.NewFileSet()
	var files []*ast.File
	for _, f := range s.files {
		name := s.fset.Position(f.Pos()).Filename
		f, err := parser.ParseFile(fset, filepath.Clean(name), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	pkg, err := doc.NewFromFiles(fset, files, module)
	if err != nil {
		return nil, err
	}
	d := docs{"package": pkg.Doc}
	d.values(pkg.Consts, "")
	d.values(pkg.Vars, "")
	d.funcs(pkg.Funcs)
	for _, t := range pkg.Types {
		d.typ(t)
	}
	return d, nil
}

// directives returns what the directives in doc comments name. Texts of go/doc are
// without them.
func (s *source) directives() map[types.Object][]string {
	covers := map[types.Object][]string{}
	note := func(name *ast.Ident, groups ...*ast.CommentGroup) {
		for _, g := range groups {
			if g == nil {
				continue
			}
			for _, c := range g.List {
				if names, ok := strings.CutPrefix(c.Text, "//uring:covers "); ok {
					o := s.info.Defs[name]
					covers[o] = append(covers[o], strings.Fields(names)...)
				}
			}
		}
	}
	for _, f := range s.files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				note(n.Name, n.Doc)
			case *ast.GenDecl:
				for i, spec := range n.Specs {
					group := n.Doc
					if i > 0 {
						group = nil // it is the first one's
					}
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						note(spec.Name, group, spec.Doc)
					case *ast.ValueSpec:
						note(spec.Names[0], group, spec.Doc)
					}
				}
			case *ast.Field:
				for _, name := range n.Names {
					note(name, n.Doc)
				}
			}
			return true
		})
	}
	return covers
}

// docs maps symbols to their doc comments.
type docs map[string]string

func (d docs) typ(t *doc.Type) {
	d[t.Name] = t.Doc
	d.values(t.Consts, t.Name)
	d.values(t.Vars, t.Name)
	d.funcs(t.Funcs)
	for _, m := range t.Methods {
		d[t.Name+"."+m.Name] = m.Doc
	}
	for _, spec := range t.Decl.Specs {
		spec := spec.(*ast.TypeSpec)
		if fields, ok := spec.Type.(*ast.StructType); ok {
			d.fields(spec.Name.Name, fields)
		}
	}
}

func (d docs) fields(owner string, fields *ast.StructType) {
	for _, f := range fields.Fields.List {
		for _, name := range f.Names {
			d[owner+"."+name.Name] = f.Doc.Text() + f.Comment.Text()
		}
	}
}

func (d docs) funcs(funcs []*doc.Func) {
	for _, f := range funcs {
		d[f.Name] = f.Doc
	}
}

// values takes groups of constants or variables. What the comment of a group
// names, their type covers, or the first of them.
func (d docs) values(groups []*doc.Value, typ string) {
	for _, g := range groups {
		for _, spec := range g.Decl.Specs {
			spec := spec.(*ast.ValueSpec)
			for _, name := range spec.Names {
				d[name.Name] = spec.Doc.Text() + spec.Comment.Text()
			}
		}
		owner := typ
		if owner == "" || !g.Decl.Lparen.IsValid() {
			owner = g.Names[0]
		}
		d[owner] += "\n" + g.Doc
	}
}

// objects names the exported symbols of a package.
func objects(pkg *types.Package) map[types.Object]string {
	names := map[types.Object]string{}
	for _, name := range pkg.Scope().Names() {
		o := pkg.Scope().Lookup(name)
		if !o.Exported() {
			continue
		}
		names[o] = name
		named, ok := o.Type().(*types.Named)
		if _, isType := o.(*types.TypeName); !ok || !isType {
			continue
		}
		for m := range named.Methods() {
			if !m.Exported() {
				continue
			}
			names[m] = name + "." + m.Name()
		}
		if fields, ok := named.Underlying().(*types.Struct); ok {
			for f := range fields.Fields() {
				names[f] = name + "." + f.Name()
			}
		}
	}
	return names
}

// compareNames sorts functions and types before what belongs to them.
func compareNames(a, b string) int {
	return slices.Compare(strings.Split(a, "."), strings.Split(b, "."))
}

var word = regexp.MustCompile(`(struct |\.)?\b([A-Za-z_][A-Za-z0-9_]*)\b(\(\d\))?`)

// claimed returns what of liburing a doc comment names: the known names, and
// those that look like one.
func claimed(text string, known map[string]bool) []string {
	var names []string
	for _, m := range word.FindAllStringSubmatch(text, -1) {
		before, name, section := m[1], m[2], m[3]
		looksLike := strings.HasPrefix(strings.TrimPrefix(name, "__"), "io_uring_")
		if before != "" || !known[name] && !looksLike || section != "" && section != "(3)" {
			continue
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

var linux = regexp.MustCompile(`Linux\s(\d+\.\d+)[.,;:)]`)

// sinceKernel returns the first kernel that a doc comment names as the one that
// has the thing, or "".
func sinceKernel(text string) string {
	if m := linux.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

var link = regexp.MustCompile(`(^|[^\w\])])\[\*?([A-Z]\w*(\.\w+)*)\]`)

// deadLinks returns what of the package a doc comment links to that is not there.
func deadLinks(text string, there map[string]bool) []string {
	var dead []string
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if !there[m[2]] {
			dead = append(dead, m[2])
		}
	}
	return dead
}
