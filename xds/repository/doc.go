// Package repository is the Document Repository actor of XDS.b (ITI TF-1, 10.1.1.4): it keeps document bytes, registers their metadata
// and gives the bytes back.
package repository
