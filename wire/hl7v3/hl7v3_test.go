package hl7v3_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/passerelle-sante/passerelle/wire/hl7v3"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

func reader(t *testing.T, s string) *hl7v3.Reader {
	t.Helper()
	r, err := hl7v3.NewReader(xmlpull.NewReader([]byte(s), xmlpull.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestInteraction(t *testing.T) {
	r := reader(t, `<X xmlns="urn:hl7-org:v3" xmlns:o="urn:o"><o:id root="9"/><id root="1.2" extension="M"/><creationTime value="2026"/><acceptAckCode code="AL"/>
<receiver><device><id root="1"/><id root="2"/><asAgent><representedOrganization><id root="3"/></representedOrganization></asAgent></device></receiver>
<sender><device><id root="4"/></device></sender><controlActProcess><code code="c"/></controlActProcess></X>`)
	at := ""
	h, err := r.Interaction(func() error {
		return r.Each(func(string) error {
			at = r.Location()
			return nil
		})
	})
	want := hl7v3.Header{Interaction: "X", ID: hl7v3.II{Root: "1.2", Extension: "M"}, CreationTime: "2026", AcceptAckCode: "AL",
		Receivers: []hl7v3.Device{{IDs: []hl7v3.II{{Root: "1"}, {Root: "2"}}, Organizations: []hl7v3.II{{Root: "3"}}}}, Sender: hl7v3.Device{IDs: []hl7v3.II{{Root: "4"}}}}
	if err != nil || !reflect.DeepEqual(h, want) || at != "/X/controlActProcess/code" {
		t.Errorf("%+v %v %q", h, err, at)
	}
}

func TestErrorSaysWhere(t *testing.T) {
	r := reader(t, `<X xmlns="urn:hl7-org:v3"><a/><b><c/></b></X>`)
	err := r.Each(func(local string) error {
		if local == "a" {
			return nil
		}
		return r.Each(func(string) error { return r.Wrong("no") })
	})
	if e, ok := errors.AsType[*hl7v3.Error](err); !ok || e.Error() != "/X/b/c: no" {
		t.Errorf("%v", err)
	}
	if _, err := hl7v3.NewReader(xmlpull.NewReader([]byte(`<X/>`), xmlpull.Options{})); err == nil {
		t.Error("took a root without namespace")
	}
}

func TestII(t *testing.T) {
	for _, c := range []struct {
		in   hl7v3.II
		text string
		null bool
		key  string
	}{
		{hl7v3.II{Root: "1.2", Extension: "A", AssigningAuthorityName: "N"}, "A@1.2", false, "A^^^N&1.2&ISO"},
		{hl7v3.II{Root: "1.2"}, "1.2", false, "^^^&1.2&ISO"},
		{hl7v3.II{NullFlavor: "NA"}, "", true, "^^^&&ISO"},
	} {
		if c.in.String() != c.text || c.in.IsNull() != c.null || c.in.CX().String() != c.key {
			t.Errorf("%+v: %q %v %q", c.in, c.in, c.in.IsNull(), c.in.CX())
		}
	}
}
