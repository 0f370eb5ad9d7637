package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/wire/mtom"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

const (
	registryPath   = "/xds/registry"
	repositoryPath = "/xds/repository"
	actionProvide  = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
	actionRegister = "urn:ihe:iti:2007:RegisterDocumentSet-b"
	actionQuery    = "urn:ihe:iti:2007:RegistryStoredQuery"
	actionRetrieve = "urn:ihe:iti:2007:RetrieveDocumentSet"
	findDocuments  = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
	repositoryID   = "1.2.250.1.999.1.2"

	firstNumber  = 10_000_000 // numbers have eight digits, so that they can be overwritten in place
	loadedRun    = 1          // the run of what the loader wrote; the generator's runs are later
	firstSource  = 850_000    // patients that the generator submits for; the loader's begin at 0
	sources      = 5_000
	smallSize    = 30 << 10
	perPatient   = 20
	contentPlain = "application/soap+xml; charset=UTF-8"
)

func provideMessage(run int64, size int) (*message, error) {
	sub := sample.Submission(run, firstNumber, firstSource, time.Now())
	doc := sample.Document(firstNumber, size)
	body := ebxml.AppendProvideAndRegister(nil, sub, func(xds.ObjectID) string { return "document@bench" })
	m := mtom.Message{Action: actionProvide, Root: soap.Envelope(actionProvide, body),
		Parts: []mtom.OutPart{{ContentID: "document@bench", ContentType: "text/xml", Size: int64(len(doc)), Content: bytes.NewReader(doc)}}}
	kind := m.ContentType()
	var out bytes.Buffer
	if _, err := m.WriteTo(&out); err != nil {
		return nil, err
	}
	return newMessage(repositoryPath, kind, out.Bytes(), strconv.Itoa(firstNumber), sample.PatientID(firstSource).ID), nil
}

// registerMessage is ITI-42 of metadata padded to about 14 KB by an entry with many event codes.
func registerMessage(run int64) *message {
	sub := sample.Submission(run, firstNumber, firstSource, time.Now())
	sum := sha1.Sum(nil)
	e := &sub.Entries[0]
	e.Hash, e.Size, e.RepositoryUniqueID = hex.EncodeToString(sum[:]), smallSize, repositoryID
	body := ebxml.AppendSubmitObjects(nil, sub)
	return newMessage(registryPath, contentPlain+`; action="`+actionRegister+`"`, soap.Envelope(actionRegister, body), strconv.Itoa(firstNumber), sample.PatientID(firstSource).ID)
}

func queryMessage(returnType string) *message {
	body := ebxml.AppendAdhocQuery(nil, findDocuments, returnType, []xds.Slot{
		{Name: "$XDSDocumentEntryPatientId", Values: []string{"'" + sample.PatientID(0).String() + "'"}},
		{Name: "$XDSDocumentEntryStatus", Values: []string{"('" + string(xds.Approved) + "')"}}})
	return newMessage(registryPath, contentPlain+`; action="`+actionQuery+`"`, soap.Envelope(actionQuery, body), "", sample.PatientID(0).ID)
}

func retrieveMessage(run int64) (*message, error) {
	uid := uniqueID(run, firstNumber)
	m := mtom.Message{Action: actionRetrieve, Root: soap.Envelope(actionRetrieve,
		ebxml.AppendRetrieveDocumentSet(nil, []xds.DocumentRequest{{RepositoryUniqueID: repositoryID, UniqueID: uid}}))}
	kind := m.ContentType()
	var out bytes.Buffer
	if _, err := m.WriteTo(&out); err != nil {
		return nil, err
	}
	return newMessage(repositoryPath, kind, out.Bytes(), strconv.Itoa(firstNumber), ""), nil
}

func uniqueID(run int64, n int) xds.UniqueID {
	return xds.UniqueID(fmt.Sprintf("%s.%d.1.%d", sample.OIDRoot, run, n))
}

// patients are the identifiers of patients from..from+n, made beforehand.
func patients(from, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = sample.PatientID(from + i).ID
	}
	return ids
}

// source sets number and patient of a submission: no two alike.
func source(m *message) func(wire []byte, n int) {
	ids := patients(firstSource, sources)
	return func(wire []byte, n int) { m.set(wire, firstNumber+n, ids[n%sources]) }
}

// spread gives the n-th of many in an order that visits all of them and no two neighbours.
func spread(n, of int) int { return int(uint64(n) * 7919 % uint64(of)) }
