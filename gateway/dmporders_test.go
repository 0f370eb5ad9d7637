package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// TestOrders: what an operator does and looks at besides opening and closing.
func TestOrders(t *testing.T) {
	w, good := everybody(), goodMessages()
	a := runAsked(t, "profile: vihf, required: {registry: true, repository: true, dmp: true}", sharedRules)
	ctx := context.Background()
	s := gateway.SharedRecord{Data: a.data, Patient: sample.PatientID(0).String()}
	order := func(o gateway.DMPOrder, want string) {
		t.Helper()
		if err := s.Order(ctx, o); want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", o.Do, err, want)
		}
	}
	if _, err := s.Masks(ctx); err == nil || err.Error() != "RecordNotFound: the patient has no record" {
		t.Errorf("masks of no record: %v", err)
	}
	order(gateway.DMPOrder{Do: "open", Consent: true, Where: "Guichet", Notice: "2026-1"}, "")
	who := vihf()
	for i, codes := range [][]string{nil, {"MASQUE_PS"}, {"INVISIBLE_REPRESENTANTS_LEGAUX"}} {
		sub := sample.Submission(78, i, 0, when)
		for _, code := range codes {
			sub.Entries[0].ConfidentialityCodes = append(sub.Entries[0].ConfidentialityCodes, xds.Code{Code: code, Scheme: "1.2.250.1.213.1.1.4.13", Display: xds.Text{{Value: code}}})
		}
		body := envelope(provideAction, string(ebxml.AppendProvideAndRegister(nil, sub, func(xds.ObjectID) string { return "doc@x" })))
		if got, _ := a.post(a.as(w.doctorAuth), toRepository("provide", related(signed(t, body, who, w.doctorSign), part("doc@x", good.doc)))); !strings.Contains(got, "\nSuccess") {
			t.Fatal(got)
		}
	}
	masks, err := s.Masks(ctx)
	if err != nil || len(masks) != 2 || !strings.HasSuffix(masks[0].UniqueID, ".78.1.1") || fmt.Sprint(masks[0].Traits, masks[1].Traits) != "[masked] [from-representatives]" {
		t.Errorf("masks %+v, %v", masks, err)
	}
	order(gateway.DMPOrder{Do: "delegate", From: doctor, Structure: "1690000000"}, "RightNotFound")
	order(gateway.DMPOrder{Do: "attending", Person: doctor, Role: "10^1.2.250.1.71.1.2.7"}, "")
	order(gateway.DMPOrder{Do: "delegate", From: doctor, Structure: "1690000000"}, "")
	order(gateway.DMPOrder{Do: "grant", Person: "899900099999", Until: time.Now().Add(time.Hour)}, "")
	rights, err := s.Rights(ctx)
	if err != nil || len(rights) != 3 || rights[1].Kind != "delegation" || rights[1].Party.Structure != "1690000000" {
		t.Fatalf("rights %+v, %v", rights, err)
	}
	order(gateway.DMPOrder{Do: "extend", Right: "?"}, "RightNotFound")
	order(gateway.DMPOrder{Do: "extend", Right: rights[2].ID}, "")
	if rights, err = s.Rights(ctx); err != nil || !rights[2].Until.IsZero() {
		t.Errorf("rights %+v, %v", rights, err)
	}
	yes := true
	order(gateway.DMPOrder{Do: "decide", Wishes: &gateway.Wishes{NoRegulation: &yes}}, "")
	if adm, err := s.Administration(ctx); err != nil || adm.State != "open" || !*adm.Wishes.NoRegulation || *adm.Wishes.NoBreakGlass || adm.Consent.Where != "Guichet" {
		t.Errorf("administration %+v, %v", adm, err)
	}
	order(gateway.DMPOrder{Do: "members", Group: "R102671000", Directory: true}, "the directory knows no group practice")
	if _, err := (gateway.Directory{Data: a.data}).Import(ctx, "professionals", strings.NewReader(extractOfPeople), 0, false); err != nil {
		t.Fatal(err)
	}
	order(gateway.DMPOrder{Do: "members", Group: "R102671000", Directory: true}, "")
	if list, err := s.Members(ctx, "R102671000"); err != nil || len(list) != 2 || list[1].Party.Person != "899900063480" || list[1].Party.Name != "Max LIBRE" || list[1].Party.Role != "10^1.2.250.1.71.1.2.7" {
		t.Errorf("members %+v, %v", list, err)
	}
}
