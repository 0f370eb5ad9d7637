#!/bin/sh
# Make what the gateways of conformance/sut need besides their configuration: prepare.sh DIR SUTS, where DIR is what their configuration calls run/conformance, and SUTS the folder of
# their descriptions. Run from the root of the tree after building bin/passerelle and bin/conformance.
set -eu
mkdir -p "$1/tables"
./bin/passerelle pki "$1/pki"
./bin/conformance people --sut "$2/sut.yaml"
for system in strict rules hub; do
	./bin/conformance people --sut "$2/sut-$system.yaml"
	cat "$1/pki/ca.pem" "$1/people-$system/authority.pem" >"$1/$system-clients.pem"
done
cp policy/france/*.tsv "$1/tables"
cp conformance/sut/consents.tsv "$1/tables"
sed 's/extra_metadata: keep/extra_metadata: drop/' gateway/demo/affinity-fr.yaml >"$1/affinity-drop.yaml"
sed 's/^      urn:ihe:iti:xds-sd:pdf:2008:.*/&\n      urn:ihe:iti:bppc:2007: Consentement/' gateway/demo/affinity-fr.yaml >"$1/affinity-rules.yaml"
