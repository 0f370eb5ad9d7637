// Package trail is the store of the Audit Record Repository: an append-only Merkle log whose records, once sealed, nobody can alter unseen,
// and an index over them that can be built anew. It knows what a record is and nothing of what it means: [Options.Describe] tells.
//
// # On disk
//
//	journal/       what was appended and is not yet in a block: durable when Append returns
//	records/       blocks of records in segments; hashes/, checkpoints, expired, ...: see the layout in package arr
//	index/         runs and the key of their terms; may be removed at any time
//	lock
//
// A record's number is its place in the journal, in the blocks and in the tree. The journal's own numbers are one higher.
//
// # The order of things
//
// Append: journal, flushed with whatever else waits. Sealer: leaf hashes to the tiers and, when a block is full, the block to its segment;
// both flushed; then the signed checkpoint, flushed; then the journal lets go of what is in a flushed block and under a checkpoint.
// So whatever the moment of a crash, the last whole checkpoint says how far the tiers are true, the last whole block how far the
// segments are, and the journal holds the rest. Opening cuts the tiers and the segments there and goes on.
package trail
