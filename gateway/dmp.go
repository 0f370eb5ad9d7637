package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/dmp"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

// DMPConfig is about the life of shared records and the national services.
type DMPConfig struct {
	Enabled      bool           `yaml:"enabled"`
	Path         string         `yaml:"path"`          // that the paths of the national services begin with
	Device       string         `yaml:"device"`        // OID that answers name as their sender
	Name         string         `yaml:"name"`          // and what it is called
	Notice       string         `yaml:"notice"`        // version of the information notice that those who use the services hand out
	MaxAttending int            `yaml:"max_attending"` // attending physicians of one patient
	Terms        DMPTermsConfig `yaml:"terms"`
	// DestroyEarly lets closed records be destroyed before their time: for laboratories only.
	DestroyEarly bool `yaml:"destroy_early"`
}

// DMPTermsConfig says how long things last: a number and y, m (months), d, h or i (minutes).
type DMPTermsConfig struct {
	Allegation   string `yaml:"allegation"`
	Delegation   string `yaml:"delegation"`
	Emergency    string `yaml:"emergency"`
	Confirmation string `yaml:"confirmation"`
	Retention    string `yaml:"retention"`
}

func defaultDMP() DMPConfig {
	return DMPConfig{Path: "/si-dmp-server/v2/services", Device: "1.2.250.1.213.4.1.1.1", Name: "DMP", Notice: "1", MaxAttending: 3,
		Terms: DMPTermsConfig{Allegation: "1m", Delegation: "7d", Emergency: "24h", Confirmation: "10i", Retention: "10y"}}
}

func (c *Config) checkDMP(wrong func(key, format string, args ...any)) {
	d := &c.DMP
	if !d.Enabled {
		return
	}
	if !c.Audit.Repository.Enabled {
		wrong("dmp.enabled", "patients are shown who reached for their record, and that is in the audit log: set audit.repository.enabled")
	}
	if !strings.HasPrefix(d.Path, "/") || strings.HasSuffix(d.Path, "/") {
		wrong("dmp.path", "%q is not a path: it begins with / and does not end with one", d.Path)
	}
	if !xds.ValidOID(d.Device) {
		wrong("dmp.device", "%q is not an OID", d.Device)
	}
	if d.MaxAttending <= 0 {
		wrong("dmp.max_attending", "a number above zero is due")
	}
	for _, t := range d.Terms.all(&dmp.Terms{}) {
		if _, err := dmp.ParseTerm(t.text); err != nil {
			wrong("dmp.terms."+t.key, "%q: %v", t.text, err)
		}
	}
}

type dmpTerm struct {
	key, text string
	to        *dmp.Term
}

func (c *DMPTermsConfig) all(t *dmp.Terms) []dmpTerm {
	return []dmpTerm{{"allegation", c.Allegation, &t.Allegation}, {"delegation", c.Delegation, &t.Delegation}, {"emergency", c.Emergency, &t.Emergency},
		{"confirmation", c.Confirmation, &t.Confirmation}, {"retention", c.Retention, &t.Retention}}
}

// newDMP makes the actor of shared records, nil where there is none.
func (g *Gateway) newDMP() (*dmp.DMP, error) {
	c := &g.cfg.DMP
	if !c.Enabled {
		return nil, nil
	}
	cfg := dmp.Config{Store: g.db.SharedRecords(), Recorder: g.db.Audit(), Events: g.events, Identities: identities{g}, Journal: journal{g}, Eraser: eraser{g},
		MaxAttending: c.MaxAttending, Majority: g.cfg.Policy.Majority, Notice: c.Notice, DestroyEarly: c.DestroyEarly, DeviceID: c.Device, DeviceName: c.Name,
		Clock: time.Now, NewID: newUUID, Log: g.log}
	for _, t := range c.Terms.all(&cfg.Terms) {
		term, err := dmp.ParseTerm(t.text)
		if err != nil {
			return nil, fmt.Errorf("dmp.terms.%s: %w", t.key, err)
		}
		*t.to = term
	}
	return dmp.New(cfg)
}

// national are the operations of the national services, by the end of their path.
func (g *Gateway) national() map[string]map[string]soap.Op {
	const v3, habilitations, patients = "urn:hl7-org:v3", "urn:si-dmp-habilitations", "urn:si-dmp-patients"
	type answer = func(context.Context, auth.Caller, func(func(*xmlpull.Reader) error) error) ([]byte, error)
	all := map[string]map[string]soap.Op{"patients": {}, "habilitations": {}}
	for _, o := range []struct {
		path, action, response, space, body string
		do                                  answer
	}{
		{"patients", v3 + ":PRPA_IN201307UV02", v3 + ":PRPA_IN201308UV02", v3, "PRPA_IN201307UV02", g.dmp.AnswerPatientQuery},
		{"patients", v3 + ":PRPA_IN201311UV02", v3 + ":PRPA_IN201311ResponseUV02", v3, "PRPA_IN201311UV02", g.dmp.AnswerRegistration},
		{"patients", v3 + ":PRPA_IN201314UV02", v3 + ":PRPA_IN201314ResponseUV02", v3, "PRPA_IN201314UV02", g.dmp.AnswerRegistration},
		{"patients", v3 + ":PRPA_IN201305UV02", v3 + ":PRPA_IN201306UV02", v3, "PRPA_IN201305UV02", g.patients.AnswerITI47},
		{"patients", patients + ":PatientSpecificEndPoint:patientList", patients + ":PatientSpecificEndPoint:patientListResponse", patients, "patientList", g.dmp.AnswerPatientList},
		{"habilitations", habilitations + ":HabilitationsEndPoint:setAuthorization", habilitations + ":HabilitationsEndPoint:setAuthorizationResponse", habilitations, "setAuthorization", g.dmp.AnswerSetAuthorization},
		{"habilitations", habilitations + ":HabilitationsEndPoint:listAuthorizationByPatient", habilitations + ":HabilitationsEndPoint:listAuthorizationByPatientResponse", habilitations, "listAuthorizationByPatient", g.dmp.AnswerListAuthorization},
	} {
		all[o.path][o.action] = soap.Op{Action: o.action, ResponseAction: o.response, Body: xmlpull.Name{Space: o.space, Local: o.body},
			Do: func(ctx context.Context, req *soap.Request) (*soap.Response, error) {
				body, err := o.do(ctx, req.Caller, req.Decode)
				req.Note("audited", "true")
				return &soap.Response{Body: body}, err
			}}
	}
	return all
}

// nationalServices are the services at the national paths: ours, and those of registry and repository as they are elsewhere.
func (g *Gateway) nationalServices(ihe []service) []service {
	if g.dmp == nil {
		return nil
	}
	var list []service
	for name, ops := range g.national() {
		list = append(list, service{g.cfg.DMP.Path + "/" + name, soap.Service{Name: "dmp-" + name, Operations: ops}})
	}
	for _, s := range ihe {
		if name := s.service.Name; name == "registry" || name == "repository" {
			s.path, s.service.Name = g.cfg.DMP.Path+"/"+name, "dmp-"+name
			list = append(list, s)
		}
	}
	return list
}

// nationalEvents name what the actions of the national services do, for logs, metrics and audit.
var nationalEvents = map[string]atna.Transaction{
	"urn:hl7-org:v3:PRPA_IN201307UV02":                                          atna.RecordTested,
	"urn:hl7-org:v3:PRPA_IN201311UV02":                                          atna.RecordOpened,
	"urn:hl7-org:v3:PRPA_IN201314UV02":                                          atna.RecordChanged,
	"urn:si-dmp-patients:PatientSpecificEndPoint:patientList":                   atna.WorklistRead,
	"urn:si-dmp-habilitations:HabilitationsEndPoint:setAuthorization":           atna.RightGained,
	"urn:si-dmp-habilitations:HabilitationsEndPoint:listAuthorizationByPatient": atna.RightsRead,
}

// identities knows patients as the patient manager does.
type identities struct{ g *Gateway }

// Identity implements dmp.Identities. A national identifier that was only claimed goes by what a source says of the same person.
func (i identities) Identity(ctx context.Context, id hl7.CX) (found pix.Patient, known bool, err error) {
	err = i.g.db.Patients().View(ctx, func(tx manager.Tx) error {
		if found, known, err = tx.Patient(id); err != nil || !known || len(found.Demographics.Names) > 0 || found.Alone() {
			return err
		}
		members, err := tx.Members(found.Person)
		for _, m := range members {
			if m.Alive() && len(m.Demographics.Names) > 0 {
				found.Demographics = m.Demographics
				break
			}
		}
		return err
	})
	return found, known, err
}

// Announce implements dmp.Identities.
func (i identities) Announce(ctx context.Context, c auth.Caller, p pix.Patient) error {
	return i.g.patients.Feed(ctx, c, pix.Feed{Event: pix.Added, Transaction: string(atna.RecordOpened), Patient: p})
}

// emergencies tells the actor of shared records of accesses that the registry is about to answer.
type emergencies struct{ d *dmp.DMP }

// emergencies is nobody where there are no shared records.
func (g *Gateway) emergencies() registry.Emergencies {
	if g.dmp == nil {
		return nil
	}
	return emergencies{g.dmp}
}

// Emergency implements registry.Emergencies: what is refused is no error, the gate finds no right then.
func (e emergencies) Emergency(ctx context.Context, c auth.Caller, patient hl7.CX) error {
	_, err := e.d.Emergency(ctx, c, patient)
	if refused, ok := errors.AsType[*dmp.Error](err); ok && refused.Code != dmp.Internal {
		return nil
	}
	return err
}
