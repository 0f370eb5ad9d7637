package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/wire/mllp"
)

// The made-up population: patients of two hospitals, who know them by their own numbers and by a national one. Six persons in ten are known to one of them.
const (
	identityFeeders = 16 // connections that feed
	identityAskers  = 32
	hospitalNorth   = "1.2.250.1.999.7.1"
	hospitalSouth   = "1.2.250.1.999.7.2"
)

var (
	identityFamilies = syllables(4000)
	identityGivens   = syllables(600)
)

// syllables makes names that are as long as names are.
func syllables(n int) []string {
	rng := rand.New(rand.NewPCG(3, 5))
	list := make([]string, n)
	for i := range list {
		for range 2 + rng.IntN(2) {
			list[i] += string("BCDFGLMNPRSTV"[rng.IntN(13)]) + string("AEIOU"[rng.IntN(5)]) + []string{"", "", "N", "R", "L"}[rng.IntN(5)]
		}
	}
	return list
}

// common draws so that a few names are of many people: the most common family name of four in a thousand, the most common given name of four in
// a hundred, which is about what France has.
func common(list []string, n uint64, power float64) string {
	u := float64(n%1_000_003) / 1_000_003
	return list[int(math.Pow(u, power)*float64(len(list)))]
}

type identity struct {
	hospital, namespace, number, ins, family, given, second, birth, sex, place string
}

// identityOf is the i-th of total.
func identityOf(i, total int) identity {
	person := uint64(i % max(total*6/10, 1))
	h := person*0x9E3779B97F4A7C15 + 12345
	n := int64(1+h%2)*1_000_000_000_000 + int64(person%90+10)*10_000_000_000 + 100_000_000 + int64(person)
	day := time.Date(1930, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(h>>7%34000))
	d := identity{hospital: hospitalNorth, namespace: "NORTH", number: fmt.Sprintf("%09d", i), ins: fmt.Sprintf("%013d%02d", n, 97-n%97), family: common(identityFamilies, h>>5, 1.5), given: common(identityGivens, h>>17, 2),
		second: common(identityGivens, h>>29, 2), birth: day.Format("20060102"), sex: "MF"[h%2 : h%2+1], place: fmt.Sprintf("%05d", 1000+h>>11%90000)}
	if i%2 == 1 {
		d.hospital, d.namespace = hospitalSouth, "SOUTH"
	}
	return d
}

func (d identity) id() hl7.CX {
	return hl7.CX{ID: d.number, AssigningAuthority: hl7.HD{NamespaceID: d.namespace, UniversalID: d.hospital, UniversalIDType: "ISO"}, TypeCode: "PI"}
}

func (d identity) feed() pix.Feed {
	return pix.Feed{Event: pix.Added, Transaction: "ITI-30", MessageID: "L" + d.number, Patient: pix.Patient{ID: d.id(), Status: pix.Qualified,
		OtherIDs: []hl7.CX{{ID: d.ins, AssigningAuthority: hl7.HD{NamespaceID: "ASIP-SANTE-INS-NIR", UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}, TypeCode: "INS"}},
		Demographics: pix.Demographics{Names: []hl7.XPN{hl7.XPN(d.family + "^" + d.given + "^" + d.given + " " + d.second + "^^^^L")}, BirthDate: d.birth, Sex: d.sex,
			Addresses: []string{"12 RUE DES LILAS^^PARIS^^75011^FRA^H", "^^^^^^BDL^^" + d.place}, Telecoms: []string{"^PRN^PH^^^^^^^^^0102030405"}}}}
}

// message is the feed as a hospital sends it.
func (d identity) message(event string) []byte {
	return []byte("MSH|^~\\&|GAM|" + d.namespace + "|GW|REG|20261123083000||ADT^" + event + "|" + d.number + "|P|2.5^FRA^2.11|||||FRA|UNICODE UTF-8|FR\rEVN||20261123083000\rPID|1||" + d.number + "^^^" + d.namespace +
		"^PI~" + d.ins + "^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS||" + d.family + "^" + d.given + "^" + d.given + " " + d.second + "^^^^L||" + d.birth + "|" + d.sex +
		"|||12 RUE DES LILAS^^PARIS^^75011^FRA^H~^^^^^^BDL^^" + d.place + "||^PRN^PH^^^^^^^^^0102030405|||||||||||||||||||QUAL\rPV1|1|N\r")
}

// identities fills a store and measures feeds, questions and demographics queries in it, in this process: the actor with its audit records, no gateway around
// it. A folder that is filled already is used again.
func (b *bench) identities(ctx context.Context, s scenario) (err error) {
	total := b.opt.identities
	dir := filepath.Join(b.dir, fmt.Sprintf("identities-%d", total))
	db, err := bolt.Open(dir, bolt.Options{OverlayLimit: 32 << 20})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	domains := append(pix.INS(), pix.Domain{AssigningAuthority: hl7.HD{NamespaceID: "NORTH", UniversalID: hospitalNorth, UniversalIDType: "ISO"}, InPlace: true},
		pix.Domain{AssigningAuthority: hl7.HD{NamespaceID: "SOUTH", UniversalID: hospitalSouth, UniversalIDType: "ISO"}, InPlace: true})
	m, err := manager.New(manager.Config{Store: db.Patients(), Recorder: db.Audit(), Reporter: &atna.Reporter{SourceID: "bench", UserID: "bench", Address: "localhost"}, Domains: domains})
	if err != nil {
		return err
	}
	if err := fillIdentities(ctx, dir, m, total); err != nil {
		return err
	}
	if err := db.Flush(); err != nil {
		return err
	}
	debug.FreeOSMemory()
	size, err := folderSize(dir)
	if err != nil {
		return err
	}
	st := db.Stats()
	fmt.Fprintf(os.Stderr, "  %d identities with their national ones, %d audit records, %.2f GB, resident and not of files %.0f MiB\n", st.Patients, st.AuditMessages, float64(size)/1e9, residentAnonymous())
	b.report(s.row("-disk", 1.5, 1.5, true), result{Product: float64(size) / 1e9, Unit: "GB", Judged: float64(size) / 1e9})
	for _, step := range []func(context.Context, scenario, *manager.Manager, int) error{b.feedIdentities, b.askIdentities, b.findIdentities} {
		if err := step(ctx, s, m, total); err != nil {
			return err
		}
	}
	memory := residentAnonymous()
	b.report(s.row("-memory", 300, 300, true), result{Product: memory, Unit: "MiB", Judged: memory})
	return nil
}

// fillIdentities feeds the population, many patients in one update.
func fillIdentities(ctx context.Context, dir string, m *manager.Manager, total int) error {
	mark := filepath.Join(dir, "filled")
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	const some = 200
	began := time.Now()
	for at := 0; at < total; at += some {
		feeds := make([]pix.Feed, 0, some)
		for i := at; i < min(at+some, total); i++ {
			feeds = append(feeds, identityOf(i, total).feed())
		}
		if err := m.Feed(ctx, auth.Caller{Node: "gam.example"}, feeds...); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "  filled with %.0f/s\n", float64(total)/time.Since(began).Seconds())
	return os.WriteFile(mark, []byte("\n"), 0o600)
}

// feedIdentities announces new patients and revises known ones over connections, each answered when it is durable.
func (b *bench) feedIdentities(ctx context.Context, s scenario, m *manager.Manager, total int) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serve, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = (&mllp.Server{Handler: m}).Serve(serve, ln) })
	defer wg.Wait()
	defer stop()
	clients := make(chan *mllp.Client, identityFeeders)
	for range identityFeeders {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			return err
		}
		client := mllp.NewClient(c)
		defer client.Close()
		clients <- client
	}
	var next atomic.Int64
	next.Store(int64(total) + time.Now().Unix()%1_000_000*100) // a store that is used again has seen other numbers
	var rates, p50, p99 []float64
	for range b.opt.pairs {
		f, err := b.together(identityFeeders, func() error {
			d, event := identityOf(int(next.Add(1)), total), "A28"
			if rand.IntN(2) == 0 {
				d, event = identityOf(rand.IntN(total), total), "A31"
			}
			c := <-clients
			defer func() { clients <- c }()
			ack, err := c.Send(ctx, d.message(event))
			if err == nil && !strings.Contains(string(ack), "\rMSA|AA|") {
				err = fmt.Errorf("refused: %q", ack)
			}
			return err
		})
		if err != nil {
			return err
		}
		rates, p50, p99 = append(rates, f.Rate), append(p50, ms(f.P50)), append(p99, ms(f.P99))
	}
	row := s.row("-feed", 2000, 2000, false)
	row.unit = "/s"
	b.report(row, result{Product: median(rates), Unit: "/s", P50: median(p50), P99: median(p99), Judged: median(rates)})
	return nil
}

// askIdentities asks for the other identifiers of random patients; each question is audited durably before its answer.
func (b *bench) askIdentities(ctx context.Context, s scenario, m *manager.Manager, total int) error {
	var rates, p50, p99 []float64
	for range b.opt.pairs {
		f, err := b.together(identityAskers, func() error {
			d := identityOf(rand.IntN(total), total)
			ids, err := m.CrossReference(ctx, auth.Caller{Node: "dpi.example"}, manager.Question{Transaction: "ITI-9", MessageID: "Q", Raw: []byte("QPD|IHE PIX Query|1|" + d.number)}, d.id(), nil)
			if err == nil && len(ids) == 0 {
				err = errors.New("a patient is not linked with the national identifier")
			}
			return err
		})
		if err != nil {
			return err
		}
		rates, p50, p99 = append(rates, f.Rate), append(p50, ms(f.P50)), append(p99, ms(f.P99))
	}
	row := s.row("-iti9", 15000, 15000, false)
	row.unit = "/s"
	b.report(row, result{Product: median(rates), Unit: "/s", P50: median(p50), P99: median(p99), Judged: median(rates)})
	return nil
}

// findIdentities asks by demographics as people do: name and birth date, name and given name, the beginning of a name with the year.
func (b *bench) findIdentities(ctx context.Context, s scenario, m *manager.Manager, total int) error {
	var p50, p99 []float64
	var found, asked atomic.Int64
	for range b.opt.pairs {
		f, err := b.together(2, func() error {
			d := identityOf(rand.IntN(total), total)
			q := pix.Criteria{Family: d.family, BirthDate: d.birth}
			switch rand.IntN(3) {
			case 1:
				q = pix.Criteria{Family: d.family, Given: d.given, Sex: d.sex}
			case 2:
				q = pix.Criteria{Family: d.family[:4] + "*", Given: d.given, BirthDate: d.birth[:4]}
			}
			page, err := m.Find(ctx, auth.Caller{Node: "dpi.example"}, manager.Question{Transaction: "ITI-21", MessageID: "Q"}, manager.Demand{Criteria: q, Max: 20})
			found.Add(int64(len(page.Candidates)))
			asked.Add(1)
			return err
		})
		if err != nil {
			return err
		}
		p50, p99 = append(p50, ms(f.P50)), append(p99, ms(f.P99))
	}
	fmt.Fprintf(os.Stderr, "  %.1f candidates a query\n", float64(found.Load())/float64(asked.Load()))
	row := s.row("-iti21", 20, 20, true)
	row.unit = " ms"
	b.report(row, result{Product: median(p99), Unit: "ms p99", P50: median(p50), P99: median(p99), Judged: median(p99)})
	return nil
}

func folderSize(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}

// residentAnonymous is the memory of this process that is no page of a file, in MiB; 0 where the system does not say.
func residentAnonymous() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	field, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kb, _ := strconv.ParseFloat(field, 64)
	return kb / 1024
}
