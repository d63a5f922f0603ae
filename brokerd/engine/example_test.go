package engine_test

import (
	"context"
	"fmt"
	"os"

	"github.com/strandlog/strand/brokerd/engine"
)

func Example() {
	ctx := context.Background()
	if err := publishAndRead(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// stored as 1
	// engine refused the message: wrong last sequence: 1 (code 10071)
	// read 1: frame
}

func publishAndRead(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	e, err := engine.Start(ctx, engine.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer e.Close(ctx)
	if err := e.CreateStream(ctx, engine.Stream{Name: "log-0", Versioned: true}); err != nil {
		return err
	}

	nc, err := e.LogConn()
	if err != nil {
		return err
	}
	defer nc.Close()
	inbox := nc.NewInbox()
	acks, err := nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	publisher := engine.NewPublisher(nc, "log-0")
	for range 2 { // the second time, the log no longer is empty
		if err := publisher.Publish(0, []byte("frame"), inbox); err != nil {
			return err
		}
		msg, err := acks.NextMsgWithContext(ctx)
		if err != nil {
			return err
		}
		ack, err := engine.ParseAck(msg.Data)
		if err != nil {
			return err
		}
		if ack.Err != nil {
			fmt.Println(ack.Err)
			continue
		}
		fmt.Println("stored as", ack.Seq)
	}

	for m, err := range e.Read(ctx, "log-0", 1, 1) {
		if err != nil {
			return err
		}
		fmt.Printf("read %d: %s\n", m.Seq, m.Data)
	}
	return nil
}
