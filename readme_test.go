package strand_test

import (
	"os"
	"strings"
	"testing"
)

// TestReadmeShowsTheQuickstart keeps the README's code to what compiles and runs.
func TestReadmeShowsTheQuickstart(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("examples/quickstart/main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(readme), "```go\n")
	shown, _, _ = strings.Cut(shown, "```")
	_, behindImports, _ := strings.Cut(string(source), "\n)\n\n")
	if shown == "" || shown != behindImports {
		t.Error("the README's first Go block is not what stands in examples/quickstart/main.go behind the imports: copy it there")
	}
}
