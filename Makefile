# What developers run. Everything needs Go; the race detector a C compiler too.
TOOL = go tool -modfile=tools/go.mod

.PHONY: all build test race lint format bench

all: format lint test build

build: ## one static binary
	CGO_ENABLED=0 go build -trimpath -o dvms ./cmd/dvms

test: ## all tests
	go test ./...

race: ## all tests under the race detector
	go test -race ./...

lint: ## vet, staticcheck and the format
	go vet ./...
	$(TOOL) staticcheck ./...
	@unformatted="$$($(TOOL) gofumpt -l .)"; if [ -n "$$unformatted" ]; then echo "not formatted (run make format):"; echo "$$unformatted"; exit 1; fi

format: ## rewrite the sources in the common format
	$(TOOL) gofumpt -w .

bench: ## all benchmarks once; see docs/benchmarks.md
	go test -run '^$$' -bench . -benchmem ./...
