package eventstore_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/strandlog/strand/eventstore"
)

type Registered struct{ Name string }

// Tags say what queries find the event by.
func (e Registered) Tags() []string { return []string{"name:" + e.Name} }

// A user name is taken once, although every user has a stream of their own: the registration is stored unless the name is in the log.
func ExampleUnless() {
	user := eventstore.Category{Name: "user", Events: map[string]any{"registered": Registered{}}}
	ctx := context.Background()
	store, err := eventstore.Open(ctx, eventstore.NewMemory(), eventstore.Config{}, user)
	if err != nil {
		fmt.Println(err)
		return
	}
	register := func(id, name string) error {
		taken := eventstore.Query{Types: []string{"user.registered"}, Tags: []string{"name:" + name}}
		_, err := store.AppendAll(ctx,
			eventstore.Write{Stream: user.Stream(id), Expected: eventstore.NoStream, Events: []any{Registered{name}}},
			eventstore.Unless(taken, eventstore.Cursor{}), // in all of the log
		)
		return err
	}
	fmt.Println(register("u-1", "alice"))
	fmt.Println(register("u-2", "bob"))
	if err := register("u-3", "alice"); errors.Is(err, eventstore.ErrConditionFailed) {
		fmt.Println("the name is taken")
	}
	// Output:
	// <nil>
	// <nil>
	// the name is taken
}

type Defined struct{ Places int }

type Subscribed struct{ Course, Student string }

func (e Subscribed) Tags() []string { return []string{"course:" + e.Course, "student:" + e.Student} }

// A course has so many places, and a student takes so many courses. The rule is about events of many streams, and none of them holds all that it is about.
func ExampleStore_Query() {
	course := eventstore.Category{Name: "course", Events: map[string]any{"defined": Defined{}, "subscribed": Subscribed{}}}
	ctx := context.Background()
	store, err := eventstore.Open(ctx, eventstore.NewMemory(), eventstore.Config{}, course)
	if err != nil {
		fmt.Println(err)
		return
	}
	errFull, errBusy := errors.New("the course is full"), errors.New("the student has two courses")

	subscribe := func(id, student string) error {
		ofCourse, ofStudent := eventstore.Query{Tags: []string{"course:" + id}}, eventstore.Query{Tags: []string{"student:" + student}}
		var readCourse, readStudent eventstore.Cursor
		places, courses := 0, 0
		for {
			// Read what the decision is about; at the next turn only what is new.
			for e, err := range store.Query(ctx, ofCourse, &readCourse) {
				switch data := e.Data.(type) {
				case Defined:
					places += data.Places
				case Subscribed:
					places--
				}
				if err != nil {
					return err
				}
			}
			for _, err := range store.Query(ctx, ofStudent, &readStudent) {
				if courses++; err != nil {
					return err
				}
			}
			// Decide.
			switch {
			case places <= 0:
				return errFull
			case courses >= 2:
				return errBusy
			}
			// Append, unless somebody was faster.
			_, err := store.AppendAll(ctx,
				eventstore.Write{Stream: course.Stream(id), Expected: eventstore.Any, Events: []any{Subscribed{id, student}}},
				eventstore.Unless(ofCourse, readCourse),
				eventstore.Unless(ofStudent, readStudent),
			)
			if !errors.Is(err, eventstore.ErrConditionFailed) {
				return err
			}
		}
	}

	for id, places := range map[string]int{"go": 1, "sql": 9, "art": 9} {
		_, err := store.AppendAll(ctx, eventstore.Write{
			Stream: course.Stream(id), Events: []any{Defined{places}}, Metadata: eventstore.Metadata{Tags: []string{"course:" + id}},
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("alice, go:", subscribe("go", "alice"))
	fmt.Println("bob, go:", subscribe("go", "bob"))
	fmt.Println("alice, sql:", subscribe("sql", "alice"))
	fmt.Println("alice, art:", subscribe("art", "alice"))
	// Output:
	// alice, go: <nil>
	// bob, go: the course is full
	// alice, sql: <nil>
	// alice, art: the student has two courses
}
