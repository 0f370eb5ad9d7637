package repository

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"

	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/lot"
)

// LotRule is what is asked of the signature of a lot.
type LotRule uint8

// The rules.
const (
	LotsIgnored  LotRule = iota // a document like any other
	LotsVerified                // it must hold where there is one
	LotsRequired                // there must be one
)

// signedLot is what is kept of a lot to verify its signature: the signature itself, and digests of the other documents.
type signedLot struct {
	index     int // of the signature's entry, -1 where there is none
	signature []byte
	digests   lot.Digests
}

// signedLot looks for a signature before anything is read, unless nobody asks for it.
func (in *intake) signedLot() {
	in.lot.index = -1
	if in.r.cfg.Lots == LotsIgnored {
		return
	}
	i, err := lot.Of(in.sub)
	if err != nil {
		in.badLot(-1, err)
		return
	}
	if i < 0 && in.r.cfg.Lots == LotsRequired {
		in.badLot(-1, errors.New("the lot is not signed, and that is due here"))
	}
	in.lot.index, in.lot.digests = i, lot.Digests{}
}

// badLot adds what is wrong with the signature of a lot: at its entry, or at the submission set where there is none.
func (in *intake) badLot(i int, err error) {
	p := xds.Place{Kind: "SubmissionSet", ID: in.sub.Set.ID}
	if i >= 0 {
		p = xds.Place{Kind: "DocumentEntry", Index: i + 1, ID: in.sub.Entries[i].ID}
	}
	in.f.Metadata(p, "", "signature of the lot: "+err.Error(), "")
}

// signing gives a writer for the octets of a document of a signed lot, and what is to be called when they are complete; nil where nobody asks.
func (in *intake) signing(i int) (io.Writer, func()) {
	switch {
	case in.lot.index < 0:
		return nil, nil
	case i == in.lot.index:
		w := &bounded{max: lot.MaxSize + 1}
		return w, func() { in.lot.signature = w.b }
	}
	sum := sha256.New()
	return sum, func() { in.lot.digests[in.sub.Entries[i].UniqueID] = [sha256.Size]byte(sum.Sum(nil)) }
}

// bounded keeps the beginning of what is written.
type bounded struct {
	b   []byte
	max int
}

func (w *bounded) Write(p []byte) (int, error) {
	w.b = append(w.b, p[:min(len(p), w.max-len(w.b))]...)
	return len(p), nil
}

// verifyLot verifies the signature, when all else is in order.
func (in *intake) verifyLot() {
	i := in.lot.index
	if i < 0 || in.f.List.Err() != nil {
		return
	}
	_, err := lot.Verify(in.lot.signature, in.sub, i, in.lot.digests, func(certs []*x509.Certificate) (crypto.PublicKey, error) {
		return certs[0].PublicKey, in.r.cfg.Signer(in.ctx, in.who, certs)
	})
	if err != nil {
		in.badLot(i, err)
	}
}
