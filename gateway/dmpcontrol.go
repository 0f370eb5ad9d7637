package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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
	RecordStanding = dmp.Standing
	RecordNotice   = policy.Notice
	RecordStay     = policy.Stay
	RecordParty    = policy.Party
	RecordData     = dmp.Administration
	GroupMember    = policy.Membership
)

// RecordOrder is what an operator does about a shared record. What each order needs of it is in orders.
type RecordOrder struct {
	Do       string
	Operator string
	Patient  string

	Way, Where, Notice string // open, reopen
	Confirmed          bool   // close
	Reason             string
	Party              policy.Party // grant, attending, block, unblock, group
	Except             []string
	Until              time.Time
	Emergency          bool // block: but for emergencies
	Right              string
	Mode               string
	Number             string // of a stay
	Refused            bool
	UpTo               time.Time
	Before             uint64
	Max                int
	Members            []policy.Membership
}

// RecordAccess is one line of a patient's journal, with its codes in words.
type RecordAccess struct {
	dmp.Entry
	RoleText string
}

// JournalPage is a page of a patient's journal.
type JournalPage struct {
	Entries []RecordAccess
	More    bool
}

var errNoDMP = errors.New("there are no shared records here: set dmp.enabled")

type recordVerb func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, o *RecordOrder) (any, error)

// recordOrders are what an operator may do, by name.
var recordOrders = map[string]recordVerb{
	"open": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, o *RecordOrder) (any, error) {
		return nil, d.Open(ctx, c, id, o.opening())
	},
	"reopen": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, o *RecordOrder) (any, error) {
		return nil, d.Reopen(ctx, c, id, o.opening())
	},
	"close": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, o *RecordOrder) (any, error) {
		return nil, d.Close(ctx, c, id, o.Reason, o.Confirmed)
	},
	"destroy": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, _ *RecordOrder) (any, error) {
		return nil, d.Destroy(ctx, c, id)
	},
	"show": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, _ *RecordOrder) (any, error) {
		return d.Administrative(ctx, c, id)
	},
	"rights": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, o *RecordOrder) (any, error) {
		return d.Rights(ctx, c, id, dmp.Mode(o.Mode))
	},
	"grant": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, o *RecordOrder) (any, error) {
		return d.Grant(ctx, c, id, o.Party, o.Until, nil)
	},
	"group": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, o *RecordOrder) (any, error) {
		return d.GrantGroup(ctx, c, id, o.Party, o.Except)
	},
	"attending": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, o *RecordOrder) (any, error) {
		h, _, err := d.SetAttending(ctx, c, id, o.Party)
		return h, err
	},
	"revoke": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, o *RecordOrder) (any, error) {
		return nil, d.Revoke(ctx, c, id, o.Right)
	},
	"block": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, o *RecordOrder) (any, error) {
		return nil, d.Block(ctx, c, id, o.Party, o.Emergency)
	},
	"unblock": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, o *RecordOrder) (any, error) {
		return nil, d.Unblock(ctx, c, id, o.Party)
	},
	"stays": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, _ *RecordOrder) (any, error) {
		return d.Stays(ctx, c, id)
	},
	"refuse-team": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, o *RecordOrder) (any, error) {
		return nil, d.RefuseTeam(ctx, c, id, o.Party.Structure, o.Number, o.Refused)
	},
	"notices": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, _ *RecordOrder) (any, error) {
		return d.Notices(ctx, c, id)
	},
	"told": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, o *RecordOrder) (any, error) {
		return nil, d.Told(ctx, c, id, o.UpTo)
	},
	"journal": func(d *dmp.DMP, ctx context.Context, c auth.Caller, id hl7.CX, o *RecordOrder) (any, error) {
		list, more, err := d.Access(ctx, c, id, o.Before, o.Max)
		page := JournalPage{More: more}
		for _, e := range list {
			page.Entries = append(page.Entries, RecordAccess{e, td.Display(e.Role)})
		}
		return page, err
	},
	"members": func(d *dmp.DMP, ctx context.Context, c auth.Caller, _ hl7.CX, o *RecordOrder) (any, error) {
		return nil, d.SetMembers(ctx, c, o.Party.Group, o.Members)
	},
}

// opening is a consent that an operator collected at a counter, unless he says how.
func (o *RecordOrder) opening() dmp.Opening {
	return dmp.Opening{Consent: o.Confirmed, Way: policy.Way(o.Way), Where: o.Where, Notice: o.Notice}
}

func (g *Gateway) serveDMP(mux *http.ServeMux) {
	mux.HandleFunc("POST /dmp", func(w http.ResponseWriter, r *http.Request) {
		var o RecordOrder
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&o)
		var answer any
		if err == nil {
			answer, err = g.orderRecord(r.Context(), &o)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(answer) // the caller has gone; what he ordered is done all the same
	})
}

func (g *Gateway) orderRecord(ctx context.Context, o *RecordOrder) (any, error) {
	do, known := recordOrders[o.Do]
	switch {
	case g.dmp == nil:
		return nil, errNoDMP
	case !known:
		return nil, fmt.Errorf("%q is no order", o.Do)
	}
	c := auth.Caller{Capacity: auth.CapacityOperator, Node: LocalOperator, Person: o.Operator, Endpoint: "control"}
	if o.Do == "members" {
		return do(g.dmp, ctx, c, hl7.CX{}, o)
	}
	id, err := g.identifier(o.Patient)
	if err != nil {
		return nil, err
	}
	if id, known, err = g.patients.NationalID(ctx, c, id); err != nil || !known {
		return nil, errors.Join(errors.New("the patient has no national identifier here"), err)
	}
	if id.TypeCode == "" {
		id.TypeCode = nationalSystems[g.cfg.Patients.Identities.National].filedAs
	}
	return do(g.dmp, ctx, c, id, o)
}

// OrderRecord has the gateway that runs on data do something about a shared record, and reads what it answers into answer, unless that is nil.
func OrderRecord(ctx context.Context, data string, o RecordOrder, answer any) error {
	o.Operator = operatorName()
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	resp, err := askControl(ctx, data, http.MethodPost, "/dmp", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if answer == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

// frenchWords are for those who are told in French what the events of a record, the transactions and the grounds of rights are.
var frenchWords = map[string]string{
	"record-opened": "ouverture du dossier", "record-reopened": "réouverture du dossier", "record-closed": "fermeture du dossier", "record-destroyed": "destruction du dossier",
	"record-tested": "recherche du dossier", "record-read": "lecture des données administratives", "record-changed": "modification des données administratives",
	"right-declared": "déclaration d'un accès", "right-gained": "nouvel accès", "right-extended": "accès prolongé", "right-ended": "fin d'un accès", "rights-read": "lecture de la liste des accès",
	"access-blocked": "blocage", "access-unblocked": "déblocage", "team-refused": "choix sur une équipe de soins", "emergency-access": "accès en urgence", "stay-told": "séjour",
	"notices-read": "lecture des avis", "journal-read": "lecture de ce journal", "worklist-read": "lecture d'une liste de travail", "ITI-18": "recherche de documents",
	"ITI-43": "lecture de documents", "ITI-41": "dépôt de documents", "ITI-42": "dépôt de documents", "ITI-57": "modification de documents", "ITI-62": "suppression de documents",
	"ITI-86": "suppression de documents", "ITI-8": "mise à jour de l'identité", "ITI-30": "mise à jour de l'identité", "ITI-44": "mise à jour de l'identité",
	"attending": "médecin traitant", "allegation": "accord déclaré", "group": "cabinet de groupe", "delegation": "délégation", "team": "équipe de soins", "break-glass": "bris de glace",
	"regulation": "régulation médicale", "granted": "accordé par le patient", "closing": "fermeture du dossier",
}

// French gives the words for a code of the journal or of a right; the code itself when there are none.
func French(code string) string {
	if w, ok := frenchWords[code]; ok {
		return w
	}
	return strings.ReplaceAll(code, "-", " ")
}
