package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/dmp"
	"github.com/passerelle-sante/passerelle/dmp/td"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

// The words of shared records, for commands.
type (
	Standing = dmp.Standing
	Notice   = policy.Notice
	Entry    = dmp.Entry
	Stay     = policy.Stay
	Party    = policy.Party
	Wishes   = dmp.Wishes
	Member   = policy.Membership
	// Representative acts for a patient.
	Representative = policy.Representative
	// Administration is what is known of a record but its documents and rights.
	Administration = dmp.Administration
)

// mostEntries is how much of a journal an operator is shown at once.
const mostEntries = 1000

// DMPOrder is what an operator does about a patient's shared record, on his behalf.
type DMPOrder struct {
	Do        string // open, reopen, close, destroy, attending, grant, delegate, extend, block, unblock, revoke, team, told, members, decide
	Patient   string // a CX
	Consent   bool   // open, reopen: the patient consents expressly
	Where     string // open, reopen: where the consent was collected
	Notice    string // open, reopen: version of the information notice
	Reason    string // close: code
	Confirmed bool   // close
	Person    string // attending, grant, block, unblock: national identifier
	Name      string
	Role      string // profession, code^system
	Structure string
	Emergency bool      // block: he may break the glass all the same
	Right     string    // revoke, extend
	Group     string    // grant, members: of a group practice
	Except    []string  // grant: members whom the patient excludes
	Members   []string  // members: national identifiers
	Directory bool      // members: as the directory has them
	Until     time.Time // grant, extend: zero has no end
	From      string    // delegate: the prescriber
	Wishes    *Wishes   // decide
	Number    string    // team: of the stay in Structure
	Refused   bool      // team
	UpTo      time.Time // told
}

func (g *Gateway) serveDMP(mux *http.ServeMux) {
	handle := func(pattern string, do func(r *http.Request, c auth.Caller, patient hl7.CX) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			patient, err := hl7.ParseCX(r.URL.Query().Get("patient"))
			if r.Method == http.MethodPost || r.URL.Query().Get("patient") == "" {
				err = nil // an order says whom it is about itself, a group is of nobody, and the actor misses whom it needs
			}
			if g.dmp == nil {
				err = errors.New("there are no shared records here: set policy.rules")
			}
			var answer any
			if err == nil {
				answer, err = do(r, identityOperator(r), patient)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			_ = json.NewEncoder(w).Encode(answer) // the caller has gone; what he ordered is done all the same
		})
	}
	handle("POST /dmp", func(r *http.Request, c auth.Caller, _ hl7.CX) (any, error) {
		var o DMPOrder
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&o); err != nil {
			return nil, err
		}
		patient, err := hl7.ParseCX(o.Patient)
		if err != nil && o.Do != "members" {
			return nil, errors.New("the patient is due, as 279...^^^&1.2.250.1.213.1.4.8&ISO")
		}
		return struct{}{}, g.orderDMP(r.Context(), c, patient, o)
	})
	handle("GET /dmp/rights", func(r *http.Request, c auth.Caller, patient hl7.CX) (any, error) {
		return g.dmp.Rights(r.Context(), c, patient, dmp.Every)
	})
	handle("GET /dmp/journal", func(r *http.Request, c auth.Caller, patient hl7.CX) (any, error) {
		list, _, err := g.dmp.Access(r.Context(), c, patient, 0, mostEntries)
		return list, err
	})
	handle("GET /dmp/administration", func(r *http.Request, c auth.Caller, patient hl7.CX) (any, error) {
		return g.dmp.Administrative(r.Context(), c, patient)
	})
	handle("GET /dmp/masks", func(r *http.Request, c auth.Caller, patient hl7.CX) (any, error) {
		return g.masks(r.Context(), c, patient)
	})
	handle("GET /dmp/members", func(r *http.Request, _ auth.Caller, _ hl7.CX) (any, error) {
		return g.dmp.Members(r.Context(), r.URL.Query().Get("group"))
	})
	handle("GET /dmp/stays", func(r *http.Request, c auth.Caller, patient hl7.CX) (any, error) {
		return g.dmp.Stays(r.Context(), c, patient)
	})
	handle("GET /dmp/notices", func(r *http.Request, c auth.Caller, patient hl7.CX) (any, error) {
		return g.dmp.Notices(r.Context(), c, patient)
	})
}

func (g *Gateway) orderDMP(ctx context.Context, c auth.Caller, patient hl7.CX, o DMPOrder) error {
	who := policy.Party{Person: o.Person, Name: o.Name, Role: o.Role, Structure: o.Structure}
	opening := dmp.Opening{Consent: o.Consent, Way: policy.AtCounter, Where: o.Where, Notice: o.Notice}
	switch o.Do {
	case "open":
		return g.dmp.Open(ctx, c, patient, opening)
	case "reopen":
		return g.dmp.Reopen(ctx, c, patient, opening)
	case "close":
		return g.dmp.Close(ctx, c, patient, o.Reason, o.Confirmed)
	case "attending":
		_, _, err := g.dmp.SetAttending(ctx, c, patient, who)
		return err
	case "block":
		return g.dmp.Block(ctx, c, patient, who, o.Emergency)
	case "unblock":
		return g.dmp.Unblock(ctx, c, patient, who)
	case "revoke":
		return g.dmp.Revoke(ctx, c, patient, o.Right)
	}
	return g.orderMore(ctx, c, patient, o)
}

func (g *Gateway) orderMore(ctx context.Context, c auth.Caller, patient hl7.CX, o DMPOrder) (err error) {
	switch {
	case o.Do == "destroy":
		return g.dmp.Destroy(ctx, c, patient)
	case o.Do == "grant" && o.Group != "":
		_, err = g.dmp.GrantGroup(ctx, c, patient, policy.Party{Group: o.Group, Name: o.Name}, o.Except)
		return err
	case o.Do == "grant":
		_, err = g.dmp.Grant(ctx, c, patient, policy.Party{Person: o.Person, Name: o.Name, Role: o.Role, Structure: o.Structure}, o.Until, nil)
		return err
	case o.Do == "delegate":
		_, err = g.dmp.DelegateFor(ctx, c, patient, o.From, policy.Party{Person: o.Person, Name: o.Name, Role: o.Role, Structure: o.Structure}, nil)
		return err
	case o.Do == "extend":
		return g.dmp.Extend(ctx, c, patient, o.Right, o.Until)
	case o.Do == "decide" && o.Wishes != nil:
		return g.dmp.Administer(ctx, c, patient, *o.Wishes)
	case o.Do == "team":
		return g.dmp.RefuseTeam(ctx, c, patient, o.Structure, o.Number, o.Refused)
	case o.Do == "told":
		return g.dmp.Told(ctx, c, patient, o.UpTo)
	case o.Do == "members" && o.Directory:
		members, err := g.practice(ctx, o.Group)
		if err != nil {
			return err
		}
		return g.dmp.SetMembers(ctx, c, o.Group, members)
	case o.Do == "members":
		members := make([]policy.Membership, len(o.Members))
		for i, m := range o.Members {
			members[i] = policy.Membership{Party: policy.Party{Person: m}, From: g.now()}
		}
		return g.dmp.SetMembers(ctx, c, o.Group, members)
	}
	return errors.New("open, reopen, close, destroy, attending, grant, delegate, extend, block, unblock, revoke, team, told, members or decide is due")
}

// SharedRecord is one patient's shared record at a running gateway, for an operator: Data is the gateway's folder, Patient a CX.
type SharedRecord struct{ Data, Patient string }

// Order does what o says.
func (s SharedRecord) Order(ctx context.Context, o DMPOrder) error {
	o.Patient = s.Patient
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return s.ask(ctx, http.MethodPost, "/dmp", bytes.NewReader(body), &struct{}{})
}

// Rights lists who has a right and who is refused.
func (s SharedRecord) Rights(ctx context.Context) (list []Standing, err error) {
	return list, s.ask(ctx, http.MethodGet, "/dmp/rights", nil, &list)
}

// Journal lists who reached for the record, newest first.
func (s SharedRecord) Journal(ctx context.Context) (list []Entry, err error) {
	return list, s.ask(ctx, http.MethodGet, "/dmp/journal", nil, &list)
}

// Stays lists the stays whose teams have a right while they last.
func (s SharedRecord) Stays(ctx context.Context) (list []Stay, err error) {
	return list, s.ask(ctx, http.MethodGet, "/dmp/stays", nil, &list)
}

// Notices lists what the patient is to be told.
func (s SharedRecord) Notices(ctx context.Context) (list []Notice, err error) {
	return list, s.ask(ctx, http.MethodGet, "/dmp/notices", nil, &list)
}

// Administration tells what is known of the record but its documents and rights.
func (s SharedRecord) Administration(ctx context.Context) (a Administration, err error) {
	return a, s.ask(ctx, http.MethodGet, "/dmp/administration", nil, &a)
}

// Masks lists the documents that are not shown to everybody who has a right.
func (s SharedRecord) Masks(ctx context.Context) (list []Masked, err error) {
	return list, s.ask(ctx, http.MethodGet, "/dmp/masks", nil, &list)
}

// Members lists who belongs to a group practice.
func (s SharedRecord) Members(ctx context.Context, group string) (list []Member, err error) {
	return list, s.ask(ctx, http.MethodGet, "/dmp/members?group="+url.QueryEscape(group), nil, &list)
}

func (s SharedRecord) ask(ctx context.Context, method, path string, body io.Reader, to any) error {
	q := url.Values{"patient": {s.Patient}, "operator": {operatorName()}}
	sep := "?"
	if strings.Contains(path, sep) {
		sep = "&"
	}
	resp, err := askControl(ctx, s.Data, method, path+sep+q.Encode(), body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(to)
}

// frenchWords are for those who are told in French what the events of a record, the transactions and the grounds of rights are.
var frenchWords = map[string]string{
	"record-opened": "ouverture du dossier", "record-reopened": "réouverture du dossier", "record-closed": "fermeture du dossier", "record-destroyed": "destruction du dossier",
	"record-tested": "recherche du dossier", "record-read": "lecture des données administratives", "record-changed": "modification des données administratives",
	"right-declared": "déclaration d'un accès", "right-gained": "nouvel accès", "right-extended": "accès prolongé", "right-ended": "fin d'un accès", "rights-read": "lecture de la liste des accès",
	"account-opened": "ouverture du compte", "account-closed": "fermeture du compte", "account-reset": "réinitialisation du compte", "account-read": "lecture du compte", "account-code-sent": "envoi d'un code", "account-verified": "connexion",
	"access-blocked": "blocage", "access-unblocked": "déblocage", "team-refused": "choix sur une équipe de soins", "emergency-access": "accès en urgence", "stay-told": "séjour",
	"notices-read": "lecture des avis", "journal-read": "lecture de ce journal", "masks-read": "lecture des masquages", "worklist-read": "lecture d'une liste de travail", "ITI-18": "recherche de documents",
	"ITI-43": "lecture de documents", "ITI-41": "dépôt de documents", "ITI-42": "dépôt de documents", "ITI-57": "modification de documents", "ITI-62": "suppression de documents",
	"ITI-86": "suppression de documents", "ITI-8": "mise à jour de l'identité", "ITI-30": "mise à jour de l'identité", "ITI-44": "mise à jour de l'identité",
	"restricted": "restreint", "very-restricted": "très restreint", "masked": "masqué aux professionnels", "unannounced": "pas encore annoncé au patient",
	"from-representatives": "masqué aux représentants", "archived": "archivé", "gone": "supprimé", "signature": "signature",
	"attending": "médecin traitant", "allegation": "accord déclaré", "group": "cabinet de groupe", "delegation": "délégation", "team": "équipe de soins", "break-glass": "bris de glace",
	"regulation": "régulation médicale", "granted": "accordé par le patient", "closing": "fermeture du dossier",
}

// French gives the words for a code of the journal, of a right or of a profession; the code itself when there are none.
func French(code string) string {
	if w := td.Display(code); w != "" {
		return w
	}
	if w, ok := frenchWords[code]; ok {
		return w
	}
	return code
}
