#!/bin/sh
# Start two gateways of their own, as the demo configures one and a strict one, replay the suite against them as a stranger would, stop them. Run from the
# root of the tree after building bin/passerelle and bin/conformance.
set -eu
rm -rf run/conformance
mkdir -p run/conformance
./bin/passerelle pki run/conformance/pki
sed 's/extra_metadata: keep/extra_metadata: drop/' gateway/demo/affinity-fr.yaml >run/conformance/affinity-drop.yaml
./bin/passerelle serve conformance/sut/passerelle.yaml 2>run/conformance/gateway.log &
gateway=$!
./bin/passerelle serve conformance/sut/strict.yaml 2>run/conformance/strict.log &
strict=$!
trap 'kill $gateway $strict 2>/dev/null || true; wait 2>/dev/null || true' EXIT
status=0
./bin/conformance run --sut conformance/sut/sut.yaml --probes --parallel 8 --wait 20s --evidence run/conformance/evidence.zip --annex conformance/faults.txt --html run/conformance/report.html --sarif run/conformance/report.sarif --report run/conformance/plain.txt --junit run/conformance/junit.xml || status=1
./bin/conformance run --sut conformance/sut/sut-strict.yaml --special --wait 20s --report run/conformance/special.txt --junit run/conformance/junit-strict.xml || status=1
./bin/conformance replay run/conformance/evidence.zip || status=1
cat run/conformance/plain.txt run/conformance/special.txt >conformance/report.txt
grep -v '^not run' conformance/report.txt
exit $status
