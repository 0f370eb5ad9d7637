package pixv2_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/pixv2"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

var tolerant = hl7v2.Lenient{LineEnds: true, Charset: true}

func ins() []pix.Domain {
	return []pix.Domain{{AssigningAuthority: hl7.HD{NamespaceID: "INS", UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}}}
}

const head = "MSH|^~\\&|GAM|CHU|GW|REG|20261123083000||ADT^A40^ADT_A39|M1|P|2.5\r"

func decode(t *testing.T, s string) ([]pix.Feed, error) {
	t.Helper()
	m, err := hl7v2.Parse([]byte(s), tolerant)
	if err != nil {
		t.Fatal(err)
	}
	return pixv2.Decode(m, ins())
}

func TestMergeChoosesTheDomainOfBoth(t *testing.T) {
	tests := []struct{ name, pid, mrg, id, prior string }{
		{"lists of two domains", "1^^^CHU&1.2.9&ISO~A^^^INS", "2^^^CHU&1.2.9&ISO~B^^^&1.2.250.1.213.1.4.10&ISO", "A", "B"},
		{"prior of a local domain only", "A^^^INS~1^^^CHU&1.2.9&ISO", "2^^^CHU&1.2.9&ISO", "1", "2"},
	}
	for _, c := range tests {
		feeds, err := decode(t, head+"PID|1||"+c.pid+"\rMRG|"+c.mrg+"\r")
		if err != nil || len(feeds) != 1 || feeds[0].Patient.ID.ID != c.id || feeds[0].Prior.ID != c.prior {
			t.Errorf("%s: %+v %v", c.name, feeds, err)
		}
	}
}

func TestPlacesOfTheSecondPatient(t *testing.T) {
	in := head + "PID|1||A^^^INS\rMRG|B^^^INS\rPID|2||C^^^INS||||20261399\rMRG|D^^^INS\r"
	_, err := decode(t, in)
	e, ok := errors.AsType[*pix.Error](err)
	if !ok {
		t.Fatal(err)
	}
	m, _ := hl7v2.Parse([]byte(in), tolerant)
	errSegment, _ := pixv2.Answer(m, e, time.Unix(0, 0), "1").First("ERR")
	if got := errSegment.Field(2).Text(); got != "PID^2^7" {
		t.Errorf("ERR-2 is %q", got)
	}
}

func TestOtherDelimiters(t *testing.T) {
	feeds, err := decode(t, "MSH$%*!@$GAM$CHU$GW$REG$20261123083000$$ADT%A01$M1$P$2.5\rPID$1$$A%%%@1.2.250.1.213.1.4.10@ISO$$D^A%Z&E*\"\"$$$F\r")
	if err != nil {
		t.Fatal(err)
	}
	want := []hl7.XPN{`D\S\A^Z\T\E`}
	if f := feeds[0]; !reflect.DeepEqual(f.Patient.Demographics.Names, want) || f.Patient.ID.Key() != "A^^^&1.2.250.1.213.1.4.10&ISO" || f.Patient.Demographics.Sex != "F" {
		t.Errorf("%+v", f)
	}
}

func FuzzADT(f *testing.F) {
	f.Add([]byte(head + "PID|1||A^^^INS~1^^^CHU&1.2.9&ISO||D^Z||19790328|F|||1 RUE&BIS^^PARIS||0102\rMRG|B^^^INS\r"))
	f.Add([]byte("MSH|^~\\&|||||||ADT^A01|1|P|2.3.1\rPID|1||A^^^&1.2&ISO"))
	f.Add([]byte("MSH|^~\\&|||||||ADT^A24|1|P|2.5^FRA^2.11\rPID|1||A^^^&1.2&ISO\rPID|2||B^^^&1.2&ISO"))
	f.Add([]byte("MSH|^~\\&|||||||ADT^A47|1|P|2.5^FRA^2.11|||||FRA|8859/15\rPID|1||A^^^INS||D^Z^Z Y^^^^L|||||^^^^^^BDL^^63220|||||||||||||||||||||VALI~HOMD\rMRG|B^^^INS\rZFD|||Y|N|INSI|20211201\rZFA|X"))
	f.Add([]byte("MSH|^~\\&|||||||ADT^A01|1|P|2.5\rPID|1||A^^^&1.2&ISO\rPV1||I|W^1||||8^A&B~9|||||||||||7^^^S|||||||||||||||||||||||||2026|2027"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := hl7v2.Parse(b, tolerant)
		if err != nil {
			return
		}
		feeds, err := pixv2.Decode(m, ins())
		if err == nil {
			for _, feed := range feeds {
				if feed.Patient.ID.ID == "" || feed.Event.TakesPrior() == feed.Prior.IsZero() || feed.Event.TakesTwo() == feed.With.IsZero() {
					t.Fatalf("half a feed: %+v", feed)
				}
				if v := feed.Patient.Visit; v != nil && !v.Told() {
					t.Fatalf("no visit: %+v", v)
				}
				if again, err := hl7.ParseCX(feed.Patient.ID.String()); err != nil || !again.Same(feed.Patient.ID) {
					t.Fatalf("the identifier does not survive printing: %v", err)
				}
			}
			return
		}
		e, ok := errors.AsType[*pix.Error](err)
		if !ok {
			t.Fatalf("not a condition: %v", err)
		}
		if _, err := hl7v2.Parse(pixv2.Answer(m, e, time.Unix(0, 0), "1").Append(nil), tolerant); err != nil {
			t.Fatalf("our acknowledgement does not parse: %v", err)
		}
	})
}
