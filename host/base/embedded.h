/* Files that CMake builds into the program: OpenCL sources, recipes, lists of weights and data sets, what a
 * report's page is made of. */
#ifndef FM_BASE_EMBEDDED_H
#define FM_BASE_EMBEDDED_H

#include <stddef.h>

struct fm_embedded {
  const char *name;           /* file name without folder; NULL ends the table */
  const unsigned char *bytes; /* a zero byte follows */
  size_t size;
};

extern const struct fm_embedded fm_embedded_cl[];
extern const struct fm_embedded fm_embedded_models[];
extern const struct fm_embedded fm_embedded_serve[];
extern const struct fm_embedded fm_embedded_page[];

/* The row of that name, or NULL. */
const struct fm_embedded *fm_embedded_find(const struct fm_embedded *table, const char *name);

#endif
