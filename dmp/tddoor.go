package dmp

import (
	"context"
	"errors"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/dmp/td"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/wire/hl7v3"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Decode calls its argument with a reader at a message: soap.Request.Decode does.
type Decode = func(func(*xmlpull.Reader) error) error

// Malformed is the code of a message that is not of its form.
const Malformed Code = "MessageNotValid"

// unread records that a message could not be read. Of one that is XML an *Error says what is wrong with it and where; of any other the error is the door's.
func (d *DMP) unread(ctx context.Context, c auth.Caller, a *act, err error) (location string, said error) {
	e := &Error{Code: Malformed, Text: "the message cannot be read", Reason: "not read"}
	if wrong, ok := errors.AsType[*hl7v3.Error](err); ok {
		e.Text, e.Reason, location = wrong.Reason, wrong.Error(), wrong.Location
	} else if wrong, ok := errors.AsType[*td.Error](err); ok {
		e.Text, e.Reason, location = wrong.Reason, wrong.Error(), wrong.Location
	} else {
		_ = d.work(a, c, about(c)).refused(ctx, e) // it is told as a fault, whatever became of its record
		return "", err
	}
	return location, d.work(a, c, about(c)).refused(ctx, e)
}

// about is the patient that an assertion is about, none when it names nobody.
func about(c auth.Caller) hl7.CX {
	id, err := hl7.ParseCX(c.Patient)
	if err != nil {
		return hl7.CX{}
	}
	return id
}

// filed is how a patient's identifier is written: as records and documents are filed by it.
func filed(id hl7.CX) hl7.CX {
	return hl7.CX{ID: id.ID, AssigningAuthority: hl7.HD{UniversalID: id.AssigningAuthority.UniversalID, UniversalIDType: "ISO"}, TypeCode: "NH"}
}

func (d *DMP) origin() td.Origin {
	return td.Origin{Time: d.cfg.Clock(), ID: d.cfg.NewID(), Device: d.cfg.DeviceID, Name: d.cfg.DeviceName}
}

// told puts an error into an answer.
func told(a td.Answer, err error, location string) td.Answer {
	if e, ok := errors.AsType[*Error](err); ok {
		a.Code, a.Text, a.Location = string(e.Code), e.Text, location
	}
	return a
}

// status is what a service answers: the code of an error, or that it was done. done is for people.
func status(err error, done string) (code, context string) {
	if e, ok := errors.AsType[*Error](err); ok {
		return string(e.Code), e.Text
	}
	return td.Done, done
}

// isOurs tells errors that a service answers from those that its door does.
func isOurs(err error) bool {
	_, ok := errors.AsType[*Error](err)
	return err == nil || ok
}
