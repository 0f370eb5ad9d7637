package xmlsig_test

import (
	"testing"

	"github.com/passerelle-sante/passerelle/wire/xmlsig"
)

func TestCanonicalize(t *testing.T) {
	exc, inc := xmlsig.Exclusive(), xmlsig.Canonicalization{}
	for _, c := range []struct {
		name string
		m    xmlsig.Canonicalization
		in   string
		want string
	}{
		{"attributes by namespace and name", exc, `<a xmlns:y="urn:1" xmlns:x="urn:2" x:b="1" y:z="2" c="3" b="4"/>`, `<a xmlns:x="urn:2" xmlns:y="urn:1" b="4" c="3" y:z="2" x:b="1"></a>`},
		{"unused prefixes go", exc, `<a xmlns:x="urn:x"><x:b/></a>`, `<a><x:b xmlns:x="urn:x"></x:b></a>`},
		{"unused prefixes stay", inc, `<a xmlns:x="urn:x"><x:b/></a>`, `<a xmlns:x="urn:x"><x:b></x:b></a>`},
		{"a prefix in the list", xmlsig.Exclusive("x"), `<a xmlns:x="urn:x"><b xmlns:x="urn:y"/></a>`, `<a xmlns:x="urn:x"><b xmlns:x="urn:y"></b></a>`},
		{"a default undone", exc, `<a xmlns="urn:a"><b xmlns=""><c xmlns="urn:a"/></b></a>`, `<a xmlns="urn:a"><b xmlns=""><c xmlns="urn:a"></c></b></a>`},
		{"a default undone where there is none", exc, `<a><b xmlns=""/></a>`, `<a><b></b></a>`},
		{"a default that a child with a prefix does not use", exc, `<a xmlns="urn:a"><x:b xmlns:x="urn:x" xmlns=""><c/></x:b></a>`, `<a xmlns="urn:a"><x:b xmlns:x="urn:x"><c xmlns=""></c></x:b></a>`},
		{"the same prefix again", exc, `<x:a xmlns:x="urn:x"><x:b xmlns:x="urn:x"/></x:a>`, `<x:a xmlns:x="urn:x"><x:b></x:b></x:a>`},
		{"siblings declare each", exc, `<a xmlns:x="urn:x"><x:b/><x:c/></a>`, `<a><x:b xmlns:x="urn:x"></x:b><x:c xmlns:x="urn:x"></x:c></a>`},
		{"characters", exc, "<a b='&lt;&amp;&quot;&apos;&#9;&#10;&#13;>'>&lt;&amp;&gt;\"&#13;\r\n\t<![CDATA[<&>]]></a>", `<a b="&lt;&amp;&quot;'&#x9;&#xA;&#xD;>">&lt;&amp;&gt;"&#xD;` + "\n\t&lt;&amp;&gt;</a>"},
		{"comments go, instructions stay", exc, `<a>x<!-- c -->y<?p  d ?><?q?></a>`, `<a>xy<?p d ?><?q?></a>`},
		{"comments stay", xmlsig.Canonicalization{Exclusive: true, Comments: true}, `<a><!-- c --></a>`, `<a><!-- c --></a>`},
		{"xml: attributes", exc, `<a xml:lang="fr" xmlns:xml="http://www.w3.org/XML/1998/namespace" b=""/>`, `<a b="" xml:lang="fr"></a>`},
	} {
		got, err := xmlsig.Canonicalize([]byte(c.in), 0, c.m)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", c.name, err, got, c.want)
		}
	}
	const around = `<e:e xmlns:e="urn:e" xml:lang="fr" xmlns="urn:d"><f xml:lang="en" xml:space="preserve"/><b xml:space="default"/></e:e>`
	for m, want := range map[bool]string{
		true:  `<b xmlns="urn:d" xml:space="default"></b>`,
		false: `<b xmlns="urn:d" xmlns:e="urn:e" xml:lang="fr" xml:space="default"></b>`,
	} {
		if got, err := xmlsig.Canonicalize([]byte(around), 88, xmlsig.Canonicalization{Exclusive: m}); err != nil || string(got) != want {
			t.Errorf("%v %s, want %s", err, got, want)
		}
	}
}

// FuzzC14N: what is canonical is canonicalized to itself, and within what the input can account for.
func FuzzC14N(f *testing.F) {
	for _, s := range []string{before + hard + after, `<a xmlns="urn:a"><b xmlns="" c="&#13;"/><!-- c --><?p d?></a>`, `<x:a xmlns:x="u" x:b="1" b="2" xml:id="z">]]&gt;</x:a>`} {
		for i := range 8 {
			f.Add([]byte(s), byte(i))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, form byte) {
		m := xmlsig.Canonicalization{Exclusive: form&1 > 0, Comments: form&2 > 0}
		if m.Exclusive && form&4 > 0 {
			m.Prefixes = []string{"", "x", "xs"}
		}
		once, err := xmlsig.Canonicalize(in, 0, m)
		if err != nil {
			return
		}
		twice, err := xmlsig.Canonicalize(once, 0, m)
		if err != nil || string(twice) != string(once) {
			t.Fatalf("%v\n%s\n%s", err, once, twice)
		}
	})
}
