#include "score/region.h"

#include "base/memory.h"

#include <string.h>

/* Provisional labels and which of them mean the same region: parent[l] <= l, equal for a root. */
struct forest {
  uint32_t *parent;
  size_t count, capacity;
};

static uint32_t root_of(struct forest *f, uint32_t label) {
  while (f->parent[label] != label) {
    f->parent[label] = f->parent[f->parent[label]];
    label = f->parent[label];
  }
  return label;
}

static uint32_t join(struct forest *f, uint32_t a, uint32_t b) {
  a = root_of(f, a);
  b = root_of(f, b);
  /* The smaller label wins: a root is then the label of the region's first pixel. */
  if (a < b) return f->parent[b] = a;
  return f->parent[a] = b;
}

static enum fm_status new_label(struct fm_context *ctx, struct forest *f, uint32_t *label) {
  FM_TRY(fm_grow(ctx, (void **)&f->parent, &f->capacity, f->count, sizeof *f->parent));
  *label = (uint32_t)f->count;
  f->parent[f->count++] = *label;
  return FM_OK;
}

/* First pass: every flawed pixel takes the label of its neighbours to the left and above. */
static enum fm_status label_row(struct fm_context *ctx, struct forest *f, const unsigned char *mask,
                                uint32_t *row, const uint32_t *above, int width) {
  for (int x = 0; x < width; x++) {
    if (!mask[x]) continue;
    uint32_t label = x ? row[x - 1] : 0;
    if (above) {
      int from = x ? x - 1 : 0, to = x + 1 < width ? x + 1 : x;
      for (int k = from; k <= to; k++)
        if (above[k]) label = label ? join(f, label, above[k]) : above[k];
    }
    if (!label) FM_TRY(new_label(ctx, f, &label));
    row[x] = label;
  }
  return FM_OK;
}

/* Turns the roots into 1, 2, ... in ascending order; returns how many there are. parent[l] becomes the final
 * label. */
static size_t number_roots(struct forest *f) {
  uint32_t next = 0;
  for (size_t l = 1; l < f->count; l++)
    f->parent[l] =
        f->parent[l] == l ? ++next : f->parent[f->parent[l]]; /* a parent is smaller: already final */
  return next;
}

/* Second pass: final labels, areas and boxes. */
static void measure(struct fm_regions *r, const struct forest *f) {
  uint32_t *label = r->label;
  for (int y = 0; y < r->height; y++)
    for (int x = 0; x < r->width; x++, label++) {
      if (!*label) continue;
      *label = f->parent[*label];
      struct fm_region *g = &r->region[*label - 1];
      if (!g->area++) *g = (struct fm_region){.area = 1, .x0 = x, .y0 = y};
      if (x < g->x0) g->x0 = x;
      if (x >= g->x1) g->x1 = x + 1;
      g->y1 = y + 1;
    }
}

enum fm_status fm_regions_find(struct fm_context *ctx, int width, int height, const unsigned char *mask,
                               struct fm_regions *out) {
  *out = (struct fm_regions){.width = width, .height = height};
  size_t w = (size_t)width, pixels = w * (size_t)height;
  if (pixels > UINT32_MAX / 2)
    return fm_error(ctx, FM_LIMIT, "a mask of %d x %d pixels is over the limit of 2^31 pixels", width,
                    height);
  struct forest f = {0};
  uint32_t none;
  out->label = fm_alloc(ctx, pixels, sizeof *out->label);
  enum fm_status status = out->label ? new_label(ctx, &f, &none) : FM_MEMORY;
  for (size_t y = 0; status == FM_OK && y < (size_t)height; y++)
    status = label_row(ctx, &f, mask + y * w, out->label + y * w, y ? out->label + (y - 1) * w : NULL, width);
  if (status == FM_OK) {
    out->count = number_roots(&f);
    out->region = fm_alloc(ctx, out->count, sizeof *out->region);
    if (out->region)
      measure(out, &f);
    else
      status = FM_MEMORY;
  }
  fm_free(ctx, f.parent);
  return status;
}

void fm_regions_free(struct fm_context *ctx, struct fm_regions *regions) {
  fm_free(ctx, regions->label);
  fm_free(ctx, regions->region);
  *regions = (struct fm_regions){0};
}

/* Marks what is reached from pixel 0 over pixels that are 0, with 2. The image has a border of zeros. */
static void flood(unsigned char *image, size_t width, size_t height, uint32_t *stack) {
  size_t depth = 0, pixels = width * height;
  image[0] = 2;
  stack[depth++] = 0;
  while (depth) {
    size_t at = stack[--depth], x = at % width;
    for (int dy = -1; dy <= 1; dy++)
      for (int dx = -1; dx <= 1; dx++) {
        if ((dx < 0 && x == 0) || (dx > 0 && x + 1 == width) || (dy < 0 && at < width)) continue;
        size_t to = dy < 0 ? at - width : dy > 0 ? at + width : at;
        to = dx < 0 ? to - 1 : dx > 0 ? to + 1 : to;
        if (to >= pixels || image[to]) continue;
        image[to] = 2;
        stack[depth++] = (uint32_t)to;
      }
  }
}

enum fm_status fm_region_fill(struct fm_context *ctx, const struct fm_regions *regions, size_t index,
                              unsigned char **filled) {
  const struct fm_region *g = &regions->region[index];
  size_t w = (size_t)(g->x1 - g->x0), h = (size_t)(g->y1 - g->y0), framed = (w + 2) * (h + 2);
  *filled = fm_alloc(ctx, w * h, 1);
  unsigned char *image = fm_alloc(ctx, framed, 1);
  uint32_t *stack = fm_alloc(ctx, framed, sizeof *stack);
  enum fm_status status = *filled && image && stack ? FM_OK : FM_MEMORY;
  if (status == FM_OK) {
    for (size_t y = 0; y < h; y++) {
      const uint32_t *label = regions->label + ((size_t)g->y0 + y) * (size_t)regions->width + (size_t)g->x0;
      for (size_t x = 0; x < w; x++) image[(y + 1) * (w + 2) + x + 1] = label[x] == index + 1;
    }
    flood(image, w + 2, h + 2, stack);
    for (size_t y = 0; y < h; y++)
      for (size_t x = 0; x < w; x++) (*filled)[y * w + x] = image[(y + 1) * (w + 2) + x + 1] != 2;
  } else {
    fm_free(ctx, *filled);
    *filled = NULL;
  }
  fm_free(ctx, image);
  fm_free(ctx, stack);
  return status;
}
