package segment

import "fmt"

// Place is where bytes lie in a log. It stays true while the log is not cut below it.
type Place struct {
	File int64 // base offset of the file
	Pos  int64 // bytes from the file's beginning
}

func (p Place) String() string { return fmt.Sprintf("%d:%d", p.File, p.Pos) }
