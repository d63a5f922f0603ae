package aggregates

import (
	"maps"
	"testing"
	"time"
)

type (
	plain struct {
		Name  string
		At    time.Time
		Grid  [8][8]int8
		Inner struct{ OK bool }
		None  [0]*int
	}
	withMap     struct{ Lines map[string]int }
	deepPointer struct{ Inner [2]struct{ Next *int } }

	selfCloning struct{ Lines map[string]int }
	byPointer   struct{ Lines map[string]int }
	misleading  struct{ selfCloning } // its promoted Clone makes another type
)

func (s selfCloning) Clone() selfCloning { return selfCloning{maps.Clone(s.Lines)} }
func (s *byPointer) Clone() byPointer    { return byPointer{maps.Clone(s.Lines)} }

func TestCloner(t *testing.T) {
	for name, tt := range map[string]struct {
		clones, want bool
	}{
		"a struct of values":         {cloner[plain](nil) != nil, true},
		"a number":                   {cloner[int](nil) != nil, true},
		"a map":                      {cloner[withMap](nil) != nil, false},
		"a pointer deep inside":      {cloner[deepPointer](nil) != nil, false},
		"an interface":               {cloner[struct{ X any }](nil) != nil, false},
		"a slice":                    {cloner[[]int](nil) != nil, false},
		"a pointer":                  {cloner[*plain](nil) != nil, false},
		"a function":                 {cloner[struct{ F func() }](nil) != nil, false},
		"a map with a method Clone":  {cloner[selfCloning](nil) != nil, true},
		"a Clone of another type":    {cloner[misleading](nil) != nil, false},
		"a map with a function":      {cloner(func(s withMap) withMap { return withMap{maps.Clone(s.Lines)} }) != nil, true},
		"a Clone of a pointer to it": {cloner[byPointer](nil) != nil, true},
	} {
		if tt.clones != tt.want {
			t.Errorf("%s: cloned %v, want %v", name, tt.clones, tt.want)
		}
	}
}

func TestCloneSharesNothing(t *testing.T) {
	original := selfCloning{map[string]int{"a": 1}}
	cloner[selfCloning](nil)(original).Lines["a"] = 2
	pointed := byPointer{map[string]int{"a": 1}}
	cloner[byPointer](nil)(pointed).Lines["a"] = 2
	if original.Lines["a"] != 1 || pointed.Lines["a"] != 1 {
		t.Errorf("writing to a clone changed its original: %v, %v", original, pointed)
	}
}
