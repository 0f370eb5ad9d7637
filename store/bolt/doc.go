// Package bolt keeps everything the actors remember in one directory: a journal (store/journal), which is what makes an update durable,
// and a bbolt file, which is the index behind it and may lag. It knows the actors' contracts and the nouns, and no transport.
//
// # How an update travels
//
// An update runs alone, against the newest state in memory. Its rows go into the overlay (an ordered map above the bbolt file), its
// journal record joins the batch being formed, and it waits. The first update of a batch writes the whole batch with one write and
// one flush; only then does a view see it. When the overlay is large or the store idle, the overlay is frozen, a new one begun, and
// the frozen one is written into bbolt in key order, together with the journal sequence it reaches.
//
// # On disk
//
//	DIR/index.bolt      the bbolt file
//	DIR/journal/*.log   the journal; records after meta "applied" are not yet in index.bolt
//
// Numbers in keys are 8 bytes, big-endian. "id" is 16 raw bytes for a lower-case urn:uuid:, else 'x' and 16 bytes of SHA-256. "hash" is
// the first 8 bytes of SHA-256; whoever follows a hash checks the full text in the object.
//
//	bucket  key                                   value
//	m       "format" | "applied" | "counts"       format version | journal sequence | objects by kind, documents
//	o       object                                object (codec.go), in the order of registration
//	i       id of entryUUID                       object
//	u       hash of uniqueId, 'o', object         -
//	u       hash of uniqueId, 'd', 's' or 'g', doc   -   stored document: registered, staged, or removed and not yet destroyed
//	l       id of logicalID, object               -   only where it differs from the entryUUID
//	p       hash of patient, kind, object         -
//	r       hash of patient and referenceId, object   -
//	a       object, association                   -   associations of an object that was there before them
//	x       id of object, association             -   the same when it was not
//	n       patient (CX.Key)                      number, person, and 1 when it was given up
//	N       patient                               pix.Patient
//	P       person, patient                       -   members of persons of more than one
//	q       family, given, sex, patient           -   names folded and cut, each ended by a zero; a row for each family name
//	w       birth date (4 bytes), patient         -
//	k       hash of a matcher's key, patient      -
//	t       hash of a visit number, patient       -   by the number alone, whosever it is
//	e       patient, patient                      pix.Link where the first number is the lesser one, else -
//	h       patient, change                       pix.Change
//	M       prior patient                         pix.Merge
//	v       review                                pix.Review
//	O       review                                -   that are open
//	V       hash of patient, review               -   that are open, for each end
//	X       cross-reference event                 pix.CrossReference
//	y       patient (CX.Key)                      policy.Record, as JSON
//	H       hash of holder, patient (CX.Key)      patient; a row for each person, group and structure that a right of the record names
//	g       group or structure                    []policy.Membership, as JSON
//	D       text                                  directory's own rows
//	U       text                                  account's own rows
//	d       doc                                   xds.StoredDocument, in the order of arrival
//	s       doc                                   -   documents that are not registered
//	b       blob, doc                             -
//	A       audit sequence                        atna.AuditMessage
//	c       cursor name                           audit sequence
//
// object, association, doc, patient, review, event and audit sequence are numbers from 1; a person is the least number of its patients. A journal record is a list of rows: key with its bucket byte in
// front, and value or deletion.
package bolt
