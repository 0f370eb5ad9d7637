#!/bin/sh
# Mail with programs of this machine: deposits that s-nail signs, encrypts and sends and that swaks sends, and a mailbox that Dovecot holds, fetched over
# STARTTLS with a client certificate; both bring mail to a simulated mailbox too. What is not installed is said.
set -e
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin
for tool in s-nail swaks dovecot; do
	command -v $tool >/dev/null || echo "SKIPPED: $tool is not installed"
done
s-nail -X 'version' -X quit 2>/dev/null | head -1 || true
PASSERELLE_PEERS_MAIL=1 "${GO:-go}" test ./gateway -run '^TestPeerMail(Simulated)?$' -v -count=1
command -v dovecot >/dev/null || exit 0
echo "dovecot $(dovecot --version)"
exec "${GO:-go}" test ./wire/mail -run '^TestPeerDovecot$' -v -count=1
