package arr

import "errors"

// ErrExpired tells that a record was removed at the end of its retention: its hash is still in the log.
var ErrExpired = errors.New("the record was removed at the end of its retention")

// ErrNoRecord tells that the log is not that long.
var ErrNoRecord = errors.New("there is no such record")
