#define _POSIX_C_SOURCE 200809L
#include "model/refinement.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fm_refinement_free(struct fm_context *ctx, struct fm_refinement *r) {
  fm_reference_free(ctx, &r->reference);
  fm_free(ctx, r->limit);
  fm_free(ctx, r->usual);
  *r = (struct fm_refinement){0};
}

void fm_refinement_sentence(const struct fm_refinement *r, char out[400]) {
  const struct fm_worth *w = &r->worth;
  snprintf(
      out, 400,
      "on flaws drawn on held-out good pictures, sharpened maps have a pixel AP of %.1f %% and find %.1f "
      "%% of the flaws' pixels; the detector's own have %.1f %% and find %.1f %% with as many false "
      "ones%s",
      100 * w->ap[1], 100 * w->recall[1], 100 * w->ap[0], 100 * w->recall[0],
      r->off      ? ". Sharpening does not pay here, so it is off"
      : r->scores ? ". They tell flawed pictures from good ones better, too, so a picture's score comes "
                    "from them"
                  : "");
}

/* ---- its numbers, in one list for both directions ---- */

/* In place of the reference's name. */
static const char OFF[] = "off";

struct entry {
  const char *key;
  double *value;
};
enum { ENTRIES = 6 };

static void list_entries(struct fm_refinement *r, struct entry entry[ENTRIES]) {
  const struct entry all[ENTRIES] = {{"refine.q99", &r->q99},      {"refine.q99.5", &r->q995},
                                     {"refine.q99.95", &r->q9995}, {"refine.rho", &r->rho},
                                     {"refine.base", &r->base},    {"refine.blur", &r->blur}};
  memcpy(entry, all, sizeof all);
}

enum { WORTHS = 6 };

static void list_worth(struct fm_worth *w, struct entry entry[WORTHS]) {
  const struct entry all[WORTHS] = {{"refine.ap.own", &w->ap[0]},         {"refine.ap", &w->ap[1]},
                                    {"refine.recall.own", &w->recall[0]}, {"refine.recall", &w->recall[1]},
                                    {"refine.auroc.own", &w->auroc[0]},   {"refine.auroc", &w->auroc[1]}};
  memcpy(entry, all, sizeof all);
}

static enum fm_status save_worth(const struct fm_worth *w, struct fm_safetensors_out *out) {
  struct fm_worth copy = *w;
  struct entry entry[WORTHS];
  char text[40];
  if (!w->known) return FM_OK;
  list_worth(&copy, entry);
  for (int i = 0; i < WORTHS; i++) {
    snprintf(text, sizeof text, "%.6g", isfinite(*entry[i].value) ? *entry[i].value : 0);
    FM_TRY(fm_safetensors_out_meta(out, entry[i].key, text));
  }
  return FM_OK;
}

enum fm_status fm_refinement_save(const struct fm_refinement *r, struct fm_safetensors_out *out) {
  const struct fm_reference *ref = &r->reference;
  struct fm_refinement copy = *r;
  struct entry entry[ENTRIES];
  char text[40];
  if (!r->there && !r->off) return FM_OK;
  FM_TRY(fm_safetensors_out_meta(out, "refine", r->off ? OFF : fm_reference_names[ref->kind]));
  FM_TRY(save_worth(&r->worth, out));
  if (r->off) return FM_OK;
  if (r->scores) FM_TRY(fm_safetensors_out_meta(out, "refine.scores", "yes"));
  list_entries(&copy, entry);
  for (int i = 0; i < ENTRIES; i++) {
    snprintf(text, sizeof text, "%.17g", *entry[i].value);
    FM_TRY(fm_safetensors_out_meta(out, entry[i].key, text));
  }
  const size_t grid[] = {(size_t)r->height, (size_t)r->width},
               plane[] = {(size_t)ref->size.height, (size_t)ref->size.width};
  FM_TRY(fm_reference_save(ref, out));
  FM_TRY(fm_safetensors_out_tensor(out, "refine.usual", FM_F32, 2, plane, r->usual));
  return fm_safetensors_out_tensor(out, "refine.limit", FM_F32, 2, grid, r->limit);
}

/* ---- loading: nothing is believed ---- */

struct loading {
  struct fm_context *ctx;
  const struct fm_safetensors *file;
};

static enum fm_status damaged(const struct loading *l, const char *what) {
  return fm_error(l->ctx, FM_FORMAT,
                  "'%s' is damaged: its data for sharpening maps is wrong ('%s'); train it again",
                  fm_safetensors_path(l->file), what);
}

static enum fm_status get_number(const struct loading *l, const char *key, double *out) {
  const char *text = fm_safetensors_meta(l->file, key);
  char *end = NULL;
  *out = text ? strtod(text, &end) : 0;
  return text && end != text && !*end && isfinite(*out) && *out >= 0 ? FM_OK : damaged(l, key);
}

/* A tensor's values as they are in the file; dims and type must agree, further sizes are the caller's to
 * check. */
static enum fm_status get_tensor(const struct loading *l, const char *name, enum fm_dtype type, int dims,
                                 const struct fm_tensor **out) {
  *out = fm_safetensors_find(l->file, name);
  return *out && (*out)->type == type && (*out)->dims == dims && (*out)->count ? FM_OK : damaged(l, name);
}

static enum fm_status copy_tensor(const struct loading *l, const struct fm_tensor *t, void **out) {
  *out = fm_alloc(l->ctx, t->count, fm_dtype_size(t->type));
  if (!*out) return FM_MEMORY;
  memcpy(*out, t->bytes, t->count * fm_dtype_size(t->type));
  return FM_OK;
}

static enum fm_status check_floats(const struct loading *l, const char *name, const float *v, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!isfinite(v[i])) return damaged(l, name);
  return FM_OK;
}

/* Older models have none. */
static enum fm_status load_worth(const struct loading *l, struct fm_worth *w) {
  struct entry entry[WORTHS];
  list_worth(w, entry);
  if (!fm_safetensors_meta(l->file, entry[0].key)) return FM_OK;
  for (int i = 0; i < WORTHS; i++) {
    FM_TRY(get_number(l, entry[i].key, entry[i].value));
    if (*entry[i].value > 1) return damaged(l, entry[i].key);
  }
  w->known = true;
  return FM_OK;
}

static enum fm_status load(const struct loading *l, const char *kind, struct fm_refinement *r) {
  struct fm_reference *ref = &r->reference;
  struct entry entry[ENTRIES];
  const struct fm_tensor *t;
  const size_t high = (size_t)ref->size.height, wide = (size_t)ref->size.width;
  int which = 0;
  FM_TRY(load_worth(l, &r->worth));
  r->off = strcmp(kind, OFF) == 0;
  if (r->off) return r->worth.known ? FM_OK : damaged(l, "refine.ap");
  const char *scores = fm_safetensors_meta(l->file, "refine.scores");
  if (scores && strcmp(scores, "yes") != 0) return damaged(l, "refine.scores");
  r->scores = scores != NULL;
  while (which < FM_REFERENCE_KINDS && strcmp(kind, fm_reference_names[which]) != 0) which++;
  if (which == FM_REFERENCE_KINDS) return damaged(l, "refine");
  ref->kind = (enum fm_reference_kind)which;
  list_entries(r, entry);
  for (int i = 0; i < ENTRIES; i++) FM_TRY(get_number(l, entry[i].key, entry[i].value));
  if (!(r->q995 > 0 && r->rho > 0)) return damaged(l, "refine.rho");
  if (!(r->blur > 0 && r->blur <= FM_REFINEMENT_BLUR)) return damaged(l, "refine.blur");
  FM_TRY(fm_reference_load(l->ctx, l->file, ref));
  FM_TRY(get_tensor(l, "refine.limit", FM_F32, 2, &t));
  if (t->shape[0] > 4096 || t->shape[1] > 4096) return damaged(l, "refine.limit");
  r->height = (int)t->shape[0];
  r->width = (int)t->shape[1];
  FM_TRY(copy_tensor(l, t, (void **)&r->limit));
  FM_TRY(check_floats(l, "refine.limit", r->limit, t->count));
  FM_TRY(get_tensor(l, "refine.usual", FM_F32, 2, &t));
  if (t->shape[0] != high || t->shape[1] != wide) return damaged(l, "refine.usual");
  FM_TRY(copy_tensor(l, t, (void **)&r->usual));
  for (size_t i = 0; i < t->count; i++)
    if (!(isfinite(r->usual[i]) && r->usual[i] > 0)) return damaged(l, "refine.usual");
  r->there = true;
  return FM_OK;
}

enum fm_status fm_refinement_load(struct fm_context *ctx, const struct fm_safetensors *file,
                                  struct fm_size size, struct fm_refinement *r) {
  const struct loading l = {ctx, file};
  const char *kind = fm_safetensors_meta(file, "refine");
  *r = (struct fm_refinement){.reference.size = size};
  if (!kind) return FM_OK;
  enum fm_status status = load(&l, kind, r);
  if (status != FM_OK) fm_refinement_free(ctx, r);
  return status;
}
