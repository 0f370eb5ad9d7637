package sample

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
)

// AuditPatients is how many patients AuditMessage tells of.
const AuditPatients = 100_000

// AuditPatient is the identifier of one of them.
func AuditPatient(n int) hl7.CX {
	return hl7.CX{ID: strconv.Itoa(1_000_000 + n), AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}}
}

// AuditMessage is an invented record of about 3 KB as a repository sends it by syslog: three documents retrieved. No two are the same.
func AuditMessage(rng *rand.Rand, n int) (at time.Time, raw []byte) {
	at = time.Unix(1_800_000_000, int64(n)*2_000_000+rng.Int64N(2_000_000)).UTC()
	node := rng.IntN(40)
	r := atna.Reporter{
		SourceID: fmt.Sprintf("node-%d", node), EnterpriseSite: "site.example", ProcessID: strconv.Itoa(rng.IntN(65536)),
		UserID: "https://repository.example/iti43", Address: "repository.example",
	}
	f := atna.Facts{
		Time: at, RequestorID: fmt.Sprintf("https://consumer-%d.example/reply/%016x", rng.IntN(500), rng.Uint64()),
		RequestorAddress: fmt.Sprintf("10.%d.%d.%d", rng.IntN(256), rng.IntN(256), rng.IntN(256)),
		RequestorName:    fmt.Sprintf("899700%06d", rng.IntN(20000)), RequestorRole: "10", Endpoint: "https://repository.example/iti43", Purpose: "normal",
		Patient: AuditPatient(rng.IntN(AuditPatients)),
	}
	for range 3 {
		f.Documents = append(f.Documents, atna.DocumentFact{
			UniqueID:           fmt.Sprintf("1.2.250.1.999.%d.%d.%d", rng.IntN(1000), rng.Uint32(), rng.Uint32()),
			RepositoryUniqueID: "1.2.250.1.999.1.1.9", HomeCommunityID: "urn:oid:1.2.250.1.999.1",
		})
	}
	raw = fmt.Appendf(nil, "<85>1 %s node-%d.example passerelle %d IHE+RFC-3881 - \ufeff", at.Format("2006-01-02T15:04:05.000000Z"), node, rng.IntN(65536))
	return at, atna.AppendXML(raw, r.Event(atna.ITI43, atna.Responder, f))
}
