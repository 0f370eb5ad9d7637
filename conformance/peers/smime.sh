#!/bin/sh
# Signed and encrypted messages with the openssl of this machine, both ways: every cipher, key and form that wire/cms and smime read and write.
set -e
cd "$(dirname "$0")/../.."
command -v openssl >/dev/null || { echo "openssl is not installed: nothing to exchange with"; exit 0; }
openssl version
exec "${GO:-go}" test ./wire/cms ./smime -run '^TestPeerOpenSSL' -v -count=1
