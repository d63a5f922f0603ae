// Package strand_test keeps the tree in the shape that docs/architecture.md draws.
//
// It holds one sentence for each package, the floors that a package may stand on, and the owners of each third-party module.
// A package, an edge or a module that is not written here fails, and so does a line here that the tree does not bear out.
package strand_test

import (
	"go/ast"
	"maps"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/strandlog/strand"

// floor is a set of packages that may import those of the floors in on, and never each other.
type floor struct {
	name     string
	on       []string
	packages map[string]string // folder → what it is for, in one sentence
}

// floors is the whole tree, from the ground up. Imports point down only, and no library stands on a floor of the daemon.
var floors = []floor{
	{
		name: "ground",
		packages: map[string]string{
			"internal/eventid":     "Draws the ids of events.",
			"internal/partitioner": "Says which partition a stream belongs to.",
			"internal/recordbatch": "Encodes, checks and decodes the record batches that are stored and sent.",
		},
	},
	{
		name: "protocol",
		on:   []string{"ground"},
		packages: map[string]string{
			"internal/wire": "Is what clients and brokerd say to each other: requests, replies, subjects and limits.",
		},
	},

	// What users link.
	{
		name: "log",
		on:   []string{"protocol", "ground"},
		packages: map[string]string{
			"commitlog": "Is the log as its clients see it: topics of partitions, conditional append, reading from an offset.",
		},
	},
	{
		name: "streams",
		on:   []string{"log", "protocol", "ground"},
		packages: map[string]string{
			"eventstore": "Keeps typed events in streams on the log, and reads one stream or all.",
		},
	},
	{
		name: "sides",
		on:   []string{"streams", "log", "ground"},
		packages: map[string]string{
			"aggregates":  "Is the write side: loads an aggregate from its stream, lets it decide, and appends.",
			"projections": "Is the read side: turns events into read models, whose checkpoints commit with them.",
		},
	},
	{
		name: "suites",
		on:   []string{"sides", "streams", "log", "ground"},
		packages: map[string]string{
			"eventstore/eventstoretest":   "Is the law for logs, for the tests of those who write one.",
			"aggregates/scenario":         "Lets a test say what was given, what is asked, and what must follow.",
			"projections/projectionstest": "Is what every sink must do, for the tests of those who write one.",
		},
	},

	{
		name: "schema",
		packages: map[string]string{
			"migrations": "Makes the schema of a PostgreSQL database in which projections keep their checkpoints.",
		},
	},
	{
		name: "connectors",
		on:   []string{"schema", "sides", "streams", "log", "protocol"},
		packages: map[string]string{
			"connectors/table":    "Keeps read models in table topics: rows and checkpoints in one append.",
			"connectors/postgres": "Keeps read models in PostgreSQL: effects and checkpoints in one transaction.",
		},
	},
	{
		name: "trials",
		packages: map[string]string{
			"internal/pgtest": "Gives tests a PostgreSQL of their own.",
		},
	},

	{
		name: "observers",
		on:   []string{"sides", "streams", "log"},
		packages: map[string]string{
			"telemetry": "Makes OpenTelemetry metrics and traces of what libraries tell their observers.",
		},
	},

	// What brokerd runs.
	{
		name: "storage",
		on:   []string{"ground"},
		packages: map[string]string{
			"brokerd/engine":  "Runs the embedded NATS server that stores the log, and keeps its words to itself.",
			"brokerd/segment": "Keeps the record batches of one partition in flat files.",
		},
	},
	{
		name: "lookup",
		on:   []string{"storage", "ground"},
		packages: map[string]string{
			"brokerd/index": "Finds a stream's events, head and command ids in the segments, and events by type and tags.",
		},
	},
	{
		name: "sequencing",
		on:   []string{"lookup", "storage", "protocol", "ground"},
		packages: map[string]string{
			"brokerd/groups": "Coordinates consumer groups: members, the partitions that each has, and committed offsets.",
			"brokerd/shard":  "Is the sequencer of a shard: decides what belongs to the log, checks versions and gives out offsets.",
			"brokerd/topics": "Is the catalogue: which topics there are, and in which state.",
		},
	},
	{
		name: "faces",
		on:   []string{"sequencing", "protocol", "ground"},
		packages: map[string]string{
			"brokerd/coordinator": "Runs consumer groups beside the sequencers of the groups topic.",
			"brokerd/admin":       "Shows over HTTP whether a node lives and is ready, what it measures, and profiles.",
			"brokerd/native":      "Is the server half of the native protocol: takes requests to shards and catalogue.",
		},
	},
	{
		name: "node",
		on:   []string{"faces", "sequencing", "storage", "log", "protocol", "ground"},
		packages: map[string]string{
			"brokerd/broker": "Assembles a node, for the daemon and for programs that embed it.",
		},
	},

	{
		name: "rehearsal",
		on:   []string{"node", "log"},
		packages: map[string]string{
			"brokerd/brokertest": "Runs clusters for tests, whose nodes can be killed, restarted and cut off from each other.",
		},
	},
	{
		name: "measuring",
		on:   []string{"node"},
		packages: map[string]string{
			"brokerd/metrics": "Publishes what a node measures of itself, for Prometheus and by OTLP.",
		},
	},

	{
		name: "settings",
		packages: map[string]string{
			"brokerd/config": "Reads the daemon's configuration file, and says where it is wrong.",
		},
	},
	{
		name: "command",
		on:   []string{"measuring", "node", "settings", "connectors", "schema", "sides", "streams", "log"}, // the operator's commands are clients
		packages: map[string]string{
			"brokerd": "Is the daemon's command line, and the operator's: runs a node, or as a client of one shows and changes what it holds.",
		},
	},

	// What shows how both are used.
	{
		name: "examples",
		on:   []string{"connectors", "schema", "node", "sides", "streams", "log"},
		packages: map[string]string{
			"examples/chess":      "Imports chess games, one aggregate each, checks every move, and counts results, players and openings.",
			"examples/orders":     "Keeps orders, and a read model of them in PostgreSQL that two worker processes make.",
			"examples/quickstart": "Is the main job in one file: aggregate, commands, embedded broker, projection, replay.",
		},
	},

	// What measures both, beside other systems.
	{
		name: "measures",
		packages: map[string]string{
			"bench/process":  "Runs the parts of a benchmark that must be processes of their own.",
			"bench/workload": "Is what every system under measurement is asked to do.",
		},
	},
	{
		name: "bench",
		on:   []string{"measures", "trials", "connectors", "schema", "node", "sides", "streams", "log"},
		packages: map[string]string{
			"bench": "Measures Strand and its peers side by side, and prints a table.",
		},
	},
}

// everywhere, as an owner, stands for every package; in tests, for every package's tests.
const everywhere = "*"

// module is a third-party module that we chose: who may import it, and what for.
type module struct {
	owners []string // packages that import it
	tests  []string // packages whose tests may import it besides those of its owners
	why    string
}

// modules has an entry for every module that our code imports. The default answer to a new one is no: see docs/adr/0001-dependencies.md.
var modules = map[string]module{
	"github.com/cockroachdb/pebble/v2": {
		owners: []string{"brokerd/index"},
		why:    "holds the index, sorted, on disk",
	},
	"github.com/corentings/chess/v2": {
		owners: []string{"examples/chess"},
		why:    "the rules of chess",
	},
	"github.com/gofrs/flock": {
		owners: []string{"brokerd/broker"},
		why:    "one node at a time in a directory",
	},
	"github.com/google/go-cmp": {
		owners: []string{"aggregates/scenario"},
		tests:  []string{everywhere},
		why:    "shows how two values differ",
	},
	"github.com/google/uuid": {
		owners: []string{everywhere},
		why:    "UUIDv7 event ids, and the ids of topics and logs",
	},
	"github.com/jackc/pgx/v5": {
		owners: []string{"connectors/postgres", "migrations", "internal/pgtest", "brokerd", "bench", "examples/orders"},
		why:    "PostgreSQL",
	},
	"github.com/pressly/goose/v3": {
		owners: []string{"migrations"},
		why:    "does migrations once and in order, whoever else tries",
	},
	"github.com/klauspost/compress": {
		owners: []string{"internal/recordbatch"},
		why:    "batches compressed with zstd and snappy",
	},
	"github.com/nats-io/nats-server/v2": {
		owners: []string{"brokerd/engine"},
		why:    "the engine",
	},
	"github.com/nats-io/nats.go": {
		owners: []string{"commitlog", "brokerd/engine", "brokerd/native", "brokerd/broker"},
		tests:  []string{"brokerd/brokertest"},
		why:    "the connection between clients and brokerd, and between the sequencer and the engine",
	},
	"github.com/pierrec/lz4/v4": {
		owners: []string{"internal/recordbatch"},
		why:    "batches compressed with lz4",
	},
	"github.com/rogpeppe/go-internal": {
		tests: []string{"brokerd"},
		why:   "runs scripts of commands that read like a manual",
	},
	"github.com/spf13/cobra": {
		owners: []string{"brokerd"},
		why:    "commands, flags, help and shell completion",
	},
	"github.com/schollz/progressbar/v3": {
		owners: []string{"examples/chess", "brokerd"},
		why:    "shows how far an import, or a projection, has come",
	},
	"github.com/twmb/franz-go/pkg/kmsg": {
		tests: []string{"internal/recordbatch"},
		why:   "a second opinion on the format of record batches",
	},
	"github.com/zeebo/xxh3": {
		owners: []string{"brokerd/shard"},
		why:    "the checksum of a frame",
	},
	"go.yaml.in/yaml/v3": {
		owners: []string{"brokerd/config"},
		why:    "reads the configuration file, with the line of every value",
	},
	"go.uber.org/goleak": {
		tests: []string{everywhere},
		why:   "finds goroutines that outlive a test",
	},
	"github.com/prometheus/client_golang": {
		owners: []string{"brokerd/metrics"},
		why:    "answers scrapes, and measures the Go runtime and the process",
	},
	"go.opentelemetry.io/otel": {
		owners: []string{"telemetry", "brokerd/metrics"},
		why:    "the interface of metrics and traces, and how a trace is written into headers",
	},
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp": {
		owners: []string{"brokerd/metrics"},
		why:    "metrics by OTLP",
	},
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp": {
		owners: []string{"brokerd/metrics"},
		why:    "traces by OTLP",
	},
	"go.opentelemetry.io/otel/exporters/prometheus": {
		owners: []string{"brokerd/metrics"},
		why:    "metrics in the format of Prometheus",
	},
	"go.opentelemetry.io/otel/metric": {
		owners: []string{"telemetry", "brokerd/metrics"},
		why:    "the interface of metrics",
	},
	"go.opentelemetry.io/otel/sdk": {
		owners: []string{"brokerd/metrics"},
		tests:  []string{"telemetry"},
		why:    "makes spans, and in tests keeps those that are to be looked at",
	},
	"go.opentelemetry.io/otel/sdk/metric": {
		owners: []string{"brokerd/metrics"},
		tests:  []string{"telemetry"},
		why:    "adds up measurements, and in tests keeps those that are to be looked at",
	},
	"go.opentelemetry.io/otel/trace": {
		owners: []string{"telemetry", "brokerd/metrics", "brokerd"},
		why:    "the interface of traces",
	},
	"golang.org/x/sync": {
		owners: []string{"bench", "commitlog", "connectors/table", "brokerd/native", "examples/chess"},
		why:    "bounds what waits to be sent, by weight, and what is read or imported at once",
	},
	"golang.org/x/sys": {
		owners: []string{"brokerd/engine", "bench"},
		why:    "how much room a volume has, and writing out what the page cache holds",
	},
	"pgregory.net/rapid": {
		tests: []string{everywhere},
		why:   "properties checked with generated input",
	},
}

// barred is what must never be linked into a user's program by way of a library, however indirectly.
var barred = map[string]string{
	"github.com/nats-io/nats-server/v2": "the process boundary is a folder: only the daemon carries the engine",
	"github.com/cockroachdb/pebble/v2":  "the index belongs to the daemon",
	"go.opentelemetry.io/otel/sdk":      "where metrics and traces go is the program's choice",
}

func TestEveryPackageHasItsSentence(t *testing.T) {
	tree := readTree(t)
	purposes := map[string]string{}
	for _, floor := range floors {
		for folder, purpose := range floor.packages {
			if _, twice := purposes[folder]; twice {
				t.Errorf("%s stands on two floors", folder)
			}
			if !strings.HasSuffix(purpose, ".") || strings.Contains(strings.TrimSuffix(purpose, "."), ". ") {
				t.Errorf("the purpose of %s is not one sentence: %q", folder, purpose)
			}
			purposes[folder] = purpose
		}
	}
	for folder := range tree {
		if _, ok := purposes[folder]; !ok {
			t.Errorf("%s is unknown: say what it is for, in one sentence, on its floor in architecture_test.go", folder)
		}
	}
	for folder := range purposes {
		if _, ok := tree[folder]; !ok {
			t.Errorf("%s is listed in architecture_test.go and holds no package", folder)
		}
	}
}

func TestImportsPointDown(t *testing.T) {
	standsOn := map[string]floor{}
	seen := map[string]bool{}
	for _, floor := range floors {
		for _, below := range floor.on {
			if !seen[below] {
				t.Errorf("floor %q stands on %q, which is not below it", floor.name, below)
			}
		}
		seen[floor.name] = true
		for folder := range floor.packages {
			standsOn[folder] = floor
		}
	}
	for folder, pkg := range readTree(t) {
		from := standsOn[folder]
		for _, imported := range ours(pkg.imports) {
			to := standsOn[imported]
			if !slices.Contains(from.on, to.name) {
				t.Errorf("%s (floor %q) imports %s (floor %q), and may import %q only", folder, from.name, imported, to.name, from.on)
			}
		}
		// A test may look up and sideways, since it is linked into nothing. Into the daemon it has the doors that users have.
		for _, imported := range ours(pkg.testImports) {
			if inDaemon(imported) && !inDaemon(folder) && !slices.Contains([]string{"brokerd/broker", "brokerd/brokertest"}, imported) {
				t.Errorf("the tests of %s import %s: the doors into the daemon are brokerd/broker and brokerd/brokertest", folder, imported)
			}
		}
	}
}

func TestModulesAreImportedByTheirOwners(t *testing.T) {
	required := requiredModules(t)
	importers, testers := map[string][]string{}, map[string][]string{}
	for folder, pkg := range readTree(t) {
		for _, imported := range thirdParty(pkg.imports, required) {
			importers[imported] = append(importers[imported], folder)
		}
		for _, imported := range thirdParty(pkg.testImports, required) {
			testers[imported] = append(testers[imported], folder)
		}
	}
	for name, folders := range importers {
		for _, folder := range folders {
			if owners := modules[name].owners; !slices.Contains(owners, folder) && !slices.Contains(owners, everywhere) {
				t.Errorf("%s imports %s, whose owners are %q", folder, name, owners)
			}
		}
	}
	for name, folders := range testers {
		for _, folder := range folders {
			if may := slices.Concat(modules[name].owners, modules[name].tests); !slices.Contains(may, folder) && !slices.Contains(may, everywhere) {
				t.Errorf("the tests of %s import %s, which only those of %q may", folder, name, may)
			}
		}
	}
	for name, module := range modules {
		if module.why == "" {
			t.Errorf("%s has no reason", name)
		}
		for _, owner := range module.owners {
			if owner != everywhere && !slices.Contains(importers[name], owner) {
				t.Errorf("%s is listed as an owner of %s and does not import it", owner, name)
			}
		}
		for _, tester := range module.tests {
			if tester != everywhere && !slices.Contains(testers[name], tester) {
				t.Errorf("the tests of %s are listed for %s and do not import it", tester, name)
			}
		}
		if len(importers[name])+len(testers[name]) == 0 {
			t.Errorf("%s is listed and nothing imports it", name)
		}
	}
}

// TestLibrariesLinkNoDaemon asks the go command, because what a library links also depends on what its modules import.
func TestLibrariesLinkNoDaemon(t *testing.T) {
	var libraries []string
	for folder, pkg := range readTree(t) {
		if pkg.name != "main" && !inDaemon(folder) {
			libraries = append(libraries, "./"+folder)
		}
	}
	slices.Sort(libraries)
	command := exec.CommandContext(t.Context(), "go", append([]string{"list", "-f", "{{.ImportPath}}{{range .Deps}} {{.}}{{end}}"}, libraries...)...)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	for line := range strings.Lines(string(out)) {
		library, dependencies, _ := strings.Cut(strings.TrimSpace(line), " ")
		for dependency := range strings.FieldsSeq(dependencies) {
			if name, found := owning(dependency, maps.Keys(barred)); found {
				t.Errorf("%s depends on %s: %s", library, dependency, barred[name])
			}
			if folder, found := strings.CutPrefix(dependency, modulePath+"/"); found && inDaemon(folder) {
				t.Errorf("%s depends on %s: no library may stand on the daemon", library, dependency)
			}
		}
	}
}

func TestPackagesAreDocumented(t *testing.T) {
	for folder, pkg := range readTree(t) {
		var documented []string
		for name, file := range pkg.files {
			if file.Doc != nil {
				documented = append(documented, name)
				checkPackageDoc(t, path.Join(folder, name), file)
			}
		}
		slices.Sort(documented)
		if len(documented) != 1 {
			t.Errorf("%s has its package comment in %q: it needs exactly one", folder, documented)
		}
	}
}

func checkPackageDoc(t *testing.T, file string, parsed *ast.File) {
	t.Helper()
	opening := "Package " + parsed.Name.Name + " "
	if parsed.Name.Name == "main" {
		opening = "Command " + path.Base(path.Dir(file)) + " "
	}
	if !strings.HasPrefix(parsed.Doc.Text(), opening) {
		t.Errorf("%s: the package comment does not begin with %q", file, opening)
	}
}

func TestFilesAreNamedAfterNouns(t *testing.T) {
	nameless := []string{"common", "helper", "helpers", "misc", "types", "util", "utils"}
	for folder, pkg := range readTree(t) {
		for name := range pkg.files {
			if slices.Contains(nameless, strings.TrimSuffix(name, ".go")) {
				t.Errorf("%s: name it after the concept that it holds", path.Join(folder, name))
			}
		}
	}
}

func inDaemon(folder string) bool {
	return folder == "brokerd" || strings.HasPrefix(folder, "brokerd/")
}
