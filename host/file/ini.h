/* Recipes and lists: "key = value" lines under [section] lines.
 *
 * A line whose first character is ; or # is a comment, and so is what follows " ;" or " #" behind a value.
 * Blanks around names and values are cut off. Names have letters, digits and _ . - only; the same key twice
 * in a section, a line that is none of these and any control character is an error that names file and line.
 */
#ifndef FM_FILE_INI_H
#define FM_FILE_INI_H

#include "base/status.h"

enum { FM_INI_MAX_ENTRIES = 10000 };
#define FM_INI_MAX_FILE ((size_t)1 << 20)

struct fm_ini_entry {
  const char *section; /* "" before the first one */
  const char *key, *value;
  int line;
};

struct fm_ini {
  struct fm_ini_entry *entries; /* in the order of the file */
  size_t count;
  char *text; /* what the entries point into */
};

/* bytes are not kept. name is for messages. After a failure nothing is to be freed. */
enum fm_status fm_ini_parse(struct fm_context *ctx, const char *name, const void *bytes, size_t size,
                            struct fm_ini *ini);
enum fm_status fm_ini_read(struct fm_context *ctx, const char *path, struct fm_ini *ini);
const char *fm_ini_find(const struct fm_ini *ini, const char *section,
                        const char *key); /* the value, or NULL */
void fm_ini_free(struct fm_context *ctx, struct fm_ini *ini);

#endif
