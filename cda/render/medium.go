package render

import (
	"strings"

	"github.com/passerelle-sante/passerelle/cda"
)

// A kind of attachment a page knows: how its base64 begins, and what the page does with it. The content decides, not the label.
type fileKind struct {
	mediaType, begins, name string
	show                    uint8
}

const (
	asLink uint8 = iota
	asImage
	asObject
)

var fileKinds = []fileKind{
	{"image/png", "iVBORw0KGgo", "image.png", asImage},
	{"image/jpeg", "/9j/", "image.jpg", asImage},
	{"image/gif", "R0lGOD", "image.gif", asImage},
	{"application/pdf", "JVBERi0", "document.pdf", asObject},
	{"image/tiff", "SUkqA", "image.tif", asLink},
	{"image/tiff", "TU0AK", "image.tif", asLink},
	{"application/rtf", "e1xydG", "document.rtf", asLink},
}

// medium shows an attachment: a picture, a PDF, a plain text, or a link to save it by.
func (p *page) medium(m *medium, name string) {
	m.shown = true
	d := m.Data
	p.raw("<div class=\"file\" id=\"piece-")
	p.int(m.Index)
	p.raw("\">")
	defer p.raw("</div>")
	if strings.TrimSpace(d.Text) == "" {
		p.unshown(m, name, "CDA-MEDIA-EMPTY", "an attachment is empty, or lies outside the document", "contenu absent du document")
		return
	}
	if d.Representation != "B64" {
		if d.MediaType == "" || d.MediaType == "text/plain" {
			p.raw("<pre>")
			p.text(d.Text)
			p.raw("</pre>")
			return
		}
		p.unshown(m, name, "CDA-MEDIA-TYPE", "an attachment that is neither base64 nor plain text is not shown", "format non affichable")
		return
	}
	if d.Compression != "" {
		p.unshown(m, name, "CDA-MEDIA-COMPRESSED", "a compressed attachment is not shown", "contenu compressé")
		return
	}
	if d.MediaType == "text/plain" {
		p.plain(m, name)
		return
	}
	k := kindOf(d.Text)
	if k == nil {
		p.unshown(m, name, "CDA-MEDIA-TYPE", "the content of an attachment is of no type a page shows", "format non affichable")
		return
	}
	if d.MediaType != k.mediaType && !(k.mediaType == "application/rtf" && d.MediaType == "text/rtf") {
		p.find("CDA-MEDIA-TYPE", cda.Warning, m.path, m.line, "the content of an attachment is "+k.mediaType+", which is not its media type")
	}
	address, ok := p.address(m, k)
	if !ok {
		p.unshown(m, name, "CDA-MEDIA-SIZE", "an attachment is too large to stand in the page, or its base64 is broken",
			"fichier trop volumineux ou illisible")
		return
	}
	p.file(m, k, name, address)
}

func (p *page) file(m *medium, k *fileKind, name string, address []byte) {
	p.findMarkup(m)
	switch k.show {
	case asImage:
		p.raw("<img")
		p.attr("alt", name)
		p.raw(` src="`)
		p.out = append(p.out, address...)
		p.raw(`"/>`)
		return
	case asObject:
		p.raw(`<object type="application/pdf"`)
		p.attr("aria-label", name+" (PDF)")
		p.raw(` data="`)
		p.out = append(p.out, address...)
		p.raw(`"><p class="void">Ce navigateur n'affiche pas les PDF ici.</p></object>`)
	}
	p.raw(`<p class="dl"><a`)
	p.attr("download", k.name)
	p.raw(` href="`)
	p.out = append(p.out, address...)
	p.raw(`">Enregistrer « `)
	p.text(name)
	p.raw(" » (" + k.mediaType[strings.IndexByte(k.mediaType, '/')+1:] + ")</a></p>")
}

// findMarkup tells of elements where only base64 is due: their text was read as if they were not there.
func (p *page) findMarkup(m *medium) {
	if m.Data.Markup {
		p.find("CDA-MEDIA-MARKUP", cda.Warning, m.path, m.line, "elements stand inside an attachment")
	}
}

func (p *page) unshown(m *medium, name, rule, text, why string) {
	p.find(rule, cda.Warning, m.path, m.line, text)
	p.raw(`<p class="void">[`)
	p.text(name)
	p.raw(" : " + why + "]</p>")
}

// plain shows a text body of level 1. Text that is no UTF-8 is taken for ISO 8859-15, which is what remains in use.
func (p *page) plain(m *medium, name string) {
	b, err := m.Data.Bytes(int64(p.o.MaxInline))
	if err != nil {
		p.unshown(m, name, "CDA-MEDIA-SIZE", "an attached text is too large, or its base64 is broken", "texte trop volumineux ou illisible")
		return
	}
	p.raw("<pre>")
	p.text(cda.PlainText(b))
	p.raw("</pre>")
}

// FileType is the media type of an attachment by its content, and a name to save it under. ok is false for what no page shows and nobody should
// serve to a browser.
func FileType(d *cda.ED) (mediaType, name string, ok bool) {
	if k := kindOf(d.Text); k != nil && d.Representation == "B64" && d.Compression == "" {
		return k.mediaType, k.name, true
	}
	return "", "", false
}

func kindOf(b64 string) *fileKind {
	b64 = strings.TrimLeft(b64, " \t\r\n")
	for i := range fileKinds {
		if strings.HasPrefix(b64, fileKinds[i].begins) {
			return &fileKinds[i]
		}
	}
	return nil
}

// address is where the attachment is: apart, or in the page itself. It is safe inside an attribute.
func (p *page) address(m *medium, k *fileKind) ([]byte, bool) {
	if p.o.Resource != nil {
		if to := p.o.Resource(m.Resource); to != "" {
			return appendAttr(nil, to), true
		}
	}
	if len(m.Data.Text) > p.o.MaxInline+p.o.MaxInline/8 { // white space counts too
		return nil, false
	}
	out := make([]byte, 0, len(m.Data.Text)+32)
	out = append(append(append(out, "data:"...), k.mediaType...), ";base64,"...)
	head := len(out)
	s := m.Data.Text
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case base64Byte[c]:
			out = append(out, c)
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		default:
			return nil, false
		}
	}
	return out, len(out)-head <= p.o.MaxInline
}

var base64Byte = func() (t [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") {
		t[c] = true
	}
	return t
}()
