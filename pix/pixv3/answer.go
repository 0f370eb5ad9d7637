package pixv3

import (
	"time"

	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v3"
)

// Answer prints the acknowledgement of the message that req was the wrapper of: CA when e is nil, else CE or CR with one detail. device is our
// OID: root of the message id, and the sender where the request named no receiver.
func Answer(req hl7v3.Header, e *pix.Error, at time.Time, device, id string) []byte {
	a := hl7v3.Ack{TypeCode: hl7v3.CA, Time: at, ID: hl7v3.II{Root: device, Extension: id}}
	if len(req.Receivers) == 0 || len(req.Receivers[0].IDs) == 0 {
		a.Sender = hl7v3.Device{IDs: []hl7v3.II{{Root: device}}}
	} else if device == "" {
		a.ID.Root = req.Receivers[0].IDs[0].Root
	}
	if e != nil {
		a.TypeCode = hl7v3.CE
		if e.Code.Rejects() {
			a.TypeCode = hl7v3.CR
		}
		location := e.Location
		if location == "" {
			location = places[e.At]
		}
		a.Details = []hl7v3.AckDetail{{Code: string(e.Code), Name: e.Code.Name(), Text: e.Text, Location: location}}
	}
	return hl7v3.AppendAck(nil, req, a)
}

// places gives the path of what the actor, which never sees XML, found wrong.
var places = map[pix.Place]string{
	pix.AtPatientID:        "//registrationEvent/subject1/patient/id",
	pix.AtPatientAuthority: "//registrationEvent/subject1/patient/id/@root",
	pix.AtPriorID:          "//priorRegisteredRole/id",
	pix.AtPriorAuthority:   "//priorRegisteredRole/id/@root",
}
