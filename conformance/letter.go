package conformance

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/smallstep/pkcs7"
)

// letter is a message to the mailbox in the making: a whole deposit of the laboratory, signed and encrypted, with an archive of one document, until lines say otherwise.
type letter struct {
	s    *story
	st   Step
	id   string // Message-ID with <>
	form string // archive, cda, pdf or nothing: what it brings

	subs  []*submission
	docs  map[string]*clinical // by entry
	order []string             // entries in the order of their lines
	kinds map[string]string    // templates of entries

	envelope
	headers  [][2]string
	signer   string // "-" signs nothing
	sealed   string // for whom it is encrypted; "-" encrypts nothing
	opaque   bool
	altered  string // from this text to ALTERED after it was signed
	attached []part
	coding   string // of the archive, or of what is in its place
	media    string
	name     string
	nested   int
	edits    []edit
	packing  []string          // lines about the archive
	papers   map[string]*paper // PDFs, by entry
	left     *left             // with an operator, whom the system fetches from; nil goes by SMTP
	entity   string            // what was signed, else what was encrypted
	cipher   int               // of the library that encrypts
	ends     int               // bytes after which the message ends; 0 is all
	at       time.Time
}

// posted is a message that was sent, for the expectations about it.
type posted struct {
	letter *letter
	raw    string
	code   int            // of SMTP
	text   string         // and its text
	read   map[string]int // answers looked at, by kind
	reply  *reply         // the last of them
}

// mail plays a mail step: mail [SET], or mail again, which sends the bytes of the last message once more.
func (s *story) mail(ctx context.Context, st Step) error {
	if s.r.SUT.Mail.Door == "" {
		return errors.New("the system under test has no mailbox")
	}
	s.seen = s.r.audit.count()
	if len(st.Args) > 0 && st.Args[0] == "again" {
		if s.posted == nil {
			return errors.New("mail again follows a mail")
		}
		l, err := s.posted.letter.again(ctx, st)
		if err != nil {
			return err
		}
		return s.post(ctx, l, s.posted.raw)
	}
	l, err := s.letter(ctx, st)
	if err != nil {
		return err
	}
	raw, err := s.r.SUT.tape.kept(l.write)
	if err != nil {
		return err
	}
	if len(l.subs) > 0 {
		s.sent = &message{sub: l.subs[0]}
		if expects(st, "stored") {
			if s.before, err = s.holdings(ctx, l.subs[0]); err != nil {
				return err
			}
		}
	}
	s.posted = &posted{read: map[string]int{}}
	return s.post(ctx, l, raw)
}

// again is a letter that goes once more, by the way that the lines of a step say.
func (l *letter) again(ctx context.Context, st Step) (*letter, error) {
	other := *l
	other.st, other.left = st, nil
	for i, text := range strings.Split(st.Body, "\n") {
		text, err := l.s.expand(ctx, strings.TrimSpace(text))
		if verb, rest, _ := strings.Cut(text, " "); err == nil && text != "" {
			var done bool
			if done, err = other.says(verb, rest); err == nil && !done {
				err = fmt.Errorf("%q is no line of a mail that goes again", verb)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", st.Line+1+i, err)
		}
	}
	return &other, nil
}

func (s *story) post(ctx context.Context, l *letter, raw string) (err error) {
	p := s.posted
	p.letter, p.raw, s.last = l, raw, &answer{}
	if l.left != nil {
		p.code = 250 // the operator took it
		return s.r.SUT.leave(l.left, l.envelope, raw)
	}
	p.code, p.text, err = s.r.SUT.sendMail(ctx, l.envelope, []byte(raw))
	s.last.text = []byte(p.text)
	return err
}

// letter reads the lines of a step. Those about documents come first, whatever their place: metadata tell the hash of what is sent.
func (s *story) letter(ctx context.Context, st Step) (*letter, error) {
	m := &s.r.SUT.Mail
	s.letters++
	l := &letter{s: s, st: st, id: fmt.Sprintf("<%s.9%d@%s>", s.root(), s.letters, domainOf(m.From)), form: "archive", docs: map[string]*clinical{}, papers: map[string]*paper{}, kinds: map[string]string{}, at: s.now(),
		envelope: envelope{from: m.From, to: m.To}, signer: "labo", sealed: "mailbox", cipher: ciphers["aes-256"], coding: "base64", media: "application/zip", name: "IHE_XDM.ZIP"}
	l.headers = [][2]string{{"From", "Laboratoire d'essai <" + m.From + ">"}, {"To", m.To}, {"Date", l.at.Format(time.RFC1123Z)}, {"Message-ID", l.id},
		{"Subject", "XDM/1.0/DDM+CR d'examens biologiques ESSAI Alix 01/01/1970"}, {"Disposition-Notification-To", m.From}, {"MIME-Version", "1.0"}}
	var lines [][2]string
	numbers := []int{}
	for i, text := range strings.Split(st.Body, "\n") {
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		text, err := s.expand(ctx, text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", st.Line+1+i, err)
		}
		verb, rest, _ := strings.Cut(text, " ")
		lines, numbers = append(lines, [2]string{verb, strings.TrimSpace(rest)}), append(numbers, st.Line+1+i)
	}
	if !slices.ContainsFunc(lines, func(x [2]string) bool { return x[0] == "entry" || x == [2]string{"brings", "nothing"} }) {
		lines, numbers = append([][2]string{{"entry", "Report"}}, lines...), append([]int{st.Line}, numbers...)
	}
	for _, pass := range []func(context.Context, string, string) error{l.document, l.metadata} {
		for i, x := range lines {
			if err := pass(ctx, x[0], x[1]); err != nil {
				return nil, fmt.Errorf("line %d: %w", numbers[i], err)
			}
		}
		if len(l.subs) == 0 && l.form != "nothing" {
			if err := l.begin(ctx, st.Args); err != nil {
				return nil, err
			}
		}
	}
	return l, nil
}

// document is the first reading: entry NAME [template=..] makes a document, brings FORM says what is sent, cda EDIT and pdf EDIT change the last document.
func (l *letter) document(ctx context.Context, verb, rest string) error {
	switch verb {
	case "brings":
		l.form = rest
	case "entry":
		words := strings.Fields(rest)
		kind := options(words[1:])["template"]
		if kind == "" {
			kind = "cda"
		}
		return l.template(ctx, words[0], kind)
	case "cda":
		if len(l.order) == 0 {
			if err := l.template(ctx, "Report", "cda"); err != nil {
				return err
			}
		}
		name := l.order[len(l.order)-1]
		what, rest, _ := strings.Cut(rest, " ")
		if err := l.docs[name].edit(what, rest); err != nil {
			return err
		}
		return l.print(name)
	case "pdf":
		name := l.order[max(len(l.order)-1, 0):]
		if len(name) == 0 || l.papers[name[0]] == nil {
			return errors.New("the last entry is no PDF")
		}
		what, rest, _ := strings.Cut(rest, " ")
		err := l.papers[name[0]].line(what, escapes.Replace(rest))
		l.s.documents[name[0]] = l.papers[name[0]].render()
		return err
	}
	return nil
}

// template begins a document.
func (l *letter) template(ctx context.Context, name, kind string) error {
	l.order, l.kinds[name] = append(l.order, name), kind
	if kind == "pdf" {
		l.papers[name] = &paper{}
		l.s.documents[name] = tinyPDF()
		return nil
	}
	text, ok := l.s.r.Suite.templates[kind]
	if !ok {
		return fmt.Errorf("no template %s", kind)
	}
	ins, err := l.s.value(ctx, "insid:a")
	if err != nil {
		return err
	}
	text = strings.NewReplacer("{oid}", l.s.oid(name), "{set}", l.s.oid(name+" versions"), "{ins}", ins, "{domain}", l.s.r.SUT.PatientDomain,
		"{pdf}", base64.StdEncoding.EncodeToString([]byte(tinyPDF()))).Replace(text)
	root, err := readTemplate(text)
	if err != nil {
		return fmt.Errorf("template %s: %w", kind, err)
	}
	l.docs[name] = &clinical{root: root}
	return l.print(name)
}

func (l *letter) print(name string) (err error) {
	l.s.documents[name], err = l.docs[name].render()
	return err
}

// begin starts a submission about the patient of the case.
func (l *letter) begin(ctx context.Context, args []string) error {
	name := "Set"
	if len(args) > 0 {
		name = args[0]
	}
	if len(l.subs) > 0 {
		name += strconv.Itoa(len(l.subs) + 1)
	}
	cx, err := l.s.value(ctx, "ins:a")
	if err != nil {
		return err
	}
	b := &submission{s: l.s, set: name, patient: cx}
	l.subs = append(l.subs, b)
	return b.add("SubmissionSet", "set", name, l.s.uuid(name), nil)
}

// metadata is the second reading: everything about submissions, the archive and the message.
func (l *letter) metadata(ctx context.Context, verb, rest string) error {
	switch verb {
	case "cda", "pdf", "brings":
		return nil
	case "subset": // another submission in the archive
		return l.begin(ctx, l.st.Args)
	}
	if slices.Contains(archiveLines, verb) {
		l.packing = append(l.packing, verb+" "+rest)
		return nil
	}
	if done, err := l.says(verb, rest); done {
		return err
	}
	if len(l.subs) == 0 {
		return fmt.Errorf("%q is no line of a mail without documents", verb)
	}
	b := l.subs[len(l.subs)-1]
	switch done, err := b.line(verb, rest); {
	case err != nil:
		return err
	case !done:
		return fmt.Errorf("%q is no line of this step", verb)
	}
	if verb == "entry" {
		return l.describe(b, strings.Fields(rest)[0])
	}
	return nil
}

// describe completes the metadata of an entry as archives have them: the URI of the document, nothing of a repository.
func (l *letter) describe(b *submission, name string) error {
	i := slices.IndexFunc(b.objects, func(o *object) bool { return o.name == name })
	o := b.objects[i]
	o.dom.remove(o.find("repositoryUniqueId")[0])
	n := 1
	for _, other := range b.objects[:i] {
		if other.kind == "DocumentEntry" {
			n++
		}
	}
	extension := "XML"
	if l.kinds[name] == "pdf" {
		extension = "PDF"
		o.dom.setAttr("mimeType", "application/pdf")
	}
	return b.edit("set", fmt.Sprintf("%s.slot:URI DOC%05d.%s", name, n, extension))
}

// says obeys a line about the message; it tells false for a word that is not about it.
func (l *letter) says(verb, rest string) (bool, error) {
	name, value, _ := strings.Cut(rest, " ")
	switch verb {
	case "header": // header NAME: VALUE, or header NAME: - for none
		name, value, _ := strings.Cut(rest, ":")
		l.headers = slices.DeleteFunc(l.headers, func(h [2]string) bool { return strings.EqualFold(h[0], name) })
		if value = strings.TrimSpace(value); value != "-" {
			l.headers = append(l.headers, [2]string{name, escapes.Replace(value)})
		}
	case "silent":
		l.headers = slices.DeleteFunc(l.headers, func(h [2]string) bool { return h[0] == "Disposition-Notification-To" })
	case "signer":
		l.signer = rest
	case "for":
		l.sealed = rest
	case "ends":
		n, err := strconv.Atoi(rest)
		l.ends = n
		return true, err
	case "opaque":
		l.opaque = true
	case "cipher": // des, aes-128 or aes-256
		i, ok := ciphers[rest]
		if l.cipher = i; !ok {
			return true, fmt.Errorf("the cipher %q is not known here", rest)
		}
	case "altered":
		l.altered = rest
	case "attach": // attach NAME MEDIA TEXT
		media, text, _ := strings.Cut(value, " ")
		switch text {
		case "pdf":
			text = tinyPDF()
		case "document":
			text = l.s.document(l.order[0])
		}
		l.attached = append(l.attached, part{name, media, []byte(text)})
	case "parts":
		n, err := strconv.Atoi(rest)
		for range n {
			l.attached = append(l.attached, part{"note.txt", "text/plain", []byte("note")})
		}
		return true, err
	case "nested":
		n, err := strconv.Atoi(rest)
		l.nested = n
		return true, err
	case "coded":
		l.coding = rest
	case "called":
		l.name = rest
	case "media":
		l.media = rest
	case "in": // in metadata|letter: OLD => NEW
		where, change, _ := strings.Cut(rest, ": ")
		old, change, ok := strings.Cut(change+" ", " => ")
		if !ok {
			return true, fmt.Errorf("in WHERE: OLD => NEW is due")
		}
		l.edits = append(l.edits, edit{where, escapes.Replace(old), escapes.Replace(strings.TrimSpace(change))})
	default:
		return l.travels(verb, rest)
	}
	return true, nil
}

// travels obeys a line about who sends the message and how it goes, as says does.
func (l *letter) travels(verb, rest string) (bool, error) {
	switch verb {
	case "carried": // by the operator, whose connection vouches for it: neither signed nor encrypted
		l.signer, l.sealed = "-", "-"
		l.become(l.s.r.SUT.Mail.Carried)
	case "sender": // a correspondent, who signs himself, or an address
		address := rest
		for _, c := range correspondents {
			if c.name == rest {
				address, l.signer = l.s.r.SUT.Mail.address(c.address), rest
			}
		}
		l.become(address)
	case "node":
		l.node = rest
	case "by": // by imap ACCOUNT
		name, ok := strings.CutPrefix(rest, "imap ")
		if l.left = (&left{account: l.s.r.SUT.Mail.Operator.Accounts[name]}); !ok || l.left.account == "" {
			return true, fmt.Errorf("the operator has no account %q", rest)
		}
	case "reverse-path":
		l.envelope.from = strings.Trim(rest, "<>")
	case "recipient":
		l.envelope.to = rest
	case "anonymous":
		l.anonymous = true
	case "notify":
		l.notify = true
	case "announce":
		n, err := strconv.Atoi(rest)
		l.envelope.size = n
		return true, err
	default:
		if l.left != nil {
			return l.left.line(verb, rest)
		}
		return false, nil
	}
	return true, nil
}

// become makes an address the sender's.
func (l *letter) become(address string) {
	for i := range l.headers {
		if l.envelope.from != "" {
			l.headers[i][1] = strings.ReplaceAll(l.headers[i][1], l.envelope.from, address)
		}
	}
	l.envelope.from = address
}

func (l *letter) apply(where, text string) (string, error) {
	m := message{edits: l.edits}
	return m.apply(where, text)
}

// archive is the archive of the letter: a folder for each submission.
func (l *letter) archive() ([]byte, error) {
	a := &archive{}
	a.put("INDEX.HTM", indexPage)
	a.put("README.TXT", readmeText)
	for i, b := range l.subs {
		dir := fmt.Sprintf("IHE_XDM/SUBSET%02d/", i+1)
		body, _ := b.body()
		text, err := l.apply("metadata", `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+body)
		if err != nil {
			return nil, err
		}
		a.put(dir+"METADATA.XML", text)
		for n, o := range b.entries() {
			extension := map[bool]string{true: "PDF", false: "XML"}[l.kinds[o.name] == "pdf"]
			a.put(fmt.Sprintf("%sDOC%05d.%s", dir, n+1, extension), l.s.document(o.name))
		}
	}
	for _, line := range l.packing {
		verb, rest, _ := strings.Cut(line, " ")
		if err := a.line(verb, rest); err != nil {
			return nil, err
		}
	}
	return a.bytes(l.at)
}

// entries are the entries of a submission that bring a document.
func (b *submission) entries() (out []*object) {
	for _, o := range b.objects {
		if o.kind == "DocumentEntry" && !slices.Contains(b.without, o.name) {
			out = append(out, o)
		}
	}
	return out
}

// write makes the bytes of the message.
func (l *letter) write() (string, error) {
	parts := []part{{"", "text/plain; charset=utf-8", []byte("Bonjour,\r\n\r\nVeuillez trouver ci-joint un résultat.\r\n")}}
	switch l.form {
	case "archive":
		b, err := l.archive()
		if err != nil {
			return "", err
		}
		parts = append(parts, part{l.name, l.media, b})
	case "cda", "pdf":
		for _, name := range l.order {
			media, file := "text/xml", name+".XML"
			if l.kinds[name] == "pdf" {
				media, file = "application/pdf", name+".PDF"
			}
			parts = append(parts, part{file, media, []byte(l.s.document(name))})
		}
	}
	entity := l.mixed(append(parts, l.attached...))
	for range l.nested {
		around := fmt.Sprint("around", len(entity))
		entity = "Content-Type: multipart/mixed; boundary=\"" + around + "\"\r\n\r\n--" + around + "\r\n" + entity + "\r\n--" + around + "--\r\n"
	}
	entity, err := l.seal(entity)
	if err != nil {
		return "", err
	}
	var head strings.Builder
	for _, h := range l.headers {
		head.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	text, err := l.apply("letter", head.String()+entity)
	if l.ends > 0 {
		text = text[:min(l.ends, len(text))]
	}
	return text, err
}

// mixed puts parts beside each other.
func (l *letter) mixed(parts []part) string {
	var b strings.Builder
	b.WriteString("Content-Type: multipart/mixed; boundary=\"suite-mixed\"\r\n\r\n")
	for _, p := range parts {
		coding := "base64"
		if p.cid == l.name && p.cid != "" || p.cid != "" && l.form != "archive" {
			coding = l.coding
		}
		if p.cid == "" {
			coding = "quoted-printable"
		}
		b.WriteString("--suite-mixed\r\nContent-Type: " + p.contentType)
		if p.cid != "" {
			b.WriteString("; name=\"" + mime.QEncoding.Encode("utf-8", p.cid) + "\"\r\nContent-Disposition: attachment; filename=\"" + mime.QEncoding.Encode("utf-8", p.cid) + "\"")
		}
		b.WriteString("\r\nContent-Transfer-Encoding: " + strings.TrimPrefix(coding, "one-line-") + "\r\n\r\n" + encoded(coding, p.content) + "\r\n")
	}
	return b.String() + "--suite-mixed--\r\n"
}

// encoded is content in a transfer encoding: base64, base64 in one line, quoted-printable, or as it stands.
func encoded(coding string, content []byte) string {
	var b strings.Builder
	switch coding {
	case "base64":
		return folded(content)
	case "one-line-base64":
		return base64.StdEncoding.EncodeToString(content)
	case "quoted-printable":
		w := quotedprintable.NewWriter(&b)
		w.Binary = true
		_, _ = w.Write(content) // a Builder takes everything
		_ = w.Close()
		return b.String()
	}
	return string(content)
}

// folded is base64 in lines of 76 characters.
func folded(content []byte) string {
	var b strings.Builder
	text := base64.StdEncoding.EncodeToString(content)
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	return b.String() + text
}

// seal signs an entity and encrypts it (RFC 8551), as far as the letter says.
func (l *letter) seal(entity string) (string, error) {
	var err error
	l.entity = entity
	if l.signer != "-" {
		if entity, err = l.sign(entity); err != nil {
			return "", err
		}
	}
	if l.altered != "" {
		if !strings.Contains(entity, l.altered) {
			return "", fmt.Errorf("there is no %q to alter", l.altered)
		}
		entity = strings.Replace(entity, l.altered, "ALTERED", 1)
	}
	if l.sealed == "-" {
		return entity, nil
	}
	recipient, err := l.s.r.SUT.Mail.certificate(l.sealed)
	if err != nil {
		return "", err
	}
	der, err := encrypt([]byte(entity), recipient, l.cipher)
	if err != nil {
		return "", fmt.Errorf("encrypt: %w", err)
	}
	return "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=\"smime.p7m\"\r\nContent-Disposition: attachment; filename=\"smime.p7m\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + folded(der) + "\r\n", nil
}

// sign signs an entity: beside it, or around it where the letter is opaque.
func (l *letter) sign(entity string) (string, error) {
	by, err := l.s.r.SUT.Mail.signer(l.signer)
	if err != nil {
		return "", err
	}
	signed, err := pkcs7.NewSignedData([]byte(entity))
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := signed.AddSigner(by.certificate, by.key, pkcs7.SignerInfoConfig{}); err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	if !l.opaque {
		signed.Detach()
	}
	der, err := signed.Finish()
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	if l.opaque {
		return "Content-Type: application/pkcs7-mime; smime-type=signed-data; name=\"smime.p7m\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + folded(der) + "\r\n", nil
	}
	return "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=\"suite-signed\"\r\n\r\n--suite-signed\r\n" + entity +
		"\r\n--suite-signed\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\nContent-Disposition: attachment; filename=\"smime.p7s\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		folded(der) + "\r\n--suite-signed--\r\n", nil
}

// ciphers are those of the library. DES, which is its default, is refused by everybody.
var ciphers = map[string]int{"des": pkcs7.EncryptionAlgorithmDESCBC, "aes-128": pkcs7.EncryptionAlgorithmAES128CBC, "aes-256": pkcs7.EncryptionAlgorithmAES256CBC}

var encrypting sync.Mutex // the library is told the cipher by a variable of its own

func encrypt(entity []byte, to *x509.Certificate, cipher int) ([]byte, error) {
	encrypting.Lock()
	defer encrypting.Unlock()
	pkcs7.ContentEncryptionAlgorithm = cipher
	return pkcs7.Encrypt(entity, []*x509.Certificate{to})
}
