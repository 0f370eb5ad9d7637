package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os/user"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/smime/intake"
)

// HeldMail is a message in quarantine, for commands.
type HeldMail = intake.HeldMessage

var errNoMailbox = errors.New("this gateway has no mailbox: set mailbox.addresses")

// mailOrder is what an operator decides about a message in quarantine.
type mailOrder struct {
	ID       string
	Do       string        // release or discard
	Despite  []intake.Code // reasons that do not count this time
	Operator string
}

func (g *Gateway) serveMailbox(mux *http.ServeMux) {
	with := func(do func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if g.mailbox == nil {
				http.Error(w, errNoMailbox.Error(), http.StatusNotFound)
				return
			}
			if err := do(w, r); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		}
	}
	mux.HandleFunc("GET /mailbox", with(func(w http.ResponseWriter, r *http.Request) error {
		held, err := g.mailbox.Quarantine(r.Context())
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(held)
	}))
	mux.HandleFunc("GET /mailbox/message", with(func(w http.ResponseWriter, r *http.Request) error {
		raw, err := g.mailbox.Raw(r.Context(), operatorNamed(r.URL.Query().Get("operator")), r.URL.Query().Get("id"))
		if err != nil {
			return err
		}
		_, err = w.Write(raw)
		return err
	}))
	mux.HandleFunc("POST /mailbox", with(func(w http.ResponseWriter, r *http.Request) error {
		var o mailOrder
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&o); err != nil {
			return err
		}
		switch o.Do {
		case "release":
			return g.mailbox.Release(r.Context(), operatorNamed(o.Operator), o.ID, o.Despite)
		case "discard":
			return g.mailbox.Discard(r.Context(), operatorNamed(o.Operator), o.ID)
		}
		return errors.New("release or discard is due")
	}))
}

func (g *Gateway) servePost(mux *http.ServeMux) {
	mux.HandleFunc("POST /mailbox/send", func(w http.ResponseWriter, r *http.Request) {
		var o sendOrder
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&o)
		var id string
		if err == nil {
			id, err = g.sendMail(r.Context(), operatorNamed(o.Operator), o)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(id) // the caller has gone; the message goes out all the same
	})
	mux.HandleFunc("GET /mailbox/sent", func(w http.ResponseWriter, r *http.Request) {
		list, err := g.sentMail()
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(list) // the caller has gone
	})
}

// operatorNamed is who gives orders over the control socket: whoever may write there, by the name he goes by.
func operatorNamed(name string) auth.Caller {
	return auth.Caller{Capacity: auth.CapacityOperator, Node: "operator:" + name}
}

func operatorName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

// Quarantine lists the mail that the gateway on data has set aside.
func Quarantine(ctx context.Context, data string) (held []HeldMail, err error) {
	resp, err := askControl(ctx, data, http.MethodGet, "/mailbox", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return held, json.NewDecoder(resp.Body).Decode(&held)
}

// HeldMessage writes a message in quarantine as it came; the audit record says who read it.
func HeldMessage(ctx context.Context, data, id string, to io.Writer) error {
	resp, err := askControl(ctx, data, http.MethodGet, "/mailbox/message?id="+id+"&operator="+operatorName(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(to, resp.Body)
	return err
}

// DecideMail releases or discards a message in quarantine; despite are reasons that do not count this time.
func DecideMail(ctx context.Context, data, id, do string, despite []string) error {
	o := mailOrder{ID: id, Do: do, Operator: operatorName()}
	for _, d := range despite {
		o.Despite = append(o.Despite, intake.Code(d))
	}
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	resp, err := askControl(ctx, data, http.MethodPost, "/mailbox", bytes.NewReader(body))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// SendMail has the gateway on data send documents of its record to a correspondent, or to their patient where to is empty. It gives the message's identifier.
func SendMail(ctx context.Context, data, to string, documents []string, replaces, closed bool) (id string, err error) {
	body, err := json.Marshal(sendOrder{To: to, Documents: documents, Replaces: replaces, Closed: closed, Operator: operatorName()})
	if err != nil {
		return "", err
	}
	resp, err := askControl(ctx, data, http.MethodPost, "/mailbox/send", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	return id, json.NewDecoder(resp.Body).Decode(&id)
}

// Sent lists what the gateway on data sent, and what became of it.
func Sent(ctx context.Context, data string) (list []SentMail, err error) {
	resp, err := askControl(ctx, data, http.MethodGet, "/mailbox/sent", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return list, json.NewDecoder(resp.Body).Decode(&list)
}
