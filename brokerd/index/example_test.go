package index_test

import (
	"fmt"
	"os"

	"github.com/strandlog/strand/brokerd/index"
	"github.com/strandlog/strand/brokerd/segment"
)

func Example() {
	dir, err := os.MkdirTemp("", "index")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	db, err := index.Open(dir, index.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()

	tail := index.NewTail()
	for version := range int64(3) {
		err := tail.Add(index.Entry{
			Partition: 3, Stream: "account-alice", Version: version + 1, CommandID: "open",
			Pointer: index.Pointer{Offset: 1207 + version, Place: segment.Place{File: 1000, Pos: 96 * version}, Len: 96},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("tail:", tail.Head(3, "account-alice"))

	if err := db.Apply(tail, nil, index.Watermark{Seq: 1}); err != nil {
		fmt.Println(err)
		return
	}
	err = db.Stream(3, "account-alice", 2, func(version int64, p index.Pointer) bool {
		fmt.Println("version", version, "is at", p.Place)
		return true
	})
	if err != nil {
		fmt.Println(err)
	}
	first, count, _, err := db.Command(3, "account-alice", "open")
	fmt.Println("command:", first, count, err)

	// Output:
	// tail: 3
	// version 2 is at 1000:96
	// version 3 is at 1000:192
	// command: 1 3 <nil>
}
