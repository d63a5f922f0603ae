package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Problem is why a node is not ready.
type Problem struct {
	What string `json:"what"` // the part of the node
	Why  string `json:"why"`
}

// problemsMax bounds what an answer names.
const problemsMax = 20

func livez(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, "the process lives\n")
}

// readiness is the answer of /readyz as JSON.
type readiness struct {
	Ready    bool      `json:"ready"`
	Problems []Problem `json:"problems"` // at most problemsMax
	More     int       `json:"more,omitempty"`
}

func readyz(problems func() []Problem) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer := readiness{Problems: []Problem{}}
		if problems != nil {
			answer.Problems = append(answer.Problems, problems()...)
		}
		status := http.StatusServiceUnavailable
		if answer.Ready = len(answer.Problems) == 0; answer.Ready {
			status = http.StatusOK
		}
		if answer.More = len(answer.Problems) - problemsMax; answer.More > 0 {
			answer.Problems = answer.Problems[:problemsMax]
		} else {
			answer.More = 0
		}
		if r.URL.Query().Get("format") == "json" || r.Header.Get("Accept") == "application/json" {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(answer) // who asked is gone
			return
		}
		plain(w, status, answer.text())
	}
}

func (a *readiness) text() string {
	if a.Ready {
		return "ready\n"
	}
	var b strings.Builder
	b.WriteString("not ready\n")
	for _, p := range a.Problems {
		fmt.Fprintf(&b, "%s: %s\n", p.What, p.Why)
	}
	if a.More > 0 {
		fmt.Fprintf(&b, "and %d more\n", a.More)
	}
	return b.String()
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // who asked is gone
}
