// Package schemas holds the XML schemas of the messages of XDS.b: ebRIM, ebRS and the IHE elements around them. They were written for this
// project and accept what the official ones accept.
package schemas

import "embed"

// Files holds rim.xsd, rs.xsd, lcm.xsd, query.xsd, rmd.xsd, xdsb.xsd and xml.xsd; xdsb.xsd imports all others.
//
//go:embed *.xsd
var Files embed.FS

// Root is the schema to compile for every XDS.b message.
const Root = "xdsb.xsd"
