// Package manager is the Patient Identifier Cross-reference Manager actor (ITI TF-1, 5): it takes patient identity feeds (ITI-8, ITI-30, ITI-31, ITI-44),
// makes persons of the patients of several domains, answers who is who (ITI-9, ITI-21, ITI-22, ITI-45, ITI-47), and tells the registry which patients exist,
// what a merge moves and by which identifier a local one files. Every verb checks the rights of the node and leaves its audit record.
//
// What each event does, in one transaction with its audit record:
//
//   - Added: the patient is known from now on; told again, what the feed says replaces what was known, what it leaves
//     empty stays [ITI-8 3.8.4.1.3].
//   - Revised: the same; a patient nobody announced is added, for a registry must accept A08 like A01 [ITI-8 3.8.4.1.3].
//   - Merged: the records of the prior identifier move to the surviving one, which is added if it is new; the prior one is given up for
//     good [ITI-8 3.8.4.2.3]. Refused: a prior identifier that is unknown or given up already, a surviving one that is given up, the
//     same identifier twice, identifiers of two authorities. The very merge that was made before is accepted again and changes nothing,
//     so that a sender whose acknowledgement was lost can go on. Chains work: after A into B, B into C, all is C's.
//   - Moved (A43, HL7 v2.5, 3.3.43): the identifier of MRG-1 passes to another person. When PID-3 carries a new value for it, records
//     filed under the old value move to the new one as in a merge. When PID-3 and MRG-1 are equal, as the standard's own examples have
//     it (the persons differ in PID-2 and MRG-4 then), the registry files by that identifier anyway: nothing moves, the identifier means
//     the person of PID from then on, and nothing that was known of the other one stays with it.
//   - Renamed (A47): the same person under an identifier that is new; what somebody had said of the old one goes with it.
//   - Linked (A24), Unlinked (A37): two known patients are one person, or two for good.
//
// An identifier that was given up is never announced again: Added and Revised refuse it, or a late message would cut a chain. Unmerge
// puts it into use again.
//
// Links make persons (decision 0010). After each event settle works out anew what follows from what the identity says; work holds the steps
// that keep persons and links together; merge.go gives identifiers up and undoes that; operate.go is what people do by hand.
package manager
