# Thin on purpose: each target is one or two go commands, after installing what is missing.
GO ?= go
export CGO_ENABLED = 1
# Guided by its profile (cmd/passerelle/default.pgo) the compiler takes a minute and a half more: where the gateway is delivered or measured, and nowhere else.
export GOFLAGS := $(GOFLAGS) -pgo=off

# Where the peers that tests run against are built (a Python and a Java client of their own), and how long each fuzz target works.
PEERS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/passerelle/peers
CXF = $(PEERS)/cxf
CXF_JAR = $(shell command -v mvn >/dev/null && command -v javac >/dev/null && echo $(CXF)/peer.jar)
FUZZTIME ?= 30s

.PHONY: all build check test run bench conformance faults specs fuzz peers deps-system
all: build

deps-system:
	@pkg-config --exists libxml-2.0 2>/dev/null || sh .ci/install-deps

build: deps-system
	$(GO) build -pgo=auto -o bin/ ./cmd/...
	$(GO) vet ./...

check: deps-system
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these files"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -short -vet=off -ldflags=-w -shuffle=on -parallel 8 ./gateway ./... # the longest first

test: deps-system
	$(GO) test -shuffle=on -parallel 8 ./gateway ./...

run: deps-system
	$(GO) build -o bin/ ./cmd/passerelle
	./bin/passerelle demo

# make bench BENCH="-run iti41" selects; docs/performance.md says how to read it.
bench: deps-system
	$(GO) build -pgo=auto -o bin/ ./cmd/passerelle ./cmd/bench
	./bin/bench $(BENCH)

# Every fuzz target there is, one after the other.
fuzz: deps-system
	@grep -rno --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed -E 's,/[^/]*:[0-9]+:func , ,' | while read dir target; do \
		echo "$$dir $$target"; \
		$(GO) test $$dir -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x || exit 1; done

# Peers nobody here wrote, from their pinned packages, against a gateway; Apache CXF where there are Maven and a JDK. Saxon for Schematron.
peers: deps-system $(CXF_JAR)
	@test -x $(PEERS)/bin/python || python3 -m venv $(PEERS)
	@$(PEERS)/bin/pip install --quiet --disable-pip-version-check -r conformance/peers/requirements.txt
	PASSERELLE_SAXON=all $(GO) test ./cda/schematron -run '^TestSaxon$$' -v -count=1
	PASSERELLE_PEERS_PYTHON=$(PEERS)/bin/python PASSERELLE_PEERS_CXF="$(CXF_JAR)" $(GO) test ./gateway -run '^TestPeer' -v -count=1
	./conformance/peers/smime.sh
	./conformance/peers/xmlsec.sh
	./conformance/peers/mail.sh

# What it needs is fetched the first time only.
$(CXF)/peer.jar: conformance/peers/cxf/pom.xml conformance/peers/cxf/Peer.java $(wildcard xds/wsdl/*.wsdl wire/xsd/schemas/*.xsd)
	@mvn -q -B -f conformance/peers/cxf/pom.xml -Dout=$(CXF) package

conformance: deps-system
	$(GO) build -o bin/ ./cmd/passerelle ./cmd/conformance
	./conformance/sut/run.sh

# Which planted faults the suite catches: conformance/faults.txt, which the report shows. Some two minutes.
faults: deps-system
	$(GO) build -o bin/ ./cmd/passerelle ./cmd/conformance ./cmd/faults
	./bin/faults --out conformance/faults.txt

# docs/conformance.md from the requirements, the suite and the clauses that the code names.
specs:
	$(GO) run ./cmd/specs
