package dmp

import (
	"context"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/dmp/td"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// AnswerPatientQuery is the door of the existence test (TD0.2) and of the administrative data (TD1.3a) without its frame. An error tells that the message is not
// XML; everything else is answered.
func (d *DMP) AnswerPatientQuery(ctx context.Context, c auth.Caller, decode Decode) ([]byte, error) {
	var m td.Message
	err := decode(func(x *xmlpull.Reader) (err error) {
		m, err = td.DecodePatientQuery(x)
		return err
	})
	var a td.Answer
	if err != nil {
		location, err := d.unread(ctx, c, &actTest, err)
		if !isOurs(err) {
			return nil, err
		}
		return td.AppendPatient(nil, m, told(a, err, location), d.origin()), nil
	}
	if m.Reason == td.ConsultData {
		a, err = d.consulted(ctx, c, filed(m.Patient))
	} else {
		a, err = d.tested(ctx, c, filed(m.Patient))
	}
	return td.AppendPatient(nil, m, told(a, err, ""), d.origin()), nil
}

// recordStatuses are the words for states that have any in the interface.
var recordStatuses = map[policy.State]string{policy.Open: "active", policy.Closed: "terminated"}

func (d *DMP) tested(ctx context.Context, c auth.Caller, id hl7.CX) (td.Answer, error) {
	e, err := d.Exists(ctx, c, id)
	if err != nil {
		return td.Answer{}, err
	}
	a := td.Answer{Found: e.Known && recordStatuses[e.State] != "", Status: recordStatuses[e.State], Authorization: string(e.Authorization), Attending: e.Attending,
		IDs: append(e.Identity.OtherIDs[:len(e.Identity.OtherIDs):len(e.Identity.OtherIDs)], e.Identity.ID), Person: e.Identity.Demographics,
		// There are no accounts on the Internet here, and no health space of anybody's.
		Observations: []td.Observation{{Code: "COMPTE_INTERNET_OUVERT"}, {Code: "RATTACHEMENT_ENS"}}}
	if e.State == policy.Closed {
		a.Closed, a.Closing = e.Closing.At, e.Closing.Reason
	}
	return a, nil
}

func (d *DMP) consulted(ctx context.Context, c auth.Caller, id hl7.CX) (td.Answer, error) {
	adm, err := d.Administrative(ctx, c, id)
	if err != nil {
		return td.Answer{}, err
	}
	a := td.Answer{Found: true, Status: recordStatuses[adm.State], IDs: []hl7.CX{id}, Person: adm.Identity.Demographics,
		Observations: []td.Observation{{Code: "OPPOSITION_BRIS_DE_GLACE", Value: *adm.Wishes.NoBreakGlass}, {Code: "OPPOSITION_ACCES_URGENCE", Value: *adm.Wishes.NoRegulation}}}
	for _, r := range adm.Representatives {
		person, _ := hl7.ParseCX(r.Person) // one without an identifier is told by his name
		a.Representatives = append(a.Representatives, td.Representative{ID: person, Name: r.Name, Guardian: r.Guardian})
	}
	return a, nil
}
