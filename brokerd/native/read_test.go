package native

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// answerWith lets a server answer a read, which asks for room by fn, and to nobody.
func answerWith(s *Server, bulk bool, fn func(room room) error) (err error) {
	s.answer(&nats.Msg{}, reader{bulk: bulk, answer: func(_ []byte, room room, _ *memory) []byte {
		err = fn(room)
		return nil
	}})
	return err
}

// TestAskingAgainGivesBack: reads that need more than they were given do not wait for one another, and leave nothing taken.
func TestAskingAgainGivesBack(t *testing.T) {
	s := NewServer(t.Context(), Config{ReadBytesMax: readBytesMin})
	defer s.Close()
	for _, bulk := range []bool{false, true} {
		for range 3 {
			if err := answerWith(s, bulk, func(room room) error {
				limited, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				return errors.Join(room(limited, readBytesMin/readCopies), room(limited, readBytesMin/readCopies-1), room(limited, readBytesMin/readCopies))
			}); err != nil {
				t.Errorf("bulk %t: %v", bulk, err)
			}
		}
	}
	if !s.room.TryAcquire(readBytesMin) {
		t.Error("room is missing")
	}
	if len(s.turns.clients) > 0 {
		t.Error("a turn is missing")
	}
}

// TestMoreThanThereIs: a read that takes more than all of them may has it for itself, and is not refused.
func TestMoreThanThereIs(t *testing.T) {
	s := NewServer(t.Context(), Config{ReadBytesMax: readBytesMin})
	defer s.Close()
	if err := answerWith(s, false, func(room room) error {
		limited, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := room(limited, 10*readBytesMin); err != nil {
			return err
		}
		if s.room.TryAcquire(1) {
			t.Error("there is room beside it")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
