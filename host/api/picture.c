#include "api/picture.h"

#include "base/memory.h"

/* Of each order: bytes a pixel, and where in it red, green and blue are. */
static const struct {
  int bytes, at[3];
} orders[] = {[FLAWMAP_RGB] = {3, {0, 1, 2}},
              [FLAWMAP_BGR] = {3, {2, 1, 0}},
              [FLAWMAP_GREY] = {1, {0, 0, 0}},
              [FLAWMAP_RGBA] = {4, {0, 1, 2}},
              [FLAWMAP_BGRA] = {4, {2, 1, 0}}};

static enum fm_status check(struct fm_context *ctx, const struct fm_picture *p) {
  bool fits = p->width > 0 && p->height > 0 && p->width <= FM_IMAGE_MAX_SIDE &&
              p->height <= FM_IMAGE_MAX_SIDE && (size_t)p->width * (size_t)p->height <= FM_IMAGE_MAX_PIXELS;
  if (!fits || !p->pixels)
    return fm_error(ctx, FM_USAGE, "a picture of %d x %d pixels%s cannot be scored", p->width, p->height,
                    p->pixels ? "" : ", which are not there,");
  if (p->order < 0 || (size_t)p->order >= sizeof orders / sizeof *orders)
    return fm_error(ctx, FM_USAGE, "a picture's order is %d, which is none of enum fm_pixel_order", p->order);
  size_t row = (size_t)p->width * (size_t)orders[p->order].bytes;
  if (p->stride && p->stride < row)
    return fm_error(ctx, FM_USAGE, "a picture's stride is %zu bytes; its rows have %zu", p->stride, row);
  return FM_OK;
}

static bool is_plain(const struct fm_picture *p) {
  return p->order == FLAWMAP_RGB && (!p->stride || p->stride == (size_t)p->width * 3);
}

enum fm_status fm_api_picture_open(struct fm_context *ctx, const struct fm_picture *p,
                                   struct fm_image *image) {
  FM_TRY(check(ctx, p));
  *image = (struct fm_image){
      .width = p->width, .height = p->height, .channels = 3, .pixels = (unsigned char *)p->pixels};
  if (is_plain(p)) return FM_OK;
  size_t width = (size_t)p->width, bytes = (size_t)orders[p->order].bytes;
  size_t stride = p->stride ? p->stride : width * bytes;
  const int *channel = orders[p->order].at;
  unsigned char *out = image->pixels = fm_alloc(ctx, width * (size_t)p->height, 3);
  if (!out) return FM_MEMORY;
  for (size_t y = 0; y < (size_t)p->height; y++) {
    const unsigned char *in = p->pixels + y * stride;
    for (size_t x = 0; x < width; x++, in += bytes)
      for (int c = 0; c < 3; c++) *out++ = in[channel[c]];
  }
  return FM_OK;
}

void fm_api_picture_close(struct fm_context *ctx, const struct fm_picture *p, struct fm_image *image) {
  if (!is_plain(p)) fm_image_free(ctx, image);
}

void fm_api_picture_regions(struct fm_picture *p, const struct fm_verdict *found) {
  const struct fm_spots *spots = &found->spots;
  double pixels = (double)p->width * (double)p->height;
  p->region_count = (long)spots->count;
  for (long i = 0; p->regions && i < p->region_count && i < p->region_room; i++) {
    const struct fm_spot *s = &spots->spot[i];
    p->regions[i] = (struct fm_picture_region){.x = s->x0,
                                               .y = s->y0,
                                               .width = s->x1 - s->x0,
                                               .height = s->y1 - s->y0,
                                               .area = (long)s->area,
                                               .share = (double)s->area / pixels,
                                               .peak = s->peak,
                                               .mean = s->mean,
                                               .centre_x = s->x,
                                               .centre_y = s->y};
  }
}
