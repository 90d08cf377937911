#include "report/record.h"

#include "base/file.h"
#include "base/memory.h"
#include "file/csv.h"
#include "report/table.h"

#include <math.h>

struct fm_metrics fm_section_mean(const struct fm_section *section, size_t count, bool cdo1) {
  struct fm_metrics mean = {0};
  for (size_t i = 0; i < count; i++) {
    const struct fm_metrics *m = cdo1 ? &section[i].cdo1 : &section[i].official;
    bool known = !cdo1 || section[i].has_cdo1;
#define ADD(field, key) mean.field += known ? m->field / (double)count : NAN;
    FM_METRICS_LIST(ADD)
#undef ADD
  }
  /* A threshold belongs to one model: its mean says nothing. */
  if (count != 1) mean.image_f1_threshold = mean.pixel_f1_threshold = NAN;
  return mean;
}

/* Writes a finished text under folder/name; releases it in any case. */
static enum fm_status write_text(struct fm_context *ctx, const char *folder, const char *name,
                                 struct fm_text *text) {
  char *chars, *path = fm_path_join(ctx, folder, name);
  size_t size;
  enum fm_status status = fm_text_take(text, &chars, &size);
  if (status == FM_OK) status = path ? fm_file_write(ctx, path, chars, size) : FM_MEMORY;
  fm_free(ctx, chars);
  fm_free(ctx, path);
  return status;
}

static void put_threshold(struct fm_json *j, const char *key, const struct fm_threshold *t) {
  fm_json_object(j, key);
  fm_json_number(j, "value", t->value);
  fm_json_number(j, "false_alarms_asked", t->alpha);
  fm_json_bool(j, "promise_kept", t->kept);
  fm_json_number(j, "false_alarms_promised", t->promised);
  fm_json_number(j, "interval_low", t->low);
  fm_json_number(j, "interval_high", t->high);
  fm_json_integer(j, "scores", (int64_t)t->n);
  fm_json_integer(j, "rank", (int64_t)t->k);
  fm_json_string(j, "origin", t->origin);
  fm_json_end(j);
}

static void put_facts(struct fm_json *j, const struct fm_fact_list *facts) {
  fm_json_object(j, "facts");
  for (size_t i = 0; i < facts->count; i++) fm_json_string(j, facts->name[i], facts->value[i]);
  fm_json_end(j);
}

static void put_metrics(struct fm_json *j, const char *key, const struct fm_metrics *m) {
  if (!m) {
    fm_json_null(j, key);
    return;
  }
  fm_json_object(j, key);
  fm_metrics_json(j, m);
  fm_json_end(j);
}

static void put_section(struct fm_json *j, const struct fm_section *s) {
  fm_json_object(j, s->name);
  put_facts(j, &s->facts);
  put_metrics(j, "official", &s->official);
  put_metrics(j, "cdo1", s->has_cdo1 ? &s->cdo1 : NULL);
  fm_json_object(j, "thresholds");
  put_threshold(j, "image", &s->image);
  put_threshold(j, "pixel", &s->pixel);
  fm_json_end(j);
  fm_json_object(j, "verdicts");
  fm_json_integer(j, "flawed_found", (int64_t)s->tally.found);
  fm_json_integer(j, "flawed_missed", (int64_t)s->tally.missed);
  fm_json_integer(j, "good_passed", (int64_t)s->tally.passed);
  fm_json_integer(j, "good_flagged", (int64_t)s->tally.alarms);
  fm_json_end(j);
  fm_json_end(j);
}

enum fm_status fm_files_metrics_json(struct fm_context *ctx, const char *folder,
                                     const struct fm_fact_list *facts, const struct fm_section *section,
                                     size_t count) {
  struct fm_text text;
  fm_text_begin(&text, ctx);
  struct fm_json j;
  fm_json_begin(&j, &text, true);
  fm_json_object(&j, NULL);
  put_facts(&j, facts);
  struct fm_metrics official = fm_section_mean(section, count, false),
                    cdo1 = fm_section_mean(section, count, true);
  bool has_cdo1 = count > 0;
  for (size_t i = 0; i < count; i++) has_cdo1 &= section[i].has_cdo1;
  fm_json_object(&j, "mean");
  put_metrics(&j, "official", count ? &official : NULL);
  put_metrics(&j, "cdo1", has_cdo1 ? &cdo1 : NULL);
  fm_json_end(&j);
  fm_json_object(&j, "categories");
  for (size_t i = 0; i < count; i++) put_section(&j, &section[i]);
  fm_json_end(&j);
  fm_json_end(&j);
  return write_text(ctx, folder, "metrics.json", &text);
}

static void put_row(struct fm_csv *csv, const char *name, const struct fm_metrics *official,
                    const struct fm_metrics *cdo1) {
  fm_csv_string(csv, name);
#define NUMBER(field, key) fm_csv_number(csv, official->field);
  FM_METRICS_LIST(NUMBER)
#undef NUMBER
#define NUMBER(field, key) fm_csv_number(csv, cdo1 ? cdo1->field : NAN);
  FM_METRICS_LIST(NUMBER)
#undef NUMBER
  fm_csv_row(csv);
}

enum fm_status fm_files_metrics_csv(struct fm_context *ctx, const char *folder,
                                    const struct fm_section *section, size_t count) {
#define KEY(field, key) key,
#define KEY_CDO1(field, key) "cdo1." key,
  static const char *const heading[] = {"category", FM_METRICS_LIST(KEY) FM_METRICS_LIST(KEY_CDO1)};
#undef KEY
#undef KEY_CDO1
  struct fm_text text;
  fm_text_begin(&text, ctx);
  struct fm_csv csv;
  fm_csv_begin(&csv, &text);
  fm_csv_strings(&csv, sizeof heading / sizeof *heading, heading);
  for (size_t i = 0; i < count; i++)
    put_row(&csv, section[i].name, &section[i].official, section[i].has_cdo1 ? &section[i].cdo1 : NULL);
  if (count) {
    struct fm_metrics official = fm_section_mean(section, count, false),
                      cdo1 = fm_section_mean(section, count, true);
    put_row(&csv, "mean", &official, &cdo1);
  }
  return write_text(ctx, folder, "metrics.csv", &text);
}

static void put_lie(struct fm_csv *csv, const struct fm_record *r) {
  struct fm_lie lie = {NAN, NAN, NAN, NAN};
  if (r->adjusted.placed) lie = fm_adjusted_lie(&r->adjusted, r->own_width, r->own_height);
  fm_csv_number(csv, lie.angle);
  fm_csv_number(csv, lie.x);
  fm_csv_number(csv, lie.y);
  fm_csv_number(csv, lie.scale);
}

enum fm_status fm_files_images_csv(struct fm_context *ctx, const char *folder,
                                   const struct fm_section *section, size_t count) {
  static const char *const heading[] = {"category",   "kind",      "name",   "score",         "verdict",
                                        "truth",      "threshold", "origin", "flagged_share", "gain_red",
                                        "gain_green", "gain_blue", "angle",  "shift_x",       "shift_y",
                                        "scale",      "regions"};
  struct fm_text text;
  fm_text_begin(&text, ctx);
  struct fm_csv csv;
  fm_csv_begin(&csv, &text);
  fm_csv_strings(&csv, sizeof heading / sizeof *heading, heading);
  for (size_t i = 0; i < count; i++)
    for (size_t k = 0; k < section[i].count; k++) {
      const struct fm_record *r = section[i].record[k];
      fm_csv_string(&csv, section[i].name);
      fm_csv_string(&csv, r->kind);
      fm_csv_string(&csv, r->name);
      fm_csv_number(&csv, r->score);
      fm_csv_string(&csv, r->flagged ? "flawed" : "good");
      fm_csv_string(&csv, r->flawed ? "flawed" : "good");
      fm_csv_number(&csv, section[i].image.value);
      fm_csv_string(&csv, section[i].image.origin);
      fm_csv_number(&csv, r->share);
      for (int c = 0; c < 3; c++) fm_csv_number(&csv, r->adjusted.lit ? (double)r->adjusted.gain[c] : NAN);
      put_lie(&csv, r);
      fm_csv_integer(&csv, (int64_t)r->found.spots.count);
      fm_csv_row(&csv);
    }
  return write_text(ctx, folder, "images.csv", &text);
}

enum fm_status fm_files_regions_csv(struct fm_context *ctx, const char *folder,
                                    const struct fm_section *section, size_t count) {
  const char *heading[3 + FM_REGION_COLUMNS] = {"category", "kind", "name"};
  for (int i = 0; i < FM_REGION_COLUMNS; i++) heading[3 + i] = fm_region_columns[i];
  struct fm_text text;
  fm_text_begin(&text, ctx);
  struct fm_csv csv;
  fm_csv_begin(&csv, &text);
  fm_csv_strings(&csv, sizeof heading / sizeof *heading, heading);
  for (size_t i = 0; i < count; i++)
    for (size_t k = 0; k < section[i].count; k++) {
      const struct fm_record *r = section[i].record[k];
      for (size_t g = 0; g < r->found.spots.count; g++) {
        fm_csv_string(&csv, section[i].name);
        fm_csv_string(&csv, r->kind);
        fm_csv_string(&csv, r->name);
        fm_verdict_csv_row(&csv, &r->found, g);
      }
    }
  return write_text(ctx, folder, "regions.csv", &text);
}
