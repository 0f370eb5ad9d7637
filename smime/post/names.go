package post

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/passerelle-sante/passerelle/xds"
)

const labelLength = 40 // characters of a label in subjects and file names

// title is the subject of the message: XDM/1.0/DDM+label NAME first name date of birth.
func title(r *Request) string {
	label := label(&r.Documents[0].Entry)
	if n := len(r.Documents); n > 1 {
		label = fmt.Sprintf("%d documents", n)
	}
	words := []string{"XDM/1.0/DDM+" + label, strings.ToUpper(plain(r.Patient.BirthName)), plain(r.Patient.FirstName)}
	if b := r.Patient.BirthDate; len(b) == 8 {
		words = append(words, b[6:8]+"/"+b[4:6]+"/"+b[:4])
	}
	s := strings.Join(strings.Fields(strings.Join(words, " ")), " ")
	if r.Replaces {
		s = "[Annule et remplace] " + s
	}
	return s
}

// label is what a document is called: the display name of its type.
func label(e *xds.DocumentEntry) string {
	s := e.TypeCode.Display.String()
	if s == "" {
		s = e.Title.String()
	}
	if s == "" {
		s = "Document"
	}
	return shorten(oneLine(s))
}

func shorten(s string) string {
	for i := range s {
		if len([]rune(s[:i])) == labelLength {
			return strings.TrimSpace(s[:i])
		}
	}
	return s
}

// fileName is the name of a document's PDF: date of the act, type, name and first name of the patient.
func fileName(e *xds.DocumentEntry, q *Patient) string {
	day := string(e.ServiceStartTime)
	if len(day) < 8 {
		day = string(e.CreationTime)
	}
	day = day[:min(len(day), 8)]
	return strings.Join([]string{day, fileWord(label(e)), fileWord(strings.ToUpper(plain(q.BirthName))), fileWord(plain(q.FirstName))}, "_") + ".pdf"
}

// fileWord has a text without what file systems or the name's own form give a meaning to.
func fileWord(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`/\:*?"<>|_.`, r), unicode.IsSpace(r):
			return '-'
		case r < ' ' || r == 0x7F:
			return -1
		}
		return r
	}, plain(s))
}

var ligatures = strings.NewReplacer("œ", "oe", "Œ", "OE", "æ", "ae", "Æ", "AE", "’", "'")

// plain has a text without accents.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(ligatures.Replace(oneLine(s))))
	return norm.NFC.String(s)
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}
