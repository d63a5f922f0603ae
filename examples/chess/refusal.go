package main

import "fmt"

// RefusalError says why a game is not imported. It concerns this game alone: the import goes on with the next one.
type RefusalError struct{ Reason string }

func (e *RefusalError) Error() string { return e.Reason }

func refuse(format string, args ...any) error { return &RefusalError{fmt.Sprintf(format, args...)} }
