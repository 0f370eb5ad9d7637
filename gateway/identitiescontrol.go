package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
)

// LocalOperator is the node that an operator at the control socket is, for patients.identities.authorities.feeders too.
const LocalOperator = "operator:local"

// The words of identities, for commands.
type (
	Review   = pix.Review
	Link     = pix.Link
	Identity = manager.Identity
	Patient  = pix.Patient
)

// maxFeed is the size of a message that is imported, in bytes.
const maxFeed = 1 << 20

// identityOrder is what an operator does about identities.
type identityOrder struct {
	Do       string // link, unlink, unmerge, decide
	A, B     string // identifiers; B of link and unlink
	Review   uint64 // of decide
	Decision pix.Decision
}

// identityPage is a part of all identities. Next continues it and is empty at its end.
type identityPage struct {
	Patients []pix.Patient
	Next     string
}

func identityOperator(r *http.Request) auth.Caller {
	return operatorOf(r.URL.Query().Get("operator"))
}

// operatorOf is somebody on this machine.
func operatorOf(name string) auth.Caller {
	return auth.Caller{Capacity: auth.CapacityOperator, Node: LocalOperator, Person: name, Endpoint: "control"}
}

func (g *Gateway) serveIdentities(mux *http.ServeMux) {
	handle := func(pattern string, do func(r *http.Request, c auth.Caller) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			answer, err := do(r, identityOperator(r))
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			_ = json.NewEncoder(w).Encode(answer) // the caller has gone; what he ordered is done all the same
		})
	}
	handle("GET /identities/reviews", func(r *http.Request, c auth.Caller) (any, error) {
		after, err := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
		if err != nil {
			return nil, errors.New("a number is due")
		}
		return g.patients.Reviews(r.Context(), c, after, 1000)
	})
	handle("GET /identities/one", func(r *http.Request, c auth.Caller) (any, error) {
		id, err := g.identifier(r.URL.Query().Get("id"))
		if err != nil {
			return nil, err
		}
		return g.patients.Identity(r.Context(), c, id)
	})
	handle("GET /identities/explain", func(r *http.Request, c auth.Caller) (any, error) {
		a, err := g.identifier(r.URL.Query().Get("a"))
		if err != nil {
			return nil, err
		}
		b, err := g.identifier(r.URL.Query().Get("b"))
		if err != nil {
			return nil, err
		}
		return g.patients.Explain(r.Context(), c, a, b)
	})
	handle("GET /identities", func(r *http.Request, c auth.Caller) (any, error) {
		after, err := base64.RawURLEncoding.DecodeString(r.URL.Query().Get("after"))
		if err != nil {
			return nil, errors.New("not a place among the identities")
		}
		list, next, err := g.patients.Export(r.Context(), c, string(after), 1000)
		return identityPage{list, base64.RawURLEncoding.EncodeToString([]byte(next))}, err
	})
	handle("POST /identities", func(r *http.Request, c auth.Caller) (any, error) {
		var o identityOrder
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&o); err != nil {
			return nil, err
		}
		return struct{}{}, g.orderIdentities(r.Context(), c, o)
	})
	handle("POST /identities/feed", func(r *http.Request, c auth.Caller) (any, error) {
		msg, err := io.ReadAll(io.LimitReader(r.Body, maxFeed+1))
		if err != nil || len(msg) > maxFeed {
			return nil, fmt.Errorf("a message of up to %d bytes is due", maxFeed)
		}
		return string(g.patients.AnswerV2(r.Context(), c, msg)), nil
	})
}

// identifier reads id^^^&OID&ISO, or id^^^NAMESPACE of a domain that has one.
func (g *Gateway) identifier(s string) (hl7.CX, error) {
	c, err := hl7.ParseCX(s)
	if err != nil {
		return c, errors.New("an identifier is id^^^&OID&ISO, or id^^^NAMESPACE")
	}
	c.AssigningAuthority = pix.Named(g.cfg.Patients.domains(), c.AssigningAuthority)
	return c, nil
}

func (g *Gateway) orderIdentities(ctx context.Context, c auth.Caller, o identityOrder) error {
	if o.Do == "decide" {
		return g.patients.Decide(ctx, c, o.Review, o.Decision)
	}
	a, err := g.identifier(o.A)
	if err != nil {
		return err
	}
	if o.Do == "unmerge" {
		return g.patients.Unmerge(ctx, c, a)
	}
	b, err := g.identifier(o.B)
	if err != nil {
		return err
	}
	switch o.Do {
	case "link":
		return g.patients.Link(ctx, c, a, b)
	case "unlink":
		return g.patients.Unlink(ctx, c, a, b)
	}
	return errors.New("link, unlink, unmerge or decide is due")
}

// Identities works on the identities of the gateway that runs on a data folder, over its control socket. The audit records name who runs the command.
type Identities struct{ Data string }

// do asks, in the name of who runs the command, and reads the answer into to.
func (i Identities) do(ctx context.Context, method, path string, parameters url.Values, body io.Reader, to any) error {
	if parameters == nil {
		parameters = url.Values{}
	}
	parameters.Set("operator", operatorName())
	resp, err := askControl(ctx, i.Data, method, path+"?"+parameters.Encode(), body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(to)
}

// Reviews lists the pairs that wait for a decision, oldest first, at most 1000 with a greater number than after.
func (i Identities) Reviews(ctx context.Context, after uint64) (list []Review, err error) {
	return list, i.do(ctx, http.MethodGet, "/identities/reviews", url.Values{"after": {strconv.FormatUint(after, 10)}}, nil, &list)
}

// Show gives all that is kept of one identity.
func (i Identities) Show(ctx context.Context, id string) (one Identity, err error) {
	return one, i.do(ctx, http.MethodGet, "/identities/one", url.Values{"id": {id}}, nil, &one)
}

// Explain gives the links that make one person of two; none when they are two.
func (i Identities) Explain(ctx context.Context, a, b string) (links []Link, err error) {
	return links, i.do(ctx, http.MethodGet, "/identities/explain", url.Values{"a": {a}, "b": {b}}, nil, &links)
}

// Decide closes a review: same or different.
func (i Identities) Decide(ctx context.Context, review uint64, decision string) error {
	return i.order(ctx, identityOrder{Do: "decide", Review: review, Decision: pix.Decision(decision)})
}

// Link says that two are one person, Unlink that they are two, Unmerge undoes the merge that gave an identifier up.
func (i Identities) Link(ctx context.Context, a, b string) error {
	return i.order(ctx, identityOrder{Do: "link", A: a, B: b})
}

// Unlink says that two are two persons.
func (i Identities) Unlink(ctx context.Context, a, b string) error {
	return i.order(ctx, identityOrder{Do: "unlink", A: a, B: b})
}

// Unmerge undoes the merge that gave an identifier up.
func (i Identities) Unmerge(ctx context.Context, prior string) error {
	return i.order(ctx, identityOrder{Do: "unmerge", A: prior})
}

func (i Identities) order(ctx context.Context, o identityOrder) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return i.do(ctx, http.MethodPost, "/identities", nil, bytes.NewReader(body), &struct{}{})
}

// feed sends one HL7 v2 message and gives the acknowledgement.
func (i Identities) feed(ctx context.Context, msg []byte) (ack string, err error) {
	return ack, i.do(ctx, http.MethodPost, "/identities/feed", nil, bytes.NewReader(msg), &ack)
}

// Each gives every identity that is in use, in the order in which they were told.
func (i Identities) Each(ctx context.Context, one func(Patient) error) error {
	for after := ""; ; {
		var page identityPage
		if err := i.do(ctx, http.MethodGet, "/identities", url.Values{"after": {after}}, nil, &page); err != nil {
			return err
		}
		for _, p := range page.Patients {
			if err := one(p); err != nil {
				return err
			}
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}
