package validate

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

var er7Rules = []Rule{
	{"ER7-MSH", Error, "HL7 v2.5 2.15.9", "the message does not begin with MSH and its delimiters"},
	{"ER7-DELIMITERS", Error, "HL7 v2.5 2.5.4", "two delimiters are the same, or one is a letter or a digit"},
	{"ER7-SIZE", Error, "this validator", "the message has too many segments to be judged"},
	{"ER7-FRAME", Error, "HL7 v2 implementation guide, appendix C (MLLP)", "the block does not end in FS CR"},
	{"ER7-ENDS", Error, "HL7 v2.5 2.5.4", "segments end in line feeds and not in carriage returns"},
	{"ER7-NAME", Error, "HL7 v2.5 2.5.2", "a segment does not begin with three letters or digits and the field separator"},
	{"ER7-REQUIRED", Error, "HL7 v2.5 2.15.9", "a required field of MSH is empty"},
	{"ER7-TIME", Error, "HL7 v2.5 2.A.77 (TS)", "the value is no time"},
	{"ER7-PROCESSING", Error, "HL7 v2.5 table 0103", "MSH-11 is none of P, T and D"},
	{"ER7-VERSION", Error, "HL7 v2.5 table 0104", "MSH-12 is no version of HL7 v2"},
	{"ER7-CHARSET", Error, "HL7 v2.5 table 0211", "MSH-18 is no character set of the table"},
	{"ER7-BYTES", Error, "HL7 v2.5 2.15.9.18", "the message holds bytes that its character set does not have"},
	{"ER7-EVENT", Warning, "ITI TF-2 3.8.4, 3.9.4, 3.10.4, 3.21.4, 3.22.4, 3.30.4", "the event is none that this validator knows the structure of"},
	{"ER7-STRUCTURE", Error, "HL7 v2.5 table 0354", "MSH-9.3 is not the structure of the event"},
	{"ER7-EVN", Error, "HL7 v2.5 3.4.1.1", "EVN-1 is not the event of MSH-9"},
	{"ER7-EVN-TIME", Error, "HL7 v2.5 3.4.1.2", "EVN-2 is empty"},
	{"ER7-SEGMENTS", Error, "HL7 v2.5 chapters 3 and 5 (message structures)", "a segment is missing, or stands where the structure has none"},
	{"ER7-PID3", Error, "ITI TF-2 3.8.4.1.2.3", "PID-3 holds no identifier"},
	{"ER7-AUTHORITY", Error, "ITI TF-2 3.8.4.1.2.3; HL7 v2.5 2.A.14 (CX)", "an identifier has no assigning authority with a namespace, or with an OID and ISO"},
	{"ER7-PID5", Error, "HL7 v2.5 3.4.2.5", "PID-5 holds no name"},
	{"ER7-SEX", Error, "HL7 v2.5 table 0001", "PID-8 is no code of the table"},
	{"ER7-BIRTH", Error, "HL7 v2.5 3.4.2.7", "PID-7 is no time"},
	{"ER7-PV1", Error, "HL7 v2.5 table 0004", "PV1-2 is empty"},
	{"ER7-MRG1", Error, "ITI TF-2 3.8.4.2.2", "MRG-1 holds no identifier"},
	{"ER7-MRG-SAME", Error, "ITI TF-2 3.8.4.2", "the identifiers of MRG-1 are those of PID-3"},
	{"ER7-ACK", Error, "HL7 v2.5 table 0008", "MSA-1 is no acknowledgement code"},
	{"ER7-MSA2", Error, "HL7 v2.5 2.15.8.2", "MSA-2 is empty"},
	{"ER7-ERR", Warning, "HL7 v2.5 2.15.5; ITI TF-2 C.2.3", "an acknowledgement that refuses has no ERR with ERR-3 and ERR-4"},
	{"ER7-QPD", Error, "ITI TF-2 3.9.4.1.2.2", "QPD-1 or QPD-2 is empty"},
	{"ER7-QPD3", Error, "ITI TF-2 3.9.4.1.2.2, 3.21.4.1.2.2", "QPD-3 is empty"},
	{"ER7-RCP", Error, "ITI TF-2 3.9.4.1.2.3", "RCP-1 is not I"},
	{"ER7-QAK", Error, "ITI TF-2 3.9.4.2.2.3; HL7 v2.5 table 0208", "QAK-1 is empty, or QAK-2 is none of OK, NF, AE and AR"},
	{"ER7-QAK-FOUND", Error, "ITI TF-2 3.9.4.2.2.6", "QAK-2 does not fit: OK without PID, or another with one"},
}

// structures tell the segments of an event: ? may be absent, * and + come several times; ( and ) stand around a group. Segments that begin with Z may stand anywhere.
var structures = map[string]struct{ name, segments string }{
	"ADT^A01": {"ADT_A01", adtA01}, "ADT^A04": {"ADT_A01", adtA01}, "ADT^A08": {"ADT_A01", adtA01}, "ADT^A13": {"ADT_A01", adtA01},
	"ADT^A05": {"ADT_A05", adtA05}, "ADT^A28": {"ADT_A05", adtA05}, "ADT^A31": {"ADT_A05", adtA05}, "ADT^A14": {"ADT_A05", adtA05},
	"ADT^A02": {"ADT_A02", adtShort}, "ADT^A03": {"ADT_A03", adtA01}, "ADT^A11": {"ADT_A09", adtShort}, "ADT^A12": {"ADT_A12", adtShort}, "ADT^A06": {"ADT_A06", adtA06},
	"ADT^A07": {"ADT_A06", adtA06}, "ADT^A21": {"ADT_A21", adtShort}, "ADT^A22": {"ADT_A21", adtShort}, "ADT^A38": {"ADT_A38", adtShort},
	"ADT^A40": {"ADT_A39", "MSH SFT* EVN ( PID PD1? MRG PV1? )+"}, "ADT^A47": {"ADT_A30", "MSH SFT* EVN PID PD1? MRG"},
	"ADT^A24": {"ADT_A24", "MSH SFT* EVN PID PD1? PV1? DB1* PID PD1? PV1? DB1*"}, "ADT^A37": {"ADT_A37", "MSH SFT* EVN PID PD1? PV1? DB1* PID PD1? PV1? DB1*"},
	"ACK": {"ACK", "MSH SFT* MSA ERR*"}, "QBP^Q23": {"QBP_Q21", "MSH SFT* QPD RCP DSC?"}, "QBP^Q22": {"QBP_Q21", "MSH SFT* QPD RCP DSC?"}, "QBP^ZV1": {"QBP_Q21", "MSH SFT* QPD RCP DSC?"},
	"RSP^K23": {"RSP_K23", "MSH SFT* MSA ERR* QAK QPD PID? DSC?"}, "RSP^K22": {"RSP_K21", "MSH SFT* MSA ERR* QAK QPD ( PID PD1? NK1* QRI? )* DSC?"},
	"RSP^ZV2": {"RSP_ZV2", "MSH SFT* MSA ERR* QAK QPD ( PID PD1? NK1* PV1? PV2? QRI? )* DSC?"},
}

const (
	adtA01   = "MSH SFT* EVN PID PD1? ROL* NK1* PV1 PV2? ROL* DB1* OBX* AL1* DG1* DRG? ( PR1 ROL* )* OBX* GT1* ( IN1 IN2? IN3* ROL* )* ACC? UB1? UB2? PDA?"
	adtA05   = "MSH SFT* EVN PID PD1? ROL* NK1* PV1 PV2? ROL* DB1* OBX* AL1* DG1* DRG? ( PR1 ROL* )* GT1* ( IN1 IN2? IN3* ROL* )* ACC? UB1? UB2?"
	adtA06   = "MSH SFT* EVN PID PD1? ROL* MRG? NK1* PV1 PV2? ROL* DB1* OBX* AL1* DG1* DRG? ( PR1 ROL* )* GT1* ( IN1 IN2? IN3* ROL* )* ACC? UB1? UB2?"
	adtShort = "MSH SFT* EVN PID PD1? ROL* PV1 PV2? ROL* DB1* OBX* DG1* PDA?"
)

// charsets are the names of table 0211 that a message of ours may say; the value tells whether bytes of another than ASCII may come, and the only encoding of them.
var charsets = map[string]string{"": "ascii", "ASCII": "ascii", "8859/1": "", "8859/2": "", "8859/3": "", "8859/4": "", "8859/5": "", "8859/6": "", "8859/7": "", "8859/8": "", "8859/9": "",
	"8859/15": "", "UNICODE UTF-8": "utf-8", "UNICODE": "", "UNICODE UTF-16": "", "UNICODE UTF-32": "", "ISO IR14": "", "ISO IR87": "", "ISO IR159": "", "GB 18030-2000": "", "KS X 1001": "", "CNS 11643-1992": "", "BIG-5": ""}

// er7 is a message cut into segments and fields.
type er7 struct {
	segments [][]string
	lines    []int
	field    byte
	repeat   byte
	comp     byte
	sub      byte
}

func (e *er7) get(i, n int) string {
	s := e.segments[i]
	if s[0] == "MSH" {
		n-- // MSH-1 is the separator itself
	}
	if n < 0 || n >= len(s) {
		return ""
	}
	return s[n]
}

func (e *er7) component(value string, n int) string {
	parts := strings.Split(value, string(e.comp))
	if n > len(parts) {
		return ""
	}
	return parts[n-1]
}

func (e *er7) find(name string) int {
	return slices.IndexFunc(e.segments, func(s []string) bool { return s[0] == name })
}

// hl7v2 judges a message in ER7, in an MLLP block or bare.
func (j *judge) hl7v2(b []byte) {
	if len(b) > 0 && b[0] == 0x0b {
		if !bytes.HasSuffix(b, []byte("\x1c\r")) {
			j.say("ER7-FRAME", place{line: 1})
		}
		b = bytes.TrimRight(b[1:], "\x1c\r")
	}
	e := j.cutER7(b)
	if e == nil {
		return
	}
	event := j.header(e, b)
	s, ok := structures[event]
	if !ok {
		j.say("ER7-EVENT", place{line: 1, location: "MSH-9"})
	} else {
		// In the 2.3.1 of ITI-8, A05 has the structure of A01 (ITI TF-2 3.8.4.1.2.1).
		early := event == "ADT^A05" && strings.HasPrefix(e.get(0, 12), "2.3")
		if got := e.component(e.get(0, 9), 3); got != "" && got != s.name && (!early || got != "ADT_A01") {
			j.say("ER7-STRUCTURE", place{line: 1, location: "MSH-9.3"})
		}
		j.structure(e, s.segments)
	}
	for i, seg := range e.segments {
		if check := segmentChecks[seg[0]]; check != nil {
			check(j, e, i)
		}
	}
}

// cutER7 cuts a message; nil when its beginning cannot be read.
func (j *judge) cutER7(b []byte) *er7 {
	if len(b) < 9 || string(b[:3]) != "MSH" {
		j.say("ER7-MSH", place{line: 1, location: "MSH"})
		return nil
	}
	e := &er7{field: b[3], comp: b[4], repeat: b[5], sub: b[7]}
	if b[8] != e.field { // a fifth delimiter, of v2.7, or another form
		if len(b) < 10 || b[9] != e.field {
			j.say("ER7-MSH", place{line: 1, location: "MSH-2"})
			return nil
		}
	}
	for i, c := range b[3:8] {
		if bytes.IndexByte(b[3:8], c) != i || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c < ' ' {
			j.say("ER7-DELIMITERS", place{line: 1, location: "MSH-2"})
			return nil
		}
	}
	if i := lineFeed.FindIndex(b); i != nil {
		j.say("ER7-ENDS", place{line: lineAt(b, i[0]+1)})
	}
	text := strings.ReplaceAll(string(b), "\r\n", "\r")
	text = strings.ReplaceAll(text, "\n", "\r")
	n := -1
	for line := range strings.SplitSeq(text, "\r") {
		n++
		if line == "" {
			continue
		}
		if len(e.segments) == maxSegments {
			j.say("ER7-SIZE", place{line: n + 1})
			return nil
		}
		if len(line) < 3 || strings.Trim(line[:3], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" || len(line) > 3 && line[3] != e.field {
			j.say("ER7-NAME", place{line: n + 1, location: fmt.Sprintf("segment %d", len(e.segments)+1)})
			continue
		}
		e.segments, e.lines = append(e.segments, strings.Split(line, string(e.field))), append(e.lines, n+1)
	}
	return e
}

// lineFeed ends a segment without a carriage return; who saves a message may put one behind that.
var lineFeed = regexp.MustCompile(`[^\r]\n`)

// lineAt is the line of an offset: segments end in a carriage return, a line feed or both.
func lineAt(b []byte, offset int) int {
	b = b[:offset]
	return 1 + bytes.Count(b, []byte("\r")) + bytes.Count(b, []byte("\n")) - bytes.Count(b, []byte("\r\n"))
}

// header judges MSH and gives the event.
func (j *judge) header(e *er7, b []byte) string {
	where := func(n int) place { return place{line: e.lines[0], location: fmt.Sprintf("MSH-%d", n)} }
	for _, n := range []int{7, 9, 10, 11, 12} {
		if e.get(0, n) == "" {
			j.say("ER7-REQUIRED", where(n))
		}
	}
	if v := e.component(e.get(0, 7), 1); v != "" && !isTS(v) {
		j.say("ER7-TIME", where(7))
	}
	if v := e.component(e.get(0, 11), 1); v != "" && !strings.Contains("P T D", v) {
		j.say("ER7-PROCESSING", where(11))
	}
	if v := e.component(e.get(0, 12), 1); v != "" && !slices.Contains(strings.Fields("2.1 2.2 2.3 2.3.1 2.4 2.5 2.5.1 2.6 2.7 2.7.1 2.8 2.8.1 2.8.2 2.9"), v) {
		j.say("ER7-VERSION", where(12))
	}
	set, _, _ := strings.Cut(e.get(0, 18), string(e.repeat))
	switch encoding, ok := charsets[set]; {
	case !ok:
		j.say("ER7-CHARSET", where(18))
	default:
		if i := strange(b, encoding); i >= 0 {
			j.say("ER7-BYTES", place{line: lineAt(b, i), location: "MSH-18"})
		}
	}
	kind, trigger := e.component(e.get(0, 9), 1), e.component(e.get(0, 9), 2)
	if kind == "ACK" {
		return "ACK"
	}
	return kind + "^" + trigger
}

// strange is the offset of the first byte that an encoding does not have; -1 when there is none, or nothing is known of the encoding.
func strange(b []byte, encoding string) int {
	switch encoding {
	case "ascii":
		return bytes.IndexFunc(b, func(r rune) bool { return r > 126 })
	case "utf-8":
		for i := 0; i < len(b); {
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				return i
			}
			i += n
		}
	}
	return -1
}

// structure judges the order of segments: it goes as far as the structure and the message agree, and says where they part.
func (j *judge) structure(e *er7, grammar string) {
	var names []string
	var index []int
	for i, s := range e.segments {
		if s[0][0] != 'Z' {
			names, index = append(names, s[0]), append(index, i)
		}
	}
	g := &grammarWalk{names: names}
	rest, ok := g.sequence(strings.Fields(grammar), 0)
	if ok && rest == len(names) {
		return
	}
	at := place{line: e.lines[len(e.lines)-1], location: "end"}
	if g.far = max(g.far, rest); g.far < len(names) {
		at = place{line: e.lines[index[g.far]], location: names[g.far]}
	}
	j.say("ER7-SEGMENTS", at, "due:", g.due)
}

// grammarWalk matches names of segments.
type grammarWalk struct {
	names []string
	far   int    // how far it came
	due   string // what would have been due there
}

// sequence matches items from a position; greedy, for the structures above are read without going back.
func (g *grammarWalk) sequence(items []string, pos int) (int, bool) {
	for len(items) > 0 {
		var one, rest []string
		if items[0] == "(" {
			end := slices.IndexFunc(items, func(s string) bool { return s[0] == ')' })
			one, rest = items[1:end], items[end+1:]
			items[0] = items[end]
		} else {
			one, rest = nil, items[1:]
		}
		name := strings.TrimRight(items[0], "?*+)")
		least, most := 1, 1
		switch items[0][len(items[0])-1] {
		case '?':
			least = 0
		case '*':
			least, most = 0, len(g.names)
		case '+':
			most = len(g.names)
		}
		times := 0
		for ; times < most; times++ {
			next, ok := pos, false
			if one != nil {
				next, ok = g.sequence(slices.Clone(one), pos)
			} else if pos < len(g.names) && g.names[pos] == name {
				next, ok = pos+1, true
			}
			if !ok || next == pos {
				break
			}
			pos = next
		}
		if times < least {
			if pos >= g.far {
				g.far, g.due = pos, name
			}
			return pos, false
		}
		items = rest
	}
	if pos >= g.far {
		g.far, g.due = pos, "nothing more"
	}
	return pos, true
}

// segmentChecks judge the fields of segments.
var segmentChecks = map[string]func(*judge, *er7, int){
	"EVN": func(j *judge, e *er7, i int) {
		if v := e.get(i, 1); v != "" && v != e.component(e.get(0, 9), 2) {
			j.say("ER7-EVN", place{line: e.lines[i], location: "EVN-1"})
		}
		if v := e.component(e.get(i, 2), 1); v == "" {
			j.say("ER7-EVN-TIME", place{line: e.lines[i], location: "EVN-2"})
		} else if !isTS(v) {
			j.say("ER7-TIME", place{line: e.lines[i], location: "EVN-2"})
		}
	},
	"PID": (*judge).pid,
	"PV1": func(j *judge, e *er7, i int) {
		if e.get(i, 2) == "" {
			j.say("ER7-PV1", place{line: e.lines[i], location: "PV1-2"})
		}
	},
	"MRG": func(j *judge, e *er7, i int) {
		j.identifiersV2(e, i, "MRG", 1, "ER7-MRG1")
		if i > 0 && e.get(i, 1) != "" {
			for k := i - 1; k > 0; k-- {
				if e.segments[k][0] == "PID" && e.get(k, 3) == e.get(i, 1) {
					j.say("ER7-MRG-SAME", place{line: e.lines[i], location: "MRG-1"})
				}
			}
		}
	},
	"MSA": func(j *judge, e *er7, i int) {
		code := e.get(i, 1)
		if !slices.Contains(strings.Fields("AA AE AR CA CE CR"), code) {
			j.say("ER7-ACK", place{line: e.lines[i], location: "MSA-1"})
		}
		if e.get(i, 2) == "" {
			j.say("ER7-MSA2", place{line: e.lines[i], location: "MSA-2"})
		}
		if at := e.find("ERR"); (code == "AE" || code == "AR") && (at < 0 || e.get(at, 3) == "" || e.get(at, 4) == "") {
			j.say("ER7-ERR", place{line: e.lines[i], location: "ERR"})
		}
	},
	"QPD": func(j *judge, e *er7, i int) {
		if e.get(i, 1) == "" || e.get(i, 2) == "" {
			j.say("ER7-QPD", place{line: e.lines[i], location: "QPD"})
		}
		if e.get(i, 3) == "" {
			j.say("ER7-QPD3", place{line: e.lines[i], location: "QPD-3"})
		}
	},
	"RCP": func(j *judge, e *er7, i int) {
		if e.get(i, 1) != "I" {
			j.say("ER7-RCP", place{line: e.lines[i], location: "RCP-1"})
		}
	},
	"QAK": func(j *judge, e *er7, i int) {
		if e.get(i, 1) == "" || !slices.Contains([]string{"OK", "NF", "AE", "AR"}, e.get(i, 2)) {
			j.say("ER7-QAK", place{line: e.lines[i], location: "QAK"})
		} else if (e.get(i, 2) == "OK") != (e.find("PID") >= 0) {
			j.say("ER7-QAK-FOUND", place{line: e.lines[i], location: "QAK-2"})
		}
	},
}

func (j *judge) pid(e *er7, i int) {
	if !strings.HasPrefix(e.get(0, 9), "RSP") || e.get(i, 3) != "" {
		j.identifiersV2(e, i, "PID", 3, "ER7-PID3")
	}
	// A manager that tells of identifiers says a blank for the name (ITI TF-2 3.10.4.1.2.3).
	notice := e.get(i, 5) == " " && strings.HasPrefix(e.get(0, 9), "ADT"+string(e.comp)+"A31")
	if strings.Trim(e.get(i, 5), "^~ ") == "" && !notice {
		j.say("ER7-PID5", place{line: e.lines[i], location: "PID-5"})
	}
	if v := e.get(i, 8); v != "" && (len(v) != 1 || !strings.Contains("FMOUAN", v)) {
		j.say("ER7-SEX", place{line: e.lines[i], location: "PID-8"})
	}
	if v := e.component(e.get(i, 7), 1); v != "" && !isTS(v) {
		j.say("ER7-BIRTH", place{line: e.lines[i], location: "PID-7"})
	}
}

// identifiersV2 judges a field of identifiers (CX).
func (j *judge) identifiersV2(e *er7, i int, segment string, n int, missing string) {
	where := place{line: e.lines[i], location: fmt.Sprintf("%s-%d", segment, n)}
	any := false
	for _, cx := range strings.Split(e.get(i, n), string(e.repeat)) {
		if e.component(cx, 1) == "" {
			continue
		}
		any = true
		a := append(strings.Split(e.component(cx, 4), string(e.sub)), "", "")
		if a[0] == "" && (!isOID(a[1]) || a[2] != "ISO") || a[1] != "" && a[2] == "ISO" && !isOID(a[1]) {
			j.say("ER7-AUTHORITY", where)
		}
	}
	if !any {
		j.say(missing, where)
	}
}
