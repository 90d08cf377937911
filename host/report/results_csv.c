#include "report/results_csv.h"

#include "base/memory.h"

static enum fm_status put(struct fm_writer *w, struct fm_text *text) {
  enum fm_status status = text->status;
  if (status == FM_OK && text->size) status = fm_writer_write(w, text->chars, text->size);
  fm_text_free(text);
  return status;
}

static enum fm_status begin(struct fm_context *ctx, const char *folder, const char *name, size_t columns,
                            const char *const *heading, struct fm_writer *w) {
  struct fm_text text;
  struct fm_csv csv;
  char *path = fm_path_join(ctx, folder, name);
  enum fm_status status = path ? fm_writer_open(w, ctx, path) : FM_MEMORY;
  fm_free(ctx, path);
  FM_TRY(status);
  fm_text_begin(&text, ctx);
  fm_csv_begin(&csv, &text);
  fm_csv_strings(&csv, columns, heading);
  return put(w, &text);
}

enum fm_status fm_results_csv_open(struct fm_results_csv *c, struct fm_context *ctx, const char *folder,
                                   double threshold) {
  static const char *const results[] = {"picture", "verdict", "score", "threshold", "width",
                                        "height",  "regions", "area",  "share",     "trouble"};
  const char *regions[1 + FM_REGION_COLUMNS] = {"picture"};
  for (int i = 0; i < FM_REGION_COLUMNS; i++) regions[1 + i] = fm_region_columns[i];
  *c = (struct fm_results_csv){.ctx = ctx, .threshold = threshold};
  FM_TRY(begin(ctx, folder, "results.csv", sizeof results / sizeof *results, results, &c->results));
  enum fm_status status = begin(ctx, folder, "regions.csv", 1 + FM_REGION_COLUMNS, regions, &c->regions);
  if (status != FM_OK) fm_results_csv_close(c);
  return status;
}

static enum fm_status add_regions(struct fm_results_csv *c, const char *path,
                                  const struct fm_verdict *found) {
  struct fm_text text;
  struct fm_csv csv;
  fm_text_begin(&text, c->ctx);
  fm_csv_begin(&csv, &text);
  for (size_t i = 0; i < found->spots.count; i++) {
    fm_csv_string(&csv, path);
    fm_verdict_csv_row(&csv, found, i);
  }
  return put(&c->regions, &text);
}

enum fm_status fm_results_csv_add(struct fm_results_csv *c, const struct fm_score_item *item,
                                  const struct fm_verdict *found, const char *verdict, const char *trouble) {
  struct fm_text text;
  struct fm_csv csv;
  fm_text_begin(&text, c->ctx);
  fm_csv_begin(&csv, &text);
  fm_csv_string(&csv, item->sample->path);
  fm_csv_string(&csv, verdict);
  fm_csv_number(&csv, (double)item->one.score);
  fm_csv_number(&csv, c->threshold);
  fm_csv_integer(&csv, item->one.width);
  fm_csv_integer(&csv, item->one.height);
  fm_csv_integer(&csv, (int64_t)found->spots.count);
  fm_csv_integer(&csv, (int64_t)fm_verdict_area(found));
  fm_csv_number(&csv, fm_verdict_share(found));
  fm_csv_string(&csv, trouble);
  fm_csv_row(&csv);
  c->used = true;
  FM_TRY(put(&c->results, &text));
  return add_regions(c, item->sample->path, found);
}

enum fm_status fm_results_csv_unread(struct fm_results_csv *c, const char *path, const char *trouble) {
  struct fm_text text;
  struct fm_csv csv;
  fm_text_begin(&text, c->ctx);
  fm_csv_begin(&csv, &text);
  fm_csv_string(&csv, path);
  fm_csv_string(&csv, "unread");
  for (int i = 0; i < 7; i++) fm_csv_string(&csv, NULL);
  fm_csv_string(&csv, trouble);
  fm_csv_row(&csv);
  c->used = true;
  return put(&c->results, &text);
}

enum fm_status fm_results_csv_close(struct fm_results_csv *c) {
  enum fm_status status = FM_OK;
  if (c->used) status = fm_writer_commit(&c->results);
  if (c->used && status == FM_OK) status = fm_writer_commit(&c->regions);
  fm_writer_discard(&c->results);
  fm_writer_discard(&c->regions);
  return status;
}
