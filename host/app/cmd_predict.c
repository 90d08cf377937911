/* flawmap predict: verdicts, maps, masks and overlays of pictures nobody has looked at. A picture that cannot
 * be read, or whose results cannot be written, is named and does not end the batch. */
#define _POSIX_C_SOURCE 200809L
#include "app/by_hand.h"
#include "app/commands.h"
#include "app/evaluate.h"
#include "app/given.h"
#include "app/predict_page.h"
#include "app/trusted.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/print.h"
#include "data/find.h"
#include "report/result_json.h"
#include "report/results_csv.h"

#include <stdio.h>
#include <string.h>

enum { MOST_BATCH = 8 };

struct args {
  const char *model, *out, *weights, *device, *refine_text;
  enum fm_switch refine_wish;
  bool force, refine, untrained;
  bool json, exit_flawed, report, single_file, files[FM_RESULTS];
  long min_area;
  const char *ignore;
  struct fm_by_hand by_hand;
};

struct run {
  struct fm_context *ctx;
  const struct args *a;
  struct fm_model model;
  struct fm_results results;
  struct fm_given given;
  struct fm_results_csv csv;
  struct fm_predict_page page;
  struct fm_verdict *found; /* [given.count], freed once it was told */
  char **trouble; /* [given.count]: why a picture's results could not be written; NULL where they were */
  size_t flawed, unread, unwritten;
  bool marked; /* the folder of results was */
};

/* ---- scoring ---- */

/* What is one picture's own trouble; everything else (memory, the device) ends the run. */
static bool ends_a_picture(enum fm_status status) {
  return status == FM_IO || status == FM_FORMAT || status == FM_LIMIT;
}

static enum fm_status write_results(void *user, const struct fm_score_item *item) {
  struct run *r = user;
  struct fm_context branch;
  fm_context_branch(&branch, r->ctx);
  struct fm_verdict *found = &r->found[item->index];
  enum fm_status status = fm_verdict_make(&branch, &r->results.rule, &item->one, found);
  if (status == FM_OK) status = fm_results_write(&branch, &r->results, item, found);
  if (status == FM_OK) status = fm_predict_page_draw(&r->page, &branch, item);
  if (status != FM_OK && !ends_a_picture(status)) {
    fm_error(r->ctx, status, "%s", branch.message);
  } else if (status != FM_OK) {
    r->trouble[item->index] = fm_strdup(r->ctx, branch.message);
    status = r->trouble[item->index] ? FM_OK : FM_MEMORY;
  }
  fm_context_free(&branch);
  return status;
}

static enum fm_status print_json(const struct run *r, const struct fm_score_item *item) {
  struct fm_text text;
  struct fm_json j;
  char *line;
  fm_text_begin(&text, r->ctx);
  fm_json_begin(&j, &text, false);
  fm_json_object(&j, NULL);
  fm_json_string(&j, "picture", item->sample->path);
  fm_result_put(&j, &r->results, item, &r->found[item->index]);
  for (int k = 0; k < FM_RESULTS; k++) {
    if (!r->a->files[k]) continue;
    char *path = fm_result_path(&r->results, item->sample->name, (enum fm_result)k);
    fm_json_string(&j, fm_result_name((enum fm_result)k), path);
    fm_free(r->ctx, path);
  }
  fm_json_end(&j);
  fm_text_append(&text, "\n");
  FM_TRY(fm_text_take(&text, &line, NULL));
  fm_print_data(line);
  fm_free(r->ctx, line);
  return FM_OK;
}

static enum fm_status print_verdict(struct run *r, const struct fm_score_item *item, const char *verdict) {
  if (r->a->json) return print_json(r, item);
  if (r->model.has_thresholds)
    fm_print("%-7s score %.4f, threshold %.4f%s  %s\n", verdict, (double)item->one.score,
             r->results.rule.image.value, fm_by_hand_mark(&r->results.rule.image), item->sample->path);
  else
    fm_print("score %.4f  %s\n", (double)item->one.score, item->sample->path);
  return FM_OK;
}

static enum fm_status take(void *user, const struct fm_score_item *item) {
  struct run *r = user;
  const char *trouble = r->trouble[item->index];
  if (item->image->had_alpha)
    fm_note(r->ctx, "note: '%s' has transparency, which is ignored", item->sample->path);
  struct fm_verdict *found = &r->found[item->index];
  const char *verdict = fm_result_verdict(&r->results, found);
  r->flawed += found->flagged;
  enum fm_status status = print_verdict(r, item, verdict);
  fflush(stdout);
  if (status == FM_OK) status = fm_results_csv_add(&r->csv, item, found, verdict, trouble);
  if (status == FM_OK) status = fm_predict_page_take(&r->page, item->index);
  fm_verdict_free(r->ctx, found);
  FM_TRY(status);
  if (!trouble && !r->marked) FM_TRY(fm_mark_results(r->ctx, r->a->out));
  r->marked |= !trouble;
  if (!trouble) return FM_OK;
  if (r->given.count == 1) return fm_error(r->ctx, FM_IO, "%s", trouble);
  fm_note(r->ctx, "not written: %s", trouble);
  r->unwritten++;
  return FM_OK;
}

static enum fm_status leave_out(void *user, const struct fm_unread *unread) {
  struct run *r = user;
  if (r->given.count == 1) return fm_error(r->ctx, unread->status, "%s", unread->message);
  FM_TRY(fm_results_csv_unread(&r->csv, r->given.item[unread->picture].path, unread->message));
  fm_note(r->ctx, "left out: %s", unread->message);
  r->unread++;
  return FM_OK;
}

static enum fm_status conclude(struct run *r) {
  size_t all = r->given.count + r->given.unread, unread = r->unread + r->given.unread;
  if (!r->a->json && r->given.count > 1 && r->model.has_thresholds)
    fm_print("%zu of %zu pictures flawed\n", r->flawed, r->given.count - r->unread);
  if (unread && r->unwritten)
    return fm_error(r->ctx, FM_FORMAT,
                    "%zu of %zu pictures could not be read, and the results of %zu could not be written",
                    unread, all, r->unwritten);
  if (unread) return fm_error(r->ctx, FM_FORMAT, "%zu of %zu pictures could not be read", unread, all);
  if (r->unwritten)
    return fm_error(r->ctx, FM_IO, "the results of %zu of %zu pictures could not be written", r->unwritten,
                    all);
  return FM_OK;
}

/* ---- the command ---- */

static enum fm_status predict(struct run *r, struct fm_device *d) {
  FM_TRY(fm_results_make(r->ctx, &r->model, r->a->refine, &r->results));
  r->results.folder = r->a->out;
  r->results.rule.min_area = (size_t)r->a->min_area;
  memcpy(r->results.wanted, r->a->files, sizeof r->results.wanted);
  FM_TRY(fm_folder_make(r->ctx, r->a->out));
  r->trouble = fm_alloc(r->ctx, r->given.count, sizeof *r->trouble);
  r->found = fm_alloc(r->ctx, r->given.count, sizeof *r->found);
  if (!r->trouble || !r->found) return FM_MEMORY;
  const bool page = r->a->report || r->a->single_file;
  if (page)
    FM_TRY(fm_predict_page_open(d, &r->model, &r->results, r->given.count, r->a->single_file, &r->page));
  FM_TRY(fm_results_csv_open(&r->csv, r->ctx, r->a->out, r->results.rule.image.value));
  const struct fm_score_list list = {.samples = r->given.item,
                                     .count = r->given.count,
                                     .text = "scoring",
                                     .refine = r->a->refine,
                                     .images = true,
                                     .most = MOST_BATCH,
                                     .work_bytes =
                                         fm_results_bytes(&r->results) + (page ? FM_PREDICT_PAGE_BYTES : 0),
                                     .work = write_results,
                                     .take = take,
                                     .unread = leave_out,
                                     .user = r};
  enum fm_status status = fm_score_set(d, &r->model, &list);
  /* What was scored before a failure is worth having. */
  enum fm_status listed = fm_results_csv_close(&r->csv);
  FM_TRY(status != FM_OK ? status : listed);
  FM_TRY(fm_predict_page_close(&r->page, r->unread + r->unwritten + r->given.unread));
  return conclude(r);
}

static enum fm_status run(struct fm_context *ctx, const struct args *a, const char *const *given, int count,
                          int *exit_status) {
  struct args now = *a;
  struct run r = {.ctx = ctx, .a = &now};
  struct fm_device *d = NULL;
  enum fm_status status = fm_given_list(ctx, given, count, &r.given);
  if (status == FM_OK) status = fm_model_load(ctx, a->model, a->weights, &r.model);
  if (status == FM_OK) status = fm_model_check_trained(&r.model, a->model, a->untrained);
  if (status == FM_OK) status = fm_by_hand_apply(&a->by_hand, a->model, &r.model);
  if (status == FM_OK) status = fm_ignore_more(a->ignore, &r.model);
  if (status == FM_OK) now.refine = fm_refine_pays(&r.model, a->refine_wish);
  now.files[3] &= now.refine;
  if (status == FM_OK) status = fm_trusted_device(ctx, a->device, a->force, &d);
  if (status == FM_OK) status = predict(&r, d);
  if (status == FM_OK && a->exit_flawed && r.flawed) *exit_status = 3;
  fm_model_free(&r.model);
  for (size_t i = 0; r.trouble && i < r.given.count; i++) fm_free(ctx, r.trouble[i]);
  for (size_t i = 0; r.found && i < r.given.count; i++) fm_verdict_free(ctx, &r.found[i]);
  fm_predict_page_free(&r.page);
  fm_free(ctx, r.trouble);
  fm_free(ctx, r.found);
  fm_given_free(ctx, &r.given);
  enum fm_status closed = fm_device_close(d);
  return status != FM_OK ? status : closed;
}

enum fm_status fm_cmd_predict(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  struct args a = {.files = {true, true, true, true}, .min_area = 1};
  struct fm_option options[] = {
      {"o", FM_OPT_TEXT, &a.out, "DIR", "the folder for the results", 0, 0, NULL},
      {"json", FM_OPT_FLAG, &a.json, NULL, "one line of JSON per picture", 0, 0, NULL},
      {"exit-flawed", FM_OPT_FLAG, &a.exit_flawed, NULL, "exit status 3 if something flawed was found", 0, 0,
       NULL},
      {"maps", FM_OPT_FLAG, &a.files[0], NULL, "write the maps as float TIFF (the default; --no-maps)", 0, 0,
       NULL},
      {"masks", FM_OPT_FLAG, &a.files[1], NULL, "write masks of what is flagged (the default; --no-masks)", 0,
       0, NULL},
      {"overlays", FM_OPT_FLAG, &a.files[2], NULL,
       "write pictures with map and outlines (the default; --no-overlays)", 0, 0, NULL},
      {"refine", FM_OPT_TEXT, &a.refine_text, "f2pad|off",
       "sharpen the maps, and repair the pictures (default: where the model can)", 0, 0, NULL},
      {"repaired", FM_OPT_FLAG, &a.files[3], NULL, "and write the repaired ones (the default; --no-repaired)",
       0, 0, NULL},
      {"report", FM_OPT_FLAG, &a.report, NULL, "and a page to look at them: report.html", 0, 0, NULL},
      {"single-file", FM_OPT_FLAG, &a.single_file, NULL, "the same with its small pictures inside", 0, 0,
       NULL},
      FM_BY_HAND_OPTIONS(&a.by_hand),
      FM_MIN_AREA_OPTION(&a.min_area),
      FM_IGNORE_OPTION(&a.ignore),
      {"weights", FM_OPT_TEXT, &a.weights, "FILE", "a thin model's expert weights", 0, 0, NULL},
      {"untrained", FM_OPT_FLAG, &a.untrained, NULL, "accept a model whose expert is untrained", 0, 0, NULL},
      {"device", FM_OPT_TEXT, &a.device, "N|NAME", "the device ('flawmap devices' lists them)", 0, 0, NULL},
      {"force", FM_OPT_FLAG, &a.force, NULL, "use a device that fails its self-test", 0, 0, NULL},
  };
  int count;
  bool help;
  const char **given = fm_alloc(ctx, (size_t)argc + 1, sizeof *given);
  if (!given) return FM_MEMORY;
  enum fm_status status =
      fm_options_parse(ctx, fm_command_find("predict"), options, sizeof options / sizeof *options, argc, argv,
                       given, &count, &help);
  if (status == FM_OK && !help) {
    if (count < 2)
      status =
          fm_error(ctx, FM_USAGE,
                   "flawmap predict takes a model and pictures: flawmap predict MODEL PICTURE|DIR... -o DIR");
    else if (!a.out)
      status = fm_error(ctx, FM_USAGE, "name the folder for the results: flawmap predict %s %s -o DIR",
                        given[0], given[1]);
  }
  if (status == FM_OK && !help) status = fm_refine_parse(ctx, a.refine_text, &a.refine_wish);
  if (status == FM_OK && !help) {
    a.model = given[0];
    status = run(ctx, &a, given + 1, count - 1, exit_status);
  }
  fm_free(ctx, given);
  return status;
}
