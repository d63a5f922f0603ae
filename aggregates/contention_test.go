package aggregates_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/eventstore"
)

const writers = 32

// repositories is either one that all writers share, or one for each, as in as many processes.
func repositories(store *eventstore.Store, each bool) []*aggregates.Repository[Account] {
	all := make([]*aggregates.Repository[Account], writers)
	for i := range all {
		if each || i == 0 {
			all[i] = aggregates.NewRepository(store, AccountType)
		} else {
			all[i] = all[0]
		}
	}
	return all
}

func TestAllWritersOfOneAggregateSucceed(t *testing.T) {
	for name, each := range map[string]bool{"in one repository": false, "with a repository each": true} {
		t.Run(name, func(t *testing.T) {
			log := newFaultyLog()
			_, store := open(t, log, AccountType)
			const rounds = 5
			var all sync.WaitGroup
			got := log.counted(func() {
				for _, accounts := range repositories(store, each) {
					all.Go(func() {
						for range rounds {
							if _, err := accounts.Handle(t.Context(), "alice", Deposit{1}); err != nil {
								t.Error(err)
							}
						}
					})
				}
				all.Wait()
			})
			root := load(t, aggregates.NewRepository(store, AccountType), "alice")
			if root.Version != writers*rounds || root.State.Balance != writers*rounds {
				t.Errorf("version %d, balance %d, want %d", root.Version, root.State.Balance, writers*rounds)
			}
			if want := (calls{Appends: writers * rounds, Reads: 1}); !each && got != want {
				t.Errorf("calls = %+v, want %+v: those who queue do not conflict", got, want)
			}
		})
	}
}

func TestKeysDoNotWaitForEachOther(t *testing.T) {
	accounts, _ := open(t, eventstore.NewMemory(), AccountType)
	inside, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := accounts.Handle(t.Context(), "alice", DecideFunc(func(Account) ([]Event, error) {
			close(inside)
			<-release
			return nil, nil
		})); err != nil {
			t.Error(err)
		}
	})
	<-inside
	if diff := cmp.Diff(int64(1), handle(t, accounts, "bob", Deposit{1}).Version); diff != "" {
		t.Error(diff)
	}
	load(t, accounts, "alice") // nor does a Load
	close(release)
	all.Wait()
}

// A Decide that panics must not leave its key locked: a server goes on after it has recovered.
func TestAPanickingDecideLeavesTheQueue(t *testing.T) {
	accounts, _ := open(t, eventstore.NewMemory(), AccountType)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, err := accounts.Handle(t.Context(), "alice", DecideFunc(func(Account) ([]Event, error) { panic("a bug") }))
		t.Errorf("Handle returned %v", err)
	}()
	handle(t, accounts, "alice", Deposit{1})
}

// BenchmarkContention has 32 writers deposit to one account on a log that syncs a file for every commit: what queueing saves.
func BenchmarkContention(b *testing.B) {
	for name, each := range map[string]bool{"queued": false, "racing": true} {
		b.Run(name, func(b *testing.B) {
			log := newFaultyLog()
			file, err := os.Create(filepath.Join(b.TempDir(), "commits"))
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close()
			log.commit = func() {
				if _, err := file.WriteAt([]byte{1}, 0); err != nil {
					b.Error(err)
				}
				if err := file.Sync(); err != nil {
					b.Error(err)
				}
			}
			_, store := open(b, log, AccountType)
			next := make(chan struct{})
			var all sync.WaitGroup
			got := log.counted(func() {
				for _, accounts := range repositories(store, each) {
					all.Go(func() {
						for range next {
							if _, err := accounts.Handle(b.Context(), "alice", Deposit{1}); err != nil {
								b.Error(err)
							}
						}
					})
				}
				for b.Loop() {
					next <- struct{}{}
				}
				close(next)
				all.Wait()
			})
			b.ReportMetric(float64(got.Appends)/float64(b.N), "appends/op")
			b.ReportMetric(float64(got.Reads)/float64(b.N), "reads/op")
		})
	}
}
