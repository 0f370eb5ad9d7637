"""A Document Source and Consumer that zeep generates from the gateway's own WSDL. Nothing in it knows Passerelle.

    zeep_client.py --base https://127.0.0.1:8443 --ca ca.pem --cert client.pem --key client.key --patient 'ID^^^&OID&ISO^NH'

It provides a document (ITI-41, inline base64: zeep does not send MTOM), registers metadata (ITI-42), finds both (ITI-18) and retrieves the document (ITI-43),
and prints one line for each step. --registry and --repository are addresses to send to in place of those of the WSDL. Any surprise ends it with an exception.
"""
import argparse
import hashlib
import time
import uuid

import requests
from zeep import Client, Settings
from zeep.transports import Transport
from zeep.xsd import Choice, Sequence

SUCCESS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
CLASSIFICATION = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification"
IDENTIFIER = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:ExternalIdentifier"


class Metadata:
    """Writes ebRIM with the types of the WSDL."""

    def __init__(self, client):
        self.rim = client.type_factory("urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0")
        self.count = 0

    def new_id(self):
        self.count += 1
        return "id%d" % self.count

    def slot(self, name, *values):
        return self.rim.SlotType1(name=name, ValueList=self.rim.ValueListType(Value=list(values)))

    def text(self, value):
        return self.rim.InternationalStringType(LocalizedString=[self.rim.LocalizedStringType(value=value)])

    def code(self, scheme, of, code, system, display):
        return self.rim.ClassificationType(id=self.new_id(), classificationScheme=scheme, classifiedObject=of, nodeRepresentation=code,
                                           objectType=CLASSIFICATION, Slot=[self.slot("codingScheme", system)], Name=self.text(display))

    def author(self, scheme, of):
        return self.rim.ClassificationType(id=self.new_id(), classificationScheme=scheme, classifiedObject=of, nodeRepresentation="",
                                           objectType=CLASSIFICATION, Slot=[
                                               self.slot("authorPerson", "801234567890^ESSAI-DURANT^Romuald^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"),
                                               self.slot("authorInstitution", "Laboratoire d'essai^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1750100125")])

    def identifier(self, scheme, of, value, name):
        return self.rim.ExternalIdentifierType(id=self.new_id(), identificationScheme=scheme, registryObject=of, value=value,
                                               objectType=IDENTIFIER, Name=self.text(name))

    def entry(self, patient, unique_id, extra):
        of = "Document01"
        return self.rim.ExtrinsicObjectType(
            id=of, mimeType="text/plain", objectType="urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1", Name=self.text("CR d'examens biologiques"),
            Slot=[self.slot("creationTime", "20260314"), self.slot("languageCode", "fr-FR"), self.slot("serviceStartTime", "20260314"),
                  self.slot("sourcePatientId", "IPP0000001^^^&1.2.250.1.999.1.1.7898.2&ISO^PI")] + extra,
            Classification=[
                self.author("urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d", of),
                self.code("urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a", of, "10", "1.2.250.1.213.1.1.4.1", "Compte rendu"),
                self.code("urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f", of, "N", "2.16.840.1.113883.5.25", "Normal"),
                self.code("urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d", of, "urn:ihe:iti:xds-sd:text:2008", "1.3.6.1.4.1.19376.1.2.3", "Texte"),
                self.code("urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1", of, "SA25", "1.2.250.1.71.4.2.4", "Laboratoire"),
                self.code("urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead", of, "AMBULATOIRE", "1.2.250.1.213.1.1.4.9", "Ambulatoire"),
                self.code("urn:uuid:f0306f51-975f-434e-a61c-c59651d33983", of, "11502-2", "2.16.840.1.113883.6.1", "CR d'examens biologiques")],
            ExternalIdentifier=[
                self.identifier("urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427", of, patient, "XDSDocumentEntry.patientId"),
                self.identifier("urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab", of, unique_id, "XDSDocumentEntry.uniqueId")])

    def submission(self, client, patient, document_id, set_id, *extra):
        of = "SubmissionSet01"
        package = self.rim.RegistryPackageType(
            id=of, objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:RegistryPackage", Slot=[self.slot("submissionTime", "20260314150926")],
            Classification=[
                self.rim.ClassificationType(id=self.new_id(), classifiedObject=of, classificationNode="urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd", objectType=CLASSIFICATION),
                self.author("urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d", of),
                self.code("urn:uuid:aa543740-bdda-424e-8c96-df4873be8500", of, "07", "1.2.250.1.213.2.2", "Consultations et soins externes")],
            ExternalIdentifier=[
                self.identifier("urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446", of, patient, "XDSSubmissionSet.patientId"),
                self.identifier("urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832", of, "1.2.250.1.999.1.1.7", "XDSSubmissionSet.sourceId"),
                self.identifier("urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8", of, set_id, "XDSSubmissionSet.uniqueId")])
        member = self.rim.AssociationType1(
            id=self.new_id(), associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember", sourceObject=of, targetObject="Document01",
            objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association", Slot=[self.slot("SubmissionSetStatus", "Original")])
        return self.rim.RegistryObjectListType(_value_1=[
            {"ExtrinsicObject": self.entry(patient, document_id, list(extra))}, {"RegistryPackage": package}, {"Association": member}])


def complete(client):
    """Mends what zeep makes of ebRIM: two types that hold each other lose what they inherit, and there are no substitution groups."""
    types, rim = client.wsdl.types, "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"
    base = types.get_type(rim + "IdentifiableType")
    for name in ("ClassificationType", "ExternalIdentifierType"):
        t = types.get_type(rim + name)
        t._attributes = list(base._attributes_unwrapped) + list(t._attributes_unwrapped)
        t._element = Sequence(list(base._element) + list(t._element))
        for cached in ("attributes", "_attributes_unwrapped", "elements", "elements_nested"):
            t.__dict__.pop(cached, None)
    members = [types.get_element(rim + n) for n in ("ExtrinsicObject", "RegistryPackage", "Association", "ObjectRef")]
    types.get_type(rim + "RegistryObjectListType")._element = Sequence([Choice(members, min_occurs=0, max_occurs="unbounded")])
    return client


def connect(args, path, elsewhere):
    session = requests.Session()
    session.trust_env = False  # REQUESTS_CA_BUNDLE would win over verify, and a proxy over everything
    session.verify, session.cert = args.ca, (args.cert, args.key)
    # No WsAddressingPlugin: zeep adds the headers by itself because the WSDL names the actions; both together would be two of each.
    client = complete(Client(args.base + path + "?wsdl", transport=Transport(session=session, timeout=30, operation_timeout=30), settings=Settings(strict=True)))
    if elsewhere:
        client.service._binding_options["address"] = elsewhere
    return client


def must(what, answer):
    status = answer.status
    errors = answer.RegistryErrorList.RegistryError if answer.RegistryErrorList else []
    print(what, status.rsplit(":", 1)[1], *["%s at %s: %s" % (e.errorCode, e.location, e.codeContext) for e in errors], flush=True)
    if status != SUCCESS:
        raise SystemExit(what + " was refused")


def find(registry, patient):
    rim = registry.type_factory("urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0")
    query = registry.type_factory("urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0")
    m = Metadata(registry)
    answer = registry.service.DocumentRegistry_RegistryStoredQuery(
        ResponseOption=query.ResponseOptionType(returnType="LeafClass", returnComposedObjects=True),
        AdhocQuery=rim.AdhocQueryType(id="urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d", Slot=[
            m.slot("$XDSDocumentEntryPatientId", "'" + patient + "'"),
            m.slot("$XDSDocumentEntryStatus", "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')")]))
    must("ITI-18", answer)
    found = {}
    for one in answer.RegistryObjectList._value_1:
        entry = one["ExtrinsicObject"]
        unique_id = [i.value for i in entry.ExternalIdentifier if i.identificationScheme == "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"][0]
        found[unique_id] = {s.name: s.ValueList.Value for s in entry.Slot}
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--base", required=True)
    p.add_argument("--patient", required=True)
    for name in ("ca", "cert", "key", "registry", "repository"):
        p.add_argument("--" + name)
    p.add_argument("--repository-id", default="1.2.250.1.999.1.2")
    args = p.parse_args()
    registry, repository = connect(args, "/xds/registry", args.registry), connect(args, "/xds/repository", args.repository)
    run = "1.2.250.1.999.1.3.%d" % (time.time_ns() // 1000)
    provided, registered = run + ".1", run + ".2"
    document = ("Glycémie : 5,1 mmol/l (" + str(uuid.uuid4()) + ")").encode()  # without a line end, which zeep takes off a part of a package
    digest = hashlib.sha1(document).hexdigest()

    m = Metadata(repository)
    must("ITI-41", repository.service["DocumentRepository_ProvideAndRegisterDocumentSet-b"](
        SubmitObjectsRequest={"RegistryObjectList": m.submission(repository, args.patient, provided, run + ".11")},
        Document=[{"id": "Document01", "_value_1": document}]))
    m = Metadata(registry)
    must("ITI-42", registry.service["DocumentRegistry_RegisterDocumentSet-b"](RegistryObjectList=m.submission(
        registry, args.patient, registered, run + ".12", m.slot("hash", digest), m.slot("size", str(len(document))), m.slot("repositoryUniqueId", args.repository_id))))
    found = find(registry, args.patient)
    for unique_id in (provided, registered):
        if found[unique_id]["hash"] != [digest] or found[unique_id]["size"] != [str(len(document))]:
            raise SystemExit("found with other bytes: %s" % found[unique_id])
    answer = repository.service.DocumentRepository_RetrieveDocumentSet(
        DocumentRequest=[{"RepositoryUniqueId": args.repository_id, "DocumentUniqueId": provided}])
    must("ITI-43", answer.RegistryResponse)
    if [d.Document for d in answer.DocumentResponse] != [document]:
        raise SystemExit("retrieved other bytes")
    print("done", flush=True)


if __name__ == "__main__":
    main()
