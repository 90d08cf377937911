#include "task/mosaic.h"

#include "base/memory.h"

#include <math.h>

/* Along one side: where a pixel of the result lies in a tile's map, and the tile's share of it. */
struct fm_mosaic_tap {
  int at[2];
  float second, share; /* of at[1]; 0: it does not lie there */
};

/* How much a tile says about the place `at` of its own pixels, before neighbours are considered. An edge that
 * is the picture's own is none. */
static float say(double at, int tile, bool first, bool last) {
  double common = (double)tile / 4, margin = common / 4;
  double off = fmin(first ? INFINITY : at, last ? INFINITY : tile - at);
  double t = fmin(fmax((off - margin) / (common - 2 * margin), 0), 1);
  return (float)(t * t * (3 - 2 * t));
}

static void fill(const struct fm_tiling *tiling, bool down, int tiles, int seen, int size,
                 struct fm_mosaic_tap *tap) {
  int side = down ? tiling->own.height : tiling->own.width;
  for (int i = 0; i < size; i++) {
    float all = 0;
    for (int k = 0; k < tiles; k++) {
      struct fm_mosaic_tap *t = &tap[(size_t)k * (size_t)size + (size_t)i];
      double at = (i + 0.5) * side / size - fm_tile_begin(tiling->tile, side, k, tiles);
      double f = fmin(fmax(at * seen / tiling->tile - 0.5, 0), seen - 1);
      bool within = at >= 0 && at < tiling->tile;
      t->at[0] = (int)f;
      t->at[1] = t->at[0] + 1 < seen ? t->at[0] + 1 : t->at[0];
      t->second = (float)(f - t->at[0]);
      t->share = within ? say(at, tiling->tile, k == 0, k == tiles - 1) : 0;
      all += t->share;
    }
    for (int k = 0; k < tiles; k++) tap[(size_t)k * (size_t)size + (size_t)i].share /= all;
  }
}

enum fm_status fm_mosaic_open(struct fm_context *ctx, const struct fm_preprocess *p, int width, int height,
                              struct fm_mosaic *m) {
  *m = (struct fm_mosaic){.tiling = fm_tiling_of(p->tile, width, height),
                          .size = fm_preprocess_map_size(p, width, height),
                          .seen = fm_preprocess_size(p)};
  const int tiles[] = {m->tiling.across, m->tiling.down}, size[] = {m->size.width, m->size.height},
            seen[] = {m->seen.width, m->seen.height};
  for (int k = 0; k < 2; k++) {
    if (!(m->tap[k] = fm_alloc(ctx, (size_t)tiles[k] * (size_t)size[k], sizeof **m->tap))) {
      fm_mosaic_close(ctx, m);
      return FM_MEMORY;
    }
    fill(&m->tiling, k == 1, tiles[k], seen[k], size[k], m->tap[k]);
  }
  return FM_OK;
}

void fm_mosaic_close(struct fm_context *ctx, struct fm_mosaic *m) {
  for (int k = 0; k < 2; k++) fm_free(ctx, m->tap[k]);
  *m = (struct fm_mosaic){0};
}

/* The part of the result, from..to, that a tile has a share of. */
static void reach(const struct fm_mosaic_tap *tap, int size, int *from, int *to) {
  *from = 0;
  *to = size;
  while (*from < size && !(tap[*from].share > 0)) ++*from;
  while (*to > *from && !(tap[*to - 1].share > 0)) --*to;
}

struct part { /* of the result, that a tile has a share of */
  const struct fm_mosaic_tap *x, *y;
  int left, right, top, bottom;
};

static struct part part_of(const struct fm_mosaic *m, int k) {
  struct part p = {.x = m->tap[0] + (size_t)(k % m->tiling.across) * (size_t)m->size.width,
                   .y = m->tap[1] + (size_t)(k / m->tiling.across) * (size_t)m->size.height};
  reach(p.x, m->size.width, &p.left, &p.right);
  reach(p.y, m->size.height, &p.top, &p.bottom);
  return p;
}

void fm_mosaic_add(const struct fm_mosaic *m, int k, const float *map, float *result) {
  const struct part p = part_of(m, k);
  for (int row = p.top; row < p.bottom; row++) {
    const struct fm_mosaic_tap *v = &p.y[row];
    const float *a = map + (size_t)v->at[0] * (size_t)m->seen.width,
                *b = map + (size_t)v->at[1] * (size_t)m->seen.width;
    float *out = result + (size_t)row * (size_t)m->size.width;
    for (int i = p.left; i < p.right; i++) {
      const struct fm_mosaic_tap *u = &p.x[i];
      float top = a[u->at[0]] + u->second * (a[u->at[1]] - a[u->at[0]]),
            bottom = b[u->at[0]] + u->second * (b[u->at[1]] - b[u->at[0]]);
      out[i] += u->share * v->share * (top + v->second * (bottom - top));
    }
  }
}

void fm_mosaic_add_picture(const struct fm_mosaic *m, int k, const unsigned char *rgb,
                           unsigned char *result) {
  const struct part p = part_of(m, k);
  for (int row = p.top; row < p.bottom; row++) {
    const struct fm_mosaic_tap *v = &p.y[row];
    const unsigned char *a = rgb + 3 * (size_t)v->at[0] * (size_t)m->seen.width,
                        *b = rgb + 3 * (size_t)v->at[1] * (size_t)m->seen.width;
    unsigned char *out = result + 3 * ((size_t)row * (size_t)m->size.width + (size_t)p.left);
    for (int i = p.left; i < p.right; i++)
      for (int c = 0; c < 3; c++, out++) {
        const struct fm_mosaic_tap *u = &p.x[i];
        int l = 3 * u->at[0] + c, r = 3 * u->at[1] + c;
        float top = (float)a[l] + u->second * (float)(a[r] - a[l]),
              bottom = (float)b[l] + u->second * (float)(b[r] - b[l]);
        float sum = (float)*out + u->share * v->share * (top + v->second * (bottom - top)) + 0.5f;
        *out = (unsigned char)(sum < 255 ? sum : 255);
      }
  }
}
