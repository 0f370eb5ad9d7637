#!/bin/sh
# Start four gateways: as the demo configures one, a strict one, one with the rules of a shared record, and one that keeps audit records and tells of identities. Replay the suite against them as a stranger would, and stop them.
# Run from the root of the tree after building bin/passerelle and bin/conformance.
set -eu
rm -rf run/conformance
./conformance/sut/prepare.sh run/conformance conformance/sut
gateways=
trap 'kill $gateways 2>/dev/null || true; wait 2>/dev/null || true' EXIT
# A system is started when it is its turn: it would wait longer and longer for somebody who takes its audit records.
serve() {
	./bin/passerelle serve conformance/sut/$1.yaml 2>run/conformance/$1.log &
	gateways="$gateways $!"
}
status=0
serve passerelle
./bin/conformance run --sut conformance/sut/sut.yaml --probes --parallel 8 --wait 20s --evidence run/conformance/evidence.zip --annex conformance/faults.txt --html run/conformance/report.html --sarif run/conformance/report.sarif --report run/conformance/plain.txt --junit run/conformance/junit.xml || status=1
serve strict
./bin/conformance run --sut conformance/sut/sut-strict.yaml --special --wait 20s --report run/conformance/special.txt --junit run/conformance/junit-strict.xml || status=1
serve rules
./bin/conformance run --sut conformance/sut/sut-rules.yaml --special --parallel 8 --wait 20s --evidence run/conformance/evidence-rules.zip --report run/conformance/rules.txt --junit run/conformance/junit-rules.xml || status=1
serve hub
./bin/conformance run --sut conformance/sut/sut-hub.yaml --special --parallel 8 --wait 20s --evidence run/conformance/evidence-hub.zip --report run/conformance/hub.txt --junit run/conformance/junit-hub.xml || status=1
./bin/conformance replay run/conformance/evidence.zip || status=1
./bin/conformance replay run/conformance/evidence-rules.zip || status=1
./bin/conformance replay run/conformance/evidence-hub.zip || status=1
cat run/conformance/plain.txt run/conformance/special.txt run/conformance/rules.txt run/conformance/hub.txt >conformance/report.txt
grep -v '^not run' conformance/report.txt
exit $status
