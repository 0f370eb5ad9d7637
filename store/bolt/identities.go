package bolt

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
)

// The lengths to which names are cut in an index row.
const (
	familyLength = 24
	givenLength  = 32
)

// reindex makes the index rows of a patient, from those that old had (zero for a new one) to those of p.
func (tx *writeTx) reindex(old, p *pix.Patient) {
	before, after := identityKeys(old), identityKeys(p)
	for _, k := range before {
		if !slices.Contains(after, k) {
			tx.put([]byte(k), nil)
		}
	}
	for _, k := range after {
		if !slices.Contains(before, k) {
			tx.put([]byte(k), []byte{})
		}
	}
}

// identityKeys are the index rows of a patient. One that was given up is found by its identifier only.
func identityKeys(p *pix.Patient) []string {
	if p.Number == 0 || !p.Alive() {
		return nil
	}
	var keys []string
	if !p.Alone() {
		keys = append(keys, string(appendSeq(seqKey(nil, bMember, p.Person), p.Number)))
	}
	t := p.Demographics.Traits()
	if len(t.BirthDate) == 8 {
		keys = append(keys, string(appendSeq(birthKey(nil, t.BirthDate), p.Number)))
	}
	keys = append(keys, nameKeys(&t, p.Number)...)
	if p.Visit != nil && p.Visit.Number.ID != "" {
		keys = append(keys, string(appendSeq(visitKey(p.Visit.Number.ID), p.Number)))
	}
	for i, k := range p.Keys {
		if !slices.Contains(p.Keys[:i], k) {
			keys = append(keys, string(appendSeq(appendHash([]byte{bAlike}, k), p.Number)))
		}
	}
	return keys
}

func visitKey(number string) []byte { return appendHash([]byte{bVisit}, number) }

// birthKey is for whole dates.
func birthKey(b []byte, date string) []byte {
	n, err := strconv.ParseUint(date, 10, 32)
	if err != nil {
		n = 0
	}
	return binary.BigEndian.AppendUint32(append(b, bBirth), uint32(n))
}

// nameKeys are the rows of the birth name and the usual name, in their order: family name, all given names, sex, number.
func nameKeys(t *pix.Traits, number uint64) []string {
	given := clip(pix.Fold(strings.Join(t.GivenNames, " ")+" "+t.UsualGiven), givenLength)
	row := func(family string) string {
		if family = clip(pix.Fold(family), familyLength); family == "" {
			return ""
		}
		b := append(append([]byte{bName}, family...), 0)
		b = append(append(b, given...), 0)
		return string(appendSeq(append(append(b, clip(t.Sex, 1)...), 0), number))
	}
	keys := []string{row(t.BirthName), row(t.UsualName)}
	slices.Sort(keys)
	return slices.DeleteFunc(slices.Compact(keys), func(k string) bool { return k == "" })
}

func clip(s string, n int) string { return s[:min(len(s), n)] }

// Members implements manager.Tx.
func (t patientTx) Members(person uint64) ([]pix.Patient, error) {
	var members []pix.Patient
	err := t.scan(seqKey(nil, bMember, person), nil, func(key, _ []byte) (bool, error) {
		number, err := seqOf(key)
		if err != nil {
			return false, err
		}
		p, err := t.patientAt(number)
		p.Person = person
		members = append(members, p)
		return true, err
	})
	return members, err
}

// Alike implements manager.Tx.
func (t patientTx) Alike(key string, max int) ([]pix.Patient, error) {
	var found []pix.Patient
	err := t.scan(appendHash([]byte{bAlike}, key), nil, func(row, _ []byte) (bool, error) {
		if len(found) >= max {
			return false, nil
		}
		number, err := seqOf(row)
		if err != nil {
			return false, err
		}
		p, err := t.numbered(number)
		if err == nil && slices.Contains(p.Keys, key) {
			found = append(found, p)
		}
		return true, err
	})
	return found, err
}

// Search implements manager.Tx. A place is the index row of the last patient, with its bucket.
func (t patientTx) Search(q *pix.Criteria, after string, yield func(p pix.Patient, at string) bool) error {
	if q.ID.ID != "" {
		p, ok, err := t.patient(q.ID)
		if err == nil && ok && after == "" && q.Match(&p) {
			yield(p, "i")
		}
		return err
	}
	prefix := searchPrefix(q)
	if after != "" && !strings.HasPrefix(after, string(prefix)) {
		return manager.ErrPlace
	}
	return t.scan(prefix, []byte(after), func(key, _ []byte) (bool, error) {
		if prefix[0] == bName && !nameRowMay(q, key) {
			return true, nil
		}
		number, err := seqOf(key)
		if err != nil {
			return false, err
		}
		p, err := t.patientAt(number)
		if err != nil || !q.Match(&p) || prefix[0] == bName && !firstRow(&p, prefix, key) {
			return true, err
		}
		at := string(key)
		if p, err = t.numbered(number); err != nil {
			return false, err
		}
		return yield(p, at), nil
	})
}

// searchPrefix chooses the index: the number of a visit is hardly shared, a whole birth date by fewer people than any name.
func searchPrefix(q *pix.Criteria) []byte {
	if number := q.VisitNumber(); number != "" {
		return visitKey(number)
	}
	if len(q.BirthDate) == 8 {
		return birthKey(nil, q.BirthDate)
	}
	begin, open := strings.CutSuffix(q.Family, "*")
	family := pix.Fold(begin)
	if family == "" {
		return []byte{bIdentity}
	}
	prefix := append([]byte{bName}, clip(family, familyLength)...)
	if !open && len(family) < familyLength {
		prefix = append(prefix, 0)
	}
	return prefix
}

// nameRowMay looks at the given names and the sex of a name row: whether the patient may match, without reading it. Names that were cut off say
// nothing.
func nameRowMay(q *pix.Criteria, key []byte) bool {
	_, rest, _ := strings.Cut(string(key[1:len(key)-9]), "\x00")
	given, sex, _ := strings.Cut(rest, "\x00")
	if q.Sex != "" && sex != clip(q.Sex, 1) {
		return false
	}
	return len(given) == givenLength || strings.Contains(given, pix.Fold(strings.TrimSuffix(q.Given, "*")))
}

// firstRow tells whether the row is the first of those that would give this patient.
func firstRow(p *pix.Patient, prefix, key []byte) bool {
	t := p.Demographics.Traits()
	for _, k := range nameKeys(&t, p.Number) {
		if strings.HasPrefix(k, string(prefix)) {
			return k == string(key)
		}
	}
	return false
}
