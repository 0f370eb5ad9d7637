package ebxml

import (
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
)

// DecodeQueryResponse reads a query:AdhocQueryResponse with whole objects, as a consumer gets it. Objects it cannot make sense of are left out and told in
// the errors, under XDSRegistryMetadataError.
func DecodeQueryResponse(x *xmlpull.Reader) (*xds.Submission, []xds.SubmissionSet, xds.Errors, error) {
	if !x.Is(NSQuery, "AdhocQueryResponse") {
		return nil, nil, nil, &RequestError{x.Line(), "query:AdhocQueryResponse is due"}
	}
	r := &reader{Reader: x}
	m := meaning{f: &xds.Findings{MetadataError: xds.CodeRegistryMetadataError}}
	out := &xds.Submission{}
	var sets []xds.SubmissionSet
	var es xds.Errors
	err := r.Children(func() error {
		if r.Is(NSRS, "RegistryErrorList") {
			return r.Children(func() error {
				es = append(es, registryError(x))
				return r.Skip()
			})
		}
		if !r.Is(NSRIM, "RegistryObjectList") {
			return r.Skip()
		}
		return r.Children(func() error {
			o, err := r.object("")
			if err != nil {
				return err
			}
			switch kind := m.packageKind(&o); {
			case o.Element == elementExtrinsicObject:
				out.Entries = append(out.Entries, m.entry(&o, len(out.Entries)+1))
			case o.Element == "Association":
				out.Associations = append(out.Associations, m.association(&o, len(out.Associations)+1))
			case kind == xds.KindSet:
				sets = append(sets, m.set(&o))
			case kind == xds.KindFolder:
				out.Folders = append(out.Folders, m.folder(&o, len(out.Folders)+1))
			}
			return nil
		})
	})
	return out, sets, append(es, m.f.List...), err
}
