# `make help` lists what there is to do.

SHELL := bash
FUZZTIME ?= 30s
SOAKTIME ?= 10m

.DEFAULT_GOAL := help
.PHONY: help setup test lint fuzz torture soak bench bench-full

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what the tests need beside Go, where that is missing and permitted
	@.ci/setup

test: setup ## Set up, vet, and run every test with the race detector
	go vet ./...
	go test -race -vet=off ./...

# The linter is built, not downloaded. Its modules are pinned in tools/go.mod, so that they stay out of ours.
lint: ## Check format, lint, and whether go.mod is tidy
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { printf 'run gofmt -w on:\n%s\n' "$$unformatted"; exit 1; }
	go -C tools build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	bin/golangci-lint run ./...
	go mod tidy -diff

# Full disks, failing syncs, lost power, kills and damage, as root, at their full size.
torture: setup ## Run the tests of faults at their full size
	STRAND_TORTURE=1 go test -count=1 -timeout 60m -v -run 'Damage|Leap|Stuck|Repair|FullDisk|FailedSyncs|PowerLoss|Kill|GivesUp|Flood|Deaf|Crashes|Refusals|Churn|Paused|Recreate|TopicsWhile' ./brokerd/broker ./brokerd/engine ./brokerd/brokertest ./brokerd ./connectors/postgres ./connectors/table

# With STRAND_SOAK_PROFILES=dir the node leaves a profile of its heap there with each sample, for go tool pprof -diff_base.
soak: ## Load a node with a bit of everything for SOAKTIME (10m), and watch that nothing it takes grows
	STRAND_SOAK=$(SOAKTIME) go test -count=1 -timeout 0 -v -run 'Soak' ./brokerd/broker

fuzz: ## Fuzz every decoder for FUZZTIME (30s) each
	@grep -rEo --include='*_test.go' '^func Fuzz\w+' . | sed -E 's|/[^/]*:func | |' | while read -r package target; do \
		echo "$$package $$target"; \
		go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$package" </dev/null || exit 1; \
	done

bench: ## Measure everything beside its peers, in about 45 s: a first look
	go run ./bench -quick

bench-full: ## Measure everything beside its peers at full scale: up to an hour, 15 GB of disk
	go run ./bench -json bench.json
