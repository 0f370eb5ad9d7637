#!/bin/sh
# Start a gateway of its own, replay the suite against it as a stranger would, stop it. Run from the root of the tree after 'make build'.
set -eu
rm -rf run/conformance
mkdir -p run/conformance
./bin/passerelle pki run/conformance/pki
./bin/passerelle serve conformance/sut/passerelle.yaml 2>run/conformance/gateway.log &
gateway=$!
trap 'kill $gateway 2>/dev/null || true; wait $gateway 2>/dev/null || true' EXIT
./bin/conformance run --sut conformance/sut/sut.yaml --wait 20s --report conformance/report.txt --junit run/conformance/junit.xml "$@"
sed -n 1,20p conformance/report.txt
