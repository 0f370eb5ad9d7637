#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlerror.h>
#include <libxml/xmlschemas.h>

#define MAX_FINDINGS 64
#define MAX_MESSAGE 1024
#define MAX_DEPTH 256

/* Where a finding's element is: up[0] says which child element of its parent it is, from 0, up[1] which its parent is, and so on below the root. */
typedef struct { int line; int depth; int up[MAX_DEPTH]; char message[MAX_MESSAGE]; } finding;
typedef struct { int n; finding f[MAX_FINDINGS]; } findings;
typedef struct { char *name; char *data; int size; } memfile;

void pas_install(void);
xmlSchemaPtr pas_compile(const char *url, memfile *files, int n, findings *out);
int pas_validate(xmlSchemaPtr schema, uintptr_t doc, int body, findings *out);
