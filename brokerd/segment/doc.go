// Package segment keeps the records of one partition in flat files: whole RecordBatch v2s back to back, dense in offset.
//
//	l, err := segment.Open(segment.Config{Dir: dir}, mark.Next, mark.End) // what the index's watermark says
//	place, err := l.Append(batch)                                         // its base offset is l.Next()
//	batches, err := l.Read(offset, 1<<20)
//
// The files are a cache of the shard's log and nothing else: what was lost or cut is appended again from there, and damaged files are
// dropped. A file is named after the offset of its first record and followed by another once it is full.
//
// # Ordering
//
// Offsets have no holes: Append refuses a batch that does not begin at Next, and Read checks that each batch follows the one before.
//
// # Durability
//
// Append writes to the page cache. Everything that was appended before Sync began is on stable storage when Sync returns; Close does not
// sync. A place may be kept durably only after such a Sync, together with Next and End, which are what Open takes.
//
// # Concurrency
//
// One goroutine appends; any number read meanwhile and see whole batches only. Sync may run beside both. Reads in flight when Close is
// called finish; later calls return [ErrClosed].
//
// # Failure
//
// Bytes that are not what was appended are reported as [ErrCorrupt] and never skipped; only of a batch's leader epoch, which no checksum
// covers, this cannot be told. Files that end before the place given to Open are noticed there, and so is a last file whose batches do not
// lead to that offset. Start tells whether files are missing in front.
//
// After a failed write or sync the log takes no more appends: what the files hold is then unknown, and Open cuts it.
package segment
