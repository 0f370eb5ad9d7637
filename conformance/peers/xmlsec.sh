#!/bin/sh
# XML signatures with the xmlsec1 of this machine, both ways: every canonicalization and kind of key that wire/xmlsig reads and makes,
# and the signature of a lot.
set -e
cd "$(dirname "$0")/../.."
command -v xmlsec1 >/dev/null || { echo "xmlsec1 is not installed: nothing to exchange with"; exit 0; }
xmlsec1 --version
exec "${GO:-go}" test ./wire/xmlsig ./xds/lot -run '^TestPeerXMLSec' -v -count=1
