package broker

import (
	"github.com/strandlog/strand/brokerd/shard"
	"github.com/strandlog/strand/internal/wire"
)

// WrapLog puts something between the sequencers of a topic and the engine.
func WrapLog(cfg *Config, wrap func(topic string, log shard.Log) shard.Log) { cfg.wrapLog = wrap }

// Window has shards publish so many frames before the first is acknowledged.
func Window(cfg *Config, frames int) { cfg.window = frames }

// SequencerError is an answer of the catalogue's sequencer.
func SequencerError(code wire.Code) error { return &sequencerError{code: code} }

// CodeOfChange is what a client is told when a change of a topic fails.
func CodeOfChange(err error) wire.Code { return catalogue{}.Code(err) }
