package directory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/directory"
)

// memory is a store of rows.
type memory struct {
	rows  map[string][]byte
	audit []string
	fail  func(key string) error
}

func (m *memory) View(_ context.Context, f func(directory.Tx) error) error { return f(m) }

func (m *memory) Update(_ context.Context, f func(directory.UpdateTx) error) error {
	next := &memory{rows: map[string][]byte{}, audit: slices.Clone(m.audit), fail: m.fail}
	for k, v := range m.rows {
		next.rows[k] = v
	}
	if err := f(next); err != nil {
		return err
	}
	m.rows, m.audit = next.rows, next.audit
	return nil
}

func (m *memory) Get(key string) ([]byte, error) {
	if m.fail != nil {
		if err := m.fail(key); err != nil {
			return nil, err
		}
	}
	return m.rows[key], nil
}

func (m *memory) Scan(prefix, after string, f func(string, []byte) (bool, error)) error {
	var keys []string
	for k := range m.rows {
		if strings.HasPrefix(k, prefix) && k > after {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if more, err := f(k, m.rows[k]); err != nil || !more {
			return err
		}
	}
	return nil
}

func (m *memory) Put(key string, value []byte) {
	if value == nil {
		delete(m.rows, key)
		return
	}
	m.rows[key] = value
}

func (m *memory) Record(a *atna.AuditMessage) error {
	e := a.EventIdentification
	m.audit = append(m.audit, fmt.Sprintf("%s %d %s", e.EventTypeCodes[0].Code, e.EventOutcomeIndicator, e.EventOutcomeDescription))
	return nil
}

type recorder struct{ *memory }

func (r recorder) Record(_ context.Context, a *atna.AuditMessage) error { return r.memory.Record(a) }

// The extracts of these tests; all people are invented.
const (
	people = "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Nom d'exercice|Prénom d'exercice|Code profession|Code savoir-faire|Code section tableau pharmaciens|" +
		"Code secteur d'activité|Numéro SIRET site|Numéro FINESS site|Numéro FINESS établissement juridique|Identifiant technique de la structure|Raison sociale site|Autre|\n"
	max1 = "8|99900063480|899900063480|LIBRE|Max|10|SM26||SA08|||| R10101|Cabinet des Tilleuls|x|\n"
	max2 = "8|99900063480|899900063480|LIBRÉ|Max|10|SM26||SA01||750100125||F75|Hôpital d'essai|x|\n"
	anne = "8|10000000017|810000000017|DUBOIS|Anne|21||A|SA33|12345678200010||||Officine|x|\n"
	list = "\ufeff\"finess\";\"etat\";\"rs\";\"type\";\"ej_finess\";\"categ_code\";\"categ_lib\"\r\n" +
		"\"750100125\";\"ACTUEL\";\"Hôpital \"\"d'essai\"\"\";\"ET\";\"2A0000014\";101;CHR\r\n" +
		"\"2B0000020\";\"FERME\";\"Clinique\";\"ET\";;;\r\n"
)

var operator = auth.Caller{Capacity: auth.CapacityOperator, Node: "operator:local", Person: "camille"}

type world struct {
	*directory.Directory
	t     *testing.T
	store *memory
	now   time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, store: &memory{rows: map[string][]byte{}}, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	d, err := directory.New(directory.Config{Store: w.store, Recorder: recorder{w.store}, Events: &atna.Reporter{SourceID: "test"}, Clock: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	w.Directory = d
	return w
}

func (w *world) take(k directory.Kind, text string) directory.State {
	w.t.Helper()
	s, err := w.Import(w.t.Context(), operator, k, strings.NewReader(text), directory.Options{}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func TestProfessionals(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if s := w.take(directory.Professionals, people+max1+anne+max2); s.Lines != 3 || s.Entries != 2 || s.New != 2 || s.Changed != 0 || s.Left != 0 {
		t.Errorf("%+v", s)
	}
	got, err := w.Professional(ctx, "899900063480")
	want := &directory.Professional{ID: "899900063480", Family: "LIBRÉ", Given: "Max", Professions: []string{"10"}, Skills: []string{"SM26"}, Exercises: []directory.Exercise{
		{Structures: []string{"1750100125", "F75"}, Name: "Hôpital d'essai", Sector: "SA01"}, {Structures: []string{"R10101"}, Name: "Cabinet des Tilleuls", Sector: "SA08"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v", got, err)
	}
	if f, err := w.Find(ctx, "libre m", 10); err != nil || len(f.Professionals) != 1 || f.Professionals[0].ID != "899900063480" {
		t.Errorf("found %+v %v", f, err)
	}
	members, err := w.Members(ctx, "R10101", []string{"SA08"})
	if err != nil || len(members) != 1 || members[0].ID != "899900063480" {
		t.Errorf("members %+v %v", members, err)
	}
	if hospital, err := w.Members(ctx, "1750100125", []string{"SA08"}); err != nil || len(hospital) != 0 {
		t.Errorf("a hospital is no group practice: %+v %v", hospital, err)
	}
	// Again, in another order: nothing is new.
	before := len(w.store.rows)
	if s := w.take(directory.Professionals, people+max2+anne+max1); s.New != 0 || s.Changed != 1 || s.Left != 0 {
		t.Errorf("again %+v", s) // the name of the last line counts
	}
	if s := w.take(directory.Professionals, people+max2+anne+max1); s.New+s.Changed+s.Left != 0 || len(w.store.rows) != before {
		t.Errorf("a third time %+v, %d rows after %d", s, len(w.store.rows), before)
	}
	w.now = w.now.AddDate(0, 1, 0)
	if s := w.take(directory.Professionals, people+max1); s.Entries != 1 || s.Changed != 1 || s.Left != 1 {
		t.Errorf("who left %+v", s)
	}
	if p, err := w.Professional(ctx, "810000000017"); err != nil || p.Active() || p.Left != "2026-04-02" || p.Given != "Anne" {
		t.Errorf("%+v %v", p, err)
	}
	w.now = w.now.AddDate(0, 1, 0)
	if s := w.take(directory.Professionals, people+max1); s.Left != 0 {
		t.Errorf("who left before leaves again: %+v", s)
	}
	if p, err := w.Professional(ctx, "810000000017"); err != nil || p.Left != "2026-04-02" {
		t.Errorf("%+v %v", p, err)
	}
	if s := w.take(directory.Professionals, people+max1+anne); s.New+s.Left != 0 || s.Changed != 1 {
		t.Errorf("who came back %+v", s)
	}
	if last := w.store.audit[len(w.store.audit)-1]; last != "directory-told 0 professionals: 2 entries, 0 new, 1 changed, 0 left" {
		t.Error(last)
	}
}

func TestStructures(t *testing.T) {
	w := newWorld(t)
	if s := w.take(directory.Structures, list); s.Entries != 2 || s.New != 2 {
		t.Errorf("%+v", s)
	}
	got, err := w.Structure(t.Context(), "1750100125")
	if want := (directory.Structure{ID: "1750100125", Name: `Hôpital "d'essai"`, Legal: "12A0000014", Category: "101", CategoryName: "CHR"}); err != nil || *got != want || !got.Active() {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := w.Structure(t.Context(), "12B0000020"); err != nil || got.Active() {
		t.Errorf("%+v %v", got, err)
	}
	if f, err := w.Find(t.Context(), "hopital d essai", 10); err != nil || len(f.Structures) != 1 {
		t.Errorf("%+v %v", f, err)
	}
}

// TestRefused: an import that cannot be taken changes nothing, and says where.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	w.take(directory.Professionals, people+max1+anne)
	rows := len(w.store.rows)
	broken := errors.New("broken")
	for _, c := range []struct {
		name, text, want string
		kind             directory.Kind
	}{
		{"no columns", "Nom d'exercice|Code profession\nX|10\n", `line 1: no column "Identification nationale PP", "Prénom d'exercice", "Code savoir-faire", "Code secteur d'activité", "Numéro SIRET site", "Numéro FINESS site", "Identifiant technique de la structure"`, directory.Professionals},
		{"nothing", "", "the extract is empty", directory.Professionals},
		{"a key", people + max1 + strings.Replace(anne, "810000000017", "810000000018", 1), "line 3, Identification nationale PP: not a RPPS number: 11 digits, the last of which is the key", directory.Professionals},
		{"a structure's key", people + strings.Replace(max2, "750100125", "750100126", 1), "line 2, Numéro FINESS site: not a FINESS number: 9 digits, or 2A or 2B and 7 digits, the last of which is the key", directory.Professionals},
		{"no profession", people + strings.Replace(anne, "|21|", "||", 1), "line 2, Code profession: missing", directory.Professionals},
		{"columns", people + "8|1|2\n", "line 2: 3 columns instead of 16", directory.Professionals},
		{"letters", people + "8|\xe9\n", "line 2: not UTF-8", directory.Professionals},
		{"a long line", people + strings.Repeat("x", 65<<10), "line 2 is longer than 65536 bytes", directory.Professionals},
		{"a long name", people + strings.Replace(anne, "DUBOIS", strings.Repeat("D", 513), 1), "line 2, Nom d'exercice: longer than 512 bytes, or with control characters", directory.Professionals},
		{"a quote", "finess,etat,rs\n750100125,\"ACTUEL,x\n", "line 2: a quote is not closed", directory.Structures},
		{"after a quote", "finess,etat,rs\n750100125,\"ACTUEL\"x,y\n", "line 2: text after a closing quote", directory.Structures},
		{"half of them", people, "the extract does not know half of those any more whom the last one knew: nothing was changed", directory.Professionals},
		{"another kind", "x", `"people" is not professionals or structures`, "people"},
	} {
		_, err := w.Import(t.Context(), operator, c.kind, strings.NewReader(c.text), directory.Options{}, nil)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
		if last := w.store.audit[len(w.store.audit)-1]; last != "directory-told 4 "+string(c.kind)+": "+c.want {
			t.Errorf("%s: audited %q", c.name, last)
		}
		if len(w.store.rows) != rows {
			t.Errorf("%s: %d rows after %d", c.name, len(w.store.rows), rows)
		}
	}
	w.store.fail = func(key string) error {
		if strings.HasSuffix(key, "r810000000017") {
			return broken
		}
		return nil
	}
	if _, err := w.Import(t.Context(), operator, directory.Professionals, strings.NewReader(people+max1+anne), directory.Options{}, nil); !errors.Is(err, broken) {
		t.Error(err)
	}
	w.store.fail = nil
	if len(w.store.rows) != rows {
		t.Errorf("a failure leaves %d rows after %d", len(w.store.rows), rows)
	}
	if _, err := w.Import(t.Context(), auth.Caller{Node: "x"}, directory.Professionals, strings.NewReader(people), directory.Options{}, nil); !errors.Is(err, directory.ErrDenied) {
		t.Error(err)
	}
	// An operator may pass lines over, and say that the extract is shorter.
	var skipped []string
	s, err := w.Import(t.Context(), operator, directory.Professionals, strings.NewReader(people+max1+strings.Replace(anne, "810000000017", "810000000018", 1)+"8|1|2\n"), directory.Options{Skip: 2},
		func(e *directory.LineError) { skipped = append(skipped, e.Error()) })
	if err != nil || s.Skipped != 2 || s.Entries != 1 || s.Left != 1 || len(skipped) != 2 || skipped[1] != "line 4: 3 columns instead of 16" {
		t.Errorf("%+v %v %v", s, err, skipped)
	}
	if s, err := w.Import(t.Context(), operator, directory.Professionals, strings.NewReader(people), directory.Options{Shrink: true}, nil); err != nil || s.Left != 1 {
		t.Errorf("%+v %v", s, err)
	}
}

func TestDoubts(t *testing.T) {
	w := newWorld(t)
	who := func(person, structure, role, specialty, how string) auth.Caller {
		return auth.Caller{Capacity: auth.CapacityProfessional, Person: person, Organisation: structure, Role: role, Specialty: specialty, Authentication: how}
	}
	const doctor, gp, pharmacist, titular = "10^1.2.250.1.71.1.2.7", "SM26^1.2.250.1.71.4.2.5", "21^1.2.250.1.71.1.2.7", "A^1.2.250.1.71.4.2.6"
	ask := func(c auth.Caller) string {
		t.Helper()
		list, err := w.Doubts(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(list)
	}
	if got := ask(who("899900063481", "1000000000", doctor, gp, "DIRECTE")); got != "[]" {
		t.Errorf("without a directory %s", got)
	}
	w.take(directory.Structures, list)
	w.take(directory.Professionals, people+max1+max2+anne)
	for _, c := range []struct {
		name string
		c    auth.Caller
		want string
	}{
		{"as he says", who("899900063480", "R10101", doctor, gp, "DIRECTE"), "[]"},
		{"at the hospital", who("899900063480", "1750100125", doctor, gp, "DIRECTE"), "[]"},
		{"in his own practice", who("899900063480", "499900063480001", doctor, gp, "DIRECTE"), "[]"},
		{"in another's", who("899900063480", "410000000017001", doctor, gp, "DIRECTE"), "[ProfessionalNotAtTheStructure]"},
		{"vouched for elsewhere", who("899900063480", "12A0000014", doctor, gp, "INDIRECTE"), "[StructureNotInDirectory]"},
		{"in a closed one", who("899900063480", "12B0000020", doctor, gp, "INDIRECTE"), "[StructureNotInDirectory]"},
		{"as a nurse", who("899900063480", "R10101", "60^1.2.250.1.71.1.2.7", "", "DIRECTE"), "[ProfessionNotInDirectory]"},
		{"as a radiologist", who("899900063480", "R10101", doctor, "SM44^1.2.250.1.71.4.2.5", "DIRECTE"), "[ProfessionNotInDirectory]"},
		{"a pharmacist", who("810000000017", "312345678200010", pharmacist, titular, "DIRECTE"), "[]"},
		{"in a role of another table", who("810000000017", "312345678200010", "X^1.2.3", "", "DIRECTE"), "[]"},
		{"nobody", who("810000000025", "1750100125", doctor, gp, "DIRECTE"), "[ProfessionalNotInDirectory]"},
		{"staff", who("3750100125/1453", "1750100125", doctor, gp, "INDIRECTE"), "[]"},
		{"a patient", auth.Caller{Capacity: auth.CapacityPatient, Person: "810000000025"}, "[]"},
	} {
		if got := ask(c.c); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for s, want := range map[string]bool{"99900063480": true, "99900063481": false, "9990006348": false, "9990006348A": false, "": false} {
		if got := directory.CheckRPPS(s) == nil; got != want {
			t.Errorf("RPPS %q: %v", s, got)
		}
	}
	for s, want := range map[string]bool{"750100125": true, "750100126": false, "2A0000014": true, "2B0000020": true, "2A0000020": false, "2C0000014": false, "75010012": false, "10B012718": false} {
		if got := directory.CheckFINESS(s) == nil; got != want {
			t.Errorf("FINESS %q: %v", s, got)
		}
	}
}

// FuzzImport: an extract is taken as a whole, or refused and nothing is left of it; what was taken can be taken again and is the same.
func FuzzImport(f *testing.F) {
	f.Add([]byte(people+max1+max2+anne), false)
	f.Add([]byte(list), true)
	f.Add([]byte("finess,etat,rs\n750100125,ACTUEL,\"a\"\"b\n\",x\n"), true)
	f.Fuzz(func(t *testing.T, in []byte, places bool) {
		w, k := newWorld(t), directory.Professionals
		if places {
			k = directory.Structures
		}
		s, err := w.Import(t.Context(), operator, k, bytes.NewReader(in), directory.Options{}, nil)
		if err != nil {
			if len(w.store.rows) != 0 || err.Error() == "" {
				t.Fatalf("%v leaves %d rows", err, len(w.store.rows))
			}
			return
		}
		again, err := w.Import(t.Context(), operator, k, bytes.NewReader(in), directory.Options{}, nil)
		if err != nil || again.New+again.Changed+again.Left != 0 || again.Entries != s.Entries || again.Entries > again.Lines {
			t.Fatalf("%+v then %+v, %v", s, again, err)
		}
	})
}
