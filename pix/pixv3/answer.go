package pixv3

import (
	"slices"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v3"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Answer prints the acknowledgement of the message that req was the wrapper of: CA when e is nil, else CE or CR with one detail. device is our
// OID: root of the message id, and the sender where the request named no receiver.
func Answer(req hl7v3.Header, e *pix.Error, at time.Time, device, id string) []byte {
	var es []*pix.Error
	if e != nil {
		es = append(es, e)
	}
	a := acknowledgement(req, es, Origin{at, device, id})
	a.TypeCode = hl7v3.CA
	if e != nil {
		if a.TypeCode = hl7v3.CE; e.Code.Rejects() {
			a.TypeCode = hl7v3.CR
		}
		if a.Details[0].Location == "" {
			a.Details[0].Location = places[e.At]
		}
	}
	return hl7v3.AppendAck(nil, req, a)
}

// acknowledgement is what every answer says, but for its type code: a detail for each error.
func acknowledgement(req hl7v3.Header, es []*pix.Error, o Origin) hl7v3.Ack {
	a := hl7v3.Ack{Time: o.Time, ID: hl7v3.II{Root: device(req, o), Extension: o.ID}}
	if len(req.Receivers) == 0 || len(req.Receivers[0].IDs) == 0 {
		a.Sender = hl7v3.Device{IDs: []hl7v3.II{{Root: o.Device}}}
	}
	for _, e := range es {
		a.Details = append(a.Details, hl7v3.AckDetail{Code: string(e.Code), Name: e.Code.Name(), Text: e.Text, Location: e.Location})
	}
	return a
}

// device is our OID, or the one by which the request called us.
func device(req hl7v3.Header, o Origin) string {
	if o.Device == "" && len(req.Receivers) > 0 && len(req.Receivers[0].IDs) > 0 {
		return req.Receivers[0].IDs[0].Root
	}
	return o.Device
}

// places gives the path of what the actor, which never sees XML, found wrong.
var places = map[pix.Place]string{
	pix.AtPatientID:        "//registrationEvent/subject1/patient/id",
	pix.AtPatientAuthority: "//registrationEvent/subject1/patient/id/@root",
	pix.AtPriorID:          "//priorRegisteredRole/id",
	pix.AtPriorAuthority:   "//priorRegisteredRole/id/@root",
}

// AckCode gives a reader of acknowledgements: it puts the type code where to points (CA, CE, CR, AA, AE or AR).
func AckCode(to *string) func(*xmlpull.Reader) error {
	return func(x *xmlpull.Reader) error {
		r, err := hl7v3.NewReader(x)
		if err != nil {
			return err
		}
		if x.Local() != "MCCI_IN000002UV01" {
			return r.Wrong("not an acknowledgement")
		}
		err = r.Each(func(local string) error {
			if local != "acknowledgement" {
				return nil
			}
			return r.Each(func(local string) error {
				if local == "typeCode" {
					*to = strings.Clone(r.Value("code"))
				}
				return nil
			})
		})
		if err == nil && !slices.Contains([]string{"CA", "CE", "CR", "AA", "AE", "AR"}, *to) {
			return r.Wrong("acknowledgement without a type code")
		}
		return err
	}
}
