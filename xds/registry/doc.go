// Package registry is the Document Registry actor of XDS.b (ITI TF-1, 10.1.1.3). It knows metadata only; document bytes pass it by.
package registry
