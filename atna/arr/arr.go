// Package arr is the Audit Record Repository actor: it takes audit records (ITI-20), keeps them in a log that shows when somebody
// altered it, and finds them again (ITI-81, ITI-82). What it keeps is the bytes that came; what it understood of them is an index
// that can be built anew.
package arr

import (
	"context"
	"time"
)

// Way is how a record came.
type Way uint8

// The ways. Their numbers are in the stored log: never change one.
const (
	ByTLS   Way = 1 // RFC 5425
	ByTCP   Way = 2 // RFC 6587 octet counting
	ByUDP   Way = 3 // RFC 5426
	ByLocal Way = 5 // the gateway's own trail, handed over in the process
)

var wayNames = map[Way]string{ByTLS: "tls", ByTCP: "tcp", ByUDP: "udp", ByLocal: "local"}

func (w Way) String() string { return wayNames[w] }

// Received is one audit record as it came.
type Received struct {
	At   time.Time // when it arrived here, to the nanosecond
	Way  Way
	Peer string // subject of the sender's certificate, or its network address without port
	Raw  []byte // the syslog message exactly as it came, header included
}

// Record is a kept record: Seq is its place in the log, from 0 without a gap.
type Record struct {
	Seq uint64
	Received
}

// Field is what a record can be asked for by.
type Field uint8

// The fields. Their numbers are in the stored index: never change one. Values are compared exactly; what folds case or
// drops a part does so in [Describe] and in the query alike.
const (
	FieldPatient     Field = 1  // identifier with its authority, when the record names one: hl7.CX.Key
	FieldUser        Field = 2  // UserID, AlternativeUserID of a participant
	FieldRole        Field = 3  // RoleIDCode
	FieldPurpose     Field = 4  // purpose of use
	FieldTransaction Field = 5  // EventTypeCode: ITI-41
	FieldEvent       Field = 6  // EventID: 110107
	FieldAction      Field = 7  // C R U D E
	FieldOutcome     Field = 8  // 0 4 8 12
	FieldNode        Field = 9  // AuditSourceID
	FieldSite        Field = 10 // AuditEnterpriseSiteID
	FieldAddress     Field = 11 // NetworkAccessPointID of a participant
	FieldObject      Field = 12 // ParticipantObjectID of anything but a patient
	FieldPeer        Field = 13 // who handed it in
	FieldFlaw        Field = 14 // why it could not be understood: syslog, xml, charset
	FieldHost        Field = 15 // HOSTNAME of the syslog header
	FieldApp         Field = 16 // APP-NAME of the syslog header
	FieldDigest      Field = 17 // hash of Raw: one record delivered twice is found once
	FieldPatientID   Field = 18 // identifier of a patient without its authority
	FieldPerson      Field = 19 // UserID of the people who asked: of no node and no structure
	FieldKind        Field = 20 // KindAudit, or nothing: other syslog messages and what could not be understood
)

// KindAudit is the kind of a record that holds an audit message with at least its EventID.
const KindAudit = "audit"

// Term is one thing that can be asked for.
type Term struct {
	Field Field
	Value string
}

// Row is what the index keeps of a record.
type Row struct {
	Event   time.Time // when it happened, as the record says; when it arrived if it does not say
	Terms   []Term
	Summary []byte // what a list of accesses shows, so that showing it needs no look at the record
}

// Criteria asks for records. Every group of Terms must be met, by any one of its terms.
type Criteria struct {
	From, To    time.Time // of the event: From <= event < To; zero is open
	Terms       [][]Term
	OldestFirst bool   // newest first otherwise; the order is that of Seq
	After       uint64 // where the page before ended: records beyond this Seq, in the order asked for; ignored unless Resume
	Resume      bool
	Limit       int  // most hits given; 0 means 100
	Count       bool // also count all, as far as Store bounds it
}

// Hit is a record found.
type Hit struct {
	Seq     uint64
	Event   time.Time
	Summary []byte
}

// Page is a page of hits. More tells that there are others beyond the last.
type Page struct {
	Hits  []Hit
	More  bool
	Total int // when it was asked for; -1 when it is beyond what is counted
	// Behind is how many of the newest records are durable but not yet searchable.
	Behind uint64
}

// Store keeps records. Every method is safe for concurrent use.
type Store interface {
	// Append keeps records in this order and returns when they are durable; it does not hold on to Raw beyond that. first is the Seq of the first.
	Append(ctx context.Context, records []Received) (first uint64, err error)
	// Read gives one record; ErrExpired when its retention ended, ErrNoRecord when there was none.
	Read(ctx context.Context, seq uint64) (Record, error)
	// Scan gives records from a Seq on, in order, until f says no. It passes over expired ones.
	Scan(ctx context.Context, from uint64, f func(Record) (bool, error)) error
	// Search finds records by the index.
	Search(ctx context.Context, c Criteria) (Page, error)
	// Size is the number of records ever kept, expired ones included.
	Size() uint64
}
