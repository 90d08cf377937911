/* flawmap predict: verdicts, maps, masks and overlays of pictures nobody has looked at. A picture that cannot
 * be read, or whose results cannot be written, is named and does not end the batch. */
#define _POSIX_C_SOURCE 200809L
#include "app/commands.h"
#include "app/evaluate.h"
#include "app/results.h"
#include "app/trusted.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/print.h"
#include "file/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_BATCH = 8, MOST_DEPTH = 16 };

struct args {
  const char *model, *out, *weights, *device, *refine_text;
  bool force, refine, untrained;
  bool json, exit_flawed, files[FM_RESULTS];
};

struct run {
  struct fm_context *ctx;
  const struct args *a;
  struct fm_model model;
  struct fm_threshold image, pixel;
  struct fm_results results;
  struct fm_sample *item; /* path, and name: of the results, without extension, unique */
  size_t count, capacity;
  char **trouble; /* [count]: why a picture's results could not be written; NULL where they were */
  size_t flawed, unread, unwritten;
};

/* ---- the list of pictures ---- */

static bool name_taken(const struct run *r, const char *name) {
  for (size_t i = 0; i < r->count; i++)
    if (strcmp(r->item[i].name, name) == 0) return true;
  return false;
}

/* prefix: folders below the one that was named, "" or "cracked/". */
static enum fm_status add_picture(struct run *r, const char *path, const char *prefix) {
  FM_TRY(fm_grow(r->ctx, (void **)&r->item, &r->capacity, r->count, sizeof *r->item));
  const char *file = fm_path_name(path), *dot = strrchr(file, '.');
  int length = dot && dot != file ? (int)(dot - file) : (int)strlen(file);
  struct fm_sample *item = &r->item[r->count];
  *item = (struct fm_sample){.path = fm_strdup(r->ctx, path),
                             .name = fm_format(r->ctx, "%s%.*s", prefix, length, file)};
  for (int k = 2; item->name && name_taken(r, item->name); k++) { /* the same name in another folder */
    fm_free(r->ctx, item->name);
    item->name = fm_format(r->ctx, "%s%.*s_%d", prefix, length, file, k);
  }
  r->count++;
  return item->path && item->name ? FM_OK : FM_MEMORY;
}

static enum fm_status add_folder(struct run *r, const char *folder, const char *prefix, int depth) {
  struct fm_names names;
  FM_TRY(fm_folder_list(r->ctx, folder, &names));
  enum fm_status status = FM_OK;
  for (size_t i = 0; i < names.count && status == FM_OK; i++) {
    char *path = fm_path_join(r->ctx, folder, names.name[i]);
    char *below = fm_format(r->ctx, "%s%s/", prefix, names.name[i]);
    if (!path || !below)
      status = FM_MEMORY;
    else if (fm_folder_exists(path) && depth < MOST_DEPTH)
      status = add_folder(r, path, below, depth + 1);
    else if (fm_is_picture(path))
      status = add_picture(r, path, prefix);
    fm_free(r->ctx, path);
    fm_free(r->ctx, below);
  }
  fm_names_free(r->ctx, &names);
  return status;
}

static enum fm_status list_pictures(struct run *r, const char *const *given, int count) {
  for (int i = 0; i < count; i++)
    FM_TRY(fm_folder_exists(given[i]) ? add_folder(r, given[i], "", 0) : add_picture(r, given[i], ""));
  if (r->count) return FM_OK;
  return fm_error(r->ctx, FM_USAGE, "there is no picture (.png .jpg .jpeg .tif .tiff) in '%s'", given[0]);
}

/* ---- scoring ---- */

/* What is one picture's own trouble; everything else (memory, the device) ends the run. */
static bool ends_a_picture(enum fm_status status) {
  return status == FM_IO || status == FM_FORMAT || status == FM_LIMIT;
}

static enum fm_status write_results(void *user, const struct fm_score_item *item) {
  struct run *r = user;
  struct fm_context branch;
  fm_context_branch(&branch, r->ctx);
  enum fm_status status = fm_results_write(&branch, &r->results, item);
  if (status != FM_OK && !ends_a_picture(status)) {
    fm_error(r->ctx, status, "%s", branch.message);
  } else if (status != FM_OK) {
    r->trouble[item->index] = fm_strdup(r->ctx, branch.message);
    status = r->trouble[item->index] ? FM_OK : FM_MEMORY;
  }
  fm_context_free(&branch);
  return status;
}

static enum fm_status print_json(const struct run *r, const struct fm_score_item *item, const char *verdict) {
  struct fm_text text;
  struct fm_json j;
  char *line;
  fm_text_begin(&text, r->ctx);
  fm_json_begin(&j, &text, false);
  fm_json_object(&j, NULL);
  fm_json_string(&j, "picture", item->sample->path);
  fm_json_string(&j, "verdict", verdict);
  fm_json_number(&j, "score", (double)item->one.score);
  fm_json_number(&j, "threshold", r->image.value);
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

static enum fm_status print_verdict(struct run *r, const struct fm_score_item *item) {
  bool flawed = (double)item->one.score > r->image.value;
  const char *verdict = !r->model.has_thresholds ? "unknown" : flawed ? "flawed" : "good";
  r->flawed += flawed;
  if (r->a->json) return print_json(r, item, verdict);
  if (r->model.has_thresholds)
    fm_print("%-7s score %.4f, threshold %.4f  %s\n", verdict, (double)item->one.score, r->image.value,
             item->sample->path);
  else
    fm_print("score %.4f  %s\n", (double)item->one.score, item->sample->path);
  return FM_OK;
}

static enum fm_status take(void *user, const struct fm_score_item *item) {
  struct run *r = user;
  const char *trouble = r->trouble[item->index];
  if (item->image->had_alpha)
    fm_note(r->ctx, "note: '%s' has transparency, which is ignored", item->sample->path);
  FM_TRY(print_verdict(r, item));
  fflush(stdout);
  if (!trouble) return FM_OK;
  if (r->count == 1) return fm_error(r->ctx, FM_IO, "%s", trouble);
  fm_note(r->ctx, "not written: %s", trouble);
  r->unwritten++;
  return FM_OK;
}

static enum fm_status leave_out(void *user, const struct fm_unread *unread) {
  struct run *r = user;
  if (r->count == 1) return fm_error(r->ctx, unread->status, "%s", unread->message);
  fm_note(r->ctx, "left out: %s", unread->message);
  r->unread++;
  return FM_OK;
}

static enum fm_status conclude(struct run *r) {
  if (!r->a->json && r->count > 1 && r->model.has_thresholds)
    fm_print("%zu of %zu pictures flawed\n", r->flawed, r->count - r->unread);
  if (r->unread)
    return fm_error(r->ctx, FM_FORMAT, "%zu of %zu pictures could not be read", r->unread, r->count);
  if (r->unwritten)
    return fm_error(r->ctx, FM_IO, "the results of %zu of %zu pictures could not be written", r->unwritten,
                    r->count);
  return FM_OK;
}

/* ---- the command ---- */

static enum fm_status predict(struct run *r, struct fm_device *d) {
  fm_model_thresholds(&r->model, r->a->refine, &r->image, &r->pixel);
  bool known = r->model.has_thresholds;
  r->results = (struct fm_results){
      .ctx = r->ctx,
      .folder = r->a->out,
      .threshold = r->pixel.value,
      .heat = fm_heat_make(known ? 0 : NAN, known ? r->pixel.value : NAN, known ? 2 * r->pixel.value : NAN)};
  memcpy(r->results.wanted, r->a->files, sizeof r->results.wanted);
  FM_TRY(fm_recipe_preprocess(r->ctx, &r->model.recipe, &r->results.preprocess));
  FM_TRY(fm_folder_make(r->ctx, r->a->out));
  if (!(r->trouble = fm_alloc(r->ctx, r->count, sizeof *r->trouble))) return FM_MEMORY;
  const struct fm_score_list list = {.samples = r->item,
                                     .count = r->count,
                                     .text = "scoring",
                                     .refine = r->a->refine,
                                     .images = true,
                                     .most = MOST_BATCH,
                                     .work_bytes = fm_results_bytes(&r->results),
                                     .work = write_results,
                                     .take = take,
                                     .unread = leave_out,
                                     .user = r};
  FM_TRY(fm_score_set(d, &r->model, &list));
  return conclude(r);
}

static enum fm_status run(struct fm_context *ctx, const struct args *a, const char *const *given, int count,
                          int *exit_status) {
  struct run r = {.ctx = ctx, .a = a};
  struct fm_device *d = NULL;
  enum fm_status status = list_pictures(&r, given, count);
  if (status == FM_OK) status = fm_model_load(ctx, a->model, a->weights, &r.model);
  if (status == FM_OK) status = fm_model_check_trained(&r.model, a->model, a->untrained);
  if (status == FM_OK) status = fm_trusted_device(ctx, a->device, a->force, &d);
  if (status == FM_OK) status = predict(&r, d);
  if (status == FM_OK && a->exit_flawed && r.flawed) *exit_status = 3;
  fm_model_free(&r.model);
  for (size_t i = 0; i < r.count; i++) {
    fm_free(ctx, r.item[i].path);
    fm_free(ctx, r.item[i].name);
    if (r.trouble) fm_free(ctx, r.trouble[i]);
  }
  fm_free(ctx, r.item);
  fm_free(ctx, r.trouble);
  enum fm_status closed = fm_device_close(d);
  return status != FM_OK ? status : closed;
}

enum fm_status fm_cmd_predict(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  struct args a = {.files = {true, true, true, true}};
  struct fm_option options[] = {
      {"o", FM_OPT_TEXT, &a.out, "DIR", "the folder for the results", 0, 0, NULL},
      {"json", FM_OPT_FLAG, &a.json, NULL, "one line of JSON a picture", 0, 0, NULL},
      {"exit-flawed", FM_OPT_FLAG, &a.exit_flawed, NULL, "exit status 3 where something flawed was found", 0,
       0, NULL},
      {"maps", FM_OPT_FLAG, &a.files[0], NULL, "write the maps as float TIFF (--no-maps: not)", 0, 0, NULL},
      {"masks", FM_OPT_FLAG, &a.files[1], NULL, "write masks of what is over the threshold (--no-masks: not)",
       0, 0, NULL},
      {"overlays", FM_OPT_FLAG, &a.files[2], NULL,
       "write pictures with map and outlines (--no-overlays: not)", 0, 0, NULL},
      {"refine", FM_OPT_TEXT, &a.refine_text, "f2pad", "sharpen the maps, and repair the pictures", 0, 0,
       NULL},
      {"repaired", FM_OPT_FLAG, &a.files[3], NULL,
       "with --refine: write the repaired pictures (--no-repaired: not)", 0, 0, NULL},
      {"weights", FM_OPT_TEXT, &a.weights, "FILE", "a thin model's expert weights", 0, 0, NULL},
      {"untrained", FM_OPT_FLAG, &a.untrained, NULL, "also with a model whose expert is untrained", 0, 0,
       NULL},
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
      status = fm_error(ctx, FM_USAGE, "say where the results go: flawmap predict %s %s -o DIR", given[0],
                        given[1]);
  }
  if (status == FM_OK && !help) status = fm_refine_parse(ctx, a.refine_text, &a.refine);
  a.files[3] &= a.refine;
  if (status == FM_OK && !help) {
    a.model = given[0];
    status = run(ctx, &a, given + 1, count - 1, exit_status);
  }
  fm_free(ctx, given);
  return status;
}
