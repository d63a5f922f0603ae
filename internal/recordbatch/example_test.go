package recordbatch_test

import (
	"fmt"

	"github.com/strandlog/strand/internal/recordbatch"
)

func Example() {
	var b recordbatch.Builder
	b.Reset(1207, 1_700_000_000_000, 3)
	for i, amount := range []string{`{"amount":100}`, `{"amount":30}`} {
		b.Append(recordbatch.Entry{
			Timestamp:   1_700_000_000_000 + int64(i),
			Key:         []byte("account-alice"),
			Value:       []byte(amount),
			HeaderCount: 1,
			Headers:     recordbatch.AppendHeader(nil, "type", []byte("account.deposited")),
		})
	}

	batch, _, err := recordbatch.Parse(b.AppendTo(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	for r, err := range batch.Records() {
		if err != nil {
			fmt.Println(err)
			return
		}
		typ, _ := r.Headers.Get("type")
		fmt.Printf("%d %d %s %s %s\n", r.Offset, r.Timestamp, r.Key, typ, r.Value)
	}
	// Output:
	// 1207 1700000000000 account-alice account.deposited {"amount":100}
	// 1208 1700000000001 account-alice account.deposited {"amount":30}
}
