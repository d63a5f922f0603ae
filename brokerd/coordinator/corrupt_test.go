package coordinator

import (
	"testing"
	"testing/synctest"

	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// TestCorruptPartitionIsDescribed has whoever asks about the groups of a partition that cannot be understood be told so.
func TestCorruptPartitionIsDescribed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{}
		var b recordbatch.Builder
		b.Reset(0, 0, 0)
		b.Append(recordbatch.Entry{Key: []byte("{billing}/nonsense"), Value: []byte("x")})
		log.batches, log.next = [][]byte{b.AppendTo(nil)}, 1
		c := start(t, Config{Log: log})
		if r := ask(t, c, "billing", wire.GroupRequest{Describe: true}); r.Code != wire.Corrupt || r.Detail == "" {
			t.Errorf("described as %v %q", r.Code, r.Detail)
		}
		if r := ask(t, c, "billing", wire.GroupRequest{List: true}); r.Code != wire.Corrupt || r.Detail == "" {
			t.Errorf("listed as %v %q", r.Code, r.Detail)
		}
	})
}
