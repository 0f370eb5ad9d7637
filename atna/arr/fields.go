package arr

import "slices"

// fieldNames are the fields as rules, commands and reports call them.
var fieldNames = map[string]Field{
	"patient": FieldPatient, "patient-id": FieldPatientID, "person": FieldPerson, "user": FieldUser, "role": FieldRole, "purpose": FieldPurpose,
	"transaction": FieldTransaction, "event": FieldEvent, "action": FieldAction, "outcome": FieldOutcome, "node": FieldNode, "site": FieldSite,
	"address": FieldAddress, "object": FieldObject, "peer": FieldPeer, "flaw": FieldFlaw, "host": FieldHost, "app": FieldApp, "kind": FieldKind,
}

// FieldByName finds a field by its name; false when there is none.
func FieldByName(name string) (Field, bool) {
	f, ok := fieldNames[name]
	return f, ok
}

// FieldNames are all names, sorted.
func FieldNames() []string {
	var names []string
	for n := range fieldNames {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
