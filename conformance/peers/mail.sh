#!/bin/sh
# A mailbox that the Dovecot of this machine holds, fetched over STARTTLS with a client certificate.
set -e
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin
command -v dovecot >/dev/null || { echo "SKIPPED: dovecot is not installed: there is no mailbox to fetch from"; exit 0; }
echo "dovecot $(dovecot --version)"
exec "${GO:-go}" test ./wire/mail -run '^TestPeerDovecot$' -v -count=1
