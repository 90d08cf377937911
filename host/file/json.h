/* Writes JSON onto a growing text. (Reading: json_read.h.)
 *
 *   struct fm_json j;
 *   fm_json_begin(&j, &text, true);
 *   fm_json_object(&j, NULL);
 *     fm_json_number(&j, "auroc", 0.99);
 *     fm_json_array(&j, "sizes");
 *       fm_json_integer(&j, NULL, 256);
 *     fm_json_end(&j);
 *   fm_json_end(&j);
 *
 * key is NULL inside arrays and for the outermost value. Nothing here fails: the text keeps the first
 * failure. */
#ifndef FM_FILE_JSON_H
#define FM_FILE_JSON_H

#include "base/text.h"

#include <stdint.h>

enum { FM_JSON_MAX_DEPTH = 32 };

struct fm_json {
  struct fm_text *text;
  bool pretty; /* two spaces a level, one value a line; else no blanks at all */
  int depth;
  struct {
    char close; /* '}' or ']' */
    bool used;  /* has a value, so the next one needs a comma */
  } level[FM_JSON_MAX_DEPTH + 1];
};

void fm_json_begin(struct fm_json *json, struct fm_text *text, bool pretty);
void fm_json_object(struct fm_json *json, const char *key);
void fm_json_array(struct fm_json *json, const char *key);
void fm_json_end(
    struct fm_json *json); /* of the innermost object or array; a newline behind the outermost if pretty */

/* Bytes that are no UTF-8 become U+FFFD, what print.h does not show \uXXXX. value NULL writes null. */
void fm_json_string(struct fm_json *json, const char *key, const char *value);
void fm_json_number(struct fm_json *json, const char *key,
                    double value); /* fm_text_number; null if not finite */
void fm_json_integer(struct fm_json *json, const char *key, int64_t value);
void fm_json_bool(struct fm_json *json, const char *key, bool value);
void fm_json_null(struct fm_json *json, const char *key);

/* A quoted and escaped string alone, without structure. */
void fm_json_quote(struct fm_text *text, const char *value);

#endif
