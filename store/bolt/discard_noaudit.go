//go:build noaudit

package bolt

// AuditDiscarded is set: this binary records nothing.
const AuditDiscarded = true
