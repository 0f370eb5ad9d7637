// Package insisim plays INSi for tests and demonstrations: it speaks the messages of ServiceIdentiteCertifiee 1.0.0 over HTTP about people it is given. It is no
// service: what it knows is invented, and it takes whoever asks. It shares no code with the client, so that neither blesses the faults of the other.
package insisim

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Identifier is an INS of somebody.
type Identifier struct {
	Number, Key, OID string
	From, To         string
}

// Person is an invented person.
type Person struct {
	Active    Identifier
	History   []Identifier
	BirthName string
	Given     []string
	Sex       string
	BirthDate string // YYYY-MM-DD
	Place     string
	Insured   string // number of whom the card is; empty when it is the person's own
	Rank      int    // on the card; 0 is 1
}

// Service answers about people. It is an http.Handler; the people may not change while it serves.
type Service struct {
	People []Person
	// Check looks at the wsse:Security header block of a call, as it stands in the envelope; an error refuses the call. Nil takes any.
	Check func(security []byte) error
	Now   func() time.Time // nil is the clock
}

// maxQuestion bounds a question, in bytes.
const maxQuestion = 256 << 10

// ServeHTTP answers one question.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mt, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || err != nil || mt != "application/soap+xml" {
		http.Error(w, "expected POST of application/soap+xml", http.StatusUnsupportedMediaType)
		return
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, maxQuestion+1))
	if err != nil || len(text) > maxQuestion {
		http.Error(w, "the question is cut short or too long", http.StatusRequestEntityTooLarge)
		return
	}
	q, err := readQuestion(text)
	if err == nil {
		err = s.check(q, params["action"])
	}
	if err != nil {
		send(w, http.StatusBadRequest, appendFault(q.messageID, "siram_100", err.Error()))
		return
	}
	send(w, http.StatusOK, s.answer(q))
}

func send(w http.ResponseWriter, status int, envelope []byte) {
	w.Header().Set("Content-Type", "application/soap+xml; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(envelope)
}

// operations are the root of the question and of the answer's action, by action.
var operations = map[string]string{
	"urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecTraitsIdentite": "RECSANSVITALE",
	"urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecCarteVitale":    "RECVITALE",
}

// check applies what the interface asks of every call.
func (s *Service) check(q question, action string) error {
	root, ok := operations[action]
	switch {
	case !ok:
		return fmt.Errorf("unknown action")
	case root != q.root:
		return fmt.Errorf("the body is no %s", root)
	case q.security == nil:
		return fmt.Errorf("no wsse:Security")
	case q.messageID == "":
		return fmt.Errorf("no wsa:MessageID")
	case q.software != "01_00":
		return fmt.Errorf("no ContexteLPS of version 01_00")
	case q.coverage != "01_02":
		return fmt.Errorf("no ContexteBAM of version 01_02")
	}
	if s.Check != nil {
		return s.Check(q.security)
	}
	return nil
}

// answer searches and answers.
func (s *Service) answer(q question) []byte {
	var found []Person
	for _, p := range s.People {
		if q.root == "RECVITALE" && p.onCard(q) || q.root == "RECSANSVITALE" && p.has(q) {
			found = append(found, p)
		}
	}
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	switch len(found) {
	case 0:
		return appendAnswer(q, now(), "01", "Aucune identité trouvée", nil)
	case 1:
		return appendAnswer(q, now(), "00", "OK", &found[0])
	}
	return appendAnswer(q, now(), "02", "Plusieurs identités trouvées", nil)
}

// has tells whether somebody has the traits of a question. One of the given names is enough; a birth place is compared where it is said.
func (p *Person) has(q question) bool {
	given := slices.ContainsFunc(q.given, func(g string) bool {
		return strings.EqualFold(g, strings.Join(p.Given, " ")) || slices.ContainsFunc(p.Given, func(h string) bool { return strings.EqualFold(g, h) })
	})
	return given && strings.EqualFold(q.birthName, p.BirthName) && q.sex == p.Sex && q.birthDate == p.BirthDate && (q.place == "" || strings.EqualFold(q.place, p.Place))
}

// onCard tells whether a question by card is about somebody: by the own number, or as one of those whom the card of another covers.
func (p *Person) onCard(q question) bool {
	if q.birthDate != p.BirthDate {
		return false
	}
	if q.number != "" {
		return q.number == p.Active.Number || slices.ContainsFunc(p.History, func(i Identifier) bool { return i.Number == q.number })
	}
	insured := p.Insured
	if insured == "" {
		insured = p.Active.Number
	}
	return q.insured == insured && q.rank == max(p.Rank, 1)
}
