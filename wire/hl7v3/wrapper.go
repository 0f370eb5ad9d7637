package hl7v3

import (
	"time"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Header is the transmission wrapper of a message.
type Header struct {
	Interaction    string // name of the root element
	ID             II
	CreationTime   string
	InteractionID  II
	ProcessingCode string
	ProcessingMode string
	AcceptAckCode  string
	Receivers      []Device
	Sender         Device
}

// Device is a sender or a receiver with the organisation behind it.
type Device struct{ IDs, Organizations []II }

// maxDevices bounds receivers, and identifiers of a device.
const maxDevices = 16

// Interaction reads the wrapper of the message at r's root; control is called at controlActProcess. The header is filled as far as it was
// read, also when there is an error.
func (r *Reader) Interaction(control func() error) (h Header, err error) {
	h.Interaction = r.Local()
	err = r.Each(func(local string) error {
		switch local {
		case "id":
			h.ID = r.II()
		case "creationTime":
			h.CreationTime = r.Value("value")
		case "interactionId":
			h.InteractionID = r.II()
		case "processingCode":
			h.ProcessingCode = r.Value("code")
		case "processingModeCode":
			h.ProcessingMode = r.Value("code")
		case "acceptAckCode":
			h.AcceptAckCode = r.Value("code")
		case "receiver":
			if len(h.Receivers) == maxDevices {
				return r.Wrong("too many receivers")
			}
			h.Receivers = append(h.Receivers, Device{})
			return r.device(&h.Receivers[len(h.Receivers)-1])
		case "sender":
			return r.device(&h.Sender)
		case "controlActProcess":
			return control()
		}
		return nil
	})
	return h, err
}

func (r *Reader) device(d *Device) error {
	return r.Each(func(local string) error {
		if local != "device" {
			return nil
		}
		return r.Each(func(local string) error {
			switch local {
			case "id":
				return r.addII(&d.IDs)
			case "asAgent":
				return r.Each(func(local string) error {
					if local != "representedOrganization" {
						return nil
					}
					return r.Each(func(local string) error {
						if local != "id" {
							return nil
						}
						return r.addII(&d.Organizations)
					})
				})
			}
			return nil
		})
	})
}

func (r *Reader) addII(to *[]II) error {
	if len(*to) == maxDevices {
		return r.Wrong("too many identifiers")
	}
	*to = append(*to, r.II())
	return nil
}

// The type codes of an acknowledgement (ITI TF-2x, O.1.2): the message was accepted, or the application has done what it asks for.
const (
	CA = "CA" // accepted
	CE = "CE" // error in the content
	CR = "CR" // rejected
	AA = "AA" // done
	AE = "AE" // error
	AR = "AR" // rejected
)

// Ack is an acknowledgement: a message of its own, MCCI_IN000002UV01, or a part of an answer.
type Ack struct {
	ID       II
	Time     time.Time
	Sender   Device // empty: the receiver of the request
	TypeCode string
	Details  []AckDetail
}

// AckDetail says what was wrong, in HL7 table 0357. Text and Location are safe to show.
type AckDetail struct{ Code, Name, Text, Location string }

// table0357 is the OID of the table of message error conditions.
const table0357 = "2.16.840.1.113883.12.357"

// AppendAck prints the acknowledgement of the message that req was the wrapper of.
func AppendAck(dst []byte, req Header, a Ack) []byte {
	return append(AppendAnswer(dst, "MCCI_IN000002UV01", req, a), "</MCCI_IN000002UV01>"...)
}

// AppendAnswer prints an answer up to the end of its acknowledgement: the control act and the end of the root are still due.
func AppendAnswer(dst []byte, interaction string, req Header, a Ack) []byte {
	sender := a.Sender
	if len(sender.IDs) == 0 && len(req.Receivers) > 0 {
		sender = req.Receivers[0]
	}
	h := Header{Interaction: interaction, ID: a.ID, ProcessingCode: otherwise(req.ProcessingCode, "P"), ProcessingMode: otherwise(req.ProcessingMode, "T"),
		AcceptAckCode: "NE", Receivers: []Device{req.Sender}, Sender: sender}
	dst = AppendWrapper(dst, h, a.Time)
	dst = append(dst, "<acknowledgement>"...)
	dst = appendValue(dst, "typeCode", "code", a.TypeCode)
	dst = append(dst, "<targetMessage>"...)
	dst = AppendII(dst, "id", req.ID)
	dst = append(dst, "</targetMessage>"...)
	for _, d := range a.Details {
		dst = append(dst, `<acknowledgementDetail typeCode="E"><code code="`...)
		dst = xmlpull.AppendAttr(dst, d.Code)
		dst = append(dst, `" codeSystem="`+table0357+`" displayName="`...)
		dst = xmlpull.AppendAttr(dst, d.Name)
		dst = append(dst, `"/>`...)
		dst = xmlpull.AppendElement(dst, "text", d.Text)
		if d.Location != "" {
			dst = xmlpull.AppendElement(dst, "location", d.Location)
		}
		dst = append(dst, "</acknowledgementDetail>"...)
	}
	return append(dst, "</acknowledgement>"...)
}

// AppendWrapper prints the beginning of a message: its root and the transmission wrapper up to the sender.
func AppendWrapper(dst []byte, h Header, at time.Time) []byte {
	dst = append(append(append(dst, '<'), h.Interaction...), ` xmlns="`+NS+`" ITSVersion="XML_1.0">`...)
	dst = AppendII(dst, "id", h.ID)
	dst = appendValue(dst, "creationTime", "value", at.Format("20060102150405-0700"))
	dst = AppendII(dst, "interactionId", II{Root: InteractionRoot, Extension: h.Interaction})
	dst = appendValue(dst, "processingCode", "code", h.ProcessingCode)
	dst = appendValue(dst, "processingModeCode", "code", h.ProcessingMode)
	dst = appendValue(dst, "acceptAckCode", "code", h.AcceptAckCode)
	for _, r := range h.Receivers {
		dst = appendDevice(dst, "receiver", "RCV", r)
	}
	return appendDevice(dst, "sender", "SND", h.Sender)
}

func otherwise(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func appendValue(dst []byte, element, attr, value string) []byte {
	dst = append(dst, '<')
	dst = append(dst, element...)
	dst = appendAttr(dst, attr, value)
	return append(dst, "/>"...)
}

func appendAttr(dst []byte, name, value string) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, '=', '"')
	dst = xmlpull.AppendAttr(dst, value)
	return append(dst, '"')
}

// AppendII prints an identifier; without root it is of no information.
func AppendII(dst []byte, element string, i II) []byte {
	dst = append(dst, '<')
	dst = append(dst, element...)
	if i.IsNull() {
		dst = appendAttr(dst, "nullFlavor", otherwise(i.NullFlavor, "NI"))
		return append(dst, "/>"...)
	}
	dst = appendAttr(dst, "root", i.Root)
	if i.Extension != "" {
		dst = appendAttr(dst, "extension", i.Extension)
	}
	if i.AssigningAuthorityName != "" {
		dst = appendAttr(dst, "assigningAuthorityName", i.AssigningAuthorityName)
	}
	return append(dst, "/>"...)
}

func appendDevice(dst []byte, element, code string, d Device) []byte {
	dst = append(dst, '<')
	dst = append(dst, element...)
	dst = appendAttr(dst, "typeCode", code)
	dst = append(dst, `><device classCode="DEV" determinerCode="INSTANCE">`...)
	ids := d.IDs
	if len(ids) == 0 {
		ids = []II{{}}
	}
	for _, id := range ids {
		dst = AppendII(dst, "id", id)
	}
	if len(d.Organizations) > 0 {
		dst = append(dst, `<asAgent classCode="AGNT"><representedOrganization classCode="ORG" determinerCode="INSTANCE">`...)
		for _, id := range d.Organizations {
			dst = AppendII(dst, "id", id)
		}
		dst = append(dst, "</representedOrganization></asAgent>"...)
	}
	dst = append(dst, "</device></"...)
	dst = append(dst, element...)
	return append(dst, '>')
}
