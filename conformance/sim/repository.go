package sim

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

// documents is what a repository holds.
type documents struct {
	s        *Server
	uniqueID string
	client   *http.Client

	mu   sync.Mutex
	held map[string]document // by unique id
	size int
}

type document struct {
	mime    string
	content []byte
}

func (s *Server) serveRepository() {
	d := &documents{s: s, uniqueID: s.c.Repository, held: map[string]document{}, client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: s.c.Client}}}
	if d.uniqueID == "" {
		d.uniqueID = DefaultRepository
	}
	s.serveSOAP(d.answer)
}

// DefaultRepository is the unique id of a repository that is told none.
const DefaultRepository = "1.2.250.1.999.9.43"

// answer takes ITI-41 and ITI-43.
func (d *documents) answer(req *request) *reply {
	switch req.action {
	case "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b":
		code, err := d.provide(req)
		if err != nil {
			return newReply(req, failure(code, err.Error()))
		}
		return newReply(req, success)
	case "urn:ihe:iti:2007:RetrieveDocumentSet":
		return d.retrieve(req)
	}
	return fault(req, "Sender", "the action is none of a repository")
}

// provide keeps the documents and registers the submission.
func (d *documents) provide(req *request) (code string, err error) {
	request := down(req.body, "SubmitObjectsRequest")
	contents := map[string][]byte{}
	for _, e := range children(req.body, "Document") {
		content, err := req.content(e)
		if err != nil {
			return "XDSRepositoryError", err
		}
		contents[e.Value("id")] = content
	}
	batch := map[string]document{}
	var list strings.Builder
	for n := range each(down(request, "RegistryObjectList")) {
		object := write(n)
		if n.Local() == "ExtrinsicObject" {
			content, ok := contents[n.Value("id")]
			if !ok {
				return "XDSMissingDocument", errors.New("an entry has no document")
			}
			sum := sha1.Sum(content)
			for _, slot := range [][2]string{{"hash", hex.EncodeToString(sum[:])}, {"size", fmt.Sprint(len(content))}} {
				if was := slotOf(n, slot[0]); was != "" && !strings.EqualFold(was, slot[1]) {
					return "XDSRepositoryMetadataError", errors.New(slot[0] + " is not that of the document")
				} else if was == "" {
					object = withSlot(object, slot[0], slot[1])
				}
			}
			if slotOf(n, "repositoryUniqueId") == "" {
				object = withSlot(object, "repositoryUniqueId", d.uniqueID)
			}
			for _, i := range children(n, "ExternalIdentifier") {
				if identifiers[i.Value("identificationScheme")] == "uniqueId" {
					batch[i.Value("value")] = document{n.Value("mimeType"), content}
				}
			}
			delete(contents, n.Value("id"))
		}
		list.WriteString(object)
	}
	if len(contents) > 0 {
		return "XDSMissingDocumentMetadata", errors.New("a document has no entry")
	}
	if d.s.c.Registry != "" && !faulty(d.s.faults, "never-registers") {
		if err := d.register(list.String()); err != nil {
			return "XDSRegistryNotAvailable", err
		}
	}
	return "XDSRepositoryOutOfResources", d.keep(batch)
}

func (d *documents) keep(batch map[string]document) error {
	if faulty(d.s.faults, "forgets") {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, one := range batch {
		if d.size+len(one.content) > maxHeldSize || len(d.held) >= maxHeld {
			return errors.New("there is no room for more documents")
		}
		d.size += len(one.content)
		d.held[id] = one
	}
	return nil
}

// content gives the bytes of a document of a request.
func (req *request) content(e xmltree.Node) ([]byte, error) {
	if include := down(e, "Include"); !include.IsZero() {
		content, ok := req.parts[strings.TrimPrefix(include.Value("href"), "cid:")]
		if !ok {
			return nil, errors.New("a part is missing")
		}
		return content, nil
	}
	content, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(e.Text()), ""))
	if err != nil {
		return nil, errors.New("a document is neither a part nor base64")
	}
	return content, nil
}

func slotOf(n xmltree.Node, name string) string {
	for _, s := range children(n, "Slot") {
		if s.Value("name") == name {
			return text(down(s, "ValueList", "Value"))
		}
	}
	return ""
}

// withSlot adds a slot to an object that was written.
func withSlot(object, name, value string) string {
	i := strings.IndexByte(object, '>') + 1
	return object[:i] + `<rim:Slot name="` + name + `"><rim:ValueList><rim:Value>` + escape(value) + `</rim:Value></rim:ValueList></rim:Slot>` + object[i:]
}

// register sends ITI-42.
func (d *documents) register(list string) error {
	a := newReply(&request{}, `<lcm:SubmitObjectsRequest xmlns:lcm="`+nsLCM+`" xmlns:rim="`+nsRIM+`"><rim:RegistryObjectList>`+list+`</rim:RegistryObjectList></lcm:SubmitObjectsRequest>`)
	a.action = "urn:ihe:iti:2007:RegisterDocumentSet-b"
	a.more = `<wsa:MessageID>` + uuid() + `</wsa:MessageID><wsa:To env:mustUnderstand="true">` + escape(d.s.c.Registry) + `</wsa:To>`
	body := a.bytes()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.s.c.Registry, bytes.NewReader(body))
	if err != nil {
		return errors.New("the address of the registry cannot be used")
	}
	req.Header = a.header
	resp, err := d.client.Do(req)
	if err != nil {
		return errors.New("the registry does not answer")
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode != 200 || !bytes.Contains(answer, []byte(outcome+"Success")) {
		return errors.New("the registry does not take the submission")
	}
	return nil
}

// retrieve gives documents.
func (d *documents) retrieve(req *request) *reply {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := newReply(req, "")
	a.mtom = true
	var documents, problems strings.Builder
	for i, r := range children(req.body, "DocumentRequest") {
		id, repository := text(down(r, "DocumentUniqueId")), text(down(r, "RepositoryUniqueId"))
		one, ok := d.held[id]
		switch {
		case repository != d.uniqueID:
			problems.WriteString(registryError("XDSUnknownRepositoryId"))
			continue
		case !ok:
			problems.WriteString(registryError("XDSDocumentUniqueIdError"))
			continue
		}
		cid := fmt.Sprintf("document%d@sim", i+1)
		a.parts = append(a.parts, part{cid, one.mime, "binary", one.content})
		documents.WriteString(`<xdsb:DocumentResponse><xdsb:RepositoryUniqueId>` + escape(repository) + `</xdsb:RepositoryUniqueId><xdsb:DocumentUniqueId>` + escape(id) +
			`</xdsb:DocumentUniqueId><xdsb:mimeType>` + escape(one.mime) + `</xdsb:mimeType><xdsb:Document><xop:Include xmlns:xop="` + nsXOP + `" href="cid:` + cid + `"/></xdsb:Document></xdsb:DocumentResponse>`)
	}
	status, list := outcome+"Success", ""
	if problems.Len() > 0 {
		list = `<rs:RegistryErrorList highestSeverity="` + severity + `Error">` + problems.String() + `</rs:RegistryErrorList>`
		if status = outcome + "Failure"; documents.Len() > 0 {
			status = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"
		}
	}
	a.body = `<xdsb:RetrieveDocumentSetResponse xmlns:xdsb="` + nsXDSB + `"><rs:RegistryResponse xmlns:rs="` + nsRS + `" status="` + status + `">` + list + `</rs:RegistryResponse>` + documents.String() +
		`</xdsb:RetrieveDocumentSetResponse>`
	return a
}

func registryError(code string) string {
	return `<rs:RegistryError errorCode="` + code + `" codeContext="a document is not held here" severity="` + severity + `Error" location=""/>`
}
