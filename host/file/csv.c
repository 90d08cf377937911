#include "file/csv.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void fm_csv_begin(struct fm_csv *csv, struct fm_text *text) {
  *csv = (struct fm_csv){.text = text};
}

static void place(struct fm_csv *csv) {
  if (csv->used) fm_text_append(csv->text, ",");
  csv->used = true;
}

/* What a spreadsheet takes for a formula: its first character, also in the wide form of East Asian writing.
 */
static bool is_formula(const char *value) {
  static const char *const wide[] = {"\xEF\xBC\x9D", "\xEF\xBC\x8B", "\xEF\xBC\x8D",
                                     "\xEF\xBC\xA0"}; /* = + - @ */
  for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
    if (strncmp(value, wide[i], 3) == 0) return true;
  return *value && strchr("=+-@\t\r\n", *value);
}

void fm_csv_string(struct fm_csv *csv, const char *value) {
  place(csv);
  if (!value) return;
  bool blank = *value == ' ' || (*value && value[strlen(value) - 1] == ' '); /* some readers cut these off */
  bool formula = is_formula(value);
  if (!blank && !formula && !strpbrk(value, ",\"\r\n")) {
    fm_text_append(csv->text, value);
    return;
  }
  fm_text_append(csv->text, formula ? "\"'" : "\"");
  for (const char *quote; (quote = strchr(value, '"')); value = quote + 1) {
    fm_text_append_bytes(csv->text, value, (size_t)(quote - value));
    fm_text_append(csv->text, "\"\"");
  }
  fm_text_append(csv->text, value);
  fm_text_append(csv->text, "\"");
}

void fm_csv_number(struct fm_csv *csv, double value) {
  place(csv);
  if (isfinite(value)) fm_text_number(csv->text, value);
}

void fm_csv_integer(struct fm_csv *csv, int64_t value) {
  place(csv);
  fm_text_printf(csv->text, "%" PRId64, value);
}

void fm_csv_row(struct fm_csv *csv) {
  fm_text_append(csv->text, "\n");
  csv->used = false;
}

void fm_csv_strings(struct fm_csv *csv, size_t count, const char *const *values) {
  for (size_t i = 0; i < count; i++) fm_csv_string(csv, values[i]);
  fm_csv_row(csv);
}
