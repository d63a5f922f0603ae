// Package index finds events: it maps a stream and a version to the place of the record in the segments of one shard, and a type and tags to the
// offsets of the events that have them.
//
// It is a cache of the log and nothing else. What the log says in the newest frames lies in a [Tail] in RAM; now and then a tail is
// frozen and applied as one sorted run to the [DB], a Pebble database that takes in each run as a table of its own. [Heads] keeps the versions of the
// streams that are in use in a bounded amount of RAM.
//
//	err := tail.Add(entry)                 // for each record of a valid frame
//	version := tail.Head(partition, stream)
//	offset, found, err := tail.Find(query) // an event of some types with some tags from an offset on
//	tail.Freeze()                          // add to a new tail from here on
//	err = db.Apply(tail, producers, mark)  // then drop the tail: the database answers for it
//
// # Ordering
//
// Entries of one stream are added in the order of their versions. Runs are applied in the order of the log, each with the
// [Watermark] up to which it completes the index. The entries of one write of a stream stay within one tail.
//
// # Types and tags
//
// An event without tags costs one number for its type and partition in each run. A tag adds a row for the event: its key holds tag, type and offset, so that
// a query of one tag is one look for each type, and one of several tags goes as fast as its rarest tag allows. A query that would look at too many events
// is ErrBroad: what it costs is bounded, because the sequencer waits for it.
//
// # Durability
//
// A run is on disk when Apply returns, and of one that a crash interrupts, of the process or of the power, all is there or nothing. So what survives
// is a prefix of the runs: [DB.Watermark] says which, and the caller replays the log from there. A segment must be durable up to the watermark before
// the run is applied: a pointer never outlives what it points to.
//
// # Concurrency
//
// A [Tail] has one writer and any number of readers. A [DB] has one caller of Apply and any number of readers; Close and
// the lookups may be called by anyone. [Heads] belongs to one goroutine. A reader takes hold of the tails before it asks the DB:
// then a run that moves from RAM to disk in between is seen twice, never missed. In a function passed to a lookup of the DB no method
// of the DB may be called.
//
// # Failure
//
// An index that meets damage, or cannot write, is unfit from then on: every call returns the error that made it so. Damage is ErrDamaged,
// from Open or any later call: the caller closes the DB, drops the directory with [Drop] and rebuilds from the log. Errors of the machine, as a
// full disk, are not damage: at the first change that fails the directory is left as it is, and can be opened again when there is room.
// ErrInUse means that the directory belongs to another DB: never drop that.
//
// A change of the key or value layout needs a new layout name (layout.go): then an older directory is refused as damaged, and rebuilt.
package index
