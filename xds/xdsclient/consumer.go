package xdsclient

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/wire/mtom"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// Consumer asks a registry and a repository.
type Consumer struct {
	Registry   *soap.Client
	Repository *soap.Client
}

// Record is everything a registry holds of a patient: the sets apart, the other objects together.
type Record struct {
	Sets    []xds.SubmissionSet
	Objects *xds.Submission // its Set is empty
}

// GetAll asks for a patient's whole record, deprecated documents included (ITI-18, GetAll).
func (c *Consumer) GetAll(ctx context.Context, patient hl7.CX) (*Record, error) {
	const getAll = "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3"
	any := []string{"('" + string(xds.Approved) + "','" + string(xds.Deprecated) + "')"}
	stableOrNot := []string{"('urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1','urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248')"}
	body := ebxml.AppendAdhocQuery(nil, getAll, "LeafClass", []xds.Slot{
		{Name: "$patientId", Values: []string{"'" + patient.String() + "'"}}, {Name: "$XDSDocumentEntryStatus", Values: any},
		{Name: "$XDSSubmissionSetStatus", Values: any}, {Name: "$XDSFolderStatus", Values: any}, {Name: "$XDSAssociationStatus", Values: any},
		{Name: "$XDSDocumentEntryType", Values: stableOrNot}, {Name: "$MetadataLevel", Values: []string{"2"}}})
	reply, err := c.Registry.Call(ctx, actionQuery, body, nil)
	if err != nil {
		return nil, err
	}
	defer reply.Close()
	rec := &Record{}
	var es xds.Errors
	if err := reply.Decode(func(x *xmlpull.Reader) (err error) {
		rec.Objects, rec.Sets, es, err = ebxml.DecodeQueryResponse(x)
		return err
	}); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return rec, es.Err()
}

// Retrieve copies one document to w (ITI-43).
func (c *Consumer) Retrieve(ctx context.Context, q xds.DocumentRequest, w io.Writer) error {
	reply, err := c.Repository.Call(ctx, actionRetrieve, ebxml.AppendRetrieveDocumentSet(nil, []xds.DocumentRequest{q}), []mtom.OutPart{})
	if err != nil {
		return err
	}
	defer reply.Close()
	var es xds.Errors
	if err := reply.Decode(func(x *xmlpull.Reader) error {
		return x.Children(func() error {
			if !x.Is(ebxml.NSRS, "RegistryResponse") {
				return x.Skip()
			}
			var err error
			_, es, _, err = ebxml.DecodeRegistryResponse(x)
			return err
		})
	}); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if err := es.Err(); err != nil {
		return err
	}
	part, err := reply.Next()
	if err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	if _, err := io.Copy(w, part); err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	if _, err := reply.Next(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the answer does not end behind the document: %w", err)
	}
	return nil
}
