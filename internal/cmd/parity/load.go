package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const module = "github.com/uring-go/uring"

// A source is the root package, with its tests, parsed and type-checked.
type source struct {
	fset     *token.FileSet
	dir      string
	files    []*ast.File // without tests
	tests    []*ast.File // of both test packages
	pkg      *types.Package
	external *types.Package // the tests that import the package
	info     types.Info
}

// A listed is a package as go list describes it.
type listed struct {
	ImportPath string
	GoFiles    []string
	Export     string
	ForTest    string
}

// load reads the package in dir. Packages that it imports come from the
// compiler's export data.
func load(dir string) (*source, error) {
	export, inPackage, external, err := list(dir)
	if err != nil {
		return nil, err
	}
	s := &source{
		fset: token.NewFileSet(),
		dir:  dir,
		info: types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{},
			Types: map[ast.Expr]types.TypeAndValue{}},
	}
	imp := &importing{from: importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser, error) {
		if export[path] == "" {
			return nil, fmt.Errorf("no export data for %s", path)
		}
		return os.Open(export[path])
	})}
	if s.pkg, err = s.check(imp, module, inPackage); err != nil {
		return nil, err
	}
	if s.pkg.Scope().Lookup("prepCase") == nil {
		return nil, errors.New("the tests that need C are not there: set CGO_ENABLED=1, and install a C compiler")
	}
	imp.pkg = s.pkg
	if s.external, err = s.check(imp, module+"_test", external); err != nil {
		return nil, err
	}
	return s, nil
}

// list asks the go command for the files of the package with its tests, and
// for the export data of what they import.
func list(dir string) (export map[string]string, inPackage, external []string, err error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-test", "-json=ImportPath,GoFiles,Export,ForTest", ".")
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("go list in %s: %w", dir, err)
	}
	export = map[string]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			if inPackage == nil || external == nil {
				return nil, nil, nil, fmt.Errorf("%s does not hold package %s with its tests", dir, module)
			}
			return export, inPackage, external, nil
		case err != nil:
			return nil, nil, nil, err
		case p.ForTest == "":
			export[p.ImportPath] = p.Export
		case strings.HasPrefix(p.ImportPath, module+" "):
			inPackage = p.GoFiles
		case strings.HasPrefix(p.ImportPath, module+"_test "):
			external = p.GoFiles
		}
	}
}

func (s *source) check(imp types.Importer, path string, names []string) (*types.Package, error) {
	var files []*ast.File
	for _, name := range names {
		f, err := parser.ParseFile(s.fset, filepath.Join(s.dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
		if strings.HasSuffix(name, "_test.go") {
			s.tests = append(s.tests, f)
		} else {
			s.files = append(s.files, f)
		}
	}
	config := types.Config{Importer: imp}
	return config.Check(path, s.fset, files, &s.info)
}

// importing is an importer that knows one package already.
type importing struct {
	from types.Importer
	pkg  *types.Package
}

func (i *importing) Import(path string) (*types.Package, error) {
	if path == module && i.pkg != nil {
		return i.pkg, nil
	}
	return i.from.Import(path)
}
