package broker

import (
	"context"
	"slices"
	"time"

	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/brokerd/shard"
)

const (
	countEvery    = 500 * time.Millisecond // the shards that this node leads
	balanceEvery  = 5 * time.Second
	balanceSettle = 10 * time.Second // after a change, before the next: others have to hear of it
)

// balance hands shards over while another node leads at least two fewer: one at a time, so that two nodes that do so at once do not go back and forth
// for ever.
func (b *Broker) balance(ctx context.Context) {
	count, move := time.NewTicker(countEvery), time.NewTicker(balanceEvery)
	defer count.Stop()
	defer move.Stop()
	var notBefore time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-count.C:
			led := b.shards.leading()
			b.shards.members.leads.Store(int32(len(led)))
			for _, k := range led {
				if k.minInSync > 1 { // so that shortOf knows
					b.shards.members.replicasOf(ctx, k.stream)
				}
			}
		case now := <-move.C:
			if now.Before(notBefore) || stage(b.stage.Load()) != serving {
				continue
			}
			if b.handOne(ctx) {
				notBefore = time.Now().Add(balanceSettle)
			}
		}
	}
}

// handOne hands one shard over, and says whether it did.
func (b *Broker) handOne(ctx context.Context) bool {
	m := b.shards.members
	led := b.shards.leading()
	to, leads := m.idlest()
	if to == "" || len(led)-leads < 2 {
		return false
	}
	for _, k := range led {
		fit := slices.ContainsFunc(m.replicasOf(ctx, k.stream), func(r engine.Replica) bool { return r.Node == to && r.InSync })
		if !fit {
			continue
		}
		err := k.current().HandOver(ctx, func(ctx context.Context) error {
			_, err := b.engine.HandOn(ctx, k.stream, to)
			return err
		})
		if err != nil {
			b.cfg.Logger.Warn("a shard could not be handed over", "topic", k.topic, "shard", k.number, "node", to, "error", err)
			return false
		}
		b.cfg.Logger.Info("a shard was handed over, for balance", "topic", k.topic, "shard", k.number, "node", to)
		return true
	}
	return false
}

// leading are the shards that this node leads.
func (s *shards) leading() []*keeper {
	return slices.DeleteFunc(s.all(), func(k *keeper) bool { return k.current().Status().Phase != shard.Serving })
}
