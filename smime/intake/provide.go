package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/xds"
)

// provide deposits a parcel. One that is there already, byte for byte, is deposited: it came before, or a crash came between the record and the ledger.
func (m *Mailbox) provide(ctx context.Context, c auth.Caller, p *parcel) error {
	docs := make([]Document, len(p.docs))
	for i, d := range p.docs {
		docs[i] = Document{Entry: d.entry.ID, Open: d.open}
	}
	_, err := m.cfg.Submitter.ProvideAndRegister(ctx, c, p.sub, docs)
	if err == nil {
		return nil
	}
	refused := p.refusal(err)
	es, _ := errors.AsType[xds.Errors](err)
	if _, judged := errors.AsType[*Refusal](refused); judged &&
		hasCode(es, xds.CodeDuplicateUniqueIDInRegistry, xds.CodeNonIdenticalHash, xds.CodeNonIdenticalSize, xds.CodeRegistryDeprecatedDocumentError) {
		there, err := m.there(ctx, c, p)
		if err != nil || there {
			return err
		}
	}
	return refused
}

// refusal is what the sender hears of errors that are not ours; others come back as they are.
func (p *parcel) refusal(err error) error {
	es, ok := errors.AsType[xds.Errors](err)
	if !ok {
		return err
	}
	for _, e := range es {
		if ours[e.Code] {
			return fmt.Errorf("deposit: %s", es.Codes())
		}
	}
	r := &Refusal{Code: BadMetadata}
	for _, e := range es {
		if e.Warning {
			continue
		}
		if code, ok := codes[e.Code]; ok {
			r.Code = code
		} else if e.Code == xds.CodeRepositoryMetadataError && strings.Contains(e.Context, "value set") {
			r.Code = UnknownCode
		}
		r.Details = append(r.Details, strings.TrimSpace(fmt.Sprintf("%s: %s %s: %s", p.where, e.Code, e.Location, e.Context)))
	}
	return r
}

// ours are the errors that are not the sender's fault: the message waits.
var ours = map[xds.ErrorCode]bool{xds.CodeRepositoryError: true, xds.CodeRepositoryBusy: true, xds.CodeRepositoryOutOfResources: true, xds.CodeRegistryError: true,
	xds.CodeRegistryBusy: true, xds.CodeRegistryNotAvailable: true, xds.CodeRegistryOutOfResources: true}

// codes are the reasons behind the error codes of the registry and the repository [ITI TF-3 4.2.4.1].
var codes = map[xds.ErrorCode]Code{
	xds.CodeUnknownPatientID: UnknownPatient, xds.CodePatientIDDoesNotMatch: SeveralPatients,
	xds.CodeDuplicateUniqueIDInRegistry: AlreadyOther, xds.CodeNonIdenticalHash: AlreadyOther, xds.CodeNonIdenticalSize: AlreadyOther,
	xds.CodeUnresolvedReference: UnknownPredecessor, xds.CodeRegistryDeprecatedDocumentError: UnknownPredecessor,
}

func hasCode(es xds.Errors, codes ...xds.ErrorCode) bool {
	return slices.ContainsFunc(es, func(e *xds.Error) bool { return slices.Contains(codes, e.Code) })
}

// there tells whether every document of a parcel is in the record with the same bytes.
func (m *Mailbox) there(ctx context.Context, c auth.Caller, p *parcel) (bool, error) {
	for _, d := range p.docs {
		entries, err := m.cfg.Record.Entries(ctx, c, d.entry.UniqueID)
		if err != nil {
			return false, fmt.Errorf("look for a document: %w", err)
		}
		if !slices.ContainsFunc(entries, func(e xds.DocumentEntry) bool {
			return d.entry.Hash != "" && strings.EqualFold(e.Hash, d.entry.Hash) && e.PatientID.Same(d.entry.PatientID)
		}) {
			return false, nil
		}
	}
	return true, nil
}
