package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/dmp"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
)

// DMPConfig is about the life of shared records and the national services at their national paths. Terms are a number and h, d, m (months) or y.
type DMPConfig struct {
	Enabled      bool   `yaml:"enabled"`
	Path         string `yaml:"path"`          // what the paths of the services begin with
	DeviceID     string `yaml:"device_id"`     // our OID in messages
	Notice       string `yaml:"notice"`        // version of the information notice that patients are given
	MaxAttending int    `yaml:"max_attending"` // attending physicians of a patient
	Allegation   string `yaml:"allegation"`    // term of a declared right
	Delegation   string `yaml:"delegation"`
	Emergency    string `yaml:"emergency"`
	Retention    string `yaml:"retention"` // of a closed record
	// Admissions are the institutions whose movements of patients give their teams a right.
	Admissions []AdmissionConfig `yaml:"admissions"`
	// DestroyEarly lets closed records be destroyed before their time: for laboratories only.
	DestroyEarly bool `yaml:"destroy_early"`
}

func defaultDMP() DMPConfig {
	return DMPConfig{Path: "/si-dmp-server/v2/services", Notice: "1", MaxAttending: 3, Allegation: "1y", Delegation: "7d", Emergency: "24h", Retention: "10y"}
}

func (c *DMPConfig) terms() (t dmp.Terms, err error) {
	for _, f := range []struct {
		key, value string
		to         *dmp.Term
	}{{"allegation", c.Allegation, &t.Allegation}, {"delegation", c.Delegation, &t.Delegation}, {"emergency", c.Emergency, &t.Emergency}, {"retention", c.Retention, &t.Retention}} {
		if *f.to, err = dmp.ParseTerm(f.value); err != nil {
			return t, fmt.Errorf("dmp.%s: %w", f.key, err)
		}
	}
	return t, nil
}

func (c *Config) checkDMP(wrong func(key, format string, args ...any)) {
	d := &c.DMP
	if !d.Enabled {
		return
	}
	if c.Policy.Rules == "none" {
		wrong("dmp.enabled", "a shared record needs rules of access: set policy.rules to france")
	}
	if c.Access.Assertions.Profile != "vihf" {
		wrong("dmp.enabled", "the national services ask who asks: set access.assertions.profile to vihf")
	}
	if !xds.ValidOID(d.DeviceID) {
		wrong("dmp.device_id", "%q is not an OID", d.DeviceID)
	}
	if d.MaxAttending <= 0 {
		wrong("dmp.max_attending", "a number above zero is due")
	}
	if _, err := d.terms(); err != nil {
		wrong("dmp", "%v", err)
	}
	d.checkAdmissions(wrong)
}

// buildDMP makes the actor of shared records wherever there are rules that need them.
func (g *Gateway) buildDMP(gate *policy.Gate) error {
	if g.cfg.Policy.Rules == "none" {
		return nil
	}
	terms, err := g.cfg.DMP.terms()
	if err != nil {
		return err
	}
	var journal dmp.Journal
	if g.cfg.Audit.Repository.Enabled {
		journal = accesses{g}
	}
	g.dmp, err = dmp.New(dmp.Config{Store: g.db.SharedRecords(), Gate: gate, Recorder: g.db.Audit(), Events: g.events, Identities: knownPatients{g}, Documents: latestDocuments{g}, Journal: journal, Eraser: eraser{g}, DestroyEarly: g.cfg.DMP.DestroyEarly,
		Terms: terms, MaxAttending: g.cfg.DMP.MaxAttending, Notice: g.cfg.DMP.Notice, DeviceID: g.cfg.DMP.DeviceID, DeviceName: g.cfg.Node.Name,
		Clock: g.now, NewID: func() string { return string(newObjectID()) }, Log: g.log})
	return err
}

// knownPatients are the patients of the register, for who opens records.
type knownPatients struct{ g *Gateway }

// Identity implements dmp.Identities.
func (k knownPatients) Identity(ctx context.Context, id hl7.CX) (p pix.Patient, known bool, err error) {
	err = k.g.db.Patients().View(ctx, func(tx manager.Tx) error {
		if p, known, err = tx.Patient(id); err != nil || !known || len(p.Demographics.Names) > 0 || p.Alone() {
			return err
		}
		// A national identifier that was only claimed goes by what a source says of the same person.
		members, err := tx.Members(p.Person)
		for _, m := range members {
			if m.Alive() && len(m.Demographics.Names) > 0 {
				p.Demographics = m.Demographics
				break
			}
		}
		return err
	})
	return p, known, err
}

// Announce implements dmp.Identities.
func (k knownPatients) Announce(ctx context.Context, c auth.Caller, p pix.Patient) error {
	return k.g.patients.Feed(ctx, c, pix.Feed{Event: pix.Added, Transaction: string(atna.ITI44), Patient: p})
}

// latestDocuments tells when documents came into a record.
type latestDocuments struct{ g *Gateway }

// Latest implements dmp.Documents: by the submission sets that the caller sees, of which an update leaves one as a deposit does.
func (l latestDocuments) Latest(ctx context.Context, c auth.Caller, patient hl7.CX) (added, changed time.Time, err error) {
	if l.g.registry == nil {
		return added, changed, nil
	}
	last, err := l.g.registry.LastSubmission(ctx, c, patient)
	if err != nil || last == "" {
		return added, changed, err
	}
	added, err = time.Parse("20060102150405", last.Floor())
	return added, added, err
}

// accesses is the patient's journal: the audit records that name him, which the audit log indexes.
type accesses struct{ g *Gateway }

// Trace implements dmp.Journal.
func (a accesses) Trace(ctx context.Context, patient hl7.CX, before uint64, most int) (page []dmp.Traced, more bool, err error) {
	if err := a.caughtUp(ctx); err != nil {
		return nil, false, err
	}
	found, err := a.g.audit.More(ctx, operator, arr.Criteria{Terms: [][]arr.Term{{{Field: arr.FieldPatient, Value: patient.Key()}}}, After: before, Resume: before > 0, Limit: most})
	for _, f := range found.Found {
		if f.Message != nil {
			page = append(page, dmp.Traced{Seq: f.Seq, Message: f.Message})
		}
	}
	return page, found.More, err
}

// emergencies declares exceptional accesses. One that may not be is no error: the gate finds that nothing entitles.
type emergencies struct{ *dmp.DMP }

// Emergency implements registry.Emergencies.
func (e emergencies) Emergency(ctx context.Context, c auth.Caller, patient hl7.CX) error {
	_, err := e.DMP.Emergency(ctx, c, patient)
	var refused *dmp.Error
	if errors.As(err, &refused) && refused.Code != dmp.Internal {
		return nil
	}
	return err
}

// dmpServices are the national services at their paths: the shared record's own, and the registry and the repository again.
func (g *Gateway) dmpServices(same []service) []service {
	if !g.cfg.DMP.Enabled {
		return nil
	}
	type answer func(context.Context, auth.Caller, dmp.Decode) ([]byte, error)
	const hl7v3, patients, rights = "urn:hl7-org:v3", "urn:si-dmp-patients", "urn:si-dmp-habilitations"
	type row struct {
		action, response, space, local string
		do                             answer
	}
	operations := func(rows ...row) map[string]soap.Op {
		ops := map[string]soap.Op{}
		for _, r := range rows {
			ops[r.action] = soap.Op{Action: r.action, ResponseAction: r.response, Body: xmlpull.Name{Space: r.space, Local: r.local},
				Do: func(ctx context.Context, req *soap.Request) (*soap.Response, error) {
					body, err := r.do(ctx, req.Caller, req.Decode)
					req.Note("audited", "true")
					return &soap.Response{Body: body}, err
				}}
		}
		return ops
	}
	people := operations(
		row{hl7v3 + ":PRPA_IN201307UV02", hl7v3 + ":PRPA_IN201308UV02", hl7v3, "PRPA_IN201307UV02", g.dmp.AnswerPatientQuery},
		row{hl7v3 + ":PRPA_IN201311UV02", hl7v3 + ":PRPA_IN201311ResponseUV02", hl7v3, "PRPA_IN201311UV02", g.dmp.AnswerRegistration},
		row{hl7v3 + ":PRPA_IN201314UV02", hl7v3 + ":PRPA_IN201314ResponseUV02", hl7v3, "PRPA_IN201314UV02", g.dmp.AnswerRegistration},
		row{hl7v3 + ":PRPA_IN201305UV02", hl7v3 + ":PRPA_IN201306UV02", hl7v3, "PRPA_IN201305UV02", func(ctx context.Context, c auth.Caller, d dmp.Decode) ([]byte, error) {
			return g.patients.AnswerITI47(ctx, c, d)
		}},
		row{patients + ":PatientSpecificEndPoint:patientList", patients + ":PatientSpecificEndPoint:patientListResponse", patients, "patientList", g.dmp.AnswerPatientList})
	habilitations := operations(
		row{rights + ":HabilitationsEndPoint:setAuthorization", rights + ":HabilitationsEndPoint:setAuthorizationResponse", rights, "setAuthorization", g.dmp.AnswerSetAuthorization},
		row{rights + ":HabilitationsEndPoint:listAuthorizationByPatient", rights + ":HabilitationsEndPoint:listAuthorizationByPatientResponse", rights, "listAuthorizationByPatient", g.dmp.AnswerListAuthorization})
	certification := operations(
		row{patients + ":PatientCertificationEndPoint:identityCertification", patients + ":PatientCertificationEndPoint:identityCertificationResponse", patients, "identityCertification", g.certify})
	list := []service{{g.cfg.DMP.Path + "/patientCertif", soap.Service{Name: "dmp-certification", Operations: certification}}, {g.cfg.DMP.Path + "/patients", soap.Service{Name: "dmp-patients", Operations: people}},
		{g.cfg.DMP.Path + "/habilitations", soap.Service{Name: "dmp-habilitations", Operations: habilitations}}}
	for _, s := range same {
		switch s.path {
		case RegistryPath:
			list = append(list, service{g.cfg.DMP.Path + "/registry", s.service})
		case RepositoryPath:
			list = append(list, service{g.cfg.DMP.Path + "/repository", s.service})
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
	"urn:si-dmp-patients:PatientCertificationEndPoint:identityCertification":    atna.CertifiedRead,
	"urn:si-dmp-habilitations:HabilitationsEndPoint:setAuthorization":           atna.RightGained,
	"urn:si-dmp-habilitations:HabilitationsEndPoint:listAuthorizationByPatient": atna.RightsRead,
}
