package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/passerelle-sante/passerelle/xds"
)

// domainFile is an affinity domain as its file has it.
type domainFile struct {
	Name                    string                                  `yaml:"name"`
	PatientAuthorities      []xds.OID                               `yaml:"patient_authorities"`
	CXTypes                 []string                                `yaml:"cx_types"`
	CXDates                 bool                                    `yaml:"cx_dates"`
	BareUniqueIDs           bool                                    `yaml:"bare_unique_ids"`
	ExtraMetadata           string                                  `yaml:"extra_metadata"`
	Statuses                []xds.Status                            `yaml:"statuses"`
	StatusTransitions       []statusTransition                      `yaml:"status_transitions"`
	WithheldStatuses        []xds.Status                            `yaml:"withheld_statuses"`
	AssociationTypes        []xds.AssociationType                   `yaml:"association_types"`
	MIMETypes               []string                                `yaml:"mime_types"`
	RequiredEntryAttributes []string                                `yaml:"required_entry_attributes"`
	Codes                   map[string]map[string]map[string]string `yaml:"codes"` // attribute, scheme, code: display
}

// statusTransition is a change of a document's status that updates may make.
type statusTransition struct {
	From xds.Status `yaml:"from"`
	To   xds.Status `yaml:"to"`
}

// ReadDomain reads an affinity domain file; its error names the line.
func ReadDomain(file string) (*xds.Domain, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read affinity domain: %w", err)
	}
	return parseDomain(file, text)
}

func parseDomain(file string, text []byte) (*xds.Domain, error) {
	var f domainFile
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("affinity domain %s: %s", file, yaml.FormatError(err, false, false))
	}
	if f.ExtraMetadata != "" && f.ExtraMetadata != "keep" && f.ExtraMetadata != "drop" {
		return nil, fmt.Errorf("affinity domain %s: extra_metadata: %q is not keep or drop", file, f.ExtraMetadata)
	}
	d := &xds.Domain{Codes: map[string]xds.CodeTable{}, MIMETypes: f.MIMETypes, PatientAuthorities: f.PatientAuthorities, CXTypes: f.CXTypes, CXDates: f.CXDates,
		Statuses: f.Statuses, AssociationTypes: f.AssociationTypes, BareUniqueIDs: f.BareUniqueIDs, DropExtraMetadata: f.ExtraMetadata == "drop",
		RequiredEntryAttributes: f.RequiredEntryAttributes, Withheld: f.WithheldStatuses}
	for _, t := range f.StatusTransitions {
		d.Transitions = append(d.Transitions, xds.Transition(t))
	}
	for _, s := range d.Withheld {
		if s == xds.Approved || s == xds.Deprecated || !d.KnownStatus(s) {
			return nil, fmt.Errorf("affinity domain %s: withheld_statuses: %q is not one of the domain's statuses", file, s)
		}
	}
	for _, t := range d.Transitions {
		if !d.KnownStatus(t.From) || !d.KnownStatus(t.To) {
			return nil, fmt.Errorf("affinity domain %s: status_transitions: from %q to %q: statuses of the domain are due", file, t.From, t.To)
		}
	}
	for attribute, schemes := range f.Codes {
		if !codedAttributes[attribute] {
			return nil, fmt.Errorf("affinity domain %s: codes: %q is not a coded attribute", file, attribute)
		}
		t := xds.CodeTable{}
		for scheme, codes := range schemes {
			for code, display := range codes {
				t[xds.CodeKey{Code: code, Scheme: scheme}] = display
			}
		}
		d.Codes[attribute] = t
	}
	for _, a := range d.PatientAuthorities {
		if !xds.ValidOID(string(a)) {
			return nil, fmt.Errorf("affinity domain %s: patient_authorities: %q is not an OID", file, a)
		}
	}
	return d, nil
}

var codedAttributes = map[string]bool{"classCode": true, "typeCode": true, "formatCode": true, "confidentialityCode": true, "eventCodeList": true,
	"healthcareFacilityTypeCode": true, "practiceSettingCode": true, "contentTypeCode": true, "codeList": true, "associationDocumentation": true}

// domain holds the affinity domain as of now and replaces it when its file changes.
type domain struct {
	file    string
	now     atomic.Pointer[xds.Domain]
	changed time.Time
}

func newDomain(file string) (*domain, error) {
	d := &domain{file: file}
	if file == "" {
		d.now.Store(&xds.Domain{CXTypes: []string{"*"}, CXDates: true})
		return d, nil
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("affinity domain: %w", err)
	}
	d.changed = info.ModTime()
	read, err := ReadDomain(file)
	d.now.Store(read)
	return d, err
}

// follow looks at the file every interval. A file with a mistake changes nothing and is told once.
func (d *domain) follow(ctx context.Context, every time.Duration, log *slog.Logger) {
	if d.file == "" {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		info, err := os.Stat(d.file)
		if err != nil || info.ModTime().Equal(d.changed) {
			continue
		}
		d.changed = info.ModTime()
		read, err := ReadDomain(d.file)
		if err != nil {
			log.Error("affinity domain not reloaded; the former one stays in force", "error", err)
			continue
		}
		d.now.Store(read)
		log.Info("affinity domain reloaded", "file", d.file)
	}
}
