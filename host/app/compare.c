#define _POSIX_C_SOURCE 200809L
#include "app/compare.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/print.h"
#include "file/csv.h"
#include "report/table.h"

#include <string.h>

/* ---- names ---- */

static bool is_taken(const struct fm_comparison *c, size_t before, const char *name) {
  for (size_t i = 0; i < before; i++)
    if (strcmp(c->model[i].name, name) == 0) return true;
  return false;
}

/* "bottle" of "models/bottle.flawmap" and of "models/bottle/". */
static char *stem(struct fm_context *ctx, const char *path) {
  size_t n = strlen(path);
  while (n > 1 && path[n - 1] == '/') n--;
  size_t begin = n;
  while (begin > 0 && path[begin - 1] != '/') begin--;
  size_t end = n;
  for (size_t i = n; i > begin + 1; i--)
    if (path[i - 1] == '.') {
      end = i - 1;
      break;
    }
  return fm_format(ctx, "%.*s", (int)(end - begin), path + begin);
}

static enum fm_status name_model(struct fm_comparison *c, size_t i, const char *path) {
  char *own = stem(c->ctx, path);
  bool plain = own && own[0] && strcmp(own, ".") != 0 && strcmp(own, "..") != 0 && strcmp(own, "/") != 0;
  for (size_t n = 1; own && !c->model[i].name; n++) {
    const char *base = plain ? own : "model";
    char *name = n == 1 ? fm_strdup(c->ctx, base) : fm_format(c->ctx, "%s-%zu", base, n);
    if (!name) break;
    if (is_taken(c, i, name))
      fm_free(c->ctx, name);
    else
      c->model[i].name = name;
  }
  fm_free(c->ctx, own);
  return c->model[i].name ? FM_OK : FM_MEMORY;
}

enum fm_status fm_comparison_begin(struct fm_context *ctx, const char *const *paths, size_t count,
                                   struct fm_comparison *c) {
  *c = (struct fm_comparison){.ctx = ctx, .count = count};
  if (!(c->model = fm_alloc(ctx, count, sizeof *c->model))) return FM_MEMORY;
  for (size_t i = 0; i < count; i++) FM_TRY(name_model(c, i, paths[i]));
  return FM_OK;
}

void fm_comparison_free(struct fm_comparison *c) {
  for (size_t i = 0; c->model && i < c->count; i++) fm_free(c->ctx, c->model[i].name);
  fm_free(c->ctx, c->model);
  *c = (struct fm_comparison){0};
}

/* ---- figures ---- */

void fm_compared_add(struct fm_compared *m, const struct fm_evaluation *e) {
#define ADD(field, key) m->sum.field += e->official.field;
  FM_METRICS_LIST(ADD)
#undef ADD
  m->tally.found += e->tally.found;
  m->tally.missed += e->tally.missed;
  m->tally.passed += e->tally.passed;
  m->tally.alarms += e->tally.alarms;
  m->pictures += e->pictures;
  m->categories++;
}

/* NaN where one of the categories has none. */
static struct fm_metrics mean_of(const struct fm_compared *m) {
  struct fm_metrics mean = {0};
#define MEAN(field, key) mean.field = m->sum.field / (double)m->categories;
  FM_METRICS_LIST(MEAN)
#undef MEAN
  return mean;
}

static void put_row(struct fm_text *text, const struct fm_compared *m, int width) {
  const struct fm_metrics mean = mean_of(m);
  const struct fm_report_tally *t = &m->tally;
  const double values[] = {mean.image_auroc, mean.image_ap, mean.pixel_auroc,
                           mean.pixel_ap,    mean.pixel_f1, mean.aupro_30};
  fm_text_show(text, "%-*s", width, m->name);
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    char percent[16];
    fm_metrics_percent(percent, values[i]);
    fm_text_printf(text, " %11s", percent);
  }
  fm_text_printf(text, "  %zu of %zu found, %zu of %zu good flagged\n", t->found, t->found + t->missed,
                 t->alarms, t->alarms + t->passed);
}

enum fm_status fm_comparison_print(const struct fm_comparison *c) {
  struct fm_text text;
  int width = 5;
  bool same = true;
  for (size_t i = 0; i < c->count; i++) {
    int n = (int)strnlen(c->model[i].name, 40);
    width = n > width ? n : width;
    same &= c->model[i].pictures == c->model[0].pictures;
  }
  if (!same)
    fm_note(c->ctx, "warning: the models were not evaluated on equally many pictures (those that one learned "
                    "from are no test of it); --leave-out names pictures to leave out for all of them");
  fm_text_begin(&text, c->ctx);
  fm_text_show(&text, "\n%-*s %11s %11s %11s %11s %11s %11s\n", width, "model", "image AUROC", "image AP",
               "pixel AUROC", "pixel AP", "pixel F1", "AUPRO");
  for (size_t i = 0; i < c->count; i++) put_row(&text, &c->model[i], width);
  enum fm_status status = text.status;
  if (status == FM_OK) fm_print_data(text.chars);
  fm_text_free(&text);
  return status;
}

/* ---- files ---- */

static void put_csv(struct fm_text *text, const struct fm_comparison *c) {
#define KEY(field, key) key,
  static const char *const heading[] = {
      "model",         "categories",  "pictures",    FM_METRICS_LIST(KEY) "flawed_found",
      "flawed_missed", "good_passed", "good_flagged"};
#undef KEY
  struct fm_csv csv;
  fm_csv_begin(&csv, text);
  fm_csv_strings(&csv, sizeof heading / sizeof *heading, heading);
  for (size_t i = 0; i < c->count; i++) {
    const struct fm_compared *m = &c->model[i];
    const struct fm_metrics mean = mean_of(m);
    fm_csv_string(&csv, m->name);
    fm_csv_integer(&csv, (int64_t)m->categories);
    fm_csv_integer(&csv, (int64_t)m->pictures);
#define NUMBER(field, key) fm_csv_number(&csv, mean.field);
    FM_METRICS_LIST(NUMBER)
#undef NUMBER
    const size_t tally[] = {m->tally.found, m->tally.missed, m->tally.passed, m->tally.alarms};
    for (int k = 0; k < 4; k++) fm_csv_integer(&csv, (int64_t)tally[k]);
    fm_csv_row(&csv);
  }
}

static void put_json(struct fm_text *text, const struct fm_comparison *c) {
  struct fm_json j;
  fm_json_begin(&j, text, true);
  fm_json_object(&j, NULL);
  fm_json_array(&j, "models");
  for (size_t i = 0; i < c->count; i++) {
    const struct fm_compared *m = &c->model[i];
    const struct fm_metrics mean = mean_of(m);
    fm_json_object(&j, NULL);
    fm_json_string(&j, "model", m->name);
    fm_json_integer(&j, "categories", (int64_t)m->categories);
    fm_json_integer(&j, "pictures", (int64_t)m->pictures);
    fm_metrics_json(&j, &mean);
    fm_json_integer(&j, "flawed_found", (int64_t)m->tally.found);
    fm_json_integer(&j, "flawed_missed", (int64_t)m->tally.missed);
    fm_json_integer(&j, "good_passed", (int64_t)m->tally.passed);
    fm_json_integer(&j, "good_flagged", (int64_t)m->tally.alarms);
    fm_json_end(&j);
  }
  fm_json_end(&j);
  fm_json_end(&j);
}

static void put_page(struct fm_text *text, const struct fm_comparison *c) {
  struct fm_report_model *model = fm_alloc(c->ctx, c->count, sizeof *model);
  if (!model) text->status = FM_MEMORY;
  for (size_t i = 0; model && i < c->count; i++)
    model[i] = (struct fm_report_model){c->model[i].name, mean_of(&c->model[i]), c->model[i].tally};
  if (model) fm_report_models(text, model, c->count);
  fm_free(c->ctx, model);
}

enum fm_status fm_comparison_write(const struct fm_comparison *c, const char *folder) {
  static const struct {
    const char *name;
    void (*put)(struct fm_text *text, const struct fm_comparison *c);
  } files[] = {{"comparison.csv", put_csv}, {"comparison.json", put_json}, {"report.html", put_page}};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    struct fm_text text;
    char *chars, *path = fm_path_join(c->ctx, folder, files[i].name);
    size_t size;
    fm_text_begin(&text, c->ctx);
    files[i].put(&text, c);
    enum fm_status status = fm_text_take(&text, &chars, &size);
    if (status == FM_OK) status = path ? fm_file_write(c->ctx, path, chars, size) : FM_MEMORY;
    fm_free(c->ctx, chars);
    fm_free(c->ctx, path);
    FM_TRY(status);
  }
  return FM_OK;
}
