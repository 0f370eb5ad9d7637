// Package journal is a log of records that are durable before anyone is told so: append-only segment files, one write and one fdatasync
// for a whole batch of records. It does not know what the records mean.
//
// # On disk
//
// A directory of segments named by the sequence number of their first record (16 hexadecimal digits and .log). Numbers are big-endian.
//
//	segment  header (32 bytes): "PSLJRNL1" | salt 8 | first sequence 8 | CRC-32C of the 24 bytes before 4 | zero 4
//	         records, one after the other
//	record   header (28 bytes): magic "PREC" | payload length 4 | sequence 8 | durable 8 | CRC-32C 4
//	         payload
//
// The CRC starts from the segment's salt and covers length, sequence, durable and payload. The salt is random: bytes that a peer
// chose, found inside a payload, never pass for a record.
//
// Durable is the sequence of the last record that was known to be on disk when this one was written. It is what tells a torn
// tail from a damaged log: after a power cut the last batch may lack any of its pages, so an unreadable record followed by readable
// ones of the same batch is ordinary and is cut off; one that a later record calls durable was acknowledged, and is an error.
package journal
