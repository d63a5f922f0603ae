package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/eventstore"
)

// gamesAtOnce bounds the games under way. Most of them wait for the disk, which takes what waits together.
const gamesAtOnce = 64

var errNotImported = errors.New("not everything was imported")

// Imported says what became of the games of all files.
type Imported struct {
	Games   int // in the files
	New     int
	Known   int // already imported
	Events  int // appended
	Refused []Refused
	Faults  []string // of whole files
	Elapsed time.Duration

	keys []string // by game, over all files; empty: refused
}

// Refused is a game that is not imported.
type Refused struct {
	Game         int // over all files, from 1
	File         string
	Number, Line int
	Err          error
}

func (r Refused) String() string {
	return fmt.Sprintf("%s: game %d (line %d): %v", r.File, r.Number, r.Line, r.Err)
}

// Err is an errNotImported unless every game of the files is in the log.
func (i *Imported) Err() error {
	if len(i.Refused)+len(i.Faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d games refused, %d other faults", errNotImported, len(i.Refused), len(i.Faults))
}

// Key is the aggregate of a game, by its number over all files.
func (i *Imported) Key(game int) (string, error) {
	if game < 1 || game > len(i.keys) {
		return "", fmt.Errorf("there is no game %d: the files hold %d", game, len(i.keys))
	}
	if key := i.keys[game-1]; key != "" {
		return key, nil
	}
	return "", fmt.Errorf("game %d was refused: there is nothing to replay", game)
}

// importer is an import under way.
type importer struct {
	games    *aggregates.Repository[Game]
	progress progress
	split    func(file string, r io.Reader) iter.Seq2[Text, error]

	mu   sync.Mutex // guards what follows
	done Imported
}

// importFiles imports every game that the files hold, many at once. Its error means that it could not go on.
func importFiles(ctx context.Context, games *aggregates.Repository[Game], files Files, p progress) (*Imported, error) {
	defer p.Close()
	im := &importer{games: games, progress: p, split: split}
	return im.files(ctx, files)
}

func (im *importer) files(ctx context.Context, files Files) (*Imported, error) {
	for _, file := range files {
		before := im.done.Games
		if err := im.file(ctx, file); err != nil {
			return nil, err
		}
		if im.done.Games == before {
			im.fault("%s holds no game", name(file))
		}
	}
	slices.SortFunc(im.done.Refused, func(a, b Refused) int { return cmp.Compare(a.Game, b.Game) })
	return &im.done, nil
}

func (im *importer) file(ctx context.Context, file fs.File) error {
	var tags eventTags
	var withEvent int
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(gamesAtOnce)
	for text, err := range im.split(name(file), io.TeeReader(file, &tags)) {
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		if groupCtx.Err() != nil {
			break
		}
		if text.Event {
			withEvent++
		}
		game := im.begin()
		group.Go(func() error { return im.game(groupCtx, game, text) })
	}
	if err := cmp.Or(group.Wait(), context.Cause(ctx)); err != nil {
		return fmt.Errorf("importing %s: %w", name(file), err)
	}
	if withEvent != tags.Count {
		im.fault("%s has %d Event tags, and %d games were found for them", name(file), tags.Count, withEvent)
	}
	return nil
}

// begin gives the next game its number over all files, from 1.
func (im *importer) begin() int {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.done.keys = append(im.done.keys, "")
	im.done.Games++
	return im.done.Games
}

// game imports one game. Its error concerns all games; what concerns this one alone is kept for the report.
func (im *importer) game(ctx context.Context, game int, text Text) error {
	root, key, err := im.handle(ctx, text)
	_, refused := errors.AsType[*RefusalError](err)
	if err != nil && !refused && !errors.Is(err, eventstore.ErrTooLarge) {
		return err
	}
	im.progress.Add(text.Bytes)

	im.mu.Lock()
	defer im.mu.Unlock()
	switch {
	case err != nil:
		im.done.Refused = append(im.done.Refused, Refused{game, text.File, text.Number, text.Line, err})
		return nil
	case len(root.Events) == 0:
		im.done.Known++
	default:
		im.done.New++
		im.done.Events += len(root.Events)
	}
	im.done.keys[game-1] = key
	return nil
}

func (im *importer) handle(ctx context.Context, text Text) (aggregates.Root[Game], string, error) {
	sheet, err := readSheet(text)
	if err != nil {
		return aggregates.Root[Game]{}, "", err
	}
	key := sheet.Key()
	root, err := im.games.Handle(ctx, key, Import{sheet})
	return root, key, err
}

func (im *importer) fault(format string, args ...any) {
	im.done.Faults = append(im.done.Faults, fmt.Sprintf(format, args...))
}
