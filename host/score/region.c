#include "score/region.h"

#include "base/memory.h"
#include "score/label.h"

#include <string.h>

/* Second pass: final labels, areas and boxes. */
static void measure(struct fm_regions *r, const struct fm_labels *labels) {
  uint32_t *label = r->label;
  for (int y = 0; y < r->height; y++)
    for (int x = 0; x < r->width; x++, label++) {
      if (!*label) continue;
      *label = labels->parent[*label];
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
  struct fm_labels labels = {0};
  out->label = fm_alloc(ctx, pixels, sizeof *out->label);
  enum fm_status status = out->label ? fm_labels_begin(ctx, &labels) : FM_MEMORY;
  for (size_t y = 0; status == FM_OK && y < (size_t)height; y++)
    status = fm_labels_row(ctx, &labels, mask + y * w, y ? out->label + (y - 1) * w : NULL,
                           out->label + y * w, width);
  if (status == FM_OK) {
    out->count = fm_labels_finish(&labels);
    out->region = fm_alloc(ctx, out->count, sizeof *out->region);
    if (out->region)
      measure(out, &labels);
    else
      status = FM_MEMORY;
  }
  fm_labels_free(ctx, &labels);
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
