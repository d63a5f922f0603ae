package strand_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sourcePackage is what the architecture is judged by.
type sourcePackage struct {
	name        string
	files       map[string]*ast.File // without tests
	imports     []string             // without tests
	testImports []string
}

// readTree parses the packages of this module, by folder. It reads the files itself rather than ask the go command, for two reasons:
// it sees the files of every platform and build tag, and the go command notices when a file that a cached test result has read has changed.
func readTree(t *testing.T) map[string]*sourcePackage {
	t.Helper()
	tree := map[string]*sourcePackage{}
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return enter(file, entry)
		}
		folder := filepath.ToSlash(filepath.Dir(file))
		if folder == "." || filepath.Ext(file) != ".go" {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		if tree[folder] == nil {
			tree[folder] = &sourcePackage{files: map[string]*ast.File{}}
		}
		tree[folder].add(path.Base(filepath.ToSlash(file)), parsed)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// enter skips the folders that the go command skips as well.
func enter(folder string, entry fs.DirEntry) error {
	if folder == "." {
		return nil
	}
	if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil || entry.Name() == "testdata" || strings.ContainsAny(entry.Name()[:1], "._") {
		return fs.SkipDir
	}
	return nil
}

func (p *sourcePackage) add(name string, file *ast.File) {
	imports := &p.imports
	if strings.HasSuffix(name, "_test.go") {
		imports = &p.testImports
	} else {
		p.name = file.Name.Name
		p.files[name] = file
	}
	for _, spec := range file.Imports {
		// The parser has checked that the path is a string literal.
		imported, _ := strconv.Unquote(spec.Path.Value)
		if !slices.Contains(*imports, imported) {
			*imports = append(*imports, imported)
		}
	}
}

// ours are the folders of this module's packages among imports.
func ours(imports []string) []string {
	var folders []string
	for _, imported := range imports {
		if folder, ok := strings.CutPrefix(imported, modulePath+"/"); ok {
			folders = append(folders, folder)
		}
	}
	return folders
}

// thirdParty are the modules that imports come from, among those required by go.mod.
func thirdParty(imports, required []string) []string {
	var names []string
	for _, imported := range imports {
		if name, ok := owning(imported, slices.Values(required)); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// owning is the module that holds a package. Of two whose paths lie within each other it is the longer.
func owning(imported string, modules iter.Seq[string]) (string, bool) {
	longest := ""
	for name := range modules {
		if (imported == name || strings.HasPrefix(imported, name+"/")) && len(name) > len(longest) {
			longest = name
		}
	}
	return longest, longest != ""
}

// requiredModules are the module paths in go.mod's require lines.
func requiredModules(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) >= 2 && strings.HasPrefix(fields[1], "v") && strings.Contains(fields[0], ".") {
			names = append(names, fields[0])
		}
	}
	return names
}
