package policy_test

import (
	"os"
	"testing"
	"testing/fstest"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/xds"
)

// world is a set of facts about one patient, and the teams there are.
type world struct {
	record  *policy.Record
	members map[string][]policy.Membership
}

func (w world) SharedRecord(p hl7.CX) (*policy.Record, error) {
	if w.record == nil || !w.record.Patient.Same(p) {
		return nil, nil
	}
	return w.record, nil
}

func (w world) Members(g string) ([]policy.Membership, error) { return w.members[g], nil }

var now = time.Date(2026, 5, 20, 10, 0, 0, 0, time.UTC)

const (
	ins       = "279035121518989^^^&1.2.250.1.213.1.4.10&ISO^NH"
	stranger  = "207058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH"
	mother    = "269035121518901^^^&1.2.250.1.213.1.4.10&ISO^NH"
	doctor    = "899900000011" // persons
	colleague = "899900000022"
	biologist = "899900000033"
	clinic    = "1750000011" // structures
	practice  = "499900000011001"
)

func cx(s string) hl7.CX {
	id, err := hl7.ParseCX(s)
	if err != nil {
		panic(err)
	}
	return id
}

// asks is a professional in a structure, with a purpose.
func asks(person, structure, purpose string) auth.Caller {
	return auth.Caller{Capacity: auth.CapacityProfessional, Node: "lps", Person: person, Organisation: structure,
		Role: "10^1.2.250.1.71.1.2.7", Purpose: purpose + "^1.2.250.1.213.1.1.4.248", Patient: ins}
}

func glass(person, why string) auth.Caller {
	c := asks(person, practice, "bris_de_glace")
	c.Reason = why
	return c
}

// entry is a document of the patient, with confidentiality codes of the French system beside N.
func entry(author string, codes ...string) *xds.DocumentEntry {
	e := &xds.DocumentEntry{PatientID: cx(ins), TypeCode: xds.Code{Code: "11502-2", Scheme: "2.16.840.1.113883.6.1"},
		ConfidentialityCodes: []xds.Code{{Code: "N", Scheme: "2.16.840.1.113883.5.25"}},
		Authors: []xds.Author{{Person: hl7.XCN(author + "^DURANT^Romuald^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"),
			Institutions: []hl7.XON{"Clinique X^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^" + clinic}}}}
	e.Status = xds.Approved
	for _, c := range codes {
		switch c {
		case "R", "V":
			e.ConfidentialityCodes[0].Code = c
		case "Archived", "Deleted":
			e.Status = xds.Status("urn:asip:ci-sis:2010:StatusType:" + c)
		default:
			e.ConfidentialityCodes = append(e.ConfidentialityCodes, xds.Code{Code: c, Scheme: "1.2.250.1.213.1.1.4.13"})
		}
	}
	return e
}

func right(kind policy.Kind, person string, days int) policy.Habilitation {
	return policy.Habilitation{ID: "h1", Kind: kind, Party: policy.Party{Person: person}, From: now.AddDate(0, 0, -10), Until: now.AddDate(0, 0, days)}
}

func gate(t *testing.T) *policy.Gate {
	t.Helper()
	g, err := policy.New(policy.Config{Matrix: policy.France(), Clock: func() time.Time { return now }, TeamAfter: 48 * time.Hour,
		Persons: []string{"1.2.250.1.71.4.2.1"},
		Nodes: func(c auth.Caller) policy.NodeRights {
			return map[string]policy.NodeRights{"lab": {Structure: clinic, Write: true}, "hub": {Read: true}}[c.Node]
		}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestRules(t *testing.T) {
	const masked, unannounced, fromReps = "MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"
	ordinary := asks(doctor, practice, "normal")
	open := func(change func(*policy.Record)) world {
		w := world{record: &policy.Record{Patient: cx(ins), State: policy.Open}, members: map[string][]policy.Membership{
			"g1":   {{Party: policy.Party{Person: doctor}, From: now.AddDate(-1, 0, 0)}, {Party: policy.Party{Person: colleague}, From: now.AddDate(-1, 0, 0), Until: now.AddDate(0, 0, -1)}},
			clinic: {{Party: policy.Party{Person: colleague}, From: now.AddDate(-1, 0, 0)}},
		}}
		change(w.record)
		return w
	}
	has := func(hs ...policy.Habilitation) world { return open(func(r *policy.Record) { r.Rights = hs }) }
	stay := func(from, until int, change func(*policy.Record)) world {
		return open(func(r *policy.Record) {
			s := policy.Stay{Structure: clinic, Number: "v1", From: now.Add(time.Duration(from) * time.Hour)}
			if until != 0 {
				s.Until = now.Add(time.Duration(until) * time.Hour)
			}
			r.Stays = []policy.Stay{s}
			change(r)
		})
	}
	asIs := func(*policy.Record) {}
	person := func(capacity auth.Capacity, id string) auth.Caller {
		return auth.Caller{Capacity: capacity, Person: id}
	}
	granted := func(d string) string { return "granted: " + d }
	denied := func(r policy.Reason) string { return "refused: " + string(r) }
	refusal := func(p policy.Party, emergency bool) func(*policy.Record) {
		return func(r *policy.Record) {
			r.Rights = []policy.Habilitation{right(policy.Attending, doctor, 1), right(policy.BreakGlass, doctor, 1)}
			r.Refusals = []policy.Refusal{{Party: p, From: now.AddDate(0, 0, -1), Emergency: emergency}}
		}
	}
	guardian := func(g bool, birth string) world {
		return open(func(r *policy.Record) {
			r.Birth = birth
			r.Representatives = []policy.Representative{{Person: mother, Guardian: g, From: now.AddDate(-9, 0, 0)}}
		})
	}
	for _, c := range []struct {
		name   string
		facts  world
		caller auth.Caller
		entry  *xds.DocumentEntry
		record string // may he search
		sees   string // the document
	}{
		{"B1 no record", world{}, ordinary, entry(colleague), denied(policy.NoRecord), denied(policy.NoRecord)},
		{"B1 unopened", open(func(r *policy.Record) { r.State = policy.Unopened }), ordinary, entry(doctor), denied(policy.NoRecord), denied(policy.NoRecord)},
		{"B2 closed", open(func(r *policy.Record) {
			r.State = policy.Closed
			r.Rights = []policy.Habilitation{right(policy.Attending, doctor, 1)}
		}), ordinary, entry(doctor), denied(policy.NoRecord), denied(policy.NoRecord)},
		{"no right", has(), ordinary, entry(colleague), denied(policy.NoRight), denied(policy.NoRight)},
		{"B7 the author without right", has(), ordinary, entry(doctor, masked), denied(policy.NoRight), granted("author")},
		{"T1 a patient's number is no professional's", has(), ordinary, &xds.DocumentEntry{PatientID: cx(ins), Authors: []xds.Author{{Person: hl7.XCN(doctor + "^X^^^^^^^&1.2.250.1.213.1.4.10&ISO^D^^^NH")}}}, denied(policy.NoRight), denied(policy.NoRight)},
		{"T3.1 attending", has(right(policy.Attending, doctor, 9)), ordinary, entry(colleague), granted("attending h1"), granted("attending h1")},
		{"T3.1 attending sees masked", has(right(policy.Attending, doctor, 9)), ordinary, entry(colleague, masked), granted("attending h1"), granted("attending h1")},
		{"T3.2 allegation", has(right(policy.Allegation, doctor, 9)), ordinary, entry(colleague), granted("allegation h1"), granted("allegation h1")},
		{"T3.2 allegation, masked", has(right(policy.Allegation, doctor, 9)), ordinary, entry(colleague, masked), granted("allegation h1"), denied(policy.Hidden)},
		{"T3.2 allegation, unannounced", has(right(policy.Allegation, doctor, 9)), ordinary, entry(colleague, unannounced), granted("allegation h1"), granted("allegation h1")},
		{"T3.2 ended this instant", has(right(policy.Allegation, doctor, 0)), ordinary, entry(colleague), denied(policy.Ended), denied(policy.Ended)},
		{"T3.2 another's", has(right(policy.Allegation, colleague, 9)), ordinary, entry(colleague), denied(policy.NoRight), denied(policy.NoRight)},
		{"T3 other type", has(policy.Habilitation{ID: "h1", Kind: policy.Granted, Party: policy.Party{Person: doctor}, From: now, Types: []string{"18748-4^2.16.840.1.113883.6.1"}}), ordinary, entry(colleague), granted("granted h1"), denied(policy.OtherType)},
		{"T3 the type", has(policy.Habilitation{ID: "h1", Kind: policy.Granted, Party: policy.Party{Person: doctor}, From: now, Types: []string{"11502-2^2.16.840.1.113883.6.1"}}), ordinary, entry(colleague), granted("granted h1"), granted("granted h1")},
		{"T3.2 in that structure only", has(policy.Habilitation{ID: "h1", Kind: policy.Allegation, Party: policy.Party{Person: doctor, Structure: clinic}, From: now}), ordinary, entry(colleague), denied(policy.NoRight), denied(policy.NoRight)},
		{"T3.3 group", has(policy.Habilitation{ID: "h1", Kind: policy.Group, Party: policy.Party{Group: "g1"}, From: now}), ordinary, entry(colleague), granted("group h1"), granted("group h1")},
		{"T3.3 group, excluded", has(policy.Habilitation{ID: "h1", Kind: policy.Group, Party: policy.Party{Group: "g1"}, From: now, Except: []string{doctor}}), ordinary, entry(colleague), denied(policy.NoRight), denied(policy.NoRight)},
		{"T3.3 left the group", has(policy.Habilitation{ID: "h1", Kind: policy.Group, Party: policy.Party{Group: "g1"}, From: now}), asks(colleague, practice, "normal"), entry(doctor), denied(policy.NoRight), denied(policy.NoRight)},
		{"T3.4 delegation", has(policy.Habilitation{ID: "h2", Kind: policy.Delegation, Party: policy.Party{Person: biologist}, Delegator: doctor, From: now, Until: now.AddDate(0, 0, 7)}, right(policy.Attending, doctor, 1)), asks(biologist, clinic, "normal"), entry(colleague), granted("delegation h2"), granted("delegation h2")},
		{"T3.4 the delegator's right ended", has(policy.Habilitation{ID: "h2", Kind: policy.Delegation, Party: policy.Party{Person: biologist}, Delegator: doctor, From: now, Until: now.AddDate(0, 0, 7)}, right(policy.Attending, doctor, -1)), asks(biologist, clinic, "normal"), entry(colleague), denied(policy.NoRight), denied(policy.NoRight)},
		{"T3.4 restricted", has(policy.Habilitation{ID: "h2", Kind: policy.Delegation, Party: policy.Party{Person: biologist}, Delegator: doctor, From: now, Until: now.AddDate(0, 0, 7)}, right(policy.Attending, doctor, 1)), asks(biologist, clinic, "normal"), entry(colleague, "R"), granted("delegation h2"), denied(policy.Hidden)},
		{"T3.5 attested by the institution", stay(-5, 0, asIs), asks(doctor, clinic, "normal"), entry(colleague), granted("team v1"), granted("team v1")},
		{"T3.5 listed member", stay(-5, 0, asIs), asks(colleague, practice, "normal"), entry(doctor), granted("team v1"), granted("team v1")},
		{"T3.5 very restricted", stay(-5, 0, asIs), asks(colleague, practice, "normal"), entry(doctor, "V"), granted("team v1"), denied(policy.Hidden)},
		{"T3.5 not of the team", stay(-5, 0, asIs), ordinary, entry(colleague), denied(policy.NoRight), denied(policy.NoRight)},
		{"T3.5 the day after", stay(-90, -47, asIs), asks(doctor, clinic, "normal"), entry(colleague), granted("team v1"), granted("team v1")},
		{"T3.5 days after", stay(-90, -48, asIs), asks(doctor, clinic, "normal"), entry(colleague), denied(policy.NoRight), denied(policy.NoRight)},
		{"T3.5 refused as a whole", stay(-5, 0, func(r *policy.Record) { r.NoTeams = true }), asks(doctor, clinic, "normal"), entry(colleague), denied(policy.NoRight), denied(policy.NoRight)},
		{"T3.5 refused for this stay", stay(-5, 0, func(r *policy.Record) { r.Stays[0].Refused = true }), asks(doctor, clinic, "normal"), entry(colleague), denied(policy.NoRight), denied(policy.NoRight)},
		{"T3.5 but not him", stay(-5, 0, func(r *policy.Record) { r.Stays[0].Except = []string{doctor} }), asks(doctor, clinic, "normal"), entry(colleague), denied(policy.NoRight), denied(policy.NoRight)},
		{"T3.6 glass", has(right(policy.BreakGlass, doctor, 1)), glass(doctor, "inconscient"), entry(colleague, masked), granted("break-glass h1"), granted("break-glass h1")},
		{"T3.6 no reason", has(right(policy.BreakGlass, doctor, 1)), glass(doctor, ""), entry(colleague), denied(policy.NoReason), denied(policy.NoReason)},
		{"T3.6 not declared", has(), glass(doctor, "inconscient"), entry(colleague), denied(policy.Undeclared), denied(policy.Undeclared)},
		{"T3.6 afterwards in the ordinary way", has(right(policy.BreakGlass, doctor, 1)), ordinary, entry(colleague), denied(policy.NoRight), denied(policy.NoRight)},
		{"T3.6 opposed", open(func(r *policy.Record) {
			r.NoBreakGlass = true
			r.Rights = []policy.Habilitation{right(policy.BreakGlass, doctor, 1)}
		}), glass(doctor, "inconscient"), entry(colleague), denied(policy.Opposed), denied(policy.Opposed)},
		{"B7 masked stays masked", open(func(r *policy.Record) {
			r.MaskedInEmergency = true
			r.Rights = []policy.Habilitation{right(policy.BreakGlass, doctor, 1)}
		}), glass(doctor, "inconscient"), entry(colleague, masked), granted("break-glass h1"), denied(policy.Hidden)},
		{"T3.6 regulation", has(right(policy.Regulation, doctor, 1)), asks(doctor, practice, "centre_15"), entry(colleague), granted("regulation h1"), granted("regulation h1")},
		{"T3.6 regulation opposed", open(func(r *policy.Record) {
			r.NoRegulation = true
			r.Rights = []policy.Habilitation{right(policy.Regulation, doctor, 1)}
		}), asks(doctor, practice, "centre_15"), entry(colleague), denied(policy.Opposed), denied(policy.Opposed)},
		{"T3.7 refusal beats attending", open(refusal(policy.Party{Person: doctor}, false)), ordinary, entry(doctor), denied(policy.Refused), denied(policy.Refused)},
		{"T3.7 and the glass", open(refusal(policy.Party{Person: doctor}, false)), glass(doctor, "inconscient"), entry(colleague), denied(policy.Refused), denied(policy.Refused)},
		{"T3.7 save as he decided", open(refusal(policy.Party{Person: doctor}, true)), glass(doctor, "inconscient"), entry(colleague), granted("attending h1"), granted("attending h1")},
		{"T3.7 a structure", open(refusal(policy.Party{Structure: practice}, false)), ordinary, entry(colleague), denied(policy.Refused), denied(policy.Refused)},
		{"T3.7 over", open(func(r *policy.Record) {
			refusal(policy.Party{Person: doctor}, false)(r)
			r.Refusals[0].Until = now
		}), ordinary, entry(colleague), granted("attending h1"), granted("attending h1")},
		{"B6 removed", has(right(policy.Attending, doctor, 1)), ordinary, entry(doctor, "Deleted"), granted("attending h1"), denied(policy.Gone)},
		{"B5 archived", has(right(policy.Allegation, doctor, 1)), ordinary, entry(colleague, "Archived"), granted("allegation h1"), granted("allegation h1")},
		{"a profession that consults nothing", has(right(policy.Allegation, doctor, 1)), auth.Caller{Capacity: auth.CapacityProfessional, Person: doctor, Role: "SEC^1.2.250.1.213.1.1.5.1"}, entry(colleague), denied(policy.NoProfession), denied(policy.NoProfession)},
		{"assertion of another patient", has(right(policy.Attending, doctor, 1)), func() auth.Caller { c := ordinary; c.Patient = stranger; return c }(), entry(doctor), denied(policy.NotAboutPatient), denied(policy.NotAboutPatient)},
		{"the patient", has(), person(auth.CapacityPatient, ins), entry(doctor, masked, "V"), granted("patient"), granted("patient")},
		{"the patient before the announcement", has(), person(auth.CapacityPatient, ins), entry(doctor, unannounced), granted("patient"), denied(policy.Hidden)},
		{"another patient", has(), person(auth.CapacityPatient, stranger), entry(doctor), denied(policy.NoRight), denied(policy.NoRight)},
		{"a parent", guardian(false, "20120101"), person(auth.CapacityRepresentative, mother), entry(doctor), granted("representative"), granted("representative")},
		{"a parent and a secret", guardian(false, "20120101"), person(auth.CapacityRepresentative, mother), entry(doctor, fromReps), granted("representative"), denied(policy.Hidden)},
		{"the last day of minority", guardian(false, "20080521"), person(auth.CapacityRepresentative, mother), entry(doctor), granted("representative"), granted("representative")},
		{"majority", guardian(false, "20080520"), person(auth.CapacityRepresentative, mother), entry(doctor), denied(policy.Ended), denied(policy.Ended)},
		{"a guardian", guardian(true, "19500101"), person(auth.CapacityRepresentative, mother), entry(doctor), granted("representative"), granted("representative")},
		{"a laboratory reads nothing", has(), auth.Caller{Node: "lab"}, entry(doctor), denied(policy.NotEntitled), denied(policy.NotEntitled)},
		{"a node that reads", has(), auth.Caller{Node: "hub"}, entry(doctor), granted("node"), granted("node")},
		{"a node and a mask", has(), auth.Caller{Node: "hub"}, entry(doctor, masked), granted("node"), denied(policy.Hidden)},
		{"an operator reads nothing", has(), auth.Caller{Capacity: auth.CapacityOperator}, entry(doctor), denied(policy.NoRight), denied(policy.NoRight)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := gate(t).Sight(c.facts, c.caller)
			d, err := s.Consult(cx(ins))
			if err != nil || d.String() != c.record {
				t.Errorf("the record: %v, %v; want %s", d, err, c.record)
			}
			if d, err = s.Document(c.entry); err != nil || d.String() != c.sees {
				t.Errorf("the document: %v, %v; want %s", d, err, c.sees)
			}
			d, steps, err := s.Explain(cx(ins), c.entry)
			if err != nil || d.String() != c.sees || steps[len(steps)-1].Says != c.sees && c.facts.record != nil {
				t.Errorf("explained as %v by %v, %v", d, steps, err)
			}
		})
	}
}

func TestNoPolicy(t *testing.T) {
	s := (*policy.Gate)(nil).Sight(world{}, auth.Caller{})
	if d, err := s.Document(entry(doctor, "MASQUE_PS")); err != nil || !d.Allow {
		t.Error(d, err)
	}
	if d, err := s.Feed(cx(ins)); err != nil || !d.Allow {
		t.Error(d, err)
	}
}

func TestFeeding(t *testing.T) {
	open := world{record: &policy.Record{Patient: cx(ins), State: policy.Open}}
	secret := asks(doctor, practice, "normal")
	secret.Secret = true
	sight := func(w world, c auth.Caller) *policy.Sight { return gate(t).Sight(w, c) }
	for _, c := range []struct {
		name, want string
		sight      *policy.Sight
	}{
		{"a professional without right", "granted: author", sight(open, asks(doctor, practice, "normal"))},
		{"no record", "refused: no record is open", sight(world{}, asks(doctor, practice, "normal"))},
		{"a laboratory", "granted: node", sight(open, auth.Caller{Node: "lab"})},
		{"a node that only reads", "refused: the node is not entitled", sight(open, auth.Caller{Node: "hub"})},
		{"the patient", "granted: patient", sight(open, auth.Caller{Capacity: auth.CapacityPatient, Person: ins})},
		{"another patient", "refused: no right", sight(open, auth.Caller{Capacity: auth.CapacityPatient, Person: stranger})},
	} {
		if d, err := c.sight.Feed(cx(ins)); err != nil || d.String() != c.want {
			t.Errorf("%s: %v, %v; want %s", c.name, d, err, c.want)
		}
	}
	signature := entry(doctor, "MASQUE_PS", "INVISIBLE_PATIENT")
	signature.FormatCode = xds.Code{Code: "http://www.w3.org/2000/09/xmldsig#", Scheme: "URN"}
	for _, c := range []struct {
		name  string
		who   auth.Caller
		e     *xds.DocumentEntry
		allow bool
	}{
		{"plain", asks(doctor, practice, "normal"), entry(doctor), true},
		{"masked and unannounced", asks(doctor, practice, "normal"), entry(doctor, "MASQUE_PS", "INVISIBLE_PATIENT"), false},
		{"a signature", asks(doctor, practice, "normal"), signature, true},
		{"secret, shown to representatives", secret, entry(doctor), false},
		{"secret", secret, entry(doctor, "INVISIBLE_REPRESENTANTS_LEGAUX"), true},
	} {
		if d := sight(open, c.who).Deposit(c.e); d.Allow != c.allow {
			t.Errorf("%s: %v", c.name, d)
		}
	}
	for _, c := range []struct {
		name, want string
		who        auth.Caller
		e          *xds.DocumentEntry
	}{
		{"the author", "granted: author", asks(doctor, practice, "normal"), entry(doctor)},
		{"his structure", "granted: author", auth.Caller{Node: "lab"}, entry(doctor)},
		{"somebody else", "refused: " + string(policy.NotYours), asks(colleague, practice, "normal"), entry(doctor)},
		{"what is gone", "refused: removed", asks(doctor, practice, "normal"), entry(doctor, "Deleted")},
	} {
		if d, err := sight(open, c.who).Replace(c.e); err != nil || d.String() != c.want {
			t.Errorf("%s: %v, %v; want %s", c.name, d, err, c.want)
		}
	}
}

func TestActs(t *testing.T) {
	g := gate(t)
	w := world{record: &policy.Record{Patient: cx(ins), State: policy.Open, Rights: []policy.Habilitation{right(policy.Attending, colleague, 1), right(policy.Allegation, biologist, 1)}}}
	amended := entry(doctor)
	amended.Title = xds.Plain("Compte rendu")
	for _, c := range []struct {
		name          string
		before, after *xds.DocumentEntry
		want          []policy.Act
	}{
		{"nothing", entry(doctor), entry(doctor), nil},
		{"mask", entry(doctor), entry(doctor, "MASQUE_PS"), []policy.Act{policy.Mask}},
		{"unmask", entry(doctor, "MASQUE_PS"), entry(doctor), []policy.Act{policy.Unmask}},
		{"announce", entry(doctor, "INVISIBLE_PATIENT"), entry(doctor), []policy.Act{policy.Announce}},
		{"take back", entry(doctor), entry(doctor, "INVISIBLE_PATIENT"), []policy.Act{policy.Conceal}},
		{"disclose and mask", entry(doctor, "INVISIBLE_REPRESENTANTS_LEGAUX"), entry(doctor, "MASQUE_PS"), []policy.Act{policy.Mask, policy.Disclose}},
		{"archive", entry(doctor), entry(doctor, "Archived"), []policy.Act{policy.Archive}},
		{"delete", entry(doctor), entry(doctor, "Deleted"), []policy.Act{policy.Delete}},
		{"amend", entry(doctor), amended, []policy.Act{policy.Amend}},
		{"restrict", entry(doctor), entry(doctor, "R"), []policy.Act{policy.Amend}},
	} {
		got := g.Acts(c.before, c.after)
		if len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] || len(got) > 1 && got[1] != c.want[1] {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	for _, c := range []struct {
		who  string
		act  policy.Act
		want string
	}{
		{doctor, policy.Delete, "granted: author"},
		{doctor, policy.Conceal, "refused: the right does not allow the act"},
		{colleague, policy.Delete, "refused: the right does not allow the act"},
		{colleague, policy.Mask, "granted: attending h1"},
		{biologist, policy.Unmask, "refused: the right does not allow the act"},
		{biologist, policy.Mask, "granted: allegation h1"},
		{"899900000044", policy.Mask, "refused: no right"},
	} {
		if d, err := g.Sight(w, asks(c.who, practice, "normal")).Does(entry(doctor), c.act); err != nil || d.String() != c.want {
			t.Errorf("%s by %s: %v, %v; want %s", c.act, c.who, d, err, c.want)
		}
	}
	e, old := entry(doctor), entry(doctor, "MASQUE_PS", "INVISIBLE_PATIENT")
	g.Inherit(e, old)
	if got := g.Acts(entry(doctor), e); len(got) != 1 || got[0] != policy.Mask {
		t.Errorf("the replacement of a masked document is %v", e.ConfidentialityCodes)
	}
}

func TestConsents(t *testing.T) {
	tables := fstest.MapFS{"consents.tsv": &fstest.MapFile{Data: []byte("policy\tchoice\n1.2.250.1.999.7.1\topen\n1.2.250.1.999.7.2\tno-break-glass\n1.2.250.1.999.7.3\tno-teams\n")}}
	for _, name := range []string{"matrix.tsv", "acts.tsv", "professions.tsv", "purposes.tsv", "traits.tsv"} {
		data, err := os.ReadFile("france/" + name)
		if err != nil {
			t.Fatal(err)
		}
		tables[name] = &fstest.MapFile{Data: data}
	}
	m, err := policy.ReadMatrix(tables)
	if err != nil {
		t.Fatal(err)
	}
	g, err := policy.New(policy.Config{Matrix: m, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	consent := func(format string, policies ...string) *xds.DocumentEntry {
		e := entry(doctor)
		e.UniqueID, e.FormatCode = "1.2.3.4", xds.Code{Code: format, Scheme: "1.3.6.1.4.1.19376.1.2.3"}
		for _, p := range policies {
			e.EventCodes = append(e.EventCodes, xds.Code{Code: p, Scheme: "1.2.250.1.999.7"})
		}
		return e
	}
	who := asks(doctor, practice, "normal")
	opening := consent("urn:ihe:iti:bppc:2007", "urn:oid:1.2.250.1.999.7.1", "1.2.250.1.999.7.2")
	r, changed := g.Consented(nil, who, opening, nil)
	if !changed || r.State != policy.Open || !r.NoBreakGlass || r.NoTeams || r.Consent.By.Person != doctor || r.Consent.Notice != "1.2.3.4" || !r.Consent.At.Equal(now) || !r.Patient.Same(cx(ins)) {
		t.Errorf("the record is %+v", r)
	}
	// Another document in its place takes back what it does not say again; the record stays open.
	next, changed := g.Consented(r, who, consent("urn:ihe:iti:bppc-sd:2007", "1.2.250.1.999.7.3"), opening)
	if !changed || next.State != policy.Open || next.NoBreakGlass || !next.NoTeams || next.Version != 2 || !r.NoBreakGlass {
		t.Errorf("the record is %+v, and was %+v", next, r)
	}
	for name, c := range map[string]struct {
		who auth.Caller
		e   *xds.DocumentEntry
	}{
		"a node":          {auth.Caller{Node: "lab"}, opening},
		"another format":  {who, consent("urn:ihe:lab:xd-lab:2008", "1.2.250.1.999.7.1")},
		"another policy":  {who, consent("urn:ihe:iti:bppc:2007", "1.2.250.1.999.7.9")},
		"an ordinary one": {who, entry(doctor)},
	} {
		if got, changed := g.Consented(r, c.who, c.e, nil); changed || got != r {
			t.Errorf("%s changed the record to %+v", name, got)
		}
	}
	if g.Opens(consent("urn:ihe:iti:bppc:2007", "1.2.250.1.999.7.2")) || !g.Opens(opening) {
		t.Error("what opens a record is not told from what does not")
	}
}
