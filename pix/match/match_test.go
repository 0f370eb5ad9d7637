package match_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/pix/match"
)

// somebody is an invented person; with changes, another record of the same or of somebody near.
func somebody(changes ...func(*match.Record)) match.Record {
	r := match.Record{BirthName: "Kervadec", Given: []string{"Maëlle", "Rose"}, BirthDate: "19870423", Sex: "F", BirthPlace: "29019",
		PostalCode: "35000", City: "Rennes", Phones: []string{"06 12 34 56 78"}, Mails: []string{"mk@courriel.example"}}
	for _, f := range changes {
		f(&r)
	}
	return r
}

type change = func(*match.Record)

func born(name string) change      { return func(r *match.Record) { r.BirthName = name } }
func married(name string) change   { return func(r *match.Record) { r.UsualName = name } }
func given(names ...string) change { return func(r *match.Record) { r.Given = names } }
func on(date string) change        { return func(r *match.Record) { r.BirthDate = date } }
func in(place string) change       { return func(r *match.Record) { r.BirthPlace = place } }
func sex(s string) change          { return func(r *match.Record) { r.Sex = s } }
func lives(postal, city string) change {
	return func(r *match.Record) { r.PostalCode, r.City = postal, city }
}
func reached(phones, mails []string) change {
	return func(r *match.Record) { r.Phones, r.Mails = phones, mails }
}
func used(name string) change { return func(r *match.Record) { r.UsedGiven = name } }
func order(n int) change      { return func(r *match.Record) { r.BirthOrder = n } }

// TestLevels: a pair, the field it is about, and the level that is due.
func TestLevels(t *testing.T) {
	for _, c := range []struct {
		a, b  match.Record
		field match.Field
		want  string
	}{
		{somebody(), somebody(born("KERVADEC")), match.FamilyName, "same"},
		{somebody(born("Lefèvre")), somebody(born("LEFEVRE")), match.FamilyName, "same"},
		{somebody(born("Le Gall")), somebody(born("LEGALL")), match.FamilyName, "same"},
		{somebody(born("Sœur-Bœuf")), somebody(born("SOEUR BOEUF")), match.FamilyName, "same"},
		{somebody(born("Saint-Aubin")), somebody(born("ST AUBIN")), match.FamilyName, "same"},
		{somebody(born("L’Hermite")), somebody(born("L'HERMITE")), match.FamilyName, "same"},
		{somebody(born("de la Tour")), somebody(born("TOUR")), match.FamilyName, "variant"},
		{somebody(born("d'Alençon")), somebody(born("ALENCON")), match.FamilyName, "variant"},
		{somebody(born("du Pré")), somebody(born("PRE")), match.FamilyName, "variant"},
		{somebody(), somebody(born("Morvan"), married("Kervadec")), match.FamilyName, "crossed"},
		{somebody(born("Kervadec"), married("Morvan")), somebody(born("MORVAN")), match.FamilyName, "crossed"},
		{somebody(born(""), married("Morvan")), somebody(married("Morvan")), match.FamilyName, "crossed"},
		{somebody(born("Kervadec épouse Morvan")), somebody(), match.FamilyName, "same"},
		{somebody(born("Morvan née Kervadec")), somebody(), match.FamilyName, "same"},
		{somebody(born("Kervadec-Morvan")), somebody(), match.FamilyName, "part"},
		{somebody(born("Vandenberghe")), somebody(born("VANDENBER")), match.FamilyName, "part"},
		{somebody(), somebody(born("Kervadce")), match.FamilyName, "close"},
		{somebody(), somebody(born("Kerwadec")), match.FamilyName, "close"},
		{somebody(), somebody(born("Kervade")), match.FamilyName, "close"},
		{somebody(born("Gauthiot")), somebody(born("GOTIAU")), match.FamilyName, "sounds"},
		{somebody(born("Rainault")), somebody(born("RENEAU")), match.FamilyName, "sounds"},
		{somebody(), somebody(born("Maëlle"), given("Kervadec")), match.FamilyName, "swapped"},
		{somebody(born("Saint-Martin")), somebody(born("Maëlle"), given("Saint", "Martin")), match.FamilyName, "swapped"},
		{somebody(), somebody(born("Tanguy")), match.FamilyName, "different"},
		{somebody(), somebody(born("")), match.FamilyName, "missing"},
		{somebody(), somebody(born("- ' -")), match.FamilyName, "missing"},

		{somebody(), somebody(given("MAELLE")), match.GivenName, "same"},
		{somebody(given("Jean-Pierre")), somebody(given("JEAN PIERRE")), match.GivenName, "same"},
		{somebody(given("Jean-Pierre")), somebody(given("Jean Pierre Marie")), match.GivenName, "same"},
		{somebody(given("Jean-Pierre")), somebody(given("Jean")), match.GivenName, "part"},
		{somebody(given("Jean-Pierre")), somebody(given("JP")), match.GivenName, "initials"},
		{somebody(given("Jean-Pierre")), somebody(given("J.-P.")), match.GivenName, "initials"},
		{somebody(), somebody(given("M.")), match.GivenName, "initials"},
		{somebody(), somebody(given("Rose", "Maëlle")), match.GivenName, "reordered"},
		{somebody(), somebody(given("Rose")), match.GivenName, "reordered"},
		{somebody(used("Rozenn")), somebody(given("Rozenn")), match.GivenName, "reordered"},
		{somebody(), somebody(given("Maelel")), match.GivenName, "close"},
		{somebody(given("Paul")), somebody(given("Paule")), match.GivenName, "rival"},
		{somebody(given("Philippe")), somebody(given("Filip")), match.GivenName, "sounds"},
		{somebody(given("Frédéric")), somebody(given("Frédérique")), match.GivenName, "rival"},
		{somebody(given("Daniel")), somebody(given("Danielle")), match.GivenName, "rival"},
		{somebody(), somebody(given("Solenn")), match.GivenName, "different"},
		{somebody(), somebody(given()), match.GivenName, "missing"},

		{somebody(), somebody(), match.OtherGivenNames, "same"},
		{somebody(given("Maëlle", "Rose", "Anne")), somebody(), match.OtherGivenNames, "same"},
		{somebody(given("Maëlle", "Rose", "Anne")), somebody(given("Maëlle", "Anne", "Yvonne")), match.OtherGivenNames, "some"},
		{somebody(), somebody(given("Maëlle", "Yvonne")), match.OtherGivenNames, "different"},
		{somebody(), somebody(given("Maëlle")), match.OtherGivenNames, "missing"},
		{somebody(given("Jean-Pierre", "Yves")), somebody(given("Jean", "Pierre", "Yves")), match.OtherGivenNames, "same"},

		{somebody(), somebody(on("1987-04-23")), match.BirthDate, "same"},
		{somebody(), somebody(on("198704230830")), match.BirthDate, "same"},
		{somebody(on("19870105")), somebody(on("19870501")), match.BirthDate, "swapped"},
		{somebody(), somebody(on("19870424")), match.BirthDate, "digit"},
		{somebody(), somebody(on("19870432")), match.BirthDate, "coarse"},
		{somebody(), somebody(on("19780423")), match.BirthDate, "digit"},
		{somebody(), somebody(on("19870101")), match.BirthDate, "coarse"},
		{somebody(), somebody(on("19870000")), match.BirthDate, "coarse"},
		{somebody(), somebody(on("198704")), match.BirthDate, "coarse"},
		{somebody(), somebody(on("1987")), match.BirthDate, "coarse"},
		{somebody(on("19870101")), somebody(on("19870101")), match.BirthDate, "coarse"},
		{somebody(), somebody(on("19874223")), match.BirthDate, "coarse"}, // a month above 12: incomplete civil register
		{somebody(), somebody(on("19870911")), match.BirthDate, "different"},
		{somebody(), somebody(on("19870412")), match.BirthDate, "near"},
		{somebody(), somebody(on("20140423")), match.BirthDate, "near"},
		{somebody(), somebody(on("")), match.BirthDate, "missing"},
		{somebody(), somebody(on("unknown")), match.BirthDate, "missing"},

		{somebody(), somebody(sex("M")), match.Sex, "different"},
		{somebody(), somebody(sex("f")), match.Sex, "same"},
		{somebody(), somebody(sex("U")), match.Sex, "missing"},

		{somebody(), somebody(in("29019")), match.BirthPlace, "same"},
		{somebody(in("75114")), somebody(in("75056")), match.BirthPlace, "equivalent"},
		{somebody(in("69383")), somebody(in("69123")), match.BirthPlace, "equivalent"},
		{somebody(in("13205")), somebody(in("13055")), match.BirthPlace, "equivalent"},
		{somebody(), somebody(in("29232")), match.BirthPlace, "area"},
		{somebody(in("20004")), somebody(in("2A004")), match.BirthPlace, "area"},
		{somebody(in("75048")), somebody(in("93048")), match.BirthPlace, "area"},
		{somebody(in("99352")), somebody(in("92352")), match.BirthPlace, "area"},
		{somebody(in("97411")), somebody(in("97416")), match.BirthPlace, "area"},
		{somebody(in("97411")), somebody(in("97209")), match.BirthPlace, "different"},
		{somebody(in("99352")), somebody(in("99351")), match.BirthPlace, "different"},
		{somebody(in("99352")), somebody(in("99999")), match.BirthPlace, "area"},
		{somebody(), somebody(in("56260")), match.BirthPlace, "different"},
		{somebody(), somebody(in("")), match.BirthPlace, "missing"},

		{somebody(), somebody(lives("35000", "RENNES")), match.Residence, "same"},
		{somebody(), somebody(lives("35200", "Rennes")), match.Residence, "area"},
		{somebody(), somebody(lives("", "rennes")), match.Residence, "same"},
		{somebody(), somebody(lives("13001", "Marseille")), match.Residence, "different"},
		{somebody(), somebody(lives("", "")), match.Residence, "missing"},

		{somebody(), somebody(reached([]string{"+33 6 12 34 56 78"}, nil)), match.Contact, "same"},
		{somebody(), somebody(reached([]string{"0033612345678"}, nil)), match.Contact, "same"},
		{somebody(), somebody(reached([]string{"0299000102"}, []string{"MK@courriel.example"})), match.Contact, "same"},
		{somebody(), somebody(reached([]string{"0299000102"}, nil)), match.Contact, "different"},
		{somebody(reached([]string{"0000000000"}, nil)), somebody(reached([]string{"0000000000"}, nil)), match.Contact, "missing"},
		{somebody(reached([]string{"0612345678"}, nil)), somebody(reached(nil, []string{"a@courriel.example"})), match.Contact, "missing"},
	} {
		m := match.Default()
		for i, r := range []match.Result{m.Compare(c.a, c.b), m.Compare(c.b, c.a)} {
			if got := r.Fields[c.field].Level.String(); got != c.want {
				t.Errorf("%s is %s, want %s (order %d):\n%+v\n%+v", c.field, got, c.want, i, c.a, c.b)
			}
		}
	}
}

// TestDecisions: what pairs come to, and which rule held them back.
func TestDecisions(t *testing.T) {
	home := reached([]string{"0299000102"}, nil)
	for _, c := range []struct {
		name  string
		a, b  match.Record
		want  match.Decision
		guard string // how it begins
	}{
		{"one person twice", somebody(), somebody(), match.Automatic, ""},
		{"one slip in the family name", somebody(), somebody(born("Kervadce")), match.Automatic, ""},
		{"married since", somebody(), somebody(born("Morvan"), married("Kervadec")), match.Automatic, ""},
		{"day and month swapped", somebody(on("19870405")), somebody(on("19870504")), match.Automatic, ""},
		{"moved, and no telephone", somebody(), somebody(lives("13001", "Marseille"), reached(nil, nil)), match.Automatic, ""},
		{"names swapped", somebody(), somebody(born("Maëlle"), given("Kervadec")), match.Automatic, ""},

		{"twins", somebody(home), somebody(home, given("Solenn", "Anne")), match.Apart, "born together"},
		{"twins with near names", somebody(home, given("Paul")), somebody(home, given("Paule")), match.Review, "given names that are near and both in use"},
		{"twins with short names", somebody(home, given("Léa")), somebody(home, given("Léo")), match.Apart, "born together"},
		{"twins with near and rare names", somebody(home, given("Noah")), somebody(home, given("Noha")), match.Review, "given names that are not the same"},
		{"twins, one with initials", somebody(home), somebody(home, given("M")), match.Review, "given names that are not the same"},
		{"twins, a compound in two words", somebody(home, given("Jean Paul")), somebody(home, given("Jean")), match.Review, "given names that are not the same"},
		{"twins cut to the first half", somebody(home, given("Marie-Claire")), somebody(home, given("Marie")), match.Review, "given names that are not the same"},
		{"twins with the names of each other", somebody(home, given("Paul", "Jean")), somebody(home, given("Jean", "Luc")), match.Review, "given names that are not the same"},
		{"twins by their order", somebody(home, order(1)), somebody(home, order(2)), match.Apart, "one has another place"},
		{"twins, one misspelt into the other", somebody(home, given("Luca"), order(2)), somebody(home, given("Luca")), match.Review, "one is of a multiple birth"},
		{"father and son of one name", somebody(home, on("19600423")), somebody(home, on("19880423")), match.Apart, "born a generation apart"},
		{"father and son, a digit apart", somebody(home, on("19600423")), somebody(home, on("19900423")), match.Review, "years of birth"},
		{"homonyms born elsewhere", somebody(), somebody(in("13205"), lives("13005", "Marseille"), reached(nil, nil)), match.Review, "another birth place"},
		{"homonyms, one without a birth place", somebody(), somebody(given("Maëlle"), in(""), lives("13005", "Marseille"), reached(nil, nil)), match.Review, "nothing exact"},
		{"another sex", somebody(), somebody(sex("M")), match.Review, "another sex"},
		{"first of January", somebody(), somebody(on("19870101")), match.Review, "no birth date beyond doubt"},
		{"both of the first of January", somebody(on("19870101")), somebody(on("19870101")), match.Review, "no birth date beyond doubt"},
		{"another family name", somebody(), somebody(born("Tanguy")), match.Review, "no family name"},
		{"two slips", somebody(), somebody(born("Kervadce"), on("19870424")), match.Review, "more than one slip"},
		{"strangers", somebody(), match.Record{BirthName: "Tanguy", Given: []string{"Yves"}, BirthDate: "19520911", Sex: "M", BirthPlace: "56260"}, match.Apart, ""},
		{"nothing known", match.Record{}, match.Record{}, match.Apart, ""},
		{"a name and nothing else", match.Record{BirthName: "Kervadec"}, somebody(), match.Apart, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, r := range []match.Result{match.Default().Compare(c.a, c.b), match.Default().Compare(c.b, c.a)} {
				if r.Decision != c.want || !strings.HasPrefix(r.Guard, c.guard) || c.guard == "" && r.Guard != "" {
					t.Errorf("%s, want %s held back by %q\n%s", r.Decision, c.want, c.guard, r.Explain())
				}
			}
		})
	}
}

// TestRareNamesSayMore: agreeing on a name that few bear weighs more, by the ratio of frequencies.
func TestRareNamesSayMore(t *testing.T) {
	m := match.Default()
	common := m.Compare(somebody(born("Martin")), somebody(born("MARTIN"))).Fields[match.FamilyName].Weight
	rare := m.Compare(somebody(), somebody()).Fields[match.FamilyName].Weight
	// 3400 and 60 in a million: log2(56.7) bits.
	if d := rare - common; d < 5.82 || d > 5.83 {
		t.Errorf("a rare name says %.3f bits more than MARTIN, want 5.82", d)
	}
}

// TestSize: in a register a thousand times as large the same pair is ten bits further from a link.
func TestSize(t *testing.T) {
	m := match.Default()
	large := m.ForSize(1_024_000_000)
	if a, r := large.AutomaticAt-m.AutomaticAt, large.ReviewAt-m.ReviewAt; fmt.Sprintf("%.4f %.4f", a, r) != "10.0000 10.0000" {
		t.Errorf("thresholds rise by %f and %f", a, r)
	}
	a, b := somebody(given("Marie")), somebody(given("Marie"), lives("13001", ""), reached([]string{"0491000102"}, nil))
	if got := m.Compare(a, b).Decision; got != match.Automatic {
		t.Errorf("a million: %s", got)
	}
	if got := large.Compare(a, b).Decision; got != match.Review {
		t.Errorf("a thousand million: %s", got)
	}
}

func TestExplain(t *testing.T) {
	got := match.Default().Compare(somebody(), somebody(born("Kervadce"), in("56260"))).Explain()
	for _, part := range []string{"family name: close (+", "given name: same (+", "birth place: different (-", ": review, held back: another birth place"} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q in\n%s", part, got)
		}
	}
	for _, secret := range []string{"ervad", "aëlle", "AELLE", "1987", "29019", "Rennes", "courriel"} {
		if strings.Contains(got, secret) {
			t.Errorf("%q is in the explanation", secret)
		}
	}
}

func TestNormalise(t *testing.T) {
	for in, want := range map[string]string{
		"Lefèvre": "LEFEVRE", "  d’Alençon ": "D ALENCON", "Jean-Pierre": "JEAN PIERRE", "Cœur": "COEUR", "Læticia": "LAETICIA", "Straße": "STRASSE", "ØRSTED": "ORSTED", "Łukasz": "LUKASZ",
		"ste-Marie": "SAINTE MARIE", "St. Paul": "SAINT PAUL", "N'Diaye": "N DIAYE", "Müller": "MULLER", "e\u0301mile": "EMILE", "": "", "--": "", "Παπάς": "ΠΑΠΆΣ", "\xff\xfe": "",
	} {
		if got := match.Normalise(in); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
}

func TestSound(t *testing.T) {
	for _, group := range [][]string{
		{"DUPONT", "DUPOND", "DUPON"}, {"GAUTHIER", "GOTHIER", "GAUTIER"}, {"MARTIN", "MARTAIN", "MARTEIN"}, {"PHILIPPE", "FILIP"}, {"LEFEVRE", "LEFAIVRE"}, {"BERTHELOT", "BERTELO", "BERTHELEAU"},
		{"MATHIEU", "MATTHIEU"}, {"QUENTIN", "KENTIN"}, {"CHARPENTIER", "SHARPANTIER"}, {"BENOIT", "BENOIS"},
	} {
		for _, s := range group[1:] {
			if a, b := match.Sound(group[0]), match.Sound(s); a != b {
				t.Errorf("%s sounds %s, %s sounds %s", group[0], a, s, b)
			}
		}
	}
	for _, pair := range [][2]string{{"MARTIN", "MARTEL"}, {"DUPONT", "DUPIN"}, {"BLANC", "BLOND"}, {"PETIT", "PETRI"}} {
		if match.Sound(pair[0]) == match.Sound(pair[1]) {
			t.Errorf("%s and %s sound alike", pair[0], pair[1])
		}
	}
}

func TestKeys(t *testing.T) {
	m := match.Default()
	shared := func(a, b match.Record) int {
		n := 0
		for _, k := range m.Keys(a) {
			for _, l := range m.Keys(b) {
				if k == l {
					n++
				}
			}
		}
		return n
	}
	for name, other := range map[string]match.Record{
		"misspelt":            somebody(born("Kervadek"), reached(nil, nil)),
		"another family name": somebody(born("Morvan"), reached(nil, nil)),
		"married":             somebody(born("Morvan"), married("Kervadec"), given("Rose"), reached(nil, nil)),
		"swapped":             somebody(born("Maëlle"), given("Kervadec"), reached(nil, nil)),
		"another date":        somebody(on("19500911"), reached(nil, nil)),
		"day and month":       somebody(on("19872304"), reached(nil, nil)),
		"another given name":  somebody(given("Solenn"), reached(nil, nil)),
		"only a telephone":    {Phones: []string{"0612345678"}, BirthDate: "1987"},
	} {
		if shared(somebody(), other) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	if n := shared(somebody(), match.Record{BirthName: "Tanguy", Given: []string{"Yves"}, BirthDate: "19520911", Sex: "M", BirthPlace: "56260"}); n != 0 {
		t.Errorf("strangers share %d keys", n)
	}
	many := somebody(born("A-Ba-Ca-Da-Fa-Ga-Ha-Ja-Ka-La"), married("Ma-Na-Pa-Ra-Sa-Ta"), reached(make([]string, 1000), nil))
	for i := range many.Phones {
		many.Phones[i] = fmt.Sprintf("06%08d", i)
	}
	if n := len(m.Keys(many)); n > 20 {
		t.Errorf("%d keys", n)
	}
	if n := len(m.Keys(match.Record{})); n != 0 {
		t.Errorf("%d keys of nothing", n)
	}
}

func TestLoadRefuses(t *testing.T) {
	const good = "family,*,40\ngiven,*,300\nplace,*,400\n"
	for parameters, want := range map[string]string{
		"":                                       "thresholds",
		"threshold,automatic,1\nshoe,same,.1,.1": `line 2: unknown field "shoe"`,
		"family name,coarse,.1,.1":               `line 1: family name has no level "coarse"`,
		"family name,same,2,.1":                  "line 1: m and u of family name same are not probabilities",
		"family name,same,.1":                    "line 1: family name same without u",
		"family name,same,x,.1":                  `line 1: "x" is no number`,
		"threshold,automatic,9\nthreshold,review,8": "no row for family name same",
		"sex,same,.1,.1\nsex,same,.1,.1":            "line 2: sex same comes twice",
	} {
		if _, err := match.Load(strings.NewReader(parameters), strings.NewReader(good)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", parameters, err, want)
		}
	}
}

// FuzzCompare: whatever comes, normalising twice is normalising once, a comparison has no order, and everybody is like himself.
func FuzzCompare(f *testing.F) {
	f.Add("Kervadec", "", "Maëlle Rose", "19870423", "29019", "Morvan née Kervadec", "Morvan", "M", "1987", "99999")
	f.Add("de la", "St", "-", "0000", "97", "\xff", "Œ", "J.-P.", "19870101", "2A")
	f.Add("A", "B", "A", "1", "1", "B", "A", "B", "2", "2")
	m := match.Default()
	f.Fuzz(func(t *testing.T, n1, u1, g1, d1, p1, n2, u2, g2, d2, p2 string) {
		for _, s := range []string{n1, u1, g1} {
			if a := match.Normalise(s); match.Normalise(a) != a {
				t.Errorf("%q gives %q, which gives %q", s, a, match.Normalise(a))
			}
		}
		a := match.Record{BirthName: n1, UsualName: u1, Given: strings.Split(g1, ","), BirthDate: d1, BirthPlace: p1, Sex: "F", PostalCode: p1, Phones: []string{d1}, Mails: []string{u1}}
		b := match.Record{BirthName: n2, UsualName: u2, Given: strings.Split(g2, ","), BirthDate: d2, BirthPlace: p2, Sex: "M", PostalCode: p2, Phones: []string{d2}, UsedGiven: u2}
		if x, y := m.Compare(a, b), m.Compare(b, a); x != y {
			t.Errorf("the order tells:\n%s\n%s", x.Explain(), y.Explain())
		}
		for _, r := range m.Compare(a, a).Fields {
			switch r.Level.String() {
			case "same", "missing", "coarse":
			case "crossed":
				if match.Normalise(n1) != "" { // a usual name alone is that of the other, and perhaps not the birth name
					t.Errorf("%s of a record and itself is crossed", r.Field)
				}
			default:
				t.Errorf("%s of a record and itself is %s", r.Field, r.Level)
			}
		}
		if n := len(m.Keys(a)); n > 20 {
			t.Errorf("%d keys", n)
		}
	})
}
