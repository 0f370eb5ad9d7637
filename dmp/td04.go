package dmp

import (
	"context"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/dmp/td"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// AnswerPatientList is the door of TD0.4 without its frame: the records that the caller may reach, with something new.
func (d *DMP) AnswerPatientList(ctx context.Context, c auth.Caller, decode Decode) ([]byte, error) {
	var req td.PatientList
	err := decode(func(x *xmlpull.Reader) (err error) {
		req, err = td.DecodePatientList(x)
		return err
	})
	var lines []Line
	if err != nil {
		if _, err = d.unread(ctx, c, &actWorklist, err); !isOurs(err) {
			return nil, err
		}
	} else {
		lines, err = d.Worklist(ctx, c, req.Since, By(req.By))
	}
	rows := make([]td.Listed, len(lines))
	for i, l := range lines {
		rows[i] = td.Listed{IDs: []hl7.CX{l.Patient}, Person: l.Identity.Demographics, Attending: l.Attending, Access: l.Authorized, Changed: l.Changed, Added: l.Added}
	}
	code, text := status(err, "")
	return td.AppendPatientList(nil, rows, code, text), nil
}
