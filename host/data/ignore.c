#include "data/ignore.h"

#include "base/memory.h"
#include "data/mask.h"
#include "file/image.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- masks ---- */

static int reduced(int side, int longest) {
  if (longest <= FM_IGNORE_MAX_SIDE) return side;
  int now = (int)((long long)side * FM_IGNORE_MAX_SIDE / longest);
  return now > 0 ? now : 1;
}

enum fm_status fm_ignore_read(struct fm_context *ctx, const char *path, struct fm_ignore *ignore) {
  struct fm_drawn mask;
  *ignore = (struct fm_ignore){0};
  FM_TRY(fm_mask_read(ctx, path, &mask));
  size_t all = (size_t)mask.width * (size_t)mask.height;
  int longest = mask.width > mask.height ? mask.width : mask.height;
  enum fm_status status = FM_OK;
  if (!mask.set || mask.set == all)
    status = fm_error(ctx, FM_USAGE, "'%s' ignores %s; white pixels of it are not looked at, black ones are",
                      path, mask.set ? "everything" : "nothing");
  ignore->size = (struct fm_size){reduced(mask.width, longest), reduced(mask.height, longest)};
  if (status == FM_OK && !(ignore->pixels = fm_alloc(ctx, fm_size_pixels(ignore->size), 1)))
    status = FM_MEMORY;
  for (int y = 0; status == FM_OK && y < mask.height; y++) {
    size_t to = (size_t)((long long)y * ignore->size.height / mask.height) * (size_t)ignore->size.width;
    for (int x = 0; x < mask.width; x++)
      if (mask.pixels[(size_t)y * (size_t)mask.width + (size_t)x])
        ignore->pixels[to + (size_t)((long long)x * ignore->size.width / mask.width)] = 1;
  }
  fm_mask_release(ctx, &mask);
  if (status != FM_OK) fm_ignore_free(ctx, ignore);
  return status;
}

void fm_ignore_free(struct fm_context *ctx, struct fm_ignore *ignore) {
  fm_free(ctx, ignore->pixels);
  *ignore = (struct fm_ignore){0};
}

enum fm_status fm_ignore_copy(struct fm_context *ctx, const struct fm_ignore *from, struct fm_ignore *to) {
  *to = (struct fm_ignore){0};
  if (fm_ignore_none(from)) return FM_OK;
  size_t n = fm_size_pixels(from->size);
  if (!(to->pixels = fm_alloc(ctx, n, 1))) return FM_MEMORY;
  memcpy(to->pixels, from->pixels, n);
  to->size = from->size;
  return FM_OK;
}

void fm_ignore_hash(const struct fm_ignore *ignore, char hash[17]) {
  uint64_t h = 0xCBF29CE484222325u; /* FNV-1a over the digits, the size and the pixels */
  const int side[] = {ignore->size.width, ignore->size.height};
  for (int i = 0; i < 16; i++) h = (h ^ (unsigned char)hash[i]) * 0x100000001B3u;
  for (int i = 0; i < 2; i++) h = (h ^ (uint64_t)side[i]) * 0x100000001B3u;
  for (size_t i = 0; i < fm_size_pixels(ignore->size); i++) h = (h ^ ignore->pixels[i]) * 0x100000001B3u;
  snprintf(hash, 17, "%016" PRIx64, h);
}

static enum fm_status fits(struct fm_context *ctx, const struct fm_ignore *ignore, int width, int height) {
  double shape = (double)width * ignore->size.height / ((double)height * ignore->size.width);
  if (shape > 0.99 && shape < 1.01) return FM_OK;
  return fm_error(
      ctx, FM_USAGE,
      "what is not looked at was drawn for pictures of another shape: %d x %d, and the picture has "
      "%d x %d pixels",
      ignore->size.width, ignore->size.height, width, height);
}

static void add(struct fm_ignore *to, const struct fm_ignore *from) {
  size_t i = 0;
  for (int y = 0; y < to->size.height; y++)
    for (int x = 0; x < to->size.width; x++, i++)
      to->pixels[i] |= fm_ignore_at(from, ((float)x + 0.5f) / (float)to->size.width,
                                    ((float)y + 0.5f) / (float)to->size.height);
}

enum fm_status fm_ignore_join(struct fm_context *ctx, struct fm_ignore *ignore,
                              const struct fm_ignore *other) {
  struct fm_ignore both;
  bool larger = fm_ignore_none(ignore) || fm_size_pixels(other->size) > fm_size_pixels(ignore->size);
  if (!fm_ignore_none(ignore)) FM_TRY(fits(ctx, ignore, other->size.width, other->size.height));
  FM_TRY(fm_ignore_copy(ctx, larger ? other : ignore, &both));
  if (!larger) add(&both, other);
  if (larger && !fm_ignore_none(ignore)) add(&both, ignore);
  fm_ignore_free(ctx, ignore);
  *ignore = both;
  return FM_OK;
}

double fm_ignore_share(const struct fm_ignore *ignore) {
  size_t set = 0, all = fm_size_pixels(ignore->size);
  for (size_t i = 0; i < all; i++) set += ignore->pixels[i];
  return (double)set / (double)all;
}

static int place(float at, int side) {
  int i = (int)(at * (float)side);
  return i < 0 ? 0 : i < side ? i : side - 1;
}

bool fm_ignore_at(const struct fm_ignore *ignore, float x, float y) {
  if (!(x >= 0 && x <= 1 && y >= 0 && y <= 1)) return false;
  size_t row = (size_t)place(y, ignore->size.height), column = (size_t)place(x, ignore->size.width);
  return ignore->pixels[row * (size_t)ignore->size.width + column];
}

void fm_ignore_row(const struct fm_ignore *ignore, int width, int height, int y, unsigned char *out) {
  float down = ((float)y + 0.5f) / (float)height;
  for (int x = 0; x < width; x++) out[x] = fm_ignore_at(ignore, ((float)x + 0.5f) / (float)width, down);
}

/* ---- painting ---- */

struct paint {
  const struct fm_image *in;
  struct fm_image *out;
  const struct fm_ignore *ignore;
  int *above, *below; /* [width] the nearest row that is looked at; -1 and height: none */
  unsigned char *row;
};

static bool ignored(const struct paint *p, int x, int y) {
  return fm_ignore_at(p->ignore, ((float)x + 0.5f) / (float)p->in->width,
                      ((float)y + 0.5f) / (float)p->in->height);
}

static const unsigned char *pixel(const struct paint *p, int x, int y) {
  return p->in->pixels + ((size_t)y * (size_t)p->in->width + (size_t)x) * (size_t)p->in->channels;
}

/* left and right: the nearest columns of the row that are looked at; -1 and width: none. */
static void fill(const struct paint *p, int x, int y, int left, int right) {
  const int at[4][2] = {{left, y}, {right, y}, {x, p->above[x]}, {x, p->below[x]}};
  const bool there[] = {left >= 0, right < p->in->width, p->above[x] >= 0, p->below[x] < p->in->height};
  float sum[3] = {0}, all = 0;
  for (int k = 0; k < 4; k++) {
    if (!there[k]) continue;
    float weight = 1 / (float)(abs(at[k][0] - x) + abs(at[k][1] - y));
    const unsigned char *from = pixel(p, at[k][0], at[k][1]);
    for (int c = 0; c < p->in->channels; c++) sum[c] += weight * (float)from[c];
    all += weight;
  }
  unsigned char *to = p->out->pixels + (pixel(p, x, y) - p->in->pixels);
  for (int c = 0; c < p->in->channels; c++) to[c] = all > 0 ? (unsigned char)lroundf(sum[c] / all) : 128;
}

static void paint_row(struct paint *p, int y) {
  const int width = p->in->width, height = p->in->height;
  fm_ignore_row(p->ignore, width, height, y, p->row);
  for (int x = 0, left = -1, right = 0; x < width; x++) {
    if (!p->row[x]) {
      left = x;
      p->above[x] = y;
      continue;
    }
    for (; right < width && (right <= x || p->row[right]); right++) continue;
    if (p->below[x] < y)
      for (p->below[x] = y + 1; p->below[x] < height && ignored(p, x, p->below[x]); p->below[x]++) continue;
    fill(p, x, y, left, right);
  }
}

enum fm_status fm_ignore_paint(struct fm_context *ctx, const struct fm_ignore *ignore,
                               const struct fm_image *in, struct fm_image *out) {
  *out = *in;
  FM_TRY(fits(ctx, ignore, in->width, in->height));
  size_t width = (size_t)in->width, bytes = width * (size_t)in->height * (size_t)in->channels;
  struct paint p = {.in = in, .out = out, .ignore = ignore};
  out->pixels = fm_alloc(ctx, bytes, 1);
  p.above = fm_alloc(ctx, width, sizeof *p.above);
  p.below = fm_alloc(ctx, width, sizeof *p.below);
  p.row = fm_alloc(ctx, width, 1);
  enum fm_status status = out->pixels && p.above && p.below && p.row ? FM_OK : FM_MEMORY;
  if (status == FM_OK) {
    memcpy(out->pixels, in->pixels, bytes);
    for (size_t x = 0; x < width; x++) p.above[x] = p.below[x] = -1;
    for (int y = 0; y < in->height; y++) paint_row(&p, y);
  } else {
    fm_free(ctx, out->pixels);
    out->pixels = NULL;
  }
  fm_free(ctx, p.above);
  fm_free(ctx, p.below);
  fm_free(ctx, p.row);
  return status;
}

/* ---- maps ---- */

struct middle { /* of a picture, as a map shows it */
  struct fm_size size, whole;
};

static bool ignored_in(const struct fm_ignore *ignore, const struct middle *m, size_t i) {
  size_t width = (size_t)m->size.width, y = i / width, x = i % width;
  int left = (m->whole.width - m->size.width) / 2, above = (m->whole.height - m->size.height) / 2;
  return fm_ignore_at(ignore, ((float)left + (float)x + 0.5f) / (float)m->whole.width,
                      ((float)above + (float)y + 0.5f) / (float)m->whole.height);
}

void fm_ignore_map(const struct fm_ignore *ignore, float *map, struct fm_size size, struct fm_size whole) {
  const struct middle m = {size, whole};
  float least = INFINITY;
  for (size_t i = 0; i < fm_size_pixels(size); i++)
    if (!ignored_in(ignore, &m, i)) least = fminf(least, map[i]);
  if (isinf(least)) least = 0; /* all of it is ignored */
  for (size_t i = 0; i < fm_size_pixels(size); i++)
    if (ignored_in(ignore, &m, i)) map[i] = least;
}
