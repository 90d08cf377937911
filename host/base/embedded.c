#include "base/embedded.h"

#include <string.h>

const struct fm_embedded *fm_embedded_find(const struct fm_embedded *table, const char *name) {
  for (; table->name; table++)
    if (strcmp(table->name, name) == 0) return table;
  return NULL;
}
