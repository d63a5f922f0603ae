package broker

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/brokerd/shard"
	"github.com/strandlog/strand/brokerd/topics"
)

// restoring is a file that stands in a data directory until its restore is complete.
const restoring = "RESTORING"

// checkRestored refuses a directory whose restore was cut off.
func checkRestored(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, restoring)); err == nil {
		return fmt.Errorf("%s holds a backup that was not restored to its end: remove the directory and restore again", dir)
	}
	return nil
}

// OpenBackup reads the manifest of a backup and compares every file with it. Error: ErrBackupDamaged.
func OpenBackup(dir string) (BackupManifest, error) {
	var m BackupManifest
	data, err := os.ReadFile(filepath.Join(dir, backupManifest))
	if err != nil {
		return m, fmt.Errorf("%s is no backup, or one that was not finished: %w", dir, err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("%w: %s: %w", ErrBackupDamaged, backupManifest, err)
	}
	if m.Format != backupFormat {
		return m, fmt.Errorf("the backup has format %d, this brokerd knows %d: use the one that took it", m.Format, backupFormat)
	}
	if sum, err := m.sum(); err != nil || sum != m.SHA256 {
		return m, fmt.Errorf("%w: %s is not as it was written: %w", ErrBackupDamaged, backupManifest, cmp.Or(err, errSum))
	}
	for _, t := range m.Topics {
		if len(t.Shard) != t.Shards || t.Shards < 1 {
			return m, fmt.Errorf("%w: topic %q has %d shards, %d are there", ErrBackupDamaged, t.Name, t.Shards, len(t.Shard))
		}
		for _, s := range t.Shard {
			if filepath.Base(s.File) != s.File {
				return m, fmt.Errorf("%w: it names the file %q", ErrBackupDamaged, s.File)
			}
			sum, err := sumOf(filepath.Join(dir, s.File))
			if err != nil {
				return m, fmt.Errorf("%w: %w", ErrBackupDamaged, err)
			}
			if sum != s.SHA256 {
				return m, fmt.Errorf("%w: the checksum of %s is %s, the manifest says %s", ErrBackupDamaged, s.File, sum, s.SHA256)
			}
		}
	}
	return m, nil
}

var errSum = errors.New("its checksum does not match")

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it is only read
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Restore makes a data directory from a backup. cfg.Dir must be empty or new; nothing listens meanwhile. Topics keep their ids, records their
// offsets and versions. Each log has a new UUID: whoever kept a place in the old one learns that it is another (LOG_DIVERGED, ErrUnreachable), whatever
// is appended to it later. Error: ErrBackupDamaged, before anything is written.
func Restore(ctx context.Context, backup string, cfg Config, progress VerifyProgress) (BackupManifest, error) {
	m, err := OpenBackup(backup)
	if err != nil {
		return m, err
	}
	if err := emptyDir(cfg.Dir); err != nil {
		return m, err
	}
	mark := filepath.Join(cfg.Dir, restoring)
	if err := writeDurably(mark, nil); err != nil {
		return m, err
	}
	cfg.Listen = ""
	cfg.restore = func(ctx context.Context, b *Broker) error {
		for _, t := range m.Topics {
			if err := b.restore(ctx, backup, t, progress); err != nil {
				return fmt.Errorf("restoring topic %q: %w", t.Name, err)
			}
		}
		return nil
	}
	b, err := Start(ctx, cfg)
	if err != nil {
		return m, err
	}
	if err := b.Close(ctx); err != nil {
		return m, err
	}
	return m, errors.Join(os.Remove(mark), syncDirectory(cfg.Dir))
}

func (b *Broker) restore(ctx context.Context, backup string, from BackupTopic, progress VerifyProgress) error {
	t := topics.Topic{TopicSpec: from.TopicSpec, ID: from.ID, LogID: uuid.New(), Created: from.Created, State: topics.Creating}
	for i := range from.Shard {
		if err := b.engine.CreateStream(ctx, engineStream(t, i)); err != nil {
			return err
		}
		if err := b.restoreShard(ctx, filepath.Join(backup, from.Shard[i].File), from, t, i, progress); err != nil {
			return fmt.Errorf("shard %d: %w", i, err)
		}
	}
	if _, err := b.catalogue.Adopt(ctx, t); err != nil {
		return err
	}
	if progress != nil {
		progress(t.Name, -1, 0)
	}
	return nil
}

// restoreShard writes the frames of a file into the engine stream of a shard, one after the other.
func (b *Broker) restoreShard(ctx context.Context, path string, from BackupTopic, t topics.Topic, i int, progress VerifyProgress) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it is only read
	publish, err := b.newRestorePublisher(engineStream(t, i).Name)
	if err != nil {
		return err
	}
	defer publish.close()
	layout := shard.Layout{Shard: i, Shards: t.Shards, Partitions: t.Partitions}
	w, err := shard.NewWriter(t.LogID, layout, from.Shard[i].Epoch+1, func(seq uint64, data []byte) error { return publish.send(ctx, seq, data) })
	if err != nil {
		return err
	}
	if err := w.Begin(0); err != nil {
		return err
	}
	var frames, records, bytes int64
	var cut uint64
	in := bufio.NewReaderSize(f, 1<<20)
	for {
		data, err := readFrame(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrBackupDamaged, path, err)
		}
		frame, err := shard.DecodeFrame(data)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrBackupDamaged, path, err)
		}
		at, err := w.Append(frame)
		if err != nil {
			return fmt.Errorf("frame %d: %w", frames, err)
		}
		cut = max(cut, at)
		before := records / progressRecords
		for _, e := range frame.Entries {
			records += int64(e.Count)
		}
		frames++
		bytes += int64(len(data))
		if progress != nil && records/progressRecords > before {
			progress(t.Name, records, bytes)
		}
	}
	if frames != from.Shard[i].Frames || records != from.Shard[i].Records {
		return fmt.Errorf("%w: %s holds %d frames and %d records, the manifest says %d and %d", ErrBackupDamaged, path, frames, records, from.Shard[i].Frames, from.Shard[i].Records)
	}
	if cut > 0 {
		return b.engine.Purge(ctx, engineStream(t, i).Name, cut)
	}
	return nil
}

// readFrame reads one message of a backup's file; io.EOF at its end.
func readFrame(in io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(in, size[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n > backupMessageBytes {
		return nil, fmt.Errorf("a frame of %d bytes is impossible", n)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(in, data); err != nil {
		return nil, fmt.Errorf("a frame of %d bytes is cut off: %w", n, io.ErrUnexpectedEOF)
	}
	return data, nil
}

// restorePublisher stores messages one at a time: each is on disk before the next is sent.
type restorePublisher struct {
	publish, answers *nats.Conn
	publisher        *engine.Publisher
	sub              *nats.Subscription
	inbox            string
}

func (b *Broker) newRestorePublisher(stream string) (*restorePublisher, error) {
	publish, err := b.engine.LogConn()
	if err != nil {
		return nil, err
	}
	answers, err := b.engine.LogConn()
	if err != nil {
		publish.Close()
		return nil, err
	}
	p := &restorePublisher{publish: publish, answers: answers, publisher: engine.NewPublisher(publish, stream), inbox: nats.NewInbox()}
	if p.sub, err = answers.SubscribeSync(p.inbox); err == nil {
		err = answers.Flush()
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *restorePublisher) send(ctx context.Context, seq uint64, data []byte) error {
	if err := p.publisher.Publish(seq-1, data, p.inbox); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, backupRequestMax)
	defer cancel()
	msg, err := p.sub.NextMsgWithContext(limited)
	if err != nil {
		return fmt.Errorf("storing frame %d: %w", seq, err)
	}
	ack, err := engine.ParseAck(msg.Data)
	switch {
	case err != nil:
		return err
	case ack.Err != nil:
		return ack.Err
	case ack.Seq != seq:
		return fmt.Errorf("frame %d was stored as %d", seq, ack.Seq)
	}
	return nil
}

func (p *restorePublisher) close() {
	p.publish.Close()
	p.answers.Close()
}
