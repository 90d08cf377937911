/* flawmap eval: metrics, maps, pictures and a report from a model and a data set's test pictures. */
#define _POSIX_C_SOURCE 200809L
#include "app/by_hand.h"
#include "app/commands.h"
#include "app/compare.h"
#include "app/evaluate.h"
#include "app/trusted.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/print.h"
#include "model/real.h"
#include "report/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct args {
  const char *const *models; /* [model_count] */
  size_t model_count;
  const char *model, *data, *out, *category, *layout, *refine_text, *leave_out, *bad, *good, *masks, *weights,
      *device;
  bool force;
  enum fm_switch refine;
  bool json, no_maps, no_masks, no_overlays, single_file;
  long min_area;
  const char *ignore;
  struct fm_by_hand by_hand;
};

struct run {
  struct fm_context *ctx;
  struct fm_device *d;
  const struct args *a;
  struct fm_dataset set;
  struct fm_report *report;
  struct fm_compared *compared; /* with several models: the one at hand; else NULL */
  bool several;
  size_t failed; /* categories of a folder of models; what the first one suffered */
  char first[1024];
};

static enum fm_status parse(struct fm_context *ctx, int argc, char **argv, struct args *a,
                            const char **positional, bool *help) {
  bool maps = true, masks = true, overlays = true;
  struct fm_option options[] = {
      {"o", FM_OPT_TEXT, &a->out, "DIR", "the folder for the results", 0, 0, NULL},
      {"category", FM_OPT_TEXT, &a->category, "C",
       "the data set's category (default: the one the model learned)", 0, 0, NULL},
      {"layout", FM_OPT_TEXT, &a->layout, "mvtec|mvtec3d|visa|folder", "default: recognised from the folders",
       0, 0, NULL},
      {"bad", FM_OPT_TEXT, &a->bad, "DIR", "layout folder: the flawed test pictures", 0, 0, NULL},
      {"good", FM_OPT_TEXT, &a->good, "DIR", "layout folder: the good test pictures", 0, 0, NULL},
      {"mask-folder", FM_OPT_TEXT, &a->masks, "DIR", "layout folder: the masks of the flawed ones", 0, 0,
       NULL},
      {"leave-out", FM_OPT_TEXT, &a->leave_out, "FILE|MODEL",
       "test pictures to leave out: lines KIND/NAME, or what a model learned", 0, 0, NULL},
      FM_BY_HAND_OPTIONS(&a->by_hand),
      FM_MIN_AREA_OPTION(&a->min_area),
      FM_IGNORE_OPTION(&a->ignore),
      {"weights", FM_OPT_TEXT, &a->weights, "FILE", "a thin model's expert weights", 0, 0, NULL},
      {"device", FM_OPT_TEXT, &a->device, "N|NAME", "the device ('flawmap devices' lists them)", 0, 0, NULL},
      {"force", FM_OPT_FLAG, &a->force, NULL, "use a device that fails its self-test", 0, 0, NULL},
      {"refine", FM_OPT_TEXT, &a->refine_text, "f2pad|off",
       "maps sharpened to the flaws' outlines (default: where the model can)", 0, 0, NULL},
      {"json", FM_OPT_FLAG, &a->json, NULL, "print metrics.json instead of the table", 0, 0, NULL},
      {"maps", FM_OPT_FLAG, &maps, NULL, "write the maps as float TIFF (the default; --no-maps)", 0, 0, NULL},
      {"masks", FM_OPT_FLAG, &masks, NULL, "write the masks (the default; --no-masks)", 0, 0, NULL},
      {"overlays", FM_OPT_FLAG, &overlays, NULL,
       "write pictures with map and outlines (the default; --no-overlays)", 0, 0, NULL},
      {"single-file", FM_OPT_FLAG, &a->single_file, NULL, "report.html with its small pictures inside", 0, 0,
       NULL},
  };
  int n;
  FM_TRY(fm_options_parse(ctx, fm_command_find("eval"), options, sizeof options / sizeof *options, argc, argv,
                          positional, &n, help));
  if (*help) return FM_OK;
  if (n < 2)
    return fm_error(
        ctx, FM_USAGE,
        "flawmap eval takes models and a data set; you gave %d: flawmap eval MODEL... DATA -o DIR", n);
  if (!a->out)
    return fm_error(ctx, FM_USAGE, "name the folder for the results: flawmap eval %s %s -o DIR",
                    positional[0], positional[n - 1]);
  FM_TRY(fm_refine_parse(ctx, a->refine_text, &a->refine));
  a->models = positional;
  a->model_count = (size_t)n - 1;
  a->model = positional[0];
  a->data = positional[n - 1];
  a->no_maps = !maps;
  a->no_masks = !masks;
  a->no_overlays = !overlays;
  return FM_OK;
}

/* "NAME VALUE" one after another, in percent. */
static void put_percents(struct fm_text *text, size_t count, const char *const *names, const double *values) {
  for (size_t i = 0; i < count; i++) {
    char percent[16];
    fm_metrics_percent(percent, values[i]);
    fm_text_printf(text, "%s %s", names[i], percent);
  }
}

/* "NAME VALUE (OTHER)" */
static void put_pair(struct fm_text *text, const char *name, double value, double other) {
  put_percents(text, 1, &name, &value);
  put_percents(text, 1, (const char *const[]){" ("}, &other);
  fm_text_append(text, ")");
}

static void print_category(const char *name, const struct fm_model *m, const struct fm_evaluation *e) {
  struct fm_text text;
  char sentence[400];
  const struct fm_report_tally *t = &e->tally;
  fm_text_begin(&text, m->ctx);
  fm_text_show(&text, "%s: %zu pictures at their own size\n", name, e->pictures);
  if (!m->expert.trained) fm_text_printf(&text, "  %s\n", FM_UNTRAINED);
  fm_metrics_table(&text, &e->official);
  fm_text_printf(&text, "  at %d x %d (as in CDO's tables): ", m->recipe.size.width, m->recipe.size.height);
  put_percents(
      &text, 4,
      (const char *const[]){"image AUROC", ", pixel AUROC", ", pixel AP", ", AUPRO of CDO's script"},
      (const double[]){e->cdo1.image_auroc, e->cdo1.pixel_auroc, e->cdo1.pixel_ap, e->cdo1.aupro_cdo1});
  fm_text_append(&text, "\n");
  if (e->refined) {
    const struct fm_metrics *b = &e->base, *s = &e->cdo1;
    fm_text_append(&text, "  sharpened (own maps):       ");
    put_pair(&text, " pixel AP", s->pixel_ap, b->pixel_ap);
    put_pair(&text, ", F1", s->pixel_f1, b->pixel_f1);
    put_pair(&text, ", IoU", s->pixel_iou, b->pixel_iou);
    put_pair(&text, ", AUPRO", s->aupro_30, b->aupro_30);
    fm_text_append(&text, "\n  at thresholds from good pictures:");
    put_pair(&text, " IoU", e->fixed.iou, e->base_fixed.iou);
    put_pair(&text, ", flagged of good pictures' pixels in percent", e->fixed.flagged_good,
             e->base_fixed.flagged_good);
    fm_text_append(&text, "\n");
  }
  if (m->has_thresholds) {
    struct fm_threshold image, pixel;
    fm_model_thresholds(m, e->refined, &image, &pixel);
    fm_threshold_sentence(&image, sentence);
    fm_text_show(
        &text, "  verdicts: %zu of %zu flawed pictures found, %zu of %zu good ones flagged\n  threshold %s\n",
        t->found, t->found + t->missed, t->alarms, t->alarms + t->passed, sentence);
  }
  if (text.status == FM_OK && text.chars) fm_print_data(text.chars);
  fflush(stdout);
  fm_text_free(&text);
}

/* The names of a list, or of a model's metadata, which begin as JSON behind eight bytes of length. */
static enum fm_status read_names(struct fm_context *ctx, const struct fm_category *c, const char *path,
                                 char **names) {
  unsigned char *bytes;
  size_t size;
  struct fm_safetensors *file;
  FM_TRY(fm_file_read(ctx, path, FM_SAFETENSORS_MAX, &bytes, &size));
  static const unsigned char zero[4];
  if (size < 9 || memcmp(bytes + 4, zero, 4) != 0 || bytes[8] != '{') {
    fm_free(ctx, bytes);
    return fm_real_read(ctx, c, path, names);
  }
  FM_TRY(fm_safetensors_parse(ctx, path, bytes, size, &file));
  const char *real = fm_safetensors_meta(file, "data.real");
  enum fm_status status = FM_OK;
  if (!real || !fm_real_valid(real))
    status = fm_error(
        ctx, FM_USAGE,
        "--leave-out: the model '%s' did not learn from flawed pictures, so there are none to leave out",
        path);
  else if (!(*names = fm_strdup(ctx, real)))
    status = FM_MEMORY;
  fm_safetensors_free(ctx, file);
  return status;
}

/* What a model has learned from is no test of it. */
static enum fm_status leave_out(struct run *r, const struct fm_model *model, struct fm_category *c) {
  char *names = NULL;
  size_t most = c->test_count, learned, asked = 0;
  if (r->a->leave_out) FM_TRY(read_names(r->ctx, c, r->a->leave_out, &names));
  learned = fm_real_leave_out(r->ctx, c, model->data.real);
  asked = fm_real_leave_out(r->ctx, c, names);
  fm_free(r->ctx, names);
  if (learned)
    fm_note(r->ctx, "%zu of %zu test pictures are left out: the model learned from them", learned, most);
  if (asked) fm_note(r->ctx, "%zu of %zu test pictures are left out: --leave-out", asked, most);
  return FM_OK;
}

/* *spoiled: a failure came while the report was being written. */
static enum fm_status eval_model(struct run *r, const char *path, const char *name, bool *spoiled) {
  struct fm_model model;
  struct fm_category category;
  struct fm_evaluation evaluation = {0};
  FM_TRY(fm_model_load(r->ctx, path, r->a->weights, &model));
  /* One category of several: the one the model learned, unless another is asked for. */
  const char *wanted = name ? name : r->set.single ? NULL : model.data.category;
  enum fm_status status = fm_by_hand_apply(&r->a->by_hand, path, &model);
  if (status == FM_OK) status = fm_ignore_more(r->a->ignore, &model);
  if (status == FM_OK) status = fm_category_open(r->ctx, &r->set, wanted, &category);
  if (status == FM_OK) {
    status = fm_category_complete(r->ctx, &category, true);
    if (status == FM_OK) status = leave_out(r, &model, &category);
    if (status == FM_OK)
      status = fm_evaluate(r->d, &model, fm_refine_pays(&model, r->a->refine), (size_t)r->a->min_area,
                           &category, r->report, &evaluation);
    if (status == FM_OK && r->compared) fm_compared_add(r->compared, &evaluation);
    if (status == FM_OK && !r->a->json) print_category(category.name, &model, &evaluation);
    fm_category_close(r->ctx, &category);
  }
  fm_model_free(&model);
  *spoiled = evaluation.reported;
  return status;
}

/* A category that cannot be evaluated does not end the others; the command fails in the end. */
static enum fm_status eval_one(struct run *r, const char *path, const char *name, size_t *done) {
  bool spoiled = false;
  enum fm_status status = eval_model(r, path, name, &spoiled);
  *done += status == FM_OK;
  if (status == FM_OK || spoiled || !fm_status_is_local(status)) return status;
  fm_note(r->ctx, "%s is left out: %s", name, r->ctx->message);
  if (!r->failed++) snprintf(r->first, sizeof r->first, "%.80s: %.800s", name, r->ctx->message);
  fm_error_clear(r->ctx);
  return FM_OK;
}

/* A folder of models, as `train --category all` leaves it: each category that has one. */
static enum fm_status eval_folder(struct run *r) {
  size_t found = 0, done = 0;
  for (size_t i = 0; i < r->set.categories.count; i++) {
    const char *name = r->set.categories.name[i];
    if (r->a->category && strcmp(r->a->category, name) != 0) continue;
    char *path = fm_format(r->ctx, "%s/%s.flawmap", r->a->model, name);
    if (!path) return FM_MEMORY;
    enum fm_status status = FM_OK;
    if (fm_file_exists(path)) {
      status = eval_one(r, path, name, &done);
      found++;
    } else if (!r->a->category) {
      fm_note(r->ctx, "warning: %s is left out: it has no model ('%s' is not there)", name, path);
    }
    fm_free(r->ctx, path);
    FM_TRY(status);
  }
  if (done) return FM_OK;
  if (found) return fm_error(r->ctx, FM_FORMAT, "no category could be evaluated; the first is %s", r->first);
  return fm_error(r->ctx, FM_USAGE, "the folder '%s' has no model CATEGORY.flawmap for %s of '%s'",
                  r->a->model, r->a->category ? r->a->category : "any category", r->a->data);
}

static enum fm_status print_json(struct run *r, const char *name) {
  unsigned char *bytes;
  size_t size;
  char *path = fm_path_join(r->ctx, r->a->out, name);
  if (!path) return FM_MEMORY;
  enum fm_status status = fm_file_read(r->ctx, path, (size_t)1 << 30, &bytes, &size);
  fm_free(r->ctx, path);
  FM_TRY(status);
  fm_print_data((const char *)bytes);
  fm_free(r->ctx, bytes);
  return FM_OK;
}

static enum fm_status evaluate(struct run *r) {
  const struct args *a = r->a;
  const struct fm_facts *f = fm_device_facts(r->d);
  bool folder = fm_folder_exists(a->model);
  const struct fm_fact facts[] = {{"data set", fm_path_name(a->data)},
                                  {"layout", fm_layout_name(r->set.layout)},
                                  {"scored on", f->name},
                                  {"flawmap", fm_version()}};
  struct fm_report_head head = {.folder = a->out,
                                .facts = facts,
                                .fact_count = sizeof facts / sizeof *facts,
                                .several = folder && !a->category,
                                .no_maps = a->no_maps,
                                .no_masks = a->no_masks,
                                .no_overlays = a->no_overlays,
                                .single_file = a->single_file};
  FM_TRY(fm_report_open(r->ctx, &head, &r->report));
  bool spoiled;
  enum fm_status status = folder ? eval_folder(r) : eval_model(r, a->model, a->category, &spoiled);
  if (status == FM_OK) status = fm_report_close(r->report);
  fm_report_free(r->report);
  FM_TRY(status);
  if (a->json && !r->compared) FM_TRY(print_json(r, "metrics.json"));
  if (!a->json)
    fm_print("results: %s/report.html, metrics.json, metrics.csv, images.csv, regions.csv, maps, masks, "
             "overlays\n",
             a->out);
  if (r->failed)
    return fm_error(r->ctx, FM_FORMAT, "%zu categories could not be evaluated; the first is %s", r->failed,
                    r->first);
  return FM_OK;
}

/* Each model with its results in a folder of its own, then all of them in a table. */
static enum fm_status compare(struct run *r, struct fm_comparison *c) {
  const struct args *all = r->a;
  for (size_t i = 0; i < c->count; i++) {
    struct args one = *all;
    one.model = all->models[i];
    char *out = fm_path_join(r->ctx, all->out, c->model[i].name);
    if (!out) return FM_MEMORY;
    one.out = out;
    r->a = &one;
    r->compared = &c->model[i];
    if (!one.json) fm_print("%s%s\n", i ? "\n" : "", one.model);
    enum fm_status status = evaluate(r);
    r->a = all;
    fm_free(r->ctx, out);
    FM_TRY(status);
  }
  FM_TRY(fm_comparison_write(c, all->out));
  if (all->json) return print_json(r, "comparison.json");
  FM_TRY(fm_comparison_print(c));
  fm_print("comparison: %s/report.html, comparison.csv, comparison.json\n", all->out);
  return FM_OK;
}

static enum fm_status evaluate_models(struct run *r) {
  struct fm_comparison c;
  if (r->a->model_count == 1) return evaluate(r);
  enum fm_status status = fm_comparison_begin(r->ctx, r->a->models, r->a->model_count, &c);
  if (status == FM_OK) status = compare(r, &c);
  fm_comparison_free(&c);
  return status;
}

static enum fm_status run(struct fm_context *ctx, const struct args *a) {
  struct fm_dataset_options options = {.bad = a->bad, .good = a->good, .masks = a->masks};
  struct run r = {.ctx = ctx, .a = a};
  if (a->layout) FM_TRY(fm_layout_parse(ctx, a->layout, &options.layout));
  FM_TRY(fm_dataset_open(ctx, a->data, &options, &r.set));
  enum fm_status status = fm_trusted_device(ctx, a->device, a->force, &r.d);
  if (status == FM_OK) status = evaluate_models(&r);
  enum fm_status closed = fm_device_close(r.d);
  fm_dataset_close(ctx, &r.set);
  return status != FM_OK ? status : closed;
}

enum fm_status fm_cmd_eval(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  struct args a = {.min_area = 1};
  bool help = false;
  const char **positional = fm_alloc(ctx, (size_t)argc + 1, sizeof *positional);
  if (!positional) return FM_MEMORY;
  enum fm_status status = parse(ctx, argc, argv, &a, positional, &help);
  if (status == FM_OK && !help) status = run(ctx, &a);
  fm_free(ctx, positional);
  return status;
}
