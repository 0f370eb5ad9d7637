package conformance

import (
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// inWords says what a line of an expect block asks for; {} is the rest of the line.
var inWords = map[string]string{
	"status": "the answer says {}", "error": "the answer has the error {}, and none that is not listed", "warning": "the answer has the warning {}", "fault": "the answer is a SOAP fault {}",
	"http": "the HTTP status is one of {}", "ack": "the message is acknowledged with {}", "field": "in the acknowledgement, {}", "objects": "the answer holds these objects and no others: {}",
	"count": "the answer holds so many objects: {}", "association": "the answer holds the association {}", "attribute": "{}", "capture": "the value is kept: {}", "document": "the bytes of the document: {}",
	"stored": "the registry holds {} of it, as before", "kept": "the registry keeps {} of it", "audit": "an audit record comes: transaction, outcome, text: {}", "heard": "an audit record of the node comes: {}", "record": "that audit record has: {}", "found": "so many events are found: {}", "json": "the answer has: {}",
	"unchanged": "what was reported is kept byte for byte {}", "handshake": "the handshake is {}", "outcomes": "what was sent at once ends, in any order, as {}", "message": "the message has: {}", "says": "the answer holds the text {}",
	"hides": "the answer does not hold the text {}", "header": "the HTTP header says {}", "packaging": "the answer is framed as {}", "context": "some codeContext holds {}",
	"within": "every answer of the step, and whatever it waits for, comes within {}", "xpath": "in the answer, {}",
	"segments": "the answer has so many segments: {}", "response": "the queryResponseCode, and the persons in all, told and left: {}", "detail": "the acknowledgement has the detail {}",
	"identifiers": "the patients of the answer have these identifiers and no others: {}", "refused": "the submission fails; every error is one of the first list, one of them at a place of the second: {}", "accepted": "the submission is accepted without an error",
	"outcome": "the status of the answer is {}", "rows": "the rows of the answer are so many, or say in a field: {}", "state": "the record of the patient is {}",
	"observed": "an observation of the patient says {}", "attention": "the answer says of who asks: {}",
	"smtp": "the reply to the message is {}", "answer": "the answer by mail says {}", "delivered": "a delivery status notification says that the message arrived",
	"lies": "the message lies at the operator: {}", "signed": "the answer is signed with the certificate of the mailbox {}", "mdn": "a field of the notification: {}",
}

// lookAt says what to look at when a line did not hold.
var lookAt = map[string]string{
	"status": "whether the rule is checked at all, and before anything is stored", "error": "the code, then the location of each error: a rule that is not checked, one too many, or the right rule under another code",
	"refused": "the check of this attribute: its presence, its form, its datatype", "accepted": "a check that is stricter than the standard", "stored": "whether checks come before the transaction, and whether a refusal rolls all of it back",
	"kept": "whether checks come before the transaction, and whether a refusal rolls all of it back", "audit": "whether the actor audits refusals too, and where it sends its records (audit: host:port in the description of the system)",
	"fault": "the SOAP stack: code, subcode, HTTP status", "attribute": "how the attribute is stored and written again", "objects": "the criteria of the query, and the status of the objects", "ack": "the acknowledgement code of the interface engine",
	"answer": "the order of the checks, and which reason each gives", "smtp": "what the door knows before it takes a message",
	"within": "what the system does before it answers, and whether it waits for somebody", "xpath": "how the answer is written: which elements stand in which",
	"document": "how parts are read and written: transfer encoding, Content-ID, the last bytes",
}

// Explain tells a case in words: the obligation, what is sent, what is expected.
func (s *Suite) Explain(w io.Writer, c *Case) error {
	requirements, err := Requirements()
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n\nObligation\n", c.Name, c.Note)
	for _, r := range requirements {
		if slices.Contains(r.Cases, c.Name) {
			fmt.Fprintf(&b, "  %s (%s): %s\n", r.ID, r.Level, r.Means)
		}
	}
	fmt.Fprintf(&b, "  read in %s\n", strings.Join(c.Cites, "; "))
	looks := []string{}
	for i, st := range c.Steps {
		name := transactions[st.Verb].name
		if name != "" {
			name = " (" + name + ")"
		}
		fmt.Fprintf(&b, "\nStep %d, line %d: %s%s %s\n", i+1, st.Line, st.Verb, name, strings.Join(st.Args, " "))
		if body := strings.TrimSpace(st.Body); body != "" {
			fmt.Fprintln(&b, indent(body))
		}
		if len(st.Expect) == 0 && !verbs[st.Verb].silent {
			fmt.Fprintln(&b, "  Expected: success, without an error or a warning")
		}
		for _, l := range st.Expect {
			fmt.Fprintf(&b, "  Expected: %s\n", strings.ReplaceAll(inWords[l.Verb], "{}", l.Rest))
			if look := lookAt[l.Verb]; look != "" && !slices.Contains(looks, look) {
				looks = append(looks, look)
			}
		}
	}
	if len(looks) > 0 {
		fmt.Fprintf(&b, "\nWhen it fails, look at\n  - %s\n", strings.Join(looks, "\n  - "))
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// ExplainRun tells what happened to a case in a run: what was sent, what came, what was wrong.
func ExplainRun(w io.Writer, fsys fs.FS, name string) error {
	found := false
	err := eachCase(fsys, func(dir string, rec *caseRecord) error {
		if rec.Name != name {
			return nil
		}
		found = true
		var b strings.Builder
		fmt.Fprintf(&b, "\nIn this run: %s\n", rec.Verdict)
		for _, f := range rec.Faults {
			fmt.Fprintf(&b, "%s\n", indent(f))
		}
		for i, x := range rec.Exchanges {
			fmt.Fprintf(&b, "\nExchange %d, %s, %s, %.3f s %s\n", i+1, x.Where, x.Began.Format("15:04:05.000"), x.Took.Seconds(), x.Broken)
			for _, side := range []string{"request", "response"} {
				text, err := fs.ReadFile(fsys, fmt.Sprintf("%s/%02d-%s", dir, i+1, side))
				if err != nil {
					return err
				}
				fmt.Fprintf(&b, "  %s, %d bytes\n%s\n", side, len(text), indent(readable(text, 6000)))
			}
		}
		_, err := io.WriteString(w, b.String())
		return err
	})
	if err == nil && !found {
		return fmt.Errorf("the evidence has no case %s", name)
	}
	return err
}

// readable is a message for people: at most n bytes, line ends as they read, nothing a terminal would obey.
func readable(text []byte, n int) string {
	cut := ""
	if len(text) > n {
		text, cut = text[:n], "\n..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ReplaceAll(strings.ReplaceAll(strings.ToValidUTF8(string(text), "?"), "\r\n", "\n"), "\r", "\n")) + cut
}

// Code is an error code of ITI TF-3 table 4.2.4.1-2: when it is due, in our words.
type Code struct{ Name, Means string }

// Codes are those that cases expect.
var Codes = []Code{
	{"XDSDocumentUniqueIdError", "a document that is asked for is not here, or cannot be given"},
	{"XDSDuplicateUniqueIdInRegistry", "a unique id of the submission belongs to another object already"},
	{"XDSExtraMetadataNotSaved", "a warning: metadata beyond the standard's was accepted and not kept"},
	{"XDSMetadataAnnotationError", "a restricted update does not say, or says wrongly, what it follows or what becomes of associations"},
	{"XDSMetadataIdentifierError", "an update names no object of the registry by its logicalID"},
	{"XDSMetadataUpdateError", "an update is understood and cannot be made, for a reason that no other code says"},
	{"XDSMetadataUpdateOperationError", "it cannot be understood what an update asks for"},
	{"XDSMetadataVersionError", "an update follows a version that is not the current one: somebody else was faster"},
	{"XDSMissingDocument", "an entry describes a document that is not in the message"},
	{"XDSMissingDocumentMetadata", "a document is in the message that no entry describes"},
	{"XDSNonIdenticalHash", "a unique id comes again, with another content"},
	{"XDSNonIdenticalSize", "a unique id comes again, with a content of another length"},
	{"XDSPatientIDReconciliationError", "an update concerns objects of another patient than its own"},
	{"XDSPatientIdDoesNotMatch", "objects that belong together are of several patients"},
	{"XDSRegistryDeprecatedDocumentError", "a document that is to be replaced, transformed or amended is not Approved"},
	{"XDSRegistryDuplicateUniqueIdInMessage", "two objects of a submission have one unique id; found by the registry"},
	{"XDSRepositoryDuplicateUniqueIdInMessage", "two objects of a submission have one unique id; found by the repository"},
	{"XDSRegistryError", "the registry is at fault or found something that no other code says"},
	{"XDSRepositoryError", "the repository is at fault or found something that no other code says"},
	{"XDSRegistryMetadataError", "metadata is not as the standard wants it: absent, repeated, malformed, unknown; found by the registry"},
	{"XDSRepositoryMetadataError", "metadata is not as the standard wants it, or not of the bytes that came; found by the repository"},
	{"XDSResultNotSinglePatient", "a query would give whole objects of several patients"},
	{"XDSStoredQueryMissingParam", "a parameter that the stored query needs is absent"},
	{"XDSStoredQueryParamNumber", "a parameter has the wrong form or number of values"},
	{"XDSTooManyResults", "a query finds more than the registry is willing to give"},
	{"XDSUnknownCommunity", "another community is asked for that is not known here"},
	{"XDSUnknownPatientId", "the patient was not announced by a feed"},
	{"XDSUnknownRepositoryId", "another repository is asked for"},
	{"XDSUnknownStoredQuery", "no stored query has that id"},
	{"XDSUnreferencedObjectException", "a removal would leave a submission set without what it submitted, or a document without a submission set"},
	{"ReferencesExistException", "a removal would leave associations that refer to what is gone"},
	{"UnmodifiableMetadataError", "a restricted update goes further than it may"},
	{"UnresolvedReferenceException", "a reference leads nowhere"},
}

// ExplainCode tells what an error code means and which cases expect it.
func (s *Suite) ExplainCode(w io.Writer, code string) error {
	i := slices.IndexFunc(Codes, func(c Code) bool { return c.Name == code })
	if i < 0 {
		return fmt.Errorf("%s is neither a case nor an error code of the suite", code)
	}
	probes, err := Probes()
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s (ITI TF-3 table 4.2.4.1-2)\n\nDue when %s.\n\nExpected by\n", code, Codes[i].Means)
	count := 0
	for _, c := range slices.Concat(s.Cases, probes) {
		if !strings.Contains(c.Text, code) {
			continue
		}
		if c.shared {
			count++
			continue
		}
		first, _, _ := strings.Cut(c.Note, "\n")
		fmt.Fprintf(&b, "  %-48s %s\n", c.Name, first)
	}
	if count > 0 {
		fmt.Fprintf(&b, "  and allowed or expected by %d probes\n", count)
	}
	_, err = io.WriteString(w, b.String())
	return err
}
