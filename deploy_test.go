package strand_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDashboardsAndAlertsUseDocumentedMetrics keeps what is in deploy/ to the names that docs/metrics.md lists, which tests of their own compare
// with what is published.
func TestDashboardsAndAlertsUseDocumentedMetrics(t *testing.T) {
	documented := map[string]string{}
	text, err := os.ReadFile("docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) > 4 && strings.HasPrefix(cells[1], " `") {
			documented[strings.Trim(cells[2], " `")] = strings.TrimSpace(cells[3])
		}
	}
	for _, expression := range append(dashboard(t), alerts(t)...) {
		found := regexp.MustCompile(`\b(brokerd|messaging|eventstore|aggregate|projection)_[a-z_]+`).FindAllString(expression, -1)
		if len(found) == 0 && !strings.Contains(expression, "process_") && !strings.Contains(expression, "go_") {
			t.Errorf("nothing is measured by %s", expression)
		}
		for _, name := range found {
			histogram := strings.TrimSuffix(name, "_bucket")
			if documented[name] == "" && (histogram == name || documented[histogram] != "histogram") {
				t.Errorf("docs/metrics.md has no %s, which is used in %s", name, expression)
			}
		}
		if strings.Count(expression, "(") != strings.Count(expression, ")") || strings.Count(expression, "{") != strings.Count(expression, "}") {
			t.Errorf("brackets do not match in %s", expression)
		}
	}
}

func dashboard(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile("deploy/grafana/strand.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Type, Query string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	for _, v := range board.Templating.List {
		if v.Type == "query" {
			expressions = append(expressions, v.Query)
		}
	}
	if len(expressions) < 20 {
		t.Errorf("the dashboard has %d expressions", len(expressions))
	}
	return expressions
}

func alerts(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile("deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`(?m)^ +expr: (.+)$`).FindAllStringSubmatch(string(text), -1) {
		expressions = append(expressions, found[1])
	}
	if names := strings.Count(string(text), "- alert: "); names != len(expressions) {
		t.Errorf("%d alerts have %d expressions", names, len(expressions))
	}
	return expressions
}
