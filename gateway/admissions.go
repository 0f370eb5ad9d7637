package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/dmp"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/xds"
)

// AdmissionConfig is an institution whose movements of patients are taken (ITI-31): who tells of them, and which structure they are of.
type AdmissionConfig struct {
	Structure string   `yaml:"structure"` // Struct_IdNat, as assertions of its team name it
	Nodes     []string `yaml:"nodes"`     // common names of the nodes that tell; "*" is every node that a door of HL7 v2 lets in
	Facility  string   `yaml:"facility"`  // MSH-4, by its first component or its universal id; empty: any
	Authority string   `yaml:"authority"` // OID of an assigning authority in PID-3; empty: any
	Classes   []string `yaml:"classes"`   // of visits (PV1-2) that count; none: all
}

func (c *DMPConfig) checkAdmissions(wrong func(key, format string, args ...any)) {
	for i, a := range c.Admissions {
		key := fmt.Sprintf("dmp.admissions[%d]", i)
		if !structureForm.MatchString(a.Structure) {
			wrong(key+".structure", "%q is not the national identifier of a structure (such as 1 and a FINESS number)", a.Structure)
		}
		if len(a.Nodes) == 0 {
			wrong(key+".nodes", "who may admit gives rights: name nodes")
		}
		if a.Authority != "" && !xds.ValidOID(a.Authority) {
			wrong(key+".authority", "%q is not an OID", a.Authority)
		}
		if a.Facility == "" && a.Authority == "" {
			wrong(key, "facility or authority is due: what tells the movements of this structure from others")
		}
	}
}

// is tells whether a movement is of this institution.
func (a *AdmissionConfig) is(c auth.Caller, v *pix.Movement) bool {
	return (slices.Contains(a.Nodes, "*") || c.Node != "" && slices.Contains(a.Nodes, c.Node)) &&
		(a.Facility == "" || a.Facility == v.Facility.NamespaceID || a.Facility == v.Facility.UniversalID) &&
		(a.Authority == "" || slices.ContainsFunc(v.Authorities, func(h hl7.HD) bool { return h.UniversalID == a.Authority }))
}

// admissions tells the shared record of stays.
type admissions struct{ g *Gateway }

func (s admissions) of(c auth.Caller, v *pix.Movement) *AdmissionConfig {
	list := s.g.cfg.DMP.Admissions
	if i := slices.IndexFunc(list, func(a AdmissionConfig) bool { return a.is(c, v) }); i >= 0 {
		return &list[i]
	}
	return nil
}

// From implements manager.Stays.
func (s admissions) From(c auth.Caller, v pix.Movement) bool {
	return s.of(c, &v) != nil
}

// Told implements manager.Stays. A visit of a class that does not count is none, and its end is no mistake. That a record was destroyed is not told to who feeds.
func (s admissions) Told(ctx context.Context, c auth.Caller, v pix.Movement) (err error) {
	a, d := s.of(c, &v), s.g.dmp
	counts := len(a.Classes) == 0 || slices.Contains(a.Classes, v.Class)
	switch v.Move {
	case pix.Admitted:
		if !counts {
			return nil
		}
		err = d.AdmitStay(ctx, c, v.Patient, a.Structure, v.Number, v.At)
	case pix.Discharged:
		err = d.EndStay(ctx, c, v.Patient, a.Structure, v.Number, v.At)
	case pix.AdmissionCancelled:
		err = d.CancelStay(ctx, c, v.Patient, a.Structure, v.Number)
	case pix.DischargeCancelled:
		err = d.ResumeStay(ctx, c, v.Patient, a.Structure, v.Number)
	}
	var refused *dmp.Error
	switch {
	case !errors.As(err, &refused):
		return err
	case refused.Code == dmp.Gone && (v.Move == pix.Admitted || v.Move == pix.AdmissionCancelled), refused.Code == dmp.Unknown && !counts:
		return nil
	case refused.Code == dmp.Unknown || refused.Code == dmp.Gone:
		return manager.UnknownStay()
	}
	return err
}
