package broker

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/brokerd/shard"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
)

const (
	backupFormat       = 2
	backupManifest     = "backup.json"
	backupRequestMax   = 10 * time.Second // for one answer
	backupPatience     = time.Minute      // for a shard that does not serve
	backupAnswerBytes  = 2 << 20
	backupMessageBytes = wire.PayloadBytesMax
)

// ErrBackupDamaged means that a backup is not what was written.
var ErrBackupDamaged = errors.New("the backup is damaged")

// BackupManifest says what a backup holds. It is written last: a directory without it is no backup.
type BackupManifest struct {
	Format int           `json:"format"`
	Taken  time.Time     `json:"taken"`
	Topics []BackupTopic `json:"topics"`
	SHA256 string        `json:"sha256"` // of the manifest without this
}

func (m BackupManifest) encode() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the manifest: %w", err)
	}
	return append(data, '\n'), nil
}

// sum is the checksum of the manifest itself.
func (m BackupManifest) sum() (string, error) {
	m.SHA256 = ""
	data, err := m.encode()
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), err
}

// BackupTopic is one topic of a backup.
type BackupTopic struct {
	wire.TopicSpec
	ID      uuid.UUID     `json:"id"`
	LogID   uuid.UUID     `json:"logId"`
	Created time.Time     `json:"created"`
	Shard   []BackupShard `json:"shard"`
}

// BackupShard is the log of one shard up to the moment at which its backup began.
type BackupShard struct {
	File    string  `json:"file"`
	SHA256  string  `json:"sha256"`
	Bytes   int64   `json:"bytes"`
	Frames  int64   `json:"frames"`
	Records int64   `json:"records"`
	Epoch   uint64  `json:"epoch"`
	LastSeq uint64  `json:"lastSeq"`    // in the log that it was taken of
	Sum     uint64  `json:"sum,string"` // of the last frame
	Start   []int64 `json:"start"`      // by slot
	Next    []int64 `json:"next"`
}

// Backup writes everything that the node at the other end of nc holds into a directory that must be empty or new. The node serves on. Each shard is
// taken as it is when its turn begins: a prefix of its log in which no append is torn, whose chain of frames was checked on the way.
func Backup(ctx context.Context, nc *nats.Conn, dir string, progress VerifyProgress) (BackupManifest, error) {
	m := BackupManifest{Format: backupFormat, Taken: time.Now().UTC()}
	if err := emptyDir(dir); err != nil {
		return m, err
	}
	list, err := describeTopics(ctx, nc)
	if err != nil {
		return m, err
	}
	// What groups have committed is taken before what they read: after a restore they go on no further than the records go.
	slices.SortStableFunc(list, func(a, b wire.TopicInfo) int { return rank(a) - rank(b) })
	for _, info := range list {
		t := BackupTopic{TopicSpec: info.TopicSpec, ID: info.ID, LogID: info.LogID, Created: info.Created}
		for i := range info.Shards {
			b := shardBackup{nc: nc, topic: info, number: i, dir: dir, progress: progress}
			taken, err := b.take(ctx)
			if err != nil {
				return m, fmt.Errorf("backing up shard %d of topic %q: %w", i, info.Name, err)
			}
			t.Shard = append(t.Shard, taken)
		}
		m.Topics = append(m.Topics, t)
		if progress != nil {
			progress(info.Name, -1, 0)
		}
	}
	if m.SHA256, err = m.sum(); err != nil {
		return m, err
	}
	data, err := m.encode()
	if err != nil {
		return m, err
	}
	return m, writeDurably(filepath.Join(dir, backupManifest), data)
}

// rank orders topics as they are taken.
func rank(t wire.TopicInfo) int {
	if t.Name == wire.GroupsTopic {
		return 0
	}
	return 1
}

// Backup is [Backup] of this node.
func (b *Broker) Backup(ctx context.Context, dir string) (BackupManifest, error) {
	nc, err := b.engine.ClientConn()
	if err != nil {
		return BackupManifest{}, err
	}
	defer nc.Close()
	return Backup(ctx, nc, dir, nil)
}

// emptyDir creates a directory, or makes sure that nothing is in it.
func emptyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("creating %s: %w", dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty: name a directory that is, or that does not exist", dir)
	}
	return nil
}

func describeTopics(ctx context.Context, nc *nats.Conn) ([]wire.TopicInfo, error) {
	request, err := (&wire.TopicRequest{}).AppendTo(nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, backupRequestMax)
	defer cancel()
	reply, err := nc.RequestWithContext(ctx, wire.NodeSubject(wire.SubjectTopicList, nc.ConnectedServerId()), request)
	if err != nil {
		return nil, fmt.Errorf("asking for the topics: %w", err)
	}
	var r wire.TopicResponse
	if err := r.Decode(reply.Data); err != nil {
		return nil, err
	}
	if r.Code != wire.OK {
		return nil, fmt.Errorf("asking for the topics: the node answered %s: %s", r.Code, r.Detail)
	}
	return r.Topics, nil
}

// shardBackup takes the log of one shard.
type shardBackup struct {
	nc       *nats.Conn
	topic    wire.TopicInfo
	number   int
	dir      string
	progress VerifyProgress

	session uint64
	reader  *shard.Reader
	out     *bufio.Writer
	sum     hash.Hash
	taken   BackupShard
}

func (b *shardBackup) take(ctx context.Context) (BackupShard, error) {
	b.taken.File = b.topic.ID.String() + "-" + strconv.Itoa(b.number) + ".frames"
	b.reader = shard.NewReader(b.topic.LogID, shard.Layout{Shard: b.number, Shards: b.topic.Shards, Partitions: b.topic.Partitions})
	f, err := os.OpenFile(filepath.Join(b.dir, b.taken.File), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return b.taken, err
	}
	b.sum = sha256.New()
	b.out = bufio.NewWriterSize(io.MultiWriter(f, b.sum), 1<<20)
	err = b.copy(ctx)
	if err = errors.Join(err, b.out.Flush(), f.Sync(), f.Close()); err != nil {
		return b.taken, err
	}
	state := b.reader.State()
	b.taken.SHA256 = hex.EncodeToString(b.sum.Sum(nil))
	b.taken.Epoch, b.taken.LastSeq, b.taken.Sum, b.taken.Start, b.taken.Next = state.Epoch, state.Seq, state.Sum, state.Starts, state.Next
	return b.taken, nil
}

func (b *shardBackup) copy(ctx context.Context) error {
	var last uint64 // of the first answer: what comes later is not of this backup
	for next := uint64(0); ; {
		r, err := b.ask(ctx, next)
		if err != nil {
			return err
		}
		switch {
		case next == 0:
			last = r.Last
		case r.First != next:
			return fmt.Errorf("the log was cut at engine sequence %d while it was read: begin again with an empty directory", r.First)
		}
		next = r.First
		for _, data := range r.Messages {
			if next > last {
				return nil
			}
			if err := b.message(next, data); err != nil {
				return err
			}
			next++
		}
		if next > last {
			return nil
		}
		if len(r.Messages) == 0 {
			return fmt.Errorf("the node answered nothing behind engine sequence %d of %d", next, last)
		}
	}
}

func (b *shardBackup) message(seq uint64, data []byte) error {
	f, valid, err := b.reader.Next(seq, data)
	if err != nil || !valid {
		return err
	}
	var size [4]byte
	binary.LittleEndian.PutUint32(size[:], uint32(len(data)))
	if _, err := b.out.Write(size[:]); err != nil {
		return err
	}
	if _, err := b.out.Write(data); err != nil {
		return err
	}
	before := b.taken.Records / progressRecords
	for _, e := range f.Entries {
		b.taken.Records += int64(e.Count)
	}
	b.taken.Frames++
	b.taken.Bytes += int64(len(size) + len(data))
	if b.progress != nil && b.taken.Records/progressRecords > before {
		b.progress(b.topic.Name, b.taken.Records, b.taken.Bytes)
	}
	return nil
}

// ask gets the next messages, from whatever session serves the shard.
func (b *shardBackup) ask(ctx context.Context, from uint64) (wire.FramesResponse, error) {
	limited, cancel := context.WithTimeout(ctx, backupPatience)
	defer cancel()
	request := wire.FramesRequest{From: from, MaxBytes: backupAnswerBytes}
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		r, err := b.once(limited, request.AppendTo(nil))
		if err == nil && r.Code == wire.OK {
			return r, nil
		}
		if err == nil {
			err = fmt.Errorf("the node answered %s: %s", r.Code, r.Detail)
		}
		if r.Code == wire.Corrupt || r.Code == wire.LogDiverged {
			return r, err
		}
		b.session = 0
		select {
		case <-time.After(pause):
		case <-limited.Done():
			return r, errors.Join(ctx.Err(), err)
		}
	}
}

func (b *shardBackup) once(ctx context.Context, request []byte) (r wire.FramesResponse, err error) {
	if b.session == 0 {
		list, err := describeTopics(ctx, b.nc)
		if err != nil {
			return r, err
		}
		for _, info := range list {
			if info.ID == b.topic.ID && b.number < len(info.Shard) {
				b.session = info.Shard[b.number].Session
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, backupRequestMax)
	defer cancel()
	reply, err := b.nc.RequestWithContext(ctx, wire.ShardSubject(wire.VerbFrames, b.topic.ID, b.number, b.session), request)
	if err != nil {
		return r, err
	}
	return r, r.Decode(reply.Data)
}

// BackupFrom is [Backup] of the node at a URL. The error is commitlog.ErrUnavailable when there is none.
func BackupFrom(ctx context.Context, url, dir string, progress VerifyProgress) (BackupManifest, error) {
	nc, err := nats.Connect(url, nats.Name("strand backup"), nats.Timeout(backupRequestMax))
	if err != nil {
		return BackupManifest{}, &commitlog.UnavailableError{URL: url, Doing: "connecting", Cause: err}
	}
	defer nc.Close()
	return Backup(ctx, nc, dir, progress)
}
