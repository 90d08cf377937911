/* flawmap predict: verdicts, maps, masks and overlays of pictures nobody has looked at. */
#define _POSIX_C_SOURCE 200809L
#include "app/commands.h"
#include "app/evaluate.h"
#include "app/trusted.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "file/json.h"
#include "file/tiff.h"
#include "refine/f2pad.h"
#include "report/overlay.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_BATCH = 8, MOST_DEPTH = 16, FILES = 4 };

struct args {
  const char *model, *out, *weights, *device, *refine_text;
  bool force, refine, untrained;
  bool json, exit_flawed, files[FILES]; /* files: maps, masks, overlays, repaired pictures */
};

struct item {        /* a picture to score */
  char *path, *name; /* name: of the results, without extension, unique */
};

struct loaded { /* a picture being scored */
  const struct item *item;
  struct fm_image image;
  float *map, score;
  const unsigned char *seen, *repaired; /* as large as the network sees it */
};

struct run {
  struct fm_context *ctx;
  const struct args *a;
  struct fm_model model;
  struct fm_threshold image, pixel;
  struct fm_preprocess preprocess;
  struct fm_heat heat;
  struct fm_scorer *scorer;
  struct fm_f2pad *refiner; /* instead of the scorer */
  int batch;
  unsigned char *rgb, *repaired;
  float *maps, *base, *scores;
  struct item *item;
  size_t count, capacity;
  struct loaded loaded[MOST_BATCH];
  size_t in_work, flawed, failed;
};

static const struct {
  const char *folder, *extension;
} file_kinds[FILES] = {{"maps", "tiff"}, {"masks", "png"}, {"overlays", "png"}, {"repaired", "png"}};

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
  struct item *item = &r->item[r->count];
  *item = (struct item){.path = fm_strdup(r->ctx, path),
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

/* A picture that cannot be read is said and left out; anything else ends the run. */
static enum fm_status load_picture(struct run *r, const struct item *item) {
  struct loaded *l = &r->loaded[r->in_work];
  size_t side = (size_t)fm_preprocess_side(&r->preprocess);
  *l = (struct loaded){.item = item};
  enum fm_status status = fm_image_read(r->ctx, item->path, &l->image);
  if (status == FM_OK) status = fm_image_to_rgb(r->ctx, &l->image);
  if (status == FM_OK)
    status = fm_picture_reduce(r->ctx, &r->preprocess, l->image.pixels, l->image.width, l->image.height,
                               r->rgb + r->in_work * side * side * 3);
  if (status == FM_OK) {
    if (l->image.had_alpha) fm_note(r->ctx, "note: '%s' has transparency, which is ignored", item->path);
    r->in_work++;
    return FM_OK;
  }
  fm_image_free(r->ctx, &l->image);
  bool damaged = status == FM_IO || status == FM_FORMAT || status == FM_LIMIT;
  if (!damaged || r->count == 1) return status;
  fm_note(r->ctx, "left out: %s", r->ctx->message);
  fm_error_clear(r->ctx);
  r->failed++;
  return FM_OK;
}

static enum fm_status write_map(struct run *r, const struct loaded *l, const char *path) {
  return fm_tiff_write(r->ctx, path, l->image.width, l->image.height, l->map);
}

static enum fm_status write_mask(struct run *r, const struct loaded *l, const char *path) {
  struct fm_image mask = {.width = l->image.width, .height = l->image.height, .channels = 1};
  FM_TRY(fm_mask_from_map(r->ctx, l->map, mask.width, mask.height, r->pixel.value, &mask.pixels));
  enum fm_status status = fm_png_write(r->ctx, path, &mask);
  fm_free(r->ctx, mask.pixels);
  return status;
}

static enum fm_status write_overlay(struct run *r, const struct loaded *l, const char *path) {
  struct fm_image overlay = {0};
  unsigned char *mask;
  FM_TRY(fm_mask_from_map(r->ctx, l->map, l->image.width, l->image.height, r->pixel.value, &mask));
  enum fm_status status = fm_overlay_draw(r->ctx, &l->image, l->map, mask, NULL, &r->heat, &overlay);
  if (status == FM_OK) status = fm_png_write(r->ctx, path, &overlay);
  fm_image_free(r->ctx, &overlay);
  fm_free(r->ctx, mask);
  return status;
}

static enum fm_status write_repaired(struct run *r, const struct loaded *l, const char *path) {
  struct fm_image out = {.width = l->image.width, .height = l->image.height, .channels = 3};
  out.pixels = fm_alloc(r->ctx, (size_t)out.width * (size_t)out.height, 3);
  if (!out.pixels) return FM_MEMORY;
  enum fm_status status = fm_repaired_enlarge(r->ctx, &r->preprocess, l->seen, l->repaired, l->image.pixels,
                                              out.width, out.height, out.pixels);
  if (status == FM_OK) status = fm_png_write(r->ctx, path, &out);
  fm_image_free(r->ctx, &out);
  return status;
}

static char *result_path(const struct run *r, const struct loaded *l, size_t kind) {
  return fm_format(r->ctx, "%s/%s/%s.%s", r->a->out, file_kinds[kind].folder, l->item->name,
                   file_kinds[kind].extension);
}

/* One of the files of one picture; overlays, which take longest, come first. */
static enum fm_status write_file(void *user, size_t index) {
  static enum fm_status (*const write[FILES])(struct run *, const struct loaded *, const char *) = {
      write_map, write_mask, write_overlay, write_repaired};
  struct run *r = user;
  size_t kind = FILES - 1 - index / r->in_work;
  const struct loaded *l = &r->loaded[index % r->in_work];
  if (!r->a->files[kind]) return FM_OK;
  char *path = result_path(r, l, kind);
  if (!path) return FM_MEMORY;
  char *slash = strrchr(path, '/');
  *slash = 0;
  enum fm_status status = fm_folder_make(r->ctx, path);
  *slash = '/';
  if (status == FM_OK) status = write[kind](r, l, path);
  fm_free(r->ctx, path);
  return status;
}

static enum fm_status print_json(const struct run *r, const struct loaded *l, const char *verdict) {
  struct fm_text text;
  struct fm_json j;
  char *line;
  fm_text_begin(&text, r->ctx);
  fm_json_begin(&j, &text, false);
  fm_json_object(&j, NULL);
  fm_json_string(&j, "picture", l->item->path);
  fm_json_string(&j, "verdict", verdict);
  fm_json_number(&j, "score", (double)l->score);
  fm_json_number(&j, "threshold", r->image.value);
  for (size_t k = 0; k < FILES; k++) {
    char *path = r->a->files[k] ? result_path(r, l, k) : NULL;
    if (r->a->files[k])
      fm_json_string(&j, (const char *const[]){"map", "mask", "overlay", "repaired"}[k], path);
    fm_free(r->ctx, path);
  }
  fm_json_end(&j);
  FM_TRY(fm_text_take(&text, &line, NULL));
  printf("%s\n", line);
  fm_free(r->ctx, line);
  return FM_OK;
}

static enum fm_status print_verdict(struct run *r, const struct loaded *l) {
  bool flawed = (double)l->score > r->image.value;
  const char *verdict = !r->model.has_thresholds ? "unknown" : flawed ? "flawed" : "good";
  r->flawed += flawed;
  if (r->a->json) return print_json(r, l, verdict);
  if (r->model.has_thresholds)
    printf("%-7s score %.4f, threshold %.4f  %s\n", verdict, (double)l->score, r->image.value, l->item->path);
  else
    printf("score %.4f  %s\n", (double)l->score, l->item->path);
  return FM_OK;
}

static enum fm_status enlarge(struct run *r, struct loaded *l, const float *small, float *peak) {
  return fm_score_enlarge(r->ctx, small, &r->preprocess, l->map, l->image.width, l->image.height, peak);
}

static enum fm_status score_batch(struct run *r) {
  int side = fm_preprocess_side(&r->preprocess);
  size_t pixels = (size_t)side * (size_t)side;
  if (r->refiner)
    FM_TRY(fm_f2pad_run(r->refiner, (int)r->in_work, r->rgb, r->maps, r->scores, r->base, r->repaired));
  else
    FM_TRY(fm_scorer_run(r->scorer, (int)r->in_work, r->rgb, r->maps, r->scores));
  for (size_t i = 0; i < r->in_work; i++) {
    struct loaded *l = &r->loaded[i];
    l->map = fm_alloc(r->ctx, (size_t)l->image.width * (size_t)l->image.height, sizeof *l->map);
    if (!l->map) return FM_MEMORY;
    if (r->refiner) { /* the score stays the detector's own; its map comes first and is then replaced */
      l->seen = r->rgb + i * pixels * 3;
      l->repaired = r->repaired + i * pixels * 3;
      FM_TRY(enlarge(r, l, r->base + i * pixels, &l->score));
    }
    float peak;
    FM_TRY(enlarge(r, l, r->maps + i * pixels, &peak));
    if (!r->refiner) l->score = peak;
    if (!isnan(r->scores[i])) l->score = r->scores[i];
  }
  FM_TRY(fm_parallel(r->ctx, FILES * r->in_work, write_file, r));
  for (size_t i = 0; i < r->in_work; i++) FM_TRY(print_verdict(r, &r->loaded[i]));
  fflush(stdout);
  return FM_OK;
}

static void free_batch(struct run *r) {
  for (size_t i = 0; i < r->in_work; i++) {
    fm_image_free(r->ctx, &r->loaded[i].image);
    fm_free(r->ctx, r->loaded[i].map);
  }
  r->in_work = 0;
}

static enum fm_status score_all(struct run *r) {
  struct fm_progress progress;
  enum fm_status status = FM_OK;
  fm_progress_begin(&progress, r->ctx, "scoring", 0, (long)r->count);
  for (size_t at = 0; at < r->count && status == FM_OK;) {
    for (int i = 0; i < r->batch && at < r->count && status == FM_OK; i++)
      status = load_picture(r, &r->item[at++]);
    size_t now = r->in_work;
    if (status == FM_OK && now) status = score_batch(r);
    free_batch(r);
    fm_progress_step(&progress, (long)now);
    if (status == FM_OK && r->ctx->stop)
      status = fm_error(r->ctx, FM_STOPPED, "stopped after %zu of %zu pictures", at, r->count);
  }
  fm_progress_end(&progress);
  FM_TRY(status);
  if (!r->a->json && r->count > 1 && r->model.has_thresholds)
    printf("%zu of %zu pictures flawed\n", r->flawed, r->count - r->failed);
  if (!r->failed) return FM_OK;
  return fm_error(r->ctx, FM_FORMAT, "%zu of %zu pictures could not be read", r->failed, r->count);
}

/* ---- the command ---- */

static enum fm_status predict(struct run *r, struct fm_device *d) {
  r->batch = r->count < MOST_BATCH ? (int)r->count : MOST_BATCH;
  fm_model_thresholds(&r->model, r->a->refine, &r->image, &r->pixel);
  bool known = r->model.has_thresholds;
  r->heat = fm_heat_make(known ? 0 : NAN, known ? r->pixel.value : NAN, known ? 2 * r->pixel.value : NAN);
  FM_TRY(fm_recipe_preprocess(r->ctx, &r->model.recipe, &r->preprocess));
  size_t side = (size_t)fm_preprocess_side(&r->preprocess);
  FM_TRY(fm_folder_make(r->ctx, r->a->out));
  r->rgb = fm_alloc(r->ctx, (size_t)r->batch * side * side, 3);
  r->maps = fm_alloc(r->ctx, (size_t)r->batch * side * side, sizeof *r->maps);
  r->scores = fm_alloc(r->ctx, (size_t)r->batch, sizeof *r->scores);
  if (!r->rgb || !r->maps || !r->scores) return FM_MEMORY;
  if (r->a->refine) {
    r->base = fm_alloc(r->ctx, (size_t)r->batch * side * side, sizeof *r->base);
    r->repaired = fm_alloc(r->ctx, (size_t)r->batch * side * side, 3);
    if (!r->base || !r->repaired) return FM_MEMORY;
    FM_TRY(fm_f2pad_make(d, &r->model, r->batch, &r->refiner));
  } else {
    FM_TRY(fm_scorer_make(d, &r->model, r->batch, false, &r->scorer));
  }
  return score_all(r);
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
  fm_scorer_free(r.scorer);
  fm_f2pad_free(r.refiner);
  fm_model_free(&r.model);
  for (size_t i = 0; i < r.count; i++) {
    fm_free(ctx, r.item[i].path);
    fm_free(ctx, r.item[i].name);
  }
  fm_free(ctx, r.item);
  fm_free(ctx, r.rgb);
  fm_free(ctx, r.maps);
  fm_free(ctx, r.base);
  fm_free(ctx, r.repaired);
  fm_free(ctx, r.scores);
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
