/* Writes CSV onto a growing text: commas, quotes as RFC 4180 has them, one "\n" a row. Nothing here fails:
 * the text keeps the first failure.
 *
 * A string that a spreadsheet would take for a formula (it begins with =, +, -, @, a tab or the end of a
 * line) is quoted and gets an apostrophe in front: names of files come from anywhere, and a picture called
 * "=HYPERLINK(...).png" must stay a name. Numbers are never changed. */
#ifndef FM_FILE_CSV_H
#define FM_FILE_CSV_H

#include "base/text.h"

#include <stdint.h>

struct fm_csv {
  struct fm_text *text;
  bool used; /* the row has a field */
};

void fm_csv_begin(struct fm_csv *csv, struct fm_text *text);
void fm_csv_string(struct fm_csv *csv, const char *value); /* NULL: an empty field */
void fm_csv_number(struct fm_csv *csv, double value);      /* as fm_text_number; empty where not finite */
void fm_csv_integer(struct fm_csv *csv, int64_t value);
void fm_csv_row(struct fm_csv *csv); /* ends the row */

/* A whole row of strings: a heading. */
void fm_csv_strings(struct fm_csv *csv, size_t count, const char *const *values);

#endif
