package validate

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/cda"
	cdavalidate "github.com/passerelle-sante/passerelle/cda/validate"
)

var xdmRules = []Rule{
	{"XDM-ZIP", Error, "ITI TF-2 3.32.4.1", "the file is no ZIP archive"},
	{"XDM-COUNT", Error, "this validator", "the archive has too many files to be judged"},
	{"XDM-BIG", Error, "this validator", "what the archive unpacks to is longer than 64 MiB"},
	{"XDM-BROKEN", Error, "ITI TF-2 3.32.4.1", "a file of the archive cannot be unpacked"},
	{"XDM-PATH", Error, "ITI TF-2 3.32.4.1.2.1; ZIP 4.4.17", "a name is absolute, leads out of the archive or has backslashes"},
	{"XDM-TWICE", Error, "ZIP 4.3.2", "two files have the same name"},
	{"XDM-NAME", Warning, "ITI TF-2 3.32.4.1.2.1 (ISO 9660 level 1)", "a name is not of eight and three upper-case letters, digits and underscores"},
	{"XDM-FOLDER", Error, "ITI TF-2 3.32.4.1.2.2", "there is no folder IHE_XDM with the folder of a submission"},
	{"XDM-README", Error, "ITI TF-2 3.32.4.1.2.2", "there is no README.TXT at the root"},
	{"XDM-INDEX", Error, "ITI TF-2 3.32.4.1.2.2", "there is no INDEX.HTM at the root"},
	{"XDM-METADATA", Error, "ITI TF-2 3.32.4.1.2.2", "the folder of a submission has no METADATA.XML"},
	{"XDM-URI", Error, "ITI TF-3 table 4.3.1-3, 4.2.3.2.27", "an entry has no URI"},
	{"XDM-FILE", Error, "ITI TF-2 3.32.4.1.2.2", "the archive does not hold the file that the URI of an entry names"},
	{"XDM-HASH", Error, "ITI TF-3 4.2.3.2.10", "hash is not the digest of the file"},
	{"XDM-LENGTH", Error, "ITI TF-3 4.2.3.2.21", "size is not the length of the file"},
	{"XDM-STRAY", Warning, "ITI TF-2 3.32.4.1.2.2", "no entry describes a file of the submission"},
}

var dosName = regexp.MustCompile(`^[A-Z0-9_]{1,8}(\.[A-Z0-9_]{1,3})?$`)

// archive is an XDM archive that was unpacked.
type archive struct {
	names []string
	files map[string][]byte
}

// xdm judges an archive of XDM: its layout, then each of its submissions and the documents they name.
func (j *judge) xdm(b []byte) {
	a := j.unzip(b)
	if a == nil {
		return
	}
	for _, root := range []struct{ rule, name string }{{"XDM-README", "README.TXT"}, {"XDM-INDEX", "INDEX.HTM"}} {
		if a.files[root.name] == nil {
			j.say(root.rule, place{location: root.name})
		}
	}
	var subsets []string
	for _, name := range a.names {
		parts := strings.Split(name, "/")
		if len(parts) >= 3 && parts[0] == "IHE_XDM" && !slices.Contains(subsets, parts[1]) {
			subsets = append(subsets, parts[1])
		}
		for _, p := range parts {
			if !dosName.MatchString(p) {
				j.say("XDM-NAME", place{location: name})
				break
			}
		}
	}
	if len(subsets) == 0 {
		j.say("XDM-FOLDER", place{location: "IHE_XDM"})
	}
	for _, s := range subsets {
		j.subset(a, "IHE_XDM/"+s)
	}
}

// unzip unpacks an archive within the bounds; nil when it is none.
func (j *judge) unzip(b []byte) *archive {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		j.say("XDM-ZIP", place{})
		return nil
	}
	if len(z.File) > maxParts {
		j.say("XDM-COUNT", place{})
		return nil
	}
	a := &archive{files: map[string][]byte{}}
	left := int64(maxBytes)
	for _, f := range z.File {
		name := strings.TrimSuffix(f.Name, "/")
		if strings.Contains(f.Name, `\`) || path.IsAbs(f.Name) || path.Clean(name) != name || strings.HasPrefix(name, "..") {
			j.say("XDM-PATH", place{location: fmt.Sprintf("%.100q", f.Name)})
			continue
		}
		if name != f.Name { // a folder
			continue
		}
		if _, again := a.files[name]; again {
			j.say("XDM-TWICE", place{location: name})
		}
		content, err := inflate(f, left)
		if err != nil {
			j.say("XDM-BROKEN", place{location: name})
		}
		if left -= int64(len(content)); left <= 0 {
			j.say("XDM-BIG", place{location: name})
			return nil
		}
		a.names, a.files[name] = append(a.names, name), content
	}
	return a
}

func inflate(f *zip.File, limit int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return []byte{}, err
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, limit))
	if content == nil {
		content = []byte{}
	}
	return content, err
}

// subset judges the folder of a submission.
func (j *judge) subset(a *archive, folder string) {
	metadata := a.files[folder+"/METADATA.XML"]
	if metadata == nil {
		j.say("XDM-METADATA", place{location: folder})
		return
	}
	j.within = folder + "/METADATA.XML"
	defer func() { j.within = "" }()
	t := j.parsed(metadata)
	if t == nil {
		return
	}
	root := t.Root()
	if root.Local() != "SubmitObjectsRequest" || root.Space() != nsLCM {
		j.say("SUB-ROOT", here(root, root.Local()))
		return
	}
	h := j.metadata(root, "x")
	described := map[string]bool{"METADATA.XML": true}
	for _, o := range h.objects {
		if o.kind == "DocumentEntry" {
			described[j.file(a, folder, o)] = true
		}
	}
	j.within = ""
	for _, name := range a.names {
		if rest, ok := strings.CutPrefix(name, folder+"/"); ok && !described[rest] && !besides(described, rest) {
			j.say("XDM-STRAY", place{location: name})
		}
	}
}

// besides tells a file of the same stem as one that is described, the printed form of a document, and one of the folder of a document of several parts.
func besides(described map[string]bool, name string) bool {
	stem := strings.TrimSuffix(name, path.Ext(name))
	for d := range described {
		if d != "METADATA.XML" && (strings.TrimSuffix(d, path.Ext(d)) == stem || path.Dir(d) != "." && strings.HasPrefix(name, path.Dir(d)+"/")) {
			return true
		}
	}
	return false
}

// file judges the document of an entry and gives its name.
func (j *judge) file(a *archive, folder string, o object) string {
	uri := slotValue(o.Node, "URI")
	if uri == "" {
		j.say("XDM-URI", o.at("URI"))
		return ""
	}
	content, ok := a.files[path.Join(folder, uri)] // which may begin with ../
	if !ok {
		j.say("XDM-FILE", o.at("URI"))
		return uri
	}
	quiet := &judge{}
	quiet.bytes(o, content)
	for _, f := range quiet.out {
		j.say(map[string]string{"SUB-DOC-HASH": "XDM-HASH", "SUB-DOC-SIZE": "XDM-LENGTH"}[f.Rule], place{line: f.Line, location: f.Location})
	}
	return uri
}

// cda judges a clinical document by the rules of package cda/validate.
func (j *judge) cda(b []byte) {
	var found []cda.Finding
	if bytes.HasPrefix(b, []byte("%PDF-")) {
		found = cdavalidate.ValidatePDF(b, cdavalidate.Options{})
	} else {
		found = cdavalidate.Validate(b, cdavalidate.Options{})
	}
	for _, f := range found {
		severity := Warning
		switch f.Severity {
		case cda.Fatal, cda.Error:
			severity = Error
		case cda.Warning:
		default:
			continue // remarks are for who asks the product's own command for them
		}
		j.out = append(j.out, Finding{f.Rule, severity, f.Line, f.Path, f.Text, f.Clause})
	}
}
