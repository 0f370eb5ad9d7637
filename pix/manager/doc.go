// Package manager is the Patient Identifier Cross-reference Manager actor as far as patient identity feeds go (ITI-8, ITI-44):
// it tells the registry which patients exist and what a merge moves.
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
//     it (the persons differ in PID-2 and MRG-4 then), the registry files by that identifier anyway: nothing moves, the demographics
//     become those of PID.
//
// An identifier that was given up is never announced again: Added and Revised refuse it, or a late message would cut a chain.
package manager
