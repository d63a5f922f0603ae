package broker_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/brokerd/broker"
)

// TestVerify: a sound directory is found sound and is not changed, damage anywhere in it is found, and a running node is left alone.
func TestVerify(t *testing.T) {
	from := fillNode(t, 60)
	before := contents(t, filepath.Join(from.dir, "log"))
	report, err := broker.VerifyDir(t.Context(), from.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.Damage || len(report.Topics) != 2 {
		t.Fatalf("a sound directory: %+v", report)
	}
	p := report.Topics[1].Partitions[0]
	if p.End != 60 || p.Records != 60 || p.Cached != 60 || p.Bytes == 0 {
		t.Errorf("the topic: %+v", p)
	}
	if diff := cmp.Diff(before, contents(t, filepath.Join(from.dir, "log"))); diff != "" {
		t.Error("verifying has changed the log")
	}

	b := start(t, broker.Config{Dir: from.dir})
	if _, err := broker.VerifyDir(t.Context(), from.dir, nil); !errors.Is(err, broker.ErrLocked) {
		t.Errorf("verifying the directory of a running node: %v", err)
	}
	live, err := broker.VerifyLive(t.Context(), b.Client(), nil)
	if err != nil || live.Damage || live.Records != 60 {
		t.Errorf("a running node: %+v, %v", live, err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	met := 0
	for _, path := range files(t, from.dir) {
		if strings.HasSuffix(path, "acked") { // it says nothing when it is damaged
			continue
		}
		rel, err := filepath.Rel(from.dir, path)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range damages[:2] {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(dir, os.DirFS(from.dir)); err != nil {
				t.Fatal(err)
			}
			target := filepath.Join(dir, rel)
			data, err := os.ReadFile(target)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(target, d.do(data), 0o600); err != nil {
				t.Fatal(err)
			}
			report, err := broker.VerifyDir(t.Context(), dir, nil)
			found := err != nil || report.Damage
			if found {
				met++
			}
			// The engine guards the sums of its own records, and files that it can do without; all that is ours must be found.
			if inBlock := strings.HasSuffix(rel, ".blk"); d.name == "truncated tail" && inBlock && !found {
				t.Errorf("%s in %s was not found: %+v", d.name, rel, report)
			}
		}
	}
	t.Logf("%d damages were found", met)
	if met < 5 {
		t.Error("hardly anything was found")
	}
	if _, err := broker.VerifyDir(t.Context(), t.TempDir(), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty directory: %v", err)
	}
}

// contents are the files below a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, path := range files(t, dir) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = string(data)
	}
	return all
}
