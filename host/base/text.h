/* A growing string. Appending never needs a check: a failure sticks, and fm_text_take reports it. */
#ifndef FM_BASE_TEXT_H
#define FM_BASE_TEXT_H

#include "base/status.h"

struct fm_text {
  struct fm_context *ctx;
  char *chars; /* always ends in a zero byte once something was appended; NULL before */
  size_t size; /* without that byte */
  size_t capacity;
  enum fm_status status; /* the first failure */
};

void fm_text_begin(struct fm_text *text, struct fm_context *ctx);
void fm_text_append(struct fm_text *text, const char *string);
void fm_text_append_bytes(struct fm_text *text, const void *bytes, size_t size);
void fm_text_printf(struct fm_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for what people read: what is foreign is shown, see print.h. */
void fm_text_show(struct fm_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A number in the fewest digits of %.15g and %.17g that read back as the same double, with a point in every
 * locale. */
void fm_text_number(struct fm_text *text, double value);

/* Hands the string to the caller (fm_free; never NULL when FM_OK; size may be NULL) and empties text. After a
 * failure *chars is NULL and everything is released. */
enum fm_status fm_text_take(struct fm_text *text, char **chars, size_t *size);

void fm_text_free(struct fm_text *text); /* also after take: then nothing happens */

#endif
