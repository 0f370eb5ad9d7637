// Package conformance replays wire conversations against a system that claims IHE XDS.b and patient identity feed transactions, and tells whether its
// answers are those the standard asks for. It is a stranger to the product: it writes and reads every message with the standard library alone, looks
// for values with an XPath library that the product does not have, and signs assertions with another library than the product verifies them with, so that a fault of the product's codecs cannot hide in
// the suite.
//
// A Case is one text file (suite/FOLDER/NAME.txtar): what it is about in plain words, then steps and what to expect of them. The words of the steps are in
// suite/README.md.
package conformance

import "embed"

// The cases, the templates they use and the requirements that cite them.
//
//go:embed suite requirements
var files embed.FS
