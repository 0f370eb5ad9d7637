// Package files keeps the bytes of documents on a local disk. Small documents share append-only segment files, whose flushes are grouped
// over everyone who waits; large ones have a file each. It knows no metadata: what a blob belongs to is for the index to say.
//
// # On disk
//
//	DIR/small/NUMBER.seg       segments, numbered upwards, 16 hexadecimal digits
//	DIR/big/SS/NAME            a large blob, exactly its bytes; SS are two hexadecimal digits of its random part
//	DIR/big/SS/NAME.tmp        the same while it is written
//	DIR/mark                   "settled N next M": what is numbered below N has been swept, M is the next number to use
//
// A segment is a row of records: a header of 20 bytes and the payload. Numbers are big-endian.
//
//	magic "PBLB" | payload length 4 | CRC-32C of payload 4 | CRC-32C of segment number, offset and the 12 bytes before 4 | state 4
//
// State is LIVE, or DEAD once removed: the payload is then zeros. A segment is written by one process only; every start begins a new one,
// so that a tail torn by a crash never lies under new records.
//
// # Names
//
// A small blob is sNUMBER-OFFSET-LENGTH, a large one bNUMBER-RANDOM-LENGTH-CRC, in lower-case hexadecimal. NUMBER is the segment, or
// for large blobs the newest segment number when it was begun; a sweep after a crash looks by that number only at what is recent.
//
// # What is checked when
//
// A small blob is read whole and its CRC compared before a byte leaves. A large one has its length compared at Open; its CRC is
// compared by whoever reads it through Read to the end or through Verify. WriteTo hands the file to the kernel (sendfile), where no one
// can look at the bytes, so an operator's check calls Verify.
package files
