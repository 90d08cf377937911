#include "model/reference.h"

#include "base/memory.h"
#include "base/thread.h"
#include "file/jpeg_encode.h"

#include <math.h>
#include <string.h>

/* A reference is an estimate; what this quality loses lies far below the distance between two good parts
 * (docs/math/f2pad.md). */
enum { QUALITY = 95, LEVELS = 255, MOST_PICTURES = 65536 };

const char *const fm_reference_names[FM_REFERENCE_KINDS] = {"blend", "quilt"};

void fm_reference_free(struct fm_context *ctx, struct fm_reference *r) {
  void *const own[] = {r->jpeg, r->length, r->good, r->level, r->low, r->step, r->origin};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_free(ctx, own[i]);
  *r = (struct fm_reference){0};
}

/* ---- pictures ---- */

struct packing {
  struct fm_context *ctx;
  const unsigned char *rgb;
  struct fm_size size;
  int *length;
  unsigned char **file; /* [count] */
};

static enum fm_status pack_one(void *user, size_t i) {
  struct packing *p = user;
  size_t bytes, pixels = fm_size_pixels(p->size);
  unsigned char *rgb = fm_alloc(p->ctx, pixels, 3);
  if (!rgb) return FM_MEMORY;
  memcpy(rgb, p->rgb + i * pixels * 3, pixels * 3);
  const struct fm_image image = {
      .width = p->size.width, .height = p->size.height, .channels = 3, .pixels = rgb};
  enum fm_status status = fm_jpeg_encode(p->ctx, &image, QUALITY, &p->file[i], &bytes);
  if (status == FM_OK) p->length[i] = (int)bytes;
  fm_free(p->ctx, rgb);
  return status;
}

enum fm_status fm_reference_pack(struct fm_context *ctx, const unsigned char *rgb, struct fm_reference *r) {
  struct packing p = {ctx, rgb, r->size, fm_alloc(ctx, r->count, sizeof *r->length),
                      fm_alloc(ctx, r->count, sizeof *p.file)};
  size_t all = 0;
  enum fm_status status = p.length && p.file ? fm_parallel(ctx, r->count, pack_one, &p) : FM_MEMORY;
  for (size_t i = 0; status == FM_OK && i < r->count; i++) all += (size_t)p.length[i];
  if (status == FM_OK && !(r->jpeg = fm_alloc(ctx, all, 1))) status = FM_MEMORY;
  for (size_t i = 0, at = 0; status == FM_OK && i < r->count; at += (size_t)p.length[i++])
    memcpy(r->jpeg + at, p.file[i], (size_t)p.length[i]);
  for (size_t i = 0; p.file && i < r->count; i++) fm_free(ctx, p.file[i]);
  fm_free(ctx, p.file);
  r->length = p.length;
  return status;
}

struct unpacking {
  struct fm_context *ctx;
  const struct fm_reference *r;
  size_t *from;
  unsigned char *rgba;
};

static enum fm_status unpack_one(void *user, size_t i) {
  struct unpacking *u = user;
  const struct fm_reference *r = u->r;
  size_t pixels = fm_size_pixels(r->size);
  unsigned char *to = u->rgba + i * pixels * 4;
  struct fm_image image = {.width = r->size.width, .height = r->size.height, .channels = 3};
  if (!r->good)
    FM_TRY(fm_image_decode(u->ctx, "a reference in the model", r->jpeg + u->from[i], (size_t)r->length[i],
                           &image));
  enum fm_status status = fm_image_to_rgb(u->ctx, &image);
  if (status == FM_OK && (image.width != r->size.width || image.height != r->size.height))
    status = fm_error(u->ctx, FM_FORMAT,
                      "the model is damaged: reference %zu is %d x %d pixels instead of %d x %d; train it "
                      "again",
                      i + 1, image.width, image.height, r->size.width, r->size.height);
  const unsigned char *rgb = r->good ? r->good + i * pixels * 3 : image.pixels;
  for (size_t k = 0; status == FM_OK && k < pixels; k++) memcpy(to + 4 * k, rgb + 3 * k, 3);
  fm_image_free(u->ctx, &image);
  return status;
}

enum fm_status fm_reference_pictures(struct fm_context *ctx, const struct fm_reference *r,
                                     unsigned char **rgba) {
  size_t pixels = r->count * fm_size_pixels(r->size);
  struct unpacking u = {ctx, r, fm_alloc(ctx, r->count, sizeof *u.from), fm_alloc_aligned(ctx, pixels, 4)};
  enum fm_status status = u.from && u.rgba ? FM_OK : FM_MEMORY;
  for (size_t i = 1; status == FM_OK && r->length && i < r->count; i++)
    u.from[i] = u.from[i - 1] + (size_t)r->length[i - 1];
  if (status == FM_OK) status = fm_parallel(ctx, r->count, unpack_one, &u);
  fm_free(ctx, u.from);
  if (status != FM_OK) fm_free(ctx, u.rgba);
  *rgba = status == FM_OK ? u.rgba : NULL;
  return status;
}

/* ---- features ---- */

struct levels {
  const struct fm_reference *r;
  const float *from;
  float *to;
};

/* The numbers of channel c lie in runs of this many in every row. */
static size_t run_length(const struct fm_reference *r) {
  return r->columns / r->channels;
}

static enum fm_status pack_channel(void *user, size_t c) {
  const struct levels *l = user;
  const struct fm_reference *r = l->r;
  size_t run = run_length(r);
  float low = INFINITY, high = -INFINITY;
  for (size_t row = 0; row < r->rows; row++)
    for (size_t k = c * run; k < (c + 1) * run; k++) {
      float v = l->from[row * r->columns + k];
      if (!isfinite(v)) return FM_NUMERIC;
      low = fminf(low, v);
      high = fmaxf(high, v);
    }
  float step = (high - low) / LEVELS;
  if (!isfinite(step)) return FM_NUMERIC;
  r->low[c] = low;
  r->step[c] = step;
  for (size_t row = 0; row < r->rows; row++)
    for (size_t k = c * run; k < (c + 1) * run; k++) {
      size_t at = row * r->columns + k;
      r->level[at] = step > 0 ? (unsigned char)fminf((l->from[at] - low) / step + 0.5f, LEVELS) : 0;
    }
  return FM_OK;
}

enum fm_status fm_reference_pack_features(struct fm_context *ctx, const float *values,
                                          struct fm_reference *r) {
  r->level = fm_alloc(ctx, r->rows, r->columns);
  r->low = fm_alloc(ctx, r->channels, sizeof *r->low);
  r->step = fm_alloc(ctx, r->channels, sizeof *r->step);
  if (!r->level || !r->low || !r->step) return FM_MEMORY;
  struct levels l = {.r = r, .from = values};
  if (fm_parallel(ctx, r->channels, pack_channel, &l) == FM_OK) return FM_OK;
  return fm_error(ctx, FM_NUMERIC,
                  "the features of the good pictures hold values that are not numbers; test the "
                  "device with 'flawmap doctor'");
}

static enum fm_status unpack_row(void *user, size_t row) {
  const struct levels *l = user;
  const struct fm_reference *r = l->r;
  size_t run = run_length(r);
  for (size_t k = 0, at = row * r->columns; k < r->columns; k++, at++)
    l->to[at] = r->low[k / run] + (float)r->level[at] * r->step[k / run];
  return FM_OK;
}

enum fm_status fm_reference_features(struct fm_context *ctx, const struct fm_reference *r, float **values) {
  struct levels l = {.r = r, .to = fm_alloc(ctx, r->rows, r->columns * sizeof(float))};
  *values = l.to;
  return l.to ? fm_parallel(ctx, r->rows, unpack_row, &l) : FM_MEMORY;
}

/* ---- in a model's file ---- */

enum fm_status fm_reference_save(const struct fm_reference *r, struct fm_safetensors_out *out) {
  const size_t raw[] = {r->count, (size_t)r->size.height, (size_t)r->size.width, 3},
               features[] = {r->rows, r->columns}, origins[] = {r->rows, 2};
  size_t bytes = 0;
  for (size_t i = 0; r->length && i < r->count; i++) bytes += (size_t)r->length[i];
  if (r->good) FM_TRY(fm_safetensors_out_tensor(out, "refine.good", FM_U8, 4, raw, r->good));
  if (!r->good) FM_TRY(fm_safetensors_out_tensor(out, "refine.jpeg", FM_U8, 1, &bytes, r->jpeg));
  if (!r->good) FM_TRY(fm_safetensors_out_tensor(out, "refine.length", FM_I32, 1, &r->count, r->length));
  FM_TRY(fm_safetensors_out_tensor(out, "refine.feature", FM_U8, 2, features, r->level));
  FM_TRY(fm_safetensors_out_tensor(out, "refine.low", FM_F32, 1, &r->channels, r->low));
  FM_TRY(fm_safetensors_out_tensor(out, "refine.step", FM_F32, 1, &r->channels, r->step));
  return r->origin ? fm_safetensors_out_tensor(out, "refine.origin", FM_I32, 2, origins, r->origin) : FM_OK;
}

struct loading {
  struct fm_context *ctx;
  const struct fm_safetensors *file;
  struct fm_reference *r;
};

static enum fm_status damaged(const struct loading *l, const char *what) {
  return fm_error(l->ctx, FM_FORMAT,
                  "'%s' is damaged: its data for sharpening maps is wrong ('%s'); train it again",
                  fm_safetensors_path(l->file), what);
}

/* A tensor's values as they are in the file. */
static enum fm_status get(const struct loading *l, const char *name, enum fm_dtype type, int dims,
                          const struct fm_tensor **t, void *out) {
  *t = fm_safetensors_find(l->file, name);
  if (!*t || (*t)->type != type || (*t)->dims != dims || !(*t)->count) return damaged(l, name);
  void *copy = fm_alloc(l->ctx, (*t)->count, fm_dtype_size(type));
  memcpy(out, &copy, sizeof copy);
  if (!copy) return FM_MEMORY;
  memcpy(copy, (*t)->bytes, (*t)->count * fm_dtype_size(type));
  return FM_OK;
}

static enum fm_status get_pictures(const struct loading *l) {
  struct fm_reference *r = l->r;
  const struct fm_tensor *t;
  size_t all = 0, bytes;
  if (fm_safetensors_find(l->file, "refine.good")) {
    FM_TRY(get(l, "refine.good", FM_U8, 4, &t, &r->good));
    r->count = t->shape[0];
    bool fits =
        t->shape[1] == (size_t)r->size.height && t->shape[2] == (size_t)r->size.width && t->shape[3] == 3;
    return fits && r->count <= MOST_PICTURES ? FM_OK : damaged(l, "refine.good");
  }
  FM_TRY(get(l, "refine.jpeg", FM_U8, 1, &t, &r->jpeg));
  bytes = t->count;
  FM_TRY(get(l, "refine.length", FM_I32, 1, &t, &r->length));
  r->count = t->count;
  if (r->count > MOST_PICTURES) return damaged(l, "refine.length");
  for (size_t i = 0; i < r->count; i++) {
    if (r->length[i] <= 0) return damaged(l, "refine.length");
    all += (size_t)r->length[i];
  }
  return all == bytes ? FM_OK : damaged(l, "refine.length");
}

static enum fm_status check_floats(const struct loading *l, const char *name, const float *v, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!isfinite(v[i])) return damaged(l, name);
  return FM_OK;
}

static size_t cells_of(const struct fm_reference *r) {
  return (size_t)(r->size.height / 8) * (size_t)(r->size.width / 8);
}

static enum fm_status set_shape(const struct loading *l, const struct fm_tensor *t, size_t channels) {
  struct fm_reference *r = l->r;
  r->rows = t->shape[0];
  r->columns = t->shape[1];
  r->channels = channels;
  if (r->rows > INT32_MAX || r->columns % channels) return damaged(l, "refine.feature");
  return r->kind == FM_REFERENCE_QUILT || r->rows == r->count ? FM_OK : damaged(l, "refine.feature");
}

/* Models of older versions hold floats. */
static enum fm_status get_old_features(const struct loading *l) {
  const struct fm_tensor *t;
  float *values = NULL;
  size_t cells = cells_of(l->r);
  enum fm_status status = get(l, "refine.feature", FM_F32, 2, &t, &values);
  if (status == FM_OK) {
    size_t columns = t->shape[1], fit = cells && columns % cells == 0 ? columns / cells : 1;
    status = set_shape(l, t, l->r->kind == FM_REFERENCE_BLEND ? fit : columns);
  }
  if (status == FM_OK) status = check_floats(l, "refine.feature", values, t->count);
  if (status == FM_OK) status = fm_reference_pack_features(l->ctx, values, l->r);
  fm_free(l->ctx, values);
  return status;
}

static enum fm_status get_features(const struct loading *l) {
  struct fm_reference *r = l->r;
  const struct fm_tensor *t = fm_safetensors_find(l->file, "refine.feature");
  if (t && t->type == FM_F32) return get_old_features(l);
  const struct fm_tensor *low;
  FM_TRY(get(l, "refine.low", FM_F32, 1, &low, &r->low));
  FM_TRY(get(l, "refine.feature", FM_U8, 2, &t, &r->level));
  FM_TRY(set_shape(l, t, low->count));
  FM_TRY(get(l, "refine.step", FM_F32, 1, &t, &r->step));
  if (t->count != r->channels) return damaged(l, "refine.step");
  for (size_t c = 0; c < r->channels; c++) {
    if (!isfinite(r->low[c]) || !isfinite(r->low[c] + LEVELS * r->step[c])) return damaged(l, "refine.low");
    if (!(r->step[c] >= 0)) return damaged(l, "refine.step");
  }
  return FM_OK;
}

static enum fm_status get_origin(const struct loading *l) {
  struct fm_reference *r = l->r;
  const struct fm_tensor *t;
  size_t cells = cells_of(r);
  FM_TRY(get(l, "refine.origin", FM_I32, 2, &t, &r->origin));
  if (t->shape[0] != r->rows || t->shape[1] != 2) return damaged(l, "refine.origin");
  for (size_t i = 0; i < r->rows; i++) {
    const int *o = r->origin + 2 * i;
    if (o[0] < 0 || (size_t)o[0] >= r->count || o[1] < 0 || (size_t)o[1] >= cells)
      return damaged(l, "refine.origin");
  }
  return FM_OK;
}

enum fm_status fm_reference_load(struct fm_context *ctx, const struct fm_safetensors *file,
                                 struct fm_reference *r) {
  const struct loading l = {ctx, file, r};
  FM_TRY(get_pictures(&l));
  FM_TRY(get_features(&l));
  return r->kind == FM_REFERENCE_QUILT ? get_origin(&l) : FM_OK;
}
