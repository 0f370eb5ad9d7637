package receipt_test

import (
	"bufio"
	"bytes"
	"crypto"
	"errors"
	"net/mail"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"

	"github.com/passerelle-sante/passerelle/wire/receipt"
)

func header(t testing.TB, lines ...string) message.Header {
	t.Helper()
	h, err := textproto.ReadHeader(bufio.NewReader(strings.NewReader(strings.Join(lines, "\r\n") + "\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return message.Header{Header: h}
}

var when = time.Date(2026, 3, 2, 9, 30, 0, 0, time.FixedZone("", 3600))

func answerer() receipt.Answerer {
	return receipt.Answerer{From: mail.Address{Name: "Dépôt de résultats", Address: "resultats@gateway.mssante.example"}, Host: "gateway.mssante.example", Product: "Passerelle",
		Now: when, MessageID: "<a1@gateway.mssante.example>"}
}

const deposit = "XDM/1.0/DDM+CR d'examens biologiques LILAS Anaïs 03/04/1985"

func original(t testing.TB, more ...string) receipt.Original {
	return receipt.Original{EnvelopeFrom: "sil@labo-lilas.mssante.example", Header: header(t, append([]string{
		"From: Labo des Lilas <sil@labo-lilas.mssante.example>", "To: resultats@gateway.mssante.example", "Date: Mon, 02 Mar 2026 09:29:00 +0100",
		"Subject: =?utf-8?q?XDM/1.0/DDM+CR_d'examens_biologiques_LILAS_Ana=C3=AFs_03/04/1985?=", "Message-ID: <m7@labo-lilas.mssante.example>",
		"References: <m5@labo-lilas.mssante.example>"}, more...)...)}
}

var boundaryForm = regexp.MustCompile(`=_[A-Z2-7]{26}`)

// steady is a letter with a fixed boundary.
func steady(l *receipt.Letter) string {
	return strings.ReplaceAll(boundaryForm.ReplaceAllString(string(l.Raw()), "BOUNDARY"), "\r\n", "\n")
}

func differ(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestProcessed(t *testing.T) {
	o := original(t, "Disposition-Notification-To: sil@labo-lilas.mssante.example")
	l, why := receipt.Answer(o, receipt.Outcome{Processed: true, Text: []string{"Un document est enregistré."}, MIC: receipt.MIC([]byte("abc"), crypto.SHA256)}, answerer())
	if l == nil || l.To != "sil@labo-lilas.mssante.example" {
		t.Fatalf("%v %s", l, why)
	}
	differ(t, steady(l), `Date: Mon, 02 Mar 2026 09:30:00 +0100
From: =?utf-8?q?D=C3=A9p=C3=B4t_de_r=C3=A9sultats?=
 <resultats@gateway.mssante.example>
To: <sil@labo-lilas.mssante.example>
Subject: =?utf-8?q?[Int=C3=A9gration_syst=C3=A8me]_XDM/1.0/DDM+CR_d'examens_biolog?=
 =?utf-8?q?iques_LILAS_Ana=C3=AFs_03/04/1985?=
Message-ID: <a1@gateway.mssante.example>
In-Reply-To: <m7@labo-lilas.mssante.example>
References: <m5@labo-lilas.mssante.example> <m7@labo-lilas.mssante.example>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification;
 boundary="BOUNDARY"

--BOUNDARY
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Votre message =C2=AB XDM/1.0/DDM+CR d'examens biologiques LILAS Ana=C3=AFs =
03/04/1985 =C2=BB a =C3=A9t=C3=A9 trait=C3=A9.

Un document est enregistr=C3=A9.

Ce message est envoy=C3=A9 par un automate. N'y r=C3=A9pondez pas.

--BOUNDARY
Content-Type: message/disposition-notification

Reporting-UA: gateway.mssante.example; Passerelle
Final-Recipient: rfc822; resultats@gateway.mssante.example
Original-Message-ID: <m7@labo-lilas.mssante.example>
Disposition: automatic-action/MDN-sent-automatically; processed
Received-content-MIC: ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=, sha-256

--BOUNDARY
Content-Type: text/rfc822-headers

From: Labo des Lilas <sil@labo-lilas.mssante.example>
To: resultats@gateway.mssante.example
Date: Mon, 02 Mar 2026 09:29:00 +0100
Subject: =?utf-8?q?XDM/1.0/DDM+CR_d'examens_biologiques_LILAS_Ana=C3=AFs_03/04/1985?=
Message-ID: <m7@labo-lilas.mssante.example>
Disposition-Notification-To: sil@labo-lilas.mssante.example

--BOUNDARY--
`)
	r, err := receipt.Parse(bytes.NewReader(l.Raw()))
	if err != nil {
		t.Fatal(err)
	}
	want := &receipt.Disposition{Reporter: "gateway.mssante.example; Passerelle", FinalRecipient: "resultats@gateway.mssante.example",
		OriginalMessageID: "<m7@labo-lilas.mssante.example>", Mode: "automatic-action/MDN-sent-automatically", Type: "processed",
		MIC: "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=, sha-256"}
	if !reflect.DeepEqual(r.Disposition, want) || r.Disposition.Failed() || r.Delivery != nil || r.About()[0] != "<m7@labo-lilas.mssante.example>" {
		t.Errorf("%+v %v", r.Disposition, r.About())
	}
}

// TestFailed: code and label stand in the subject and in the Disposition field as the French profile has them.
func TestFailed(t *testing.T) {
	o := original(t, "Disposition-Notification-To: \"Labo\" <SIL@labo-lilas.mssante.example>")
	l, why := receipt.Answer(o, receipt.Outcome{Code: "902", Label: "Patient inconnu, à vérifier", Text: []string{"Le patient n'est pas connu ici."}}, answerer())
	if l == nil {
		t.Fatal(why)
	}
	r, err := receipt.Parse(bytes.NewReader(l.Raw()))
	if err != nil {
		t.Fatal(err)
	}
	subject, _ := r.Header.Text("Subject")
	differ(t, subject, "[KO Intégration système !][902] "+deposit)
	if d := r.Disposition; d.Code != "902" || d.Label != "Patient inconnu, a verifier" || !reflect.DeepEqual(d.Modifiers, []string{"error"}) || !d.Failed() ||
		!reflect.DeepEqual(d.Errors, []string{"902^Patient inconnu, a verifier"}) {
		t.Errorf("%+v", d)
	}
	if !strings.Contains(steady(l), "\nDisposition: automatic-action/MDN-sent-automatically; processed/Error: 902^Patient inconnu, a verifier\n") {
		t.Error(steady(l))
	}
}

// TestFailedUnasked: without a request for an MDN a failure is told by a letter that encloses the message.
func TestFailedUnasked(t *testing.T) {
	raw := "Subject: x\r\nMessage-ID: <m7@labo-lilas.mssante.example>\r\n\r\nbonjour\r\n"
	for name, c := range map[string]struct {
		raw, want string
		limit     int
	}{
		"whole": {raw, "Content-Type: message/rfc822\n\nSubject: x\nMessage-ID: <m7@labo-lilas.mssante.example>\n\nbonjour\n", 0},
		"8bit":  {raw + "é\r\n", "Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: x\n", 0},
		"large": {raw, "Content-Type: text/rfc822-headers\n\nFrom: Labo", 20},
		"NUL":   {raw + "\x00", "Content-Type: text/rfc822-headers\n\nFrom: Labo", 0},
		"line":  {raw + strings.Repeat("a", 1001), "Content-Type: text/rfc822-headers\n\nFrom: Labo", 0},
	} {
		t.Run(name, func(t *testing.T) {
			o := original(t)
			o.Raw = []byte(c.raw)
			by := answerer()
			by.Enclose = c.limit
			l, why := receipt.Answer(o, receipt.Outcome{Code: "903", Label: "INS absent", Text: []string{"L'INS manque."}}, by)
			if l == nil {
				t.Fatal(why)
			}
			got := steady(l)
			if !strings.Contains(got, c.want) || !strings.Contains(got, "Content-Type: multipart/mixed;") || !strings.Contains(got, "\n\nL'INS manque.\n\n") ||
				strings.Contains(got, "disposition") {
				t.Error(got)
			}
		})
	}
}

func TestNotDue(t *testing.T) {
	for _, c := range []struct {
		name   string
		fields []string
		from   string
		done   bool
		want   string
	}{
		{"success unasked", nil, "sil@labo-lilas.mssante.example", true, "no notification was asked for"},
		{"success, to somebody else", []string{"Disposition-Notification-To: victim@elsewhere.example"}, "sil@labo-lilas.mssante.example", true,
			"a notification was asked for to somebody who is not the sender"},
		{"success, to several", []string{"Disposition-Notification-To: a@b.example, c@d.example"}, "sil@labo-lilas.mssante.example", true,
			"a notification was asked for to no address or to several"},
		{"success, to nobody", []string{"Disposition-Notification-To: ;;"}, "sil@labo-lilas.mssante.example", true, "a notification was asked for to no address or to several"},
		{"bounce", []string{"Disposition-Notification-To: sil@labo-lilas.mssante.example"}, "", false, "null reverse path"},
		{"machine", []string{"Disposition-Notification-To: sil@labo-lilas.mssante.example", "Auto-Submitted: auto-replied"}, "sil@labo-lilas.mssante.example", false, "Auto-Submitted"},
		{"machine that asks for nothing", []string{"Auto-Submitted: auto-generated"}, "sil@labo-lilas.mssante.example", false, "Auto-Submitted"},
	} {
		o := original(t, c.fields...)
		o.EnvelopeFrom = c.from
		if l, why := receipt.Answer(o, receipt.Outcome{Processed: c.done, Code: "906"}, answerer()); l != nil || why != c.want {
			t.Errorf("%s: %v, %q", c.name, l != nil, why)
		}
	}
	// Asked for to somebody else, a failure is still told to the sender, and to him alone.
	l, _ := receipt.Answer(original(t, "Disposition-Notification-To: victim@elsewhere.example"), receipt.Outcome{Code: "906", Label: "x"}, answerer())
	if l == nil || l.To != "sil@labo-lilas.mssante.example" || !strings.Contains(steady(l), "multipart/mixed") {
		t.Errorf("%+v", l)
	}
}

func TestMayAnswer(t *testing.T) {
	const sender = "sil@labo.example"
	for _, c := range []struct {
		from, field, want string
	}{
		{sender, "Subject: x", ""},
		{sender, "Auto-Submitted: no", ""},
		{sender, "Auto-Submitted: No (really); x=y", "Auto-Submitted"},
		{sender, "Auto-Submitted: no; x=y", ""},
		{sender, "Precedence: first-class", ""},
		{sender, "Content-Type: multipart/mixed; boundary=x", ""},
		{"", "Subject: x", "null reverse path"},
		{"<>", "Subject: x", "null reverse path"},
		{sender, "Return-Path: <>", "null Return-Path"},
		{"MAILER-DAEMON@labo.example", "Subject: x", "reverse path of a machine"},
		{"owner-list@labo.example", "Subject: x", "reverse path of a machine"},
		{"list-request@labo.example", "Subject: x", "reverse path of a machine"},
		{"noreply@labo.example", "Subject: x", "reverse path of a machine"},
		{sender, "Auto-Submitted: auto-replied", "Auto-Submitted"},
		{sender, "Auto-submitted: auto-generated; type=x", "Auto-Submitted"},
		{sender, "Precedence: BULK", "Precedence"},
		{sender, "Precedence: list", "Precedence"},
		{sender, "Precedence: junk", "Precedence"},
		{sender, "List-Id: <x.example>", "List-Id"},
		{sender, "List-Unsubscribe: <mailto:x@y>", "List-Unsubscribe"},
		{sender, "X-Auto-Response-Suppress: DR, AutoReply", "X-Auto-Response-Suppress"},
		{sender, "X-Loop: x", "X-Loop"},
		{sender, "Content-Type: multipart/report; report-type=delivery-status; boundary=x", "it is a notification itself"},
		{sender, "Content-Type: message/disposition-notification", "it is a notification itself"},
	} {
		may, why := receipt.MayAnswer(header(t, c.field), c.from)
		if may != (c.want == "") || why != c.want {
			t.Errorf("%q %q: %v %q", c.from, c.field, may, why)
		}
	}
	// What we write is never answered, not even by ourselves.
	l, _ := receipt.Answer(original(t), receipt.Outcome{Code: "906"}, answerer())
	own, err := textproto.ReadHeader(bufio.NewReader(bytes.NewReader(l.Raw())))
	if err != nil {
		t.Fatal(err)
	}
	if may, why := receipt.MayAnswer(message.Header{Header: own}, answerer().From.Address); may || why != "Auto-Submitted" {
		t.Errorf("our own answer: %v %q", may, why)
	}
}

func TestWantsSigned(t *testing.T) {
	for field, want := range map[string]struct {
		signed bool
		digest crypto.Hash
	}{
		"": {false, crypto.SHA256},
		"signed-receipt-protocol=optional,pkcs7-signature; signed-receipt-micalg=optional,sha1,sha512": {true, crypto.SHA512},
		"signed-receipt-protocol=required, pkcs7-signature; signed-receipt-micalg=required, SHA-256":   {true, crypto.SHA256},
		"signed-receipt-protocol=optional, pgp-signature; signed-receipt-micalg=optional, sha384":      {false, crypto.SHA384},
	} {
		if signed, digest := receipt.WantsSigned(header(t, "Disposition-Notification-Options: "+field)); signed != want.signed || digest != want.digest {
			t.Errorf("%q: %v %v", field, signed, digest)
		}
	}
}

// TestInjection: nothing of the original makes a line of its own in the answer.
func TestInjection(t *testing.T) {
	var h message.Header
	h.Set("From", "sil@labo.example")
	h.SetText("Subject", "x\r\nBcc: victim@elsewhere.example\r\n\r\nhello \x00")
	h.Set("Message-Id", "<a\r\nBcc: v@e@labo.example>")
	l, why := receipt.Answer(receipt.Original{Header: h, EnvelopeFrom: "sil@labo.example"},
		receipt.Outcome{Code: "90\r\nBcc: v@e", Label: "x\r\n\r\nFinal-Recipient: y"}, answerer())
	if l == nil {
		t.Fatal(why)
	}
	if got := steady(l); strings.Contains(got, "\nBcc:") || strings.Contains(got, "\nFinal") {
		t.Error(got)
	}
}

func TestDSN(t *testing.T) {
	d := receipt.Delivery{EnvelopeID: "e+7=", Reporter: "gateway.mssante.example", Arrival: when.Add(-time.Hour), Recipients: []receipt.Recipient{
		{Original: "dr@cabinet.example", Final: "dr@cabinet.example", Action: receipt.Failed, Status: "5.1.1", RemoteMTA: "mx.cabinet.example", Diagnostic: "550 5.1.1 No such mailbox", LastAttempt: when},
		{Final: "doré@cabinet.example", Action: receipt.Failed, Status: "4.4.7", Diagnostic: "421 4.3.2 Closed", LastAttempt: when, RetryUntil: when.Add(time.Hour)}}}
	l := receipt.DSN(receipt.Bounce{To: "post@gateway.mssante.example", Original: original(t).Header, Delivery: d}, answerer())
	got := steady(l)
	if want := `Content-Type: message/delivery-status

Original-Envelope-Id: e+2B7+3D
Reporting-MTA: dns; gateway.mssante.example
Arrival-Date: Mon, 02 Mar 2026 08:30:00 +0100

Original-Recipient: rfc822; dr@cabinet.example
Final-Recipient: rfc822; dr@cabinet.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.cabinet.example
Diagnostic-Code: smtp; 550 5.1.1 No such mailbox
Last-Attempt-Date: Mon, 02 Mar 2026 09:30:00 +0100

Final-Recipient: utf-8; dor\x{E9}@cabinet.example
Action: failed
Status: 4.4.7
Diagnostic-Code: smtp; 421 4.3.2 Closed
Last-Attempt-Date: Mon, 02 Mar 2026 09:30:00 +0100
Will-Retry-Until: Mon, 02 Mar 2026 10:30:00 +0100

--BOUNDARY
Content-Type: text/rfc822-headers
`; !strings.Contains(got, want) {
		t.Error(got)
	}
	r, err := receipt.Parse(bytes.NewReader(l.Raw()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Delivery.Recipients {
		back := &r.Delivery.Recipients[i]
		back.LastAttempt, back.RetryUntil = back.LastAttempt.In(when.Location()), back.RetryUntil.In(when.Location())
		if d.Recipients[i].RetryUntil.IsZero() {
			back.RetryUntil = time.Time{}
		}
		if !reflect.DeepEqual(*back, d.Recipients[i]) {
			t.Errorf("%+v\n%+v", *back, d.Recipients[i])
		}
	}
	if subject, _ := r.Header.Text("Subject"); subject != "Message non remis : "+deposit || r.Delivery.EnvelopeID != "e+7=" || !r.Delivery.Arrival.Equal(d.Arrival) ||
		r.Returned.Get("Message-Id") != "<m7@labo-lilas.mssante.example>" {
		t.Errorf("%q %+v %q", subject, r.Delivery, r.Returned.Get("Message-Id"))
	}
}

// foreign are notifications in the manner of others: a mail server, a mail client, and a signed one.
var foreign = map[string]string{
	"server": "From: MAILER-DAEMON@mx.example\nTo: post@gateway.example\nContent-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"B/mx\"\n\nThis is a MIME-encapsulated message.\n\n" +
		"--B/mx\nContent-Description: Notification\nContent-Type: text/plain; charset=us-ascii\n\nIt did not work.\n\n" +
		"--B/mx\nContent-Description: Delivery report\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\nX-Postfix-Queue-ID: 4D\nOriginal-Envelope-Id: p1\n" +
		"X-Postfix-Sender: rfc822; post@gateway.example\nArrival-Date: Mon,  2 Mar 2026 09:30:00 +0100 (CET)\n\nFinal-Recipient: rfc822; DR@cabinet.example\nOriginal-Recipient: rfc822;dr@cabinet.example\n" +
		"Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.cabinet.example\nDiagnostic-Code: smtp; 550 5.1.1 <dr@cabinet.example>: Recipient address\n    rejected\n\n" +
		"--B/mx\nContent-Description: Undelivered Message\nContent-Type: message/rfc822\n\nMessage-ID: <p1@gateway.example>\nSubject: x\n\nbody\n\n--B/mx--\n",
	"client": "From: dr@cabinet.example\nIn-Reply-To: <p1@gateway.example>\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n" +
		"--b\nContent-Type: text/plain\n\nread\n--b\nContent-Type: message/disposition-notification\nContent-Transfer-Encoding: base64\n\n" +
		"UmVwb3J0aW5nLVVBOiBjbGllbnQKRmluYWwtUmVjaXBpZW50OiByZmM4MjI7ZHJAY2FiaW5ldC5leGFtcGxlCk9yaWdpbmFsLU1lc3NhZ2UtSUQ6IDxwMUBnYXRld2F5LmV4YW1wbGU+CkRpc3Bvc2l0aW9uOiBtYW51YWwtYWN0aW9uL01ETi1zZW50LW1hbnVhbGx5OyBkaXNwbGF5ZWQK\n--b--\n",
	"signed": "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=s\n\n--s\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n" +
		"--b\nContent-Type: text/plain\n\nread\n--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822;dr@cabinet.example\nOriginal-Message-ID: <p1@gateway.example>\n" +
		"Disposition: automatic-action/MDN-sent-automatically; processed/error,x-other\nError: no place\n\n--b--\n\n--s\nContent-Type: application/pkcs7-signature\n\nAAAA\n--s--\n",
}

func TestForeign(t *testing.T) {
	read := func(name string) *receipt.Report {
		r, err := receipt.Parse(strings.NewReader(foreign[name]))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if about := r.About(); len(about) == 0 || about[0] != "<p1@gateway.example>" {
			t.Errorf("%s: about %v", name, about)
		}
		return r
	}
	d := read("server").Delivery
	want := receipt.Recipient{Original: "dr@cabinet.example", Final: "DR@cabinet.example", Action: receipt.Failed, Status: "5.1.1", RemoteMTA: "mx.cabinet.example",
		Diagnostic: "550 5.1.1 <dr@cabinet.example>: Recipient address rejected"}
	if d.EnvelopeID != "p1" || d.Reporter != "mx.example" || !d.Arrival.Equal(when) || len(d.Recipients) != 1 || d.Recipients[0] != want {
		t.Errorf("%+v", d)
	}
	if m := read("client").Disposition; m.Type != "displayed" || m.Mode != "manual-action/MDN-sent-manually" || m.FinalRecipient != "dr@cabinet.example" || m.Failed() {
		t.Errorf("%+v", m)
	}
	if m := read("signed").Disposition; m.Type != "processed" || !m.Failed() || !reflect.DeepEqual(m.Modifiers, []string{"error", "x-other"}) || m.Errors[0] != "no place" {
		t.Errorf("%+v", m)
	}
}

func TestParseRefuses(t *testing.T) {
	report := func(kind, body string) string {
		return "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: " + kind + "\n\n" + body + "\n--b--\n"
	}
	for name, c := range map[string]struct {
		raw  string
		want error
	}{
		"empty":                 {"", receipt.ErrNotReport},
		"a letter":              {"Subject: x\n\nhello\n", receipt.ErrNotReport},
		"nothing for machines":  {report("text/plain", "x"), receipt.ErrNotReport},
		"no boundary":           {"Content-Type: multipart/report\n\n--b\n", receipt.ErrMalformed},
		"header bomb":           {strings.Repeat("X: y\n", 40_000), receipt.ErrMalformed},
		"one long line":         {"X: " + strings.Repeat("y", 200_000), receipt.ErrMalformed},
		"no recipient":          {report("message/delivery-status", "Reporting-MTA: dns; x\n"), receipt.ErrMalformed},
		"recipient of nothing":  {report("message/delivery-status", "Reporting-MTA: dns; x\n\nAction: failed\n"), receipt.ErrMalformed},
		"no disposition":        {report("message/disposition-notification", "Final-Recipient: rfc822; x@y\n"), receipt.ErrMalformed},
		"disposition of naught": {report("message/disposition-notification", "Disposition: a/b;\n"), receipt.ErrMalformed},
		"many recipients":       {report("message/delivery-status", "Reporting-MTA: x\n"+strings.Repeat("\nFinal-Recipient: rfc822;a@b\nAction: failed\n", 1002)), receipt.ErrMalformed},
		"large":                 {report("message/disposition-notification", "Disposition: a/b; displayed\n"+strings.Repeat("X: y\n", 100_000)), receipt.ErrMalformed},
		"two of them": {"Content-Type: multipart/report; boundary=b\n\n" + strings.Repeat("--b\nContent-Type: message/disposition-notification\n\nDisposition: a/b; displayed\n\n", 2) + "--b--\n",
			receipt.ErrMalformed},
	} {
		if r, err := receipt.Parse(strings.NewReader(c.raw)); !errors.Is(err, c.want) || r != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASCII(t *testing.T) {
	for in, want := range map[string]string{"Éloïse d’Œuvre\r\n — «x» 漢": `Eloise d'OEuvre - "x" ?`, "abcdef": "abcde", "": ""} {
		limit := 100
		if in == "abcdef" {
			limit = 5
		}
		if got := receipt.ASCII(in, limit); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, m := range foreign {
		f.Add([]byte(m))
	}
	f.Add([]byte("Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns;x\r\n\r\nFinal-Recipient: utf-8; \\x{E9}@b\r\nAction: failed\r\n\r\n--b--\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := receipt.Parse(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, receipt.ErrMalformed) && !errors.Is(err, receipt.ErrNotReport) {
				t.Errorf("error of another kind: %v", err)
			}
			return
		}
		if (r.Delivery == nil) == (r.Disposition == nil) || len(r.About()) > 60 {
			t.Errorf("%+v", r)
		}
	})
}

// FuzzAnswer: whatever a message says of itself, what answers it can be read and goes to its sender alone.
func FuzzAnswer(f *testing.F) {
	f.Add("Subject: x\r\nMessage-ID: <a@b>\r\nDisposition-Notification-To: a@b.example\r\n", "902", "label")
	f.Add("Subject: =?utf-8?q?=0A?=\r\nFrom: a@b.example\r\n", "9\n", "é^")
	f.Fuzz(func(t *testing.T, head, code, label string) {
		h, err := textproto.ReadHeader(bufio.NewReader(strings.NewReader(head + "\r\n\r\n")))
		if err != nil {
			return
		}
		o := receipt.Original{Header: message.Header{Header: h}, EnvelopeFrom: "a@b.example", Raw: []byte(head)}
		l, _ := receipt.Answer(o, receipt.Outcome{Code: code, Label: label}, answerer())
		if l == nil {
			return
		}
		m, err := mail.ReadMessage(bytes.NewReader(l.Raw()))
		if err != nil {
			t.Fatalf("%v: %q", err, l.Raw())
		}
		if to, err := m.Header.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != l.To || len(m.Header["Auto-Submitted"]) != 1 || m.Header["Bcc"] != nil {
			t.Errorf("%v %v", to, err)
		}
		if strings.Contains(m.Header.Get("Content-Type"), "multipart/report") {
			r, err := receipt.Parse(bytes.NewReader(l.Raw()))
			if err != nil || r.Disposition == nil {
				t.Errorf("%v: %q", err, l.Raw())
			}
		}
	})
}
