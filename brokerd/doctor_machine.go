package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
)

// clockMax is how far clocks may be apart.
const clockMax = time.Second

// clockTimeout is how long a record is waited for that tells the time.
const clockTimeout = 3 * time.Second

// examineClocks looks at the newest record of a partition of each node: it can be no younger than now. A clock that is behind is not found.
func (d *doctor) examineClocks(ctx context.Context, topics []commitlog.Topic) {
	seen, wrong := map[string]bool{}, false
	for _, t := range topics {
		for i, p := range t.Partitions {
			if t.ProducerTime || seen[p.Leader] || p.State != commitlog.Serving || p.End <= p.Start {
				continue
			}
			seen[p.Leader] = true
			ahead, err := d.ahead(ctx, t, int32(i))
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, commitlog.ErrUnavailable), errors.Is(err, context.DeadlineExceeded): // which topics and groups have told
				return
			case err != nil:
				wrong = true
				d.add(finding{levelError, "topic", t.Name, fmt.Sprintf("the newest record of partition %d cannot be read: %s", i, plain(err)), "brokerd verify finds all damage; docs/operating/damage.md says what to do"})
			case ahead > clockMax:
				wrong = true
				d.add(finding{levelWarning, "clock", p.Leader, fmt.Sprintf("it is ahead of this machine's, by %s or more", shownSpan(ahead)), "let both follow NTP: records have the times of the node that stores them"})
			}
		}
	}
	if !wrong && len(seen) > 0 {
		d.add(finding{Level: levelOK, Thing: "clocks", Text: "no node's is ahead of this machine's"})
	}
}

// ahead is how far in the future the newest record of a partition was stored.
func (d *doctor) ahead(ctx context.Context, t commitlog.Topic, partition int32) (ahead time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, clockTimeout)
	defer cancel()
	end := t.Partitions[partition].End
	for r, err := range d.client.Records(ctx, t, partition, commitlog.Range{From: end - 1, To: end}) {
		if err != nil {
			return 0, err
		}
		ahead = time.Until(r.Time)
	}
	return ahead, nil
}

// roomFactor is how many times the room with which a node refuses appends should be free.
const roomFactor = 4

// examineVolumes looks at those of a data directory: the log and its caches may have one each.
func examineVolumes(dir string) (found []finding) {
	for _, part := range []string{"log", "shards"} {
		if _, err := os.Stat(filepath.Join(dir, part)); err == nil {
			found = append(found, examineRoom(filepath.Join(dir, part)))
		}
	}
	if len(found) == 0 {
		return []finding{examineRoom(dir)}
	}
	return found
}

// examineRoom looks at the volume of a directory.
func examineRoom(dir string) finding {
	free, freeMin, err := broker.Room(dir, 0)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return finding{Level: levelOK, Thing: "disk", Name: dir, Text: "how much room there is cannot be told on this system"}
	case err != nil:
		return finding{levelError, "disk", dir, plain(err), "name the node's data directory: data_dir in its configuration file"}
	}
	f := finding{Level: levelOK, Thing: "disk", Name: dir, Text: fmt.Sprintf("%d MiB are free; with less than %d MiB a node refuses appends, unless free_bytes_min says otherwise", free>>20, freeMin>>20)}
	switch remedy := "make room: brokerd topics delete, brokerd topics alter, or a larger volume; docs/operating/damage.md"; {
	case free < freeMin:
		f.Level, f.Remedy = levelError, remedy
	case free < roomFactor*freeMin:
		f.Level, f.Remedy = levelWarning, remedy
	}
	return f
}

// filesMin is how many files and connections a node of some size has open.
const filesMin = 10_000

// examineFiles looks at the limit of this process, which is that of a node that is started as this command was.
func examineFiles() finding {
	limit, ok := openFilesMax()
	f := finding{Level: levelOK, Thing: "files", Text: fmt.Sprintf("a process that is started like this command may have %d open", limit)}
	switch {
	case !ok:
		f.Text = "how many a process may have open cannot be told on this system"
	case limit < filesMin:
		f.Level, f.Remedy = levelWarning, fmt.Sprintf("allow %d and more: ulimit -n, or LimitNOFILE of systemd", filesMin)
	}
	return f
}
