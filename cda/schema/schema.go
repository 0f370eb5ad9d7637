// Package schema holds the XML schema of a clinical document (CDA R2) with what French documents add to it: the extensions of HL7 (sdtc),
// IHE laboratory, IHE pharmacy and DICOM PS3.20. The model is data, in a notation of our own (model/*.txt, described in model/README.md);
// XSD text is made of it in memory.
package schema

import (
	"embed"
	"fmt"
	"sync"

	"github.com/passerelle-sante/passerelle/wire/xsd"
)

//go:embed model/*.txt
var model embed.FS

// Root is the name of the file of [Files] that declares ClinicalDocument and imports the others.
const Root = "hl7.xsd"

// Files gives the XSD text of each namespace by file name; the same text each time.
func Files() (map[string][]byte, error) {
	m, err := parse(model)
	if err != nil {
		return nil, fmt.Errorf("cda/schema: %w", err)
	}
	files, err := m.files()
	if err != nil {
		return nil, fmt.Errorf("cda/schema: %w", err)
	}
	return files, nil
}

// Compiled gives the schema, made at the first call and shared by all.
var Compiled = sync.OnceValues(func() (*xsd.Schema, error) {
	files, err := Files()
	if err != nil {
		return nil, err
	}
	return xsd.CompileFiles(files, Root)
})
