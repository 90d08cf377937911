#include "refine/join.h"

#include "base/memory.h"
#include "refine/few.h"

#include <string.h>

/* Two references, unpacked. */
struct parts {
  struct fm_context *ctx;
  const struct fm_reference *of[2];
  unsigned char *rgba[2];
  float *feature[2];
};

/* A picture of one of the two. */
struct place {
  int of;
  size_t picture;
};

static enum fm_status unpack(struct parts *p) {
  for (int i = 0; i < 2; i++) {
    FM_TRY(fm_reference_pictures(p->ctx, p->of[i], &p->rgba[i]));
    FM_TRY(fm_reference_features(p->ctx, p->of[i], &p->feature[i]));
  }
  if (p->of[0]->columns == p->of[1]->columns && p->of[0]->channels == p->of[1]->channels) return FM_OK;
  return fm_error(p->ctx, FM_FORMAT,
                  "the model is damaged: its references have %zu numbers a row, and its network gives %zu; "
                  "train it again",
                  p->of[0]->columns, p->of[1]->columns);
}

static void free_parts(struct parts *p) {
  for (int i = 0; i < 2; i++) {
    fm_free(p->ctx, p->rgba[i]);
    fm_free(p->ctx, p->feature[i]);
  }
}

static struct place place_of(const struct parts *p, size_t i) {
  size_t first = p->of[0]->count;
  return i < first ? (struct place){0, i} : (struct place){1, i - first};
}

/* ---- which pictures ---- */

/* Every other number down and across is enough to tell pictures apart by, as in fm_reference_fit. */
static enum fm_status choose_few(const struct parts *p, size_t all, size_t *chosen) {
  const struct fm_reference *r = p->of[0];
  size_t cells = r->columns / r->channels, width = (size_t)r->size.width / 8, high = cells / width,
         h = (high + 1) / 2, w = (width + 1) / 2;
  struct fm_crowd crowd = {all, r->channels, h, w, NULL};
  float *value = fm_alloc(p->ctx, all, r->channels * h * w * sizeof *value), *to = value;
  if (!value) return FM_MEMORY;
  for (size_t i = 0; i < all; i++) {
    const struct place at = place_of(p, i);
    const float *from = p->feature[at.of] + at.picture * r->columns;
    for (size_t c = 0; c < r->channels; c++)
      for (size_t y = 0; y < high; y += 2)
        for (size_t x = 0; x < width; x += 2) *to++ = from[(c * high + y) * width + x];
  }
  crowd.value = value;
  enum fm_status status = fm_few_choose(p->ctx, &crowd, FM_REFERENCE_PICTURES, chosen);
  fm_free(p->ctx, value);
  return status;
}

static enum fm_status choose(const struct parts *p, size_t *count, size_t *chosen) {
  size_t all = p->of[0]->count + p->of[1]->count, most = FM_REFERENCE_PICTURES;
  *count = all < most ? all : most;
  if (all > most && p->of[0]->kind == FM_REFERENCE_BLEND) return choose_few(p, all, chosen);
  for (size_t i = 0; i < *count; i++) chosen[i] = i * all / *count;
  return FM_OK;
}

/* ---- the reference of them ---- */

static enum fm_status take_pictures(const struct parts *p, const size_t *chosen, struct fm_reference *out) {
  size_t pixels = fm_size_pixels(out->size);
  unsigned char *rgb = fm_alloc(p->ctx, out->count, pixels * 3);
  if (!rgb) return FM_MEMORY;
  for (size_t i = 0; i < out->count; i++) {
    const struct place at = place_of(p, chosen[i]);
    const unsigned char *from = p->rgba[at.of] + at.picture * pixels * 4;
    for (size_t k = 0; k < pixels; k++) memcpy(rgb + 3 * (i * pixels + k), from + 4 * k, 3);
  }
  enum fm_status status = fm_reference_pack(p->ctx, rgb, out);
  fm_free(p->ctx, rgb);
  return status;
}

/* Rows of the picture that becomes number i of `count`: a blend's own; a quilt's cells, drawn ones, so that
 * the first are as good as any. value, origin: NULL to count them. */
static size_t take_rows(const struct parts *p, size_t count, size_t chosen, size_t i, float *value,
                        int *origin) {
  const struct place from = place_of(p, chosen);
  const struct fm_reference *r = p->of[from.of];
  size_t taken = 0, most = FM_REFERENCE_ROWS / count;
  for (size_t row = 0; row < r->rows && taken < most; row++) {
    if ((r->origin ? (size_t)r->origin[2 * row] : row) != from.picture) continue;
    if (value)
      memcpy(value + taken * r->columns, p->feature[from.of] + row * r->columns, r->columns * sizeof *value);
    if (value && r->origin) {
      origin[2 * taken] = (int)i;
      origin[2 * taken + 1] = r->origin[2 * row + 1];
    }
    taken++;
  }
  return taken;
}

static enum fm_status take_features(const struct parts *p, const size_t *chosen, struct fm_reference *out) {
  out->rows = 0;
  for (size_t i = 0; i < out->count; i++) out->rows += take_rows(p, out->count, chosen[i], i, NULL, NULL);
  float *value = fm_alloc(p->ctx, out->rows, out->columns * sizeof *value);
  if (p->of[0]->origin) out->origin = fm_alloc(p->ctx, out->rows, 2 * sizeof *out->origin);
  enum fm_status status = value && (out->origin || !p->of[0]->origin) ? FM_OK : FM_MEMORY;
  for (size_t i = 0, at = 0; status == FM_OK && i < out->count; i++)
    at += take_rows(p, out->count, chosen[i], i, value + at * out->columns,
                    out->origin ? out->origin + 2 * at : NULL);
  if (status == FM_OK) status = fm_reference_pack_features(p->ctx, value, out);
  fm_free(p->ctx, value);
  return status;
}

enum fm_status fm_reference_join(struct fm_device *d, const struct fm_train *t,
                                 const struct fm_reference *old, struct fm_reference *joined) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_reference fresh;
  size_t chosen[FM_REFERENCE_PICTURES];
  *joined = (struct fm_reference){0};
  FM_TRY(fm_reference_fit(d, t, old->kind, &fresh));
  struct parts p = {.ctx = ctx, .of = {old, &fresh}};
  struct fm_reference out = {
      .kind = old->kind, .size = old->size, .columns = old->columns, .channels = old->channels};
  enum fm_status status = unpack(&p);
  if (status == FM_OK) status = choose(&p, &out.count, chosen);
  if (status == FM_OK) status = take_pictures(&p, chosen, &out);
  if (status == FM_OK) status = take_features(&p, chosen, &out);
  free_parts(&p);
  fm_reference_free(ctx, &fresh);
  if (status == FM_OK)
    *joined = out;
  else
    fm_reference_free(ctx, &out);
  return status;
}
