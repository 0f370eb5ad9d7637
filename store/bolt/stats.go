package bolt

// Stats is the state of a store at a moment.
type Stats struct {
	Entries, Sets, Folders, Associations uint64 // objects by kind
	Documents, Staged                    uint64 // stored documents
	Patients                             uint64
	AuditMessages                        uint64
	JournalLag                           uint64 // updates that are durable and not yet in the index
	JournalBytes                         int64
	OverlayBytes                         int // rows held in memory above the index
}

// Stats tells how much the store holds. It counts nothing anew.
func (db *DB) Stats() Stats {
	db.mu.Lock()
	c := db.counts
	s := Stats{
		Entries: c.Entries, Sets: c.Sets, Folders: c.Folders, Associations: c.Associations,
		Documents: c.Documents, Staged: c.Staged, Patients: c.Patients, AuditMessages: c.audit,
		JournalLag: db.head.last - db.flushes.applied, OverlayBytes: db.head.size,
	}
	if db.frozen != nil {
		s.OverlayBytes += db.frozen.size
	}
	db.mu.Unlock()
	s.JournalBytes = db.journal.Size()
	return s
}
