package broker

import "github.com/strandlog/strand/brokerd/shard"

// WrapLog puts something between the sequencers of a topic and the engine.
func WrapLog(cfg *Config, wrap func(topic string, log shard.Log) shard.Log) { cfg.wrapLog = wrap }
