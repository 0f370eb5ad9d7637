import ihe.iti.xds_b._2007.*;
import jakarta.xml.ws.BindingProvider;
import jakarta.xml.ws.handler.MessageContext;
import jakarta.xml.ws.soap.AddressingFeature;
import jakarta.xml.ws.soap.MTOMFeature;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.*;
import java.security.cert.*;
import java.security.cert.Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.*;
import java.util.stream.Collectors;
import javax.net.ssl.*;
import oasis.names.tc.ebxml_regrep.xsd.lcm._3.SubmitObjectsRequest;
import oasis.names.tc.ebxml_regrep.xsd.query._3.*;
import oasis.names.tc.ebxml_regrep.xsd.rim._3.*;
import oasis.names.tc.ebxml_regrep.xsd.rim._3.ObjectFactory;
import oasis.names.tc.ebxml_regrep.xsd.rs._3.RegistryResponseType;
import org.apache.cxf.BusFactory;
import org.apache.cxf.configuration.jsse.TLSClientParameters;
import org.apache.cxf.transport.http.HTTPConduitConfigurer;
import org.apache.cxf.ws.addressing.AddressingProperties;
import org.apache.cxf.ws.addressing.JAXWSAConstants;

/**
 * A Document Source and Consumer on what Apache CXF generates from the gateway's WSDL. Nothing in it knows Passerelle.
 *
 * <pre>java -jar peer.jar https://127.0.0.1:8443 ca.pem client.pem client.key 'ID^^^&amp;OID&amp;ISO^NH' [repositoryUniqueId]</pre>
 *
 * It registers metadata (ITI-42), finds them (ITI-18), provides a document with MTOM (ITI-41) and retrieves it with MTOM (ITI-43), and prints one line for each.
 * What goes and what comes is validated against the schemas that the gateway serves. The exit status is 0 when all pass.
 */
public final class Peer {
    static final String SUCCESS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success";
    static final String OBJECT = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:";
    static final String UNIQUE_ID = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab";
    static final ObjectFactory RIM = new ObjectFactory();

    final String patient, repositoryId;
    final DocumentRegistryPortType registry;
    final DocumentRepositoryPortType repository;
    final String run = "1.2.250.1.999.1.4." + System.currentTimeMillis();
    final byte[] document = new byte[200_003];
    int ids, failures;

    Peer(String base, String patient, String repositoryId) throws Exception {
        this.patient = patient;
        this.repositoryId = repositoryId;
        registry = new DocumentRegistryService(new URL(base + "/xds/registry?wsdl")).getDocumentRegistryPortSoap12(new AddressingFeature(true, true));
        repository = new DocumentRepositoryService(new URL(base + "/xds/repository?wsdl"))
            .getDocumentRepositoryPortSoap12(new AddressingFeature(true, true), new MTOMFeature(0));
        for (Object port : List.of(registry, repository)) {
            ((BindingProvider) port).getRequestContext().put("schema-validation-enabled", "true");
        }
        new SecureRandom().nextBytes(document);
    }

    interface Transaction {
        String run() throws Exception;
    }

    void check(String name, Transaction t) {
        try {
            System.out.println("PASS " + name + " " + t.run());
        } catch (Exception e) {
            failures++;
            System.out.println("FAIL " + name + " " + e);
        }
    }

    public static void main(String[] args) throws Exception {
        java.util.logging.Logger.getLogger("org.apache.cxf").setLevel(java.util.logging.Level.WARNING);
        TLSClientParameters tls = trust(Path.of(args[1]), Path.of(args[2]), Path.of(args[3]));
        HTTPConduitConfigurer everywhere = (name, address, conduit) -> conduit.setTlsClientParameters(tls);
        BusFactory.getDefaultBus().setExtension(everywhere, HTTPConduitConfigurer.class);
        Peer p = new Peer(args[0], args[4], args.length > 5 ? args[5] : "1.2.250.1.999.1.2");
        p.check("ITI-42", p::register);
        p.check("ITI-18", p::find);
        p.check("ITI-41", p::provide);
        p.check("ITI-43", p::retrieve);
        System.exit(p.failures == 0 ? 0 : 1);
    }

    String register() throws Exception {
        SubmitObjectsRequest request = submission(run + ".2", run + ".12", slot("hash", HexFormat.of().formatHex(MessageDigest.getInstance("SHA-1").digest(document))),
            slot("size", String.valueOf(document.length)), slot("repositoryUniqueId", repositoryId));
        return status(registry, registry.documentRegistryRegisterDocumentSetB(request));
    }

    String find() {
        AdhocQueryRequest request = new AdhocQueryRequest();
        request.setResponseOption(new ResponseOptionType());
        request.getResponseOption().setReturnType("LeafClass");
        request.getResponseOption().setReturnComposedObjects(true);
        request.setAdhocQuery(new AdhocQueryType());
        request.getAdhocQuery().setId("urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d");
        request.getAdhocQuery().getSlot().addAll(List.of(slot("$XDSDocumentEntryPatientId", "'" + patient + "'"),
            slot("$XDSDocumentEntryStatus", "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')")));
        AdhocQueryResponse answer = registry.documentRegistryRegistryStoredQuery(request);
        long ours = answer.getRegistryObjectList().getIdentifiable().stream().map(e -> (ExtrinsicObjectType) e.getValue()).filter(this::registered).count();
        must(ours == 1, ours + " entries are ours");
        return status(registry, answer) + ", entries: " + answer.getRegistryObjectList().getIdentifiable().size();
    }

    boolean registered(ExtrinsicObjectType entry) {
        return entry.getExternalIdentifier().stream().anyMatch(i -> i.getIdentificationScheme().equals(UNIQUE_ID) && i.getValue().equals(run + ".2"))
            && entry.getSlot().stream().anyMatch(s -> s.getName().equals("size") && s.getValueList().getValue().equals(List.of(String.valueOf(document.length))));
    }

    String provide() {
        Document d = new Document();
        d.setId("Document01");
        d.setValue(document);
        ProvideAndRegisterDocumentSetRequestType request = new ProvideAndRegisterDocumentSetRequestType();
        request.setSubmitObjectsRequest(submission(run + ".1", run + ".11"));
        request.getDocument().add(d);
        return status(repository, repository.documentRepositoryProvideAndRegisterDocumentSetB(request)) + ", bytes: " + document.length;
    }

    String retrieve() {
        DocumentRequest one = new DocumentRequest();
        one.setRepositoryUniqueId(repositoryId);
        one.setDocumentUniqueId(run + ".1");
        RetrieveDocumentSetRequestType request = new RetrieveDocumentSetRequestType();
        request.getDocumentRequest().add(one);
        RetrieveDocumentSetResponseType answer = repository.documentRepositoryRetrieveDocumentSet(request);
        String status = status(repository, answer.getRegistryResponse());
        must(answer.getDocumentResponse().size() == 1, answer.getDocumentResponse().size() + " documents");
        must(Arrays.equals(answer.getDocumentResponse().get(0).getDocument(), document), "other bytes");
        Map<?, ?> context = ((BindingProvider) repository).getResponseContext();
        Map<?, ?> headers = (Map<?, ?>) context.get(MessageContext.HTTP_RESPONSE_HEADERS), parts = (Map<?, ?>) context.get(MessageContext.INBOUND_MESSAGE_ATTACHMENTS);
        String type = headers.entrySet().stream().filter(e -> "content-type".equalsIgnoreCase((String) e.getKey())).map(e -> String.valueOf(e.getValue())).collect(Collectors.joining());
        must(type.contains("multipart/related") && type.contains("application/xop+xml"), "not MTOM: " + type);
        return status + ", bytes: " + document.length + ", attachments: " + parts.size();
    }

    /** Takes an answer that is a success and is addressed as one to our message. */
    static String status(Object port, RegistryResponseType answer) {
        if (answer.getRegistryErrorList() != null) {
            throw new IllegalStateException(answer.getStatus() + answer.getRegistryErrorList().getRegistryError().stream()
                .map(e -> "; " + e.getErrorCode() + " at " + e.getLocation() + ": " + e.getCodeContext()).collect(Collectors.joining()));
        }
        must(answer.getStatus().equals(SUCCESS), answer.getStatus());
        BindingProvider p = (BindingProvider) port;
        AddressingProperties in = (AddressingProperties) p.getResponseContext().get(JAXWSAConstants.ADDRESSING_PROPERTIES_INBOUND);
        must(in != null && in.getAction().getValue().endsWith("Response") && in.getRelatesTo() != null && in.getRelatesTo().getValue().startsWith("urn:uuid:"),
            "no WS-Addressing in the answer");
        return "Success";
    }

    static void must(boolean so, String otherwise) {
        if (!so) {
            throw new IllegalStateException(otherwise);
        }
    }

    // ebRIM in the generated types.

    String newId() {
        return "id" + ++ids;
    }

    static SlotType1 slot(String name, String... values) {
        SlotType1 s = new SlotType1();
        s.setName(name);
        s.setValueList(new ValueListType());
        s.getValueList().getValue().addAll(List.of(values));
        return s;
    }

    static InternationalStringType text(String value) {
        LocalizedStringType one = new LocalizedStringType();
        one.setValue(value);
        InternationalStringType all = new InternationalStringType();
        all.getLocalizedString().add(one);
        return all;
    }

    ClassificationType classification(String scheme, String of, String code, SlotType1... slots) {
        ClassificationType c = new ClassificationType();
        c.setId(newId());
        c.setClassificationScheme(scheme);
        c.setClassifiedObject(of);
        c.setNodeRepresentation(code);
        c.setObjectType(OBJECT + "Classification");
        c.getSlot().addAll(List.of(slots));
        return c;
    }

    ClassificationType code(String scheme, String of, String code, String system, String display) {
        ClassificationType c = classification(scheme, of, code, slot("codingScheme", system));
        c.setName(text(display));
        return c;
    }

    ClassificationType author(String scheme, String of) {
        return classification(scheme, of, "", slot("authorPerson", "801234567890^ESSAI-DURANT^Romuald^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"),
            slot("authorInstitution", "Laboratoire d'essai^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1750100125"));
    }

    ExternalIdentifierType identifier(String scheme, String of, String value, String name) {
        ExternalIdentifierType i = new ExternalIdentifierType();
        i.setId(newId());
        i.setIdentificationScheme(scheme);
        i.setRegistryObject(of);
        i.setValue(value);
        i.setObjectType(OBJECT + "ExternalIdentifier");
        i.setName(text(name));
        return i;
    }

    ExtrinsicObjectType entry(String uniqueId, SlotType1... more) {
        String of = "Document01";
        ExtrinsicObjectType e = new ExtrinsicObjectType();
        e.setId(of);
        e.setMimeType("text/plain");
        e.setObjectType("urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1");
        e.setName(text("CR d'examens biologiques"));
        e.getSlot().addAll(List.of(slot("creationTime", "20260314"), slot("languageCode", "fr-FR"), slot("serviceStartTime", "20260314"),
            slot("sourcePatientId", "IPP0000001^^^&1.2.250.1.999.1.1.7898.2&ISO^PI")));
        e.getSlot().addAll(List.of(more));
        e.getClassification().addAll(List.of(author("urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d", of),
            code("urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a", of, "10", "1.2.250.1.213.1.1.4.1", "Compte rendu"),
            code("urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f", of, "N", "2.16.840.1.113883.5.25", "Normal"),
            code("urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d", of, "urn:ihe:iti:xds-sd:text:2008", "1.3.6.1.4.1.19376.1.2.3", "Texte"),
            code("urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1", of, "SA25", "1.2.250.1.71.4.2.4", "Laboratoire"),
            code("urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead", of, "AMBULATOIRE", "1.2.250.1.213.1.1.4.9", "Ambulatoire"),
            code("urn:uuid:f0306f51-975f-434e-a61c-c59651d33983", of, "11502-2", "2.16.840.1.113883.6.1", "CR d'examens biologiques")));
        e.getExternalIdentifier().addAll(List.of(identifier("urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427", of, patient, "XDSDocumentEntry.patientId"),
            identifier(UNIQUE_ID, of, uniqueId, "XDSDocumentEntry.uniqueId")));
        return e;
    }

    SubmitObjectsRequest submission(String documentId, String setId, SlotType1... more) {
        String of = "SubmissionSet01";
        RegistryPackageType set = new RegistryPackageType();
        set.setId(of);
        set.setObjectType(OBJECT + "RegistryPackage");
        set.getSlot().add(slot("submissionTime", "20260314150926"));
        ClassificationType node = classification(null, of, null);
        node.setClassificationNode("urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd");
        set.getClassification().addAll(List.of(node, author("urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d", of),
            code("urn:uuid:aa543740-bdda-424e-8c96-df4873be8500", of, "07", "1.2.250.1.213.2.2", "Consultations et soins externes")));
        set.getExternalIdentifier().addAll(List.of(identifier("urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446", of, patient, "XDSSubmissionSet.patientId"),
            identifier("urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832", of, "1.2.250.1.999.1.1.7", "XDSSubmissionSet.sourceId"),
            identifier("urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8", of, setId, "XDSSubmissionSet.uniqueId")));
        AssociationType1 member = new AssociationType1();
        member.setId(newId());
        member.setAssociationType("urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember");
        member.setSourceObject(of);
        member.setTargetObject("Document01");
        member.setObjectType(OBJECT + "Association");
        member.getSlot().add(slot("SubmissionSetStatus", "Original"));
        SubmitObjectsRequest request = new SubmitObjectsRequest();
        request.setRegistryObjectList(new RegistryObjectListType());
        request.getRegistryObjectList().getIdentifiable().addAll(
            List.of(RIM.createExtrinsicObject(entry(documentId, more)), RIM.createRegistryPackage(set), RIM.createAssociation(member)));
        return request;
    }

    // Java reads no PEM: these are the files as a gateway's operator hands them out.

    static TLSClientParameters trust(Path ca, Path certificate, Path key) throws Exception {
        KeyStore ours = KeyStore.getInstance("PKCS12"), theirs = KeyStore.getInstance("PKCS12");
        ours.load(null, null);
        theirs.load(null, null);
        int n = 0;
        for (Certificate c : certificates(ca)) {
            theirs.setCertificateEntry("ca" + n++, c);
        }
        List<Certificate> chain = certificates(certificate);
        String pem = Files.readString(key, StandardCharsets.US_ASCII).replaceAll("-----[A-Z ]+-----", "");
        PrivateKey k = KeyFactory.getInstance(chain.get(0).getPublicKey().getAlgorithm()).generatePrivate(new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(pem)));
        ours.setKeyEntry("client", k, new char[0], chain.toArray(new Certificate[0]));
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(ours, new char[0]);
        TrustManagerFactory trusted = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trusted.init(theirs);
        SSLContext loading = SSLContext.getInstance("TLS"); // of the WSDL, which not only CXF's own transport does
        loading.init(keys.getKeyManagers(), trusted.getTrustManagers(), null);
        SSLContext.setDefault(loading);
        TLSClientParameters parameters = new TLSClientParameters();
        parameters.setKeyManagers(keys.getKeyManagers());
        parameters.setTrustManagers(trusted.getTrustManagers());
        return parameters;
    }

    static List<Certificate> certificates(Path file) throws Exception {
        try (InputStream in = new ByteArrayInputStream(Files.readAllBytes(file))) {
            return new ArrayList<>(CertificateFactory.getInstance("X.509").generateCertificates(in));
        }
    }
}
