package extract

import (
	"errors"

	"github.com/passerelle-sante/passerelle/cda"
)

// ErrNoFile tells that a document carries no file as its body.
var ErrNoFile = errors.New("the body is not an attached file of level 1")

// Body is the file that a document of level 1 carries: its media type as labelled, and its bytes by Open or Bytes. It aliases b.
func Body(b []byte, o cda.Options) (*cda.ED, error) {
	doc, err := cda.ReadHeader(b, o)
	if err != nil {
		return nil, err
	}
	if doc.NonXMLBody == nil || doc.NonXMLBody.Text == "" {
		return nil, ErrNoFile
	}
	return doc.NonXMLBody, nil
}

// Files are all the files a document carries, in document order: its body of level 1, or the media of its entries (the PDF copy of a report).
func Files(b []byte, o cda.Options) ([]*cda.ED, error) {
	var list []*cda.ED
	doc, err := cda.Walk(b, o, cda.Visitor{Entry: func(_ *cda.Section, e *cda.Statement) error {
		list = media(list, e)
		return nil
	}})
	if err != nil {
		return nil, err
	}
	if doc.NonXMLBody != nil {
		list = append(list, doc.NonXMLBody)
	}
	return list, nil
}

func media(list []*cda.ED, e *cda.Statement) []*cda.ED {
	if e.Media != nil {
		list = append(list, e.Media)
	}
	for _, x := range e.Related {
		list = media(list, x.Statement)
	}
	return list
}
