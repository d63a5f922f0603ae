package segment_test

import (
	"errors"
	"fmt"
	"os"

	"github.com/strandlog/strand/brokerd/segment"
	"github.com/strandlog/strand/internal/recordbatch"
)

// A crash loses what came after the watermark. The log is cut there and goes on.
func Example() {
	dir, err := os.MkdirTemp("", "segment")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	l, err := segment.Open(segment.Config{Dir: dir}, 0, segment.Place{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var batch recordbatch.Builder
	var watermark segment.Place
	for range 3 {
		watermark = l.End()
		batch.Reset(l.Next(), 0, 1)
		batch.Append(recordbatch.Entry{Key: []byte("account-alice")})
		batch.Append(recordbatch.Entry{Key: []byte("account-bob")})
		place, err := l.Append(batch.AppendTo(nil))
		fmt.Println("appended at", place, err)
	}
	if err := errors.Join(l.Sync(), l.Close()); err != nil {
		fmt.Println(err)
	}

	l, err = segment.Open(segment.Config{Dir: dir}, 4, watermark)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	bytes, err := l.Read(3, 1<<20)
	info, _ := recordbatch.Peek(bytes)
	fmt.Println("next", l.Next(), "- the batch of offset 3 begins at", info.BaseOffset, err)
	// Output:
	// appended at 0:0 <nil>
	// appended at 0:99 <nil>
	// appended at 0:198 <nil>
	// next 4 - the batch of offset 3 begins at 2 <nil>
}
