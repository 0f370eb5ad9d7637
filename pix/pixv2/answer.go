package pixv2

import (
	"strconv"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

// places gives each place its ERL (segment^sequence^field^repetition^component^sub-component); # stands for the patient's number.
var places = map[pix.Place]string{
	pix.AtMessage:           "MSH^1",
	pix.AtMessageType:       "MSH^1^9^1^1",
	pix.AtEvent:             "MSH^1^9^1^2",
	pix.AtMessageID:         "MSH^1^10",
	pix.AtProcessing:        "MSH^1^11",
	pix.AtVersion:           "MSH^1^12",
	pix.AtCharset:           "MSH^1^18",
	pix.AtPatient:           "PID^#",
	pix.AtPatientID:         "PID^#^3",
	pix.AtPatientAuthority:  "PID^#^3^1^4",
	pix.AtPriorID:           "MRG^#^1",
	pix.AtPriorAuthority:    "MRG^#^1^1^4",
	pix.AtPatientName:       "PID^#^5",
	pix.AtPatientBirthDate:  "PID^#^7",
	pix.AtPatientSex:        "PID^#^8",
	pix.AtPatientAttributes: "PID^#",
	pix.AtVisit:             "PV1^1^19",
	pix.AtOtherID:           "PID^2^3", // of A24 and A37, which tell of two
	pix.AtOtherAuthority:    "PID^2^3^1^4",
}

// Answer builds the acknowledgement of req: AA when e is nil, else AE or AR with one ERR.
func Answer(req *hl7v2.Message, e *pix.Error, at time.Time, controlID string) *hl7v2.Message {
	a := hl7v2.Answer{Code: hl7v2.AA, Time: at, ControlID: controlID}
	if e != nil {
		a.Code = hl7v2.AE
		if e.Code.Rejects() {
			a.Code = hl7v2.AR
		}
		location := e.Location
		if location == "" {
			location = strings.Replace(places[e.At], "#", strconv.Itoa(e.Index+1), 1)
		}
		a.Errors = []hl7v2.Err{{Location: location,
			Code: string(e.Code), Name: e.Code.Name(), Text: e.Text}}
	}
	return hl7v2.Ack(req, a)
}
