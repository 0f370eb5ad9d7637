package intake

import (
	"errors"
	"fmt"
	"strings"

	"github.com/passerelle-sante/passerelle/smime"
)

// Code is why a message is not deposited; it is stable, for programs and for the audit record.
type Code string

// The codes.
const (
	Malformed          Code = "malformed"
	NotRecipient       Code = "not-recipient"
	CannotDecrypt      Code = "cannot-decrypt"
	NotSigned          Code = "not-signed"
	Altered            Code = "altered"
	SignerUnknown      Code = "signer-unknown"
	SignerExpired      Code = "signer-expired"
	SignerRevoked      Code = "signer-revoked"
	RevocationUnknown  Code = "revocation-unknown"
	SignerUnfit        Code = "signer-unfit"
	SignerDiffers      Code = "signer-differs"
	NotInDirectory     Code = "not-in-directory"
	NotEncrypted       Code = "not-encrypted"
	SenderUnknown      Code = "sender-unknown"
	NodeNotEntitled    Code = "node-not-entitled"
	AutomaticMail      Code = "automatic-mail"
	NoDocument         Code = "no-document"
	SeveralForms       Code = "several-forms"
	BadArchive         Code = "bad-archive"
	DocumentDiffers    Code = "document-differs"
	InvalidDocument    Code = "invalid-document"
	NoPatient          Code = "no-patient"
	BadPatientID       Code = "bad-patient-id"
	SeveralPatients    Code = "several-patients"
	UnknownPatient     Code = "unknown-patient"
	BadMetadata        Code = "bad-metadata"
	UnknownCode        Code = "unknown-code"
	AlreadyOther       Code = "already-there-different"
	UnknownPredecessor Code = "unknown-predecessor"
	NoRemoval          Code = "removal-not-offered"
	NotEntitled        Code = "not-entitled"
)

// Kind is what is to be said of a code: to the sender as data and in French, and what an operator may decide.
type kind struct {
	code   Code
	mdn    string // application error code of the French profile
	label  string // and its label, one line
	advice string // to people, what to correct
	waive  bool   // an operator may decide not to count it
}

// kinds are the reasons with what the sender is told. None tells more of the record than the sender put into his message.
var kinds = []kind{
	{Malformed, "207", "Message illisible", "Le message n'a pas pu être lu : sa structure MIME est invalide ou dépasse les limites admises. Vérifiez le logiciel de messagerie, puis renvoyez le message.", false},
	{NotRecipient, "906", "Message chiffré pour un autre destinataire", "Le message est chiffré pour un autre certificat que celui de cette boîte. Chiffrez-le avec le certificat de la boîte, publié à l'annuaire, et vérifiez qu'il s'agit du certificat en cours.", false},
	{CannotDecrypt, "906", "Message non déchiffrable", "Le message ne peut pas être déchiffré, ou son contenu ne porte aucune signature valable. Chiffrez-le à nouveau, signé, et renvoyez-le.", false},
	{NotSigned, "901", "Message non signé", "Le message n'est pas signé, alors que l'accord avec votre domaine le demande. Signez-le avec votre certificat de messagerie et renvoyez-le.", false},
	{Altered, "906", "Message modifié après signature", "Le contenu a été modifié depuis sa signature, ou a été signé avec une autre clé. Renvoyez le message d'origine ; vérifiez qu'aucun relais n'y ajoute de mention.", false},
	{SignerUnknown, "901", "Autorité du signataire inconnue", "Le certificat du signataire ne vient d'aucune autorité reconnue ici. Utilisez un certificat d'une autorité de confiance, et joignez toute la chaîne.", true},
	{SignerExpired, "901", "Certificat du signataire hors validité", "Le certificat du signataire n'est pas ou n'est plus valable. Renouvelez-le, puis signez et renvoyez le message.", true},
	{SignerRevoked, "901", "Certificat du signataire révoqué", "Le certificat du signataire a été révoqué par son autorité. Utilisez un certificat valable.", false},
	{RevocationUnknown, "901", "Révocation non vérifiable", "Il n'a pas été possible de vérifier que le certificat du signataire n'est pas révoqué. Renvoyez le message plus tard, ou adressez-vous à l'exploitant.", true},
	{SignerUnfit, "901", "Certificat ou algorithme de signature non admis", "La signature utilise un certificat qui n'est pas fait pour signer du courriel, ou un algorithme qui n'est plus admis. Corrigez le réglage de votre logiciel.", true},
	{SignerDiffers, "901", "Signataire différent de l'expéditeur", "L'adresse de l'expéditeur n'est pas celle du certificat du signataire. Envoyez depuis l'adresse que porte le certificat.", true},
	{NotInDirectory, "901", "Signataire absent de l'annuaire", "L'expéditeur n'est pas à l'annuaire des correspondants admis. Faites-le inscrire, puis renvoyez le message.", true},
	{NotEncrypted, "901", "Message non chiffré", "Le message n'est pas chiffré, alors que l'accord avec votre domaine le demande. Chiffrez-le pour cette boîte et renvoyez-le.", true},
	{SenderUnknown, "901", "Expéditeur sans accord", "Aucun accord ne couvre le domaine de l'expéditeur. Demandez un accord à l'exploitant.", false},
	{NodeNotEntitled, "901", "Serveur non habilité pour ce domaine", "Le serveur qui a remis le message n'est pas habilité pour le domaine de l'expéditeur. Envoyez par votre opérateur.", false},
	{AutomaticMail, "", "Réponse automatique", "", false},
	{NoDocument, "906", "Aucun document", "Le message ne contient ni archive IHE_XDM.ZIP, ni document CDA, ni PDF accompagné des en-têtes qui le décrivent.", false},
	{SeveralForms, "906", "Contenu ambigu", "Le message contient plusieurs archives, ou à côté de l'archive un document qui n'y est pas. Envoyez une seule archive par message, avec tous ses documents.", false},
	{BadArchive, "906", "Archive XDM invalide", "L'archive IHE_XDM.ZIP ne peut pas être acceptée. Corrigez-la selon le détail ci-dessous et renvoyez-la.", false},
	{DocumentDiffers, "906", "Document et métadonnées en désaccord", "Les métadonnées de l'archive ne disent pas la même chose que le document. Corrigez-les et renvoyez le message.", false},
	{InvalidDocument, "906", "Document non conforme", "Le document n'est pas conforme. Corrigez-le selon le détail ci-dessous et renvoyez-le.", true},
	{NoPatient, "903", "INS absente", "Aucun identifiant du patient utilisable n'est présent. Indiquez l'INS qualifiée du patient, ou l'identifiant local convenu.", false},
	{BadPatientID, "904", "Matricule INS invalide", "Le matricule INS et sa clé ne concordent pas. Contrôlez l'identité du patient par le téléservice INSi avant tout nouvel envoi.", false},
	{SeveralPatients, "906", "Plusieurs patients", "Le message concerne plus d'un patient. Envoyez un message par patient.", false},
	{UnknownPatient, "902", "Patient inconnu", "Aucun dossier n'est ouvert ici pour ce patient, ou son identité n'est pas qualifiée. Vérifiez l'identifiant ; ne déposez qu'avec une INS qualifiée.", false},
	{BadMetadata, "207", "Métadonnées refusées", "Les métadonnées ne sont pas conformes. Corrigez-les selon le détail ci-dessous et renvoyez le message.", false},
	{UnknownCode, "103", "Code inconnu", "Une métadonnée porte un code qui n'appartient pas au jeu de valeurs. Corrigez-la selon le détail ci-dessous.", false},
	{AlreadyOther, "205", "Identifiant déjà utilisé", "Un document ou un lot différent porte déjà cet identifiant. Donnez un nouvel identifiant, ou envoyez une version de remplacement.", false},
	{UnknownPredecessor, "204", "Document à remplacer inconnu", "Le document que celui-ci remplace ou complète n'est pas dans le dossier. Vérifiez son identifiant.", false},
	{NoRemoval, "200", "Suppression non proposée", "La suppression d'un document par messagerie n'est pas proposée ici. Demandez-la par le service web, ou à l'exploitant.", false},
	{NotEntitled, "901", "Dépôt non autorisé", "Le dépôt n'est pas autorisé.", false},
}

func (c Code) kind() kind {
	for _, k := range kinds {
		if k.code == c {
			return k
		}
	}
	return kind{code: c, mdn: "906", label: "Erreur"}
}

// Refusal is a message that is not deposited, with everything that was found. Details hold no patient data: places, rules, codes.
type Refusal struct {
	Code    Code
	Details []string `json:",omitempty"`
	Also    []Code   `json:",omitempty"` // further reasons found with it
}

// Error gives code and details on one line.
func (r *Refusal) Error() string {
	s := string(r.Code)
	for _, c := range r.Also {
		s += ", " + string(c)
	}
	if len(r.Details) > 0 {
		s += ": " + strings.Join(r.Details, "; ")
	}
	return s
}

// maxDetails bounds what is kept and told of one refusal.
const maxDetails = 50

func refuse(c Code, format string, args ...any) error {
	r := &Refusal{Code: c}
	if format != "" {
		r.Details = []string{fmt.Sprintf(format, args...)}
	}
	return r
}

func asRefusal(err error) *Refusal {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r
	}
	return nil
}

// verdicts say which code a reason against a signer is; the gravest stand first.
var verdicts = []struct {
	reason smime.Reason
	code   Code
}{
	{smime.Altered, Altered}, {smime.Revoked, SignerRevoked}, {smime.NotSigned, NotSigned}, {smime.UnknownAuthority, SignerUnknown}, {smime.NoCertificate, SignerUnknown},
	{smime.ExpiredAtSigning, SignerExpired}, {smime.ExpiredAtReceipt, SignerExpired}, {smime.NotYetValid, SignerExpired}, {smime.SignedInTheFuture, SignerExpired},
	{smime.AddressDiffers, SignerDiffers}, {smime.NotInDirectory, NotInDirectory}, {smime.DirectoryUnknown, NotInDirectory}, {smime.KeyUsage, SignerUnfit},
	{smime.WeakAlgorithm, SignerUnfit}, {smime.UnknownAlgorithm, SignerUnfit}, {smime.RevocationUnknown, RevocationUnknown},
}
