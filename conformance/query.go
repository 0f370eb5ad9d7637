package conformance

import (
	"fmt"
	"strings"
)

// storedQuery is the body of an ITI-18 or ITI-51 request; each line of the step is one parameter: $NAME VALUE.
type storedQuery struct {
	id, returnType string
	slots          []*node
}

func newQuery(args []string) (*storedQuery, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("a query step names a stored query")
	}
	q := &storedQuery{id: storedQueries[args[0]], returnType: "LeafClass"}
	if q.id == "" {
		q.id = args[0]
	}
	if len(args) > 1 {
		q.returnType = args[1]
	}
	return q, nil
}

// line takes a parameter; several Value elements are separated by ;;.
func (q *storedQuery) line(verb, rest string) (bool, error) {
	if !strings.HasPrefix(verb, "$") {
		return false, nil
	}
	q.slots = append(q.slots, slot(verb, strings.Split(rest, " ;; ")...))
	return true, nil
}

func (q *storedQuery) body() (string, []part) {
	var b strings.Builder
	b.WriteString(`<query:AdhocQueryRequest xmlns:query="` + nsQuery + `" xmlns:rim="` + nsRIM + `"><query:ResponseOption returnType="` + q.returnType +
		`" returnComposedObjects="true"/><rim:AdhocQuery id="` + escape(q.id) + `">`)
	for _, s := range q.slots {
		s.write(&b)
	}
	b.WriteString(`</rim:AdhocQuery></query:AdhocQueryRequest>`)
	return b.String(), nil
}

// retrieval is the body of an ITI-43 request: document NAME, or want UNIQUEID [REPOSITORY [HOME]].
type retrieval struct {
	s        *story
	m        *message
	requests string
	destroy  bool // ITI-86, which has the same body but for its name
}

func (r *retrieval) line(verb, rest string) (bool, error) {
	repository, home, id := r.s.r.SUT.RepositoryUniqueID, "", ""
	switch words := strings.Fields(rest); verb {
	case "document":
		id = r.s.oid(words[0])
		r.m.asked = append(r.m.asked, words[0])
	case "want":
		id = words[0]
		if len(words) > 1 {
			repository = words[1]
		}
		if len(words) > 2 {
			home = words[2]
		}
	default:
		return false, nil
	}
	r.requests += `<xdsb:DocumentRequest>`
	if home != "" {
		r.requests += `<xdsb:HomeCommunityId>` + escape(home) + `</xdsb:HomeCommunityId>`
	}
	r.requests += `<xdsb:RepositoryUniqueId>` + escape(repository) + `</xdsb:RepositoryUniqueId><xdsb:DocumentUniqueId>` + escape(id) + `</xdsb:DocumentUniqueId></xdsb:DocumentRequest>`
	return true, nil
}

func (r *retrieval) body() (string, []part) {
	if r.destroy {
		return `<rmd:RemoveDocumentsRequest xmlns:rmd="` + nsRMD + `" xmlns:xdsb="` + nsXDSB + `">` + r.requests + `</rmd:RemoveDocumentsRequest>`, nil
	}
	return `<xdsb:RetrieveDocumentSetRequest xmlns:xdsb="` + nsXDSB + `">` + r.requests + `</xdsb:RetrieveDocumentSetRequest>`, nil
}

// removal is the body of an ITI-62 request: object NAME, by the name of the case, or the id itself.
type removal struct {
	s    *story
	refs string
}

func (r *removal) line(verb, rest string) (bool, error) {
	if verb != "object" || rest == "" {
		return false, nil
	}
	for _, name := range strings.Fields(rest) {
		id := name
		if !strings.HasPrefix(name, "urn:") {
			id = r.s.uuid(name)
		}
		r.refs += `<rim:ObjectRef id="` + escape(id) + `"/>`
	}
	return true, nil
}

func (r *removal) body() (string, []part) {
	return `<lcm:RemoveObjectsRequest xmlns:lcm="` + nsLCM + `" xmlns:rim="` + nsRIM + `"><rim:ObjectRefList>` + r.refs + `</rim:ObjectRefList></lcm:RemoveObjectsRequest>`, nil
}
