// Package manager is the Patient Identifier Cross-reference Manager actor as far as patient identity feeds go (ITI-8, ITI-44):
// it tells the registry which patients exist and what a merge moves.
package manager
