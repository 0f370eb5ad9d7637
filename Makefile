# Thin on purpose: each target is one or two go commands, after installing what is missing.
GO ?= go
export CGO_ENABLED = 1

.PHONY: all build check test run bench conformance deps-system
all: build

deps-system:
	@pkg-config --exists libxml-2.0 2>/dev/null || sh .ci/install-deps

build: deps-system
	$(GO) build -o bin/ ./cmd/...
	$(GO) vet ./...

check: deps-system
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these files"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -short -shuffle=on ./...

test: deps-system
	$(GO) test -shuffle=on ./...

run: deps-system
	$(GO) build -o bin/ ./cmd/passerelle
	./bin/passerelle demo

bench: deps-system
	$(GO) build -o bin/ ./cmd/passerelle ./cmd/bench
	./bin/bench $(BENCH)

conformance: deps-system
	$(GO) build -o bin/ ./cmd/passerelle ./cmd/conformance
	./conformance/sut/run.sh
