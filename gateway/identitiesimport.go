package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

// IdentityColumns are the columns that the first line of a CSV file of identities may name; id and authority are due. authority and ins_authority are OIDs, or names
// that the configuration gives; status is PROV, RECUP, VALI or QUAL; given_names are separated by spaces; birth_place is the code of the place.
var IdentityColumns = []string{"id", "authority", "ins", "ins_authority", "status", "birth_name", "given_names", "usual_name", "usual_given", "birth_date", "sex", "birth_place",
	"address", "city", "postcode", "country", "phone", "mail"}

// entry is one line or message of a file that is imported.
type entry struct {
	line int // where it begins, from 1
	msg  []byte
	sum  string // of what the file says, at most 20 characters
	err  error  // why there is no message
}

// key tells the entry apart from others, so that a second run passes it over.
func (e *entry) key() string { return fmt.Sprintf("%d %s", e.line, e.sum) }

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:10])
}

// Import feeds a file: CSV with a line of IdentityColumns in front, or ADT messages. What was accepted is noted in the file state, line by line, so that a run that was
// interrupted goes on where it stopped; feeding one again changes nothing. Lines are fed jobs at a time, messages in their order. total and step drive a progress bar.
func (i Identities) Import(ctx context.Context, file, state string, jobs int, total func(int), step func()) (ImportReport, error) {
	var rep ImportReport
	entries, ordered, err := readIdentities(file)
	if err != nil {
		return rep, err
	}
	done, err := readState(state)
	if err != nil {
		return rep, err
	}
	notes, err := os.OpenFile(state, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return rep, err
	}
	defer notes.Close()
	if ordered {
		jobs = 1
	}
	total(len(entries))
	var mu sync.Mutex
	var wg sync.WaitGroup
	work := make(chan *entry)
	for range max(1, jobs) {
		wg.Go(func() {
			for e := range work {
				err := i.importOne(ctx, e)
				mu.Lock()
				rep.noteLine(ctx, notes, e, err)
				step()
				mu.Unlock()
			}
		})
	}
	for k := range entries {
		e := &entries[k]
		if ctx.Err() != nil {
			break
		}
		if e.err == nil && done[e.key()] {
			mu.Lock()
			rep.Before++
			step()
			mu.Unlock()
			continue
		}
		work <- e
	}
	close(work)
	wg.Wait()
	slices.Sort(rep.Errors)
	return rep, errors.Join(ctx.Err(), notes.Sync())
}

func (i Identities) importOne(ctx context.Context, e *entry) error {
	if e.err != nil {
		return e.err
	}
	text, err := i.feed(ctx, e.msg)
	if err != nil {
		return err
	}
	ack, err := hl7v2.Parse([]byte(text), hl7v2.Lenient{Charset: true})
	if err != nil {
		return fmt.Errorf("acknowledgement: %w", err)
	}
	msa, _ := ack.First("MSA")
	if msa.Field(1).Value() == string(hl7v2.AA) {
		return nil
	}
	segment, _ := ack.First("ERR")
	return fmt.Errorf("%s at %s: %s", segment.Field(3).Repetition(1).Component(2).Value(), segment.Field(2).Text(), segment.Field(8).Value())
}

// noteLine writes down the outcome of one entry.
func (r *ImportReport) noteLine(ctx context.Context, notes io.Writer, e *entry, err error) {
	if err == nil {
		_, err = io.WriteString(notes, e.key()+"\n")
	}
	switch {
	case err == nil:
		r.Accepted++
	case ctx.Err() != nil: // interrupted: neither accepted nor refused
	default:
		r.Refused++
		r.Errors = append(r.Errors, fmt.Sprintf("line %6d: %v", e.line, err))
	}
}

// readIdentities reads a file whole; ordered tells that its entries must be fed one after the other.
func readIdentities(file string) (entries []entry, ordered bool, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, false, err
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if begin := bytes.TrimLeft(text, "\v\r\n "); bytes.HasPrefix(begin, []byte("MSH")) || bytes.HasPrefix(begin, []byte("FHS")) || bytes.HasPrefix(begin, []byte("BHS")) {
		entries, err = messages(text)
		return entries, true, err
	}
	entries, err = rowsOf(text)
	return entries, false, err
}

// messages takes a file of ER7 messages apart: each begins with MSH; the segments of a batch around them, and MLLP's marks, are passed over.
func messages(text []byte) ([]entry, error) {
	var list []entry
	s := bufio.NewScanner(bytes.NewReader(bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))))
	s.Buffer(nil, maxFeed)
	for line := 1; s.Scan(); line++ {
		segment := bytes.Trim(s.Bytes(), "\v\x1c ")
		switch {
		case len(segment) == 0 || slices.ContainsFunc([]string{"FHS", "BHS", "BTS", "FTS"}, func(id string) bool { return bytes.HasPrefix(segment, []byte(id)) }):
			continue
		case bytes.HasPrefix(segment, []byte("MSH")):
			list = append(list, entry{line: line})
		case len(list) == 0:
			return nil, fmt.Errorf("line %d: a message begins with MSH", line)
		}
		e := &list[len(list)-1]
		e.msg = append(append(e.msg, segment...), '\r')
	}
	for i := range list {
		list[i].sum = sumOf(list[i].msg)
	}
	return list, s.Err()
}

// rowsOf makes an ADT^A28 of each line of a CSV file, whose separator is that of its first line.
func rowsOf(text []byte) ([]entry, error) {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	r := csv.NewReader(bytes.NewReader(text))
	for _, c := range ";\t" {
		if bytes.ContainsRune(first, c) {
			r.Comma = c
		}
	}
	r.FieldsPerRecord = -1
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	for i, name := range header {
		header[i] = strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(IdentityColumns, header[i]) || slices.Contains(header[:i], header[i]) {
			return nil, fmt.Errorf("line 1: column %d is not one of %s, or there twice", i+1, strings.Join(IdentityColumns, ", "))
		}
	}
	for _, due := range []string{"id", "authority"} {
		if !slices.Contains(header, due) {
			return nil, fmt.Errorf("line 1: there is no column %s", due)
		}
	}
	var list []entry
	for {
		row, err := r.Read()
		if err == io.EOF {
			return list, nil
		}
		var wrong *csv.ParseError
		if errors.As(err, &wrong) { // what stands behind it cannot be told apart any more
			return nil, fmt.Errorf("line %d: %w", wrong.Line, wrong.Err)
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		e := entry{line: line}
		if len(row) != len(header) {
			e.err = fmt.Errorf("%d columns instead of %d", len(row), len(header))
		} else {
			body := admission(header, row)
			e.sum = sumOf([]byte(body))
			e.msg = []byte("MSH|^~\\&|IMPORT|OPERATOR|PASSERELLE|PASSERELLE|" + time.Now().UTC().Format("20060102150405-0700") + "||ADT^A28^ADT_A05|" + e.sum +
				"|P|2.5|||||FRA|UNICODE UTF-8\r" + body)
		}
		list = append(list, e)
	}
}

// admission writes the segments of a line behind MSH.
func admission(header, row []string) string {
	esc := hl7v2.Standard().EscapeText
	v := map[string]string{}
	for i, name := range header {
		v[name] = esc(strings.TrimSpace(row[i]))
	}
	ids := []string{v["id"] + "^^^" + authorityOf(v["authority"]) + "^PI"}
	if v["ins"] != "" {
		ids = append(ids, v["ins"]+"^^^"+authorityOf(v["ins_authority"])+"^INS")
	}
	given := v["given_names"]
	firstGiven, _, _ := strings.Cut(given, " ")
	var names, addresses, telecoms []string
	if v["birth_name"]+given != "" {
		names = append(names, v["birth_name"]+"^"+firstGiven+"^"+given+"^^^^L")
	}
	if v["usual_name"]+v["usual_given"] != "" {
		names = append(names, v["usual_name"]+"^"+v["usual_given"]+"^^^^^D")
	}
	if v["address"]+v["city"]+v["postcode"]+v["country"] != "" {
		addresses = append(addresses, v["address"]+"^^"+v["city"]+"^^"+v["postcode"]+"^"+v["country"]+"^H")
	}
	if v["birth_place"] != "" {
		addresses = append(addresses, "^^^^^^BDL^^"+v["birth_place"])
	}
	if v["phone"] != "" {
		telecoms = append(telecoms, "^PRN^PH^^^^^^^^^"+v["phone"])
	}
	if v["mail"] != "" {
		telecoms = append(telecoms, "^NET^Internet^"+v["mail"])
	}
	pid := make([]string, 33)
	pid[0], pid[1], pid[3], pid[5], pid[7], pid[8] = "PID", "1", strings.Join(ids, "~"), strings.Join(names, "~"), v["birth_date"], v["sex"]
	pid[11], pid[13], pid[32] = strings.Join(addresses, "~"), strings.Join(telecoms, "~"), v["status"]
	return "EVN||\r" + strings.Join(pid, "|") + "\r"
}

// authorityOf is CX.4 of an OID or of a name.
func authorityOf(s string) string {
	if s != "" && strings.Trim(s, "0123456789.") == "" {
		return "&" + s + "&ISO"
	}
	return s
}
