#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlerror.h>
#include <libxml/xmlschemas.h>

#define MAX_FINDINGS 64
#define MAX_MESSAGE 1024

typedef struct { int line; char message[MAX_MESSAGE]; } finding;
typedef struct { int n; finding f[MAX_FINDINGS]; } findings;
typedef struct { char *name; char *data; int size; } memfile;

void pas_install(void);
xmlSchemaPtr pas_compile(const char *url, memfile *files, int n, findings *out);
int pas_validate(xmlSchemaPtr schema, uintptr_t doc, int body, findings *out);
