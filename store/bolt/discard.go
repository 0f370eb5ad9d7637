//go:build !noaudit

package bolt

// AuditDiscarded is set by the build tag noaudit, for measuring what audit costs and for nothing else.
const AuditDiscarded = false
