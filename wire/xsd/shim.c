#include "shim.h"
#include <stdio.h>

/* The files that the compilation on this thread may read; empty at any other time, and then nothing is loaded. */
static __thread memfile *files;
static __thread int file_count;

static xmlParserInputPtr load(const char *url, const char *id, xmlParserCtxtPtr ctxt) {
	for (int i = 0; i < file_count; i++) {
		if (url == NULL || strcmp(url, files[i].name) != 0) continue;
		xmlParserInputBufferPtr b = xmlParserInputBufferCreateMem(files[i].data, files[i].size, XML_CHAR_ENCODING_NONE);
		if (b == NULL) return NULL;
		xmlParserInputPtr in = xmlNewIOInputStream(ctxt, b, XML_CHAR_ENCODING_NONE);
		if (in == NULL) { xmlFreeParserInputBuffer(b); return NULL; }
		in->filename = (char *)xmlStrdup((const xmlChar *)url);
		return in;
	}
	return NULL;
}

/* Says where an element is, or the one that an attribute is of; depth is -1 when it is nowhere, or too deep. */
static void place(const xmlNode *n, finding *f) {
	f->depth = -1;
	while (n != NULL && n->type != XML_ELEMENT_NODE) n = n->parent;
	if (n == NULL) return;
	int depth = 0;
	for (; n->parent != NULL && n->parent->type == XML_ELEMENT_NODE; n = n->parent) {
		if (depth == MAX_DEPTH) return;
		int before = 0;
		for (const xmlNode *s = n->prev; s != NULL; s = s->prev) before += s->type == XML_ELEMENT_NODE;
		f->up[depth++] = before;
	}
	f->depth = depth;
}

#if LIBXML_VERSION >= 21200
static void collect(void *user, const xmlError *e) {
#else
static void collect(void *user, xmlErrorPtr e) {
#endif
	findings *out = user;
	if (out->n >= MAX_FINDINGS) return;
	finding *f = &out->f[out->n++];
	f->line = e->line;
	place(e->domain == XML_FROM_SCHEMASV ? e->node : NULL, f);
	snprintf(f->message, MAX_MESSAGE, "%s", e->message ? e->message : "");
}

void pas_install(void) {
	xmlInitParser();
	xmlSetExternalEntityLoader(load);
}

xmlSchemaPtr pas_compile(const char *url, memfile *fs, int n, findings *out) {
	xmlSchemaParserCtxtPtr c = xmlSchemaNewParserCtxt(url);
	if (c == NULL) return NULL;
	files = fs;
	file_count = n;
	xmlSchemaSetParserStructuredErrors(c, collect, out);
	xmlSchemaPtr s = xmlSchemaParse(c);
	files = NULL;
	file_count = 0;
	xmlSchemaFreeParserCtxt(c);
	return s;
}

static xmlNodePtr first_element(xmlNodePtr n) {
	while (n != NULL && n->type != XML_ELEMENT_NODE) n = n->next;
	return n;
}

/* Removes xop:Include elements: what stands for the bytes of a part is no content of base64Binary. */
static void drop_includes(xmlNodePtr top) {
	for (xmlNodePtr n = top; n != NULL;) {
		xmlNodePtr next;
		int gone = n != top && n->type == XML_ELEMENT_NODE && n->ns != NULL && strcmp((const char *)n->name, "Include") == 0 &&
			strcmp((const char *)n->ns->href, "http://www.w3.org/2004/08/xop/include") == 0;
		if (!gone && n->type == XML_ELEMENT_NODE && n->children != NULL) {
			n = n->children;
			continue;
		}
		xmlNodePtr at = n;
		while (at != top && at->next == NULL) at = at->parent;
		next = at == top ? NULL : at->next;
		if (gone) {
			xmlUnlinkNode(n);
			xmlFreeNode(n);
		}
		n = next;
	}
}

/* 0 valid, > 0 not valid, -1 internal error, -3 no body. With body set the child of the SOAP body is validated. The document stays the caller's. */
int pas_validate(xmlSchemaPtr schema, uintptr_t doc, int body, findings *out) {
	xmlNodePtr n = xmlDocGetRootElement((xmlDocPtr)doc);
	if (body && n != NULL) {
		for (n = first_element(n->children); n != NULL && strcmp((const char *)n->name, "Body") != 0;) n = first_element(n->next);
		if (n != NULL) n = first_element(n->children);
	}
	if (n == NULL) return -3;
	drop_includes(n);
	xmlSchemaValidCtxtPtr c = xmlSchemaNewValidCtxt(schema);
	if (c == NULL) return -1;
	xmlSchemaSetValidStructuredErrors(c, collect, out);
	int r = xmlSchemaValidateOneElement(c, n);
	xmlSchemaFreeValidCtxt(c);
	return r;
}
