#define _POSIX_C_SOURCE 200809L
#include "model/refinement.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const fm_reference_names[FM_REFERENCE_KINDS] = {"blend", "quilt"};

void fm_reference_free(struct fm_context *ctx, struct fm_reference *r) {
  fm_free(ctx, r->good);
  fm_free(ctx, r->feature);
  fm_free(ctx, r->origin);
  *r = (struct fm_reference){0};
}

void fm_refinement_free(struct fm_context *ctx, struct fm_refinement *r) {
  fm_reference_free(ctx, &r->reference);
  fm_free(ctx, r->limit);
  fm_free(ctx, r->usual);
  *r = (struct fm_refinement){0};
}

/* ---- its numbers, in one list for both directions ---- */

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

enum fm_status fm_refinement_save(const struct fm_refinement *r, struct fm_safetensors_out *out) {
  const struct fm_reference *ref = &r->reference;
  struct fm_refinement copy = *r;
  struct entry entry[ENTRIES];
  char text[40];
  if (!r->there) return FM_OK;
  list_entries(&copy, entry);
  FM_TRY(fm_safetensors_out_meta(out, "refine", fm_reference_names[ref->kind]));
  for (int i = 0; i < ENTRIES; i++) {
    snprintf(text, sizeof text, "%.17g", *entry[i].value);
    FM_TRY(fm_safetensors_out_meta(out, entry[i].key, text));
  }
  const size_t high = (size_t)ref->size.height, wide = (size_t)ref->size.width,
               pictures[] = {ref->count, high, wide, 3}, features[] = {ref->rows, ref->columns},
               origins[] = {ref->rows, 2}, grid[] = {(size_t)r->height, (size_t)r->width},
               plane[] = {high, wide};
  FM_TRY(fm_safetensors_out_tensor(out, "refine.good", FM_U8, 4, pictures, ref->good));
  FM_TRY(fm_safetensors_out_tensor(out, "refine.feature", FM_F32, 2, features, ref->feature));
  if (ref->origin) FM_TRY(fm_safetensors_out_tensor(out, "refine.origin", FM_I32, 2, origins, ref->origin));
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

static enum fm_status get_origin(const struct loading *l, struct fm_reference *r) {
  const struct fm_tensor *t;
  size_t cells = (size_t)(r->size.height / 8) * (size_t)(r->size.width / 8);
  FM_TRY(get_tensor(l, "refine.origin", FM_I32, 2, &t));
  if (t->shape[0] != r->rows || t->shape[1] != 2) return damaged(l, "refine.origin");
  FM_TRY(copy_tensor(l, t, (void **)&r->origin));
  for (size_t i = 0; i < r->rows; i++) {
    const int *o = r->origin + 2 * i;
    if (o[0] < 0 || (size_t)o[0] >= r->count || o[1] < 0 || (size_t)o[1] >= cells)
      return damaged(l, "refine.origin");
  }
  return FM_OK;
}

static enum fm_status load(const struct loading *l, const char *kind, struct fm_refinement *r) {
  struct fm_reference *ref = &r->reference;
  struct entry entry[ENTRIES];
  const struct fm_tensor *t;
  const size_t high = (size_t)ref->size.height, wide = (size_t)ref->size.width;
  int which = 0;
  while (which < FM_REFERENCE_KINDS && strcmp(kind, fm_reference_names[which]) != 0) which++;
  if (which == FM_REFERENCE_KINDS) return damaged(l, "refine");
  ref->kind = (enum fm_reference_kind)which;
  list_entries(r, entry);
  for (int i = 0; i < ENTRIES; i++) FM_TRY(get_number(l, entry[i].key, entry[i].value));
  if (!(r->q995 > 0 && r->rho > 0)) return damaged(l, "refine.rho");
  if (!(r->blur > 0 && r->blur <= FM_REFINEMENT_BLUR)) return damaged(l, "refine.blur");
  FM_TRY(get_tensor(l, "refine.good", FM_U8, 4, &t));
  if (t->shape[0] > 65536 || t->shape[1] != high || t->shape[2] != wide || t->shape[3] != 3)
    return damaged(l, "refine.good");
  ref->count = t->shape[0];
  FM_TRY(copy_tensor(l, t, (void **)&ref->good));
  FM_TRY(get_tensor(l, "refine.feature", FM_F32, 2, &t));
  ref->rows = t->shape[0];
  ref->columns = t->shape[1];
  if (ref->rows > INT32_MAX || (which == FM_REFERENCE_BLEND && ref->rows != ref->count))
    return damaged(l, "refine.feature");
  FM_TRY(copy_tensor(l, t, (void **)&ref->feature));
  FM_TRY(check_floats(l, "refine.feature", ref->feature, t->count));
  if (which == FM_REFERENCE_QUILT) FM_TRY(get_origin(l, ref));
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
