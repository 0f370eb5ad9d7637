package atna

// Access is what the French shared record wants known of an access besides the transaction: the VIHF says it, the patient is shown it.
type Access struct {
	Mode      string // normal, bris_de_glace or centre_15
	Reason    string // Mode_Acces_Raison: due with bris_de_glace
	Structure Person // the structure the professional acts for: ID is its Struct_IdNat
	Software  string // the practice software, as it names itself
	Secret    bool   // the patient asked that the legal representatives do not see it
}

// The object details and codes an access is told in.
const (
	DetailAccessReason = "Mode_Acces_Raison"
	DetailSoftware     = "LPS_Nom"
	DetailSecret       = "Connexion_Secrete"

	systemAccessMode = "1.2.250.1.213.1.1.4.248"
	systemStructure  = "1.2.250.1.71.4.2.2"
)

// accessModes are the purposes of use of the VIHF, with the words a patient is shown.
var accessModes = map[string]string{"normal": "Accès normal", "bris_de_glace": "Accès bris de glace", "centre_15": "Accès centre 15"}

// Accessed puts an access into the facts. A mode that the VIHF does not know is kept as text.
func (f Facts) Accessed(a Access) Facts {
	if text, ok := accessModes[a.Mode]; ok {
		f.Purposes = []CodedValue{{a.Mode, systemAccessMode, text}}
	} else {
		f.Purpose = a.Mode
	}
	if a.Structure.ID != "" {
		s := a.Structure
		if len(s.Roles) == 0 {
			s.Roles = []CodedValue{{"authorInstitution", systemStructure, "Structure"}}
		}
		f.Persons = append(f.Persons[:len(f.Persons):len(f.Persons)], s)
	}
	details := f.DetailsOfPatientObject[:len(f.DetailsOfPatientObject):len(f.DetailsOfPatientObject)]
	for _, d := range []ObjectDetail{{DetailAccessReason, []byte(a.Reason)}, {DetailSoftware, []byte(a.Software)}} {
		if len(d.Value) > 0 {
			details = append(details, d)
		}
	}
	if a.Secret {
		details = append(details, ObjectDetail{DetailSecret, []byte("true")})
	}
	f.DetailsOfPatientObject = details
	return f
}
