#define _POSIX_C_SOURCE 200809L
#include "data/mask.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/dataset.h"

enum { HALF = 128 };

/* One byte a pixel, 0 or 1, at the front of the same memory. False: no value is zero, although they differ.
 */
static bool make_binary(struct fm_image *image) {
  size_t n = (size_t)image->width * (size_t)image->height, channels = (size_t)image->channels;
  unsigned char least = image->lossy ? HALF : 1, lowest = 255, highest = 0;
  for (size_t i = 0; i < n; i++) {
    unsigned char most = 0;
    for (size_t c = 0; c < channels; c++)
      if (image->pixels[i * channels + c] > most) most = image->pixels[i * channels + c];
    if (most < lowest) lowest = most;
    if (most > highest) highest = most;
    image->pixels[i] = most >= least;
  }
  image->channels = 1;
  return lowest < least || lowest == highest;
}

static void count(struct fm_drawn *m) {
  size_t w = (size_t)m->width, h = (size_t)m->height;
  m->set = m->edge = 0;
  for (size_t i = 0; i < w * h; i++) m->set += m->pixels[i];
  for (size_t y = 0; y < h; y++)
    for (size_t x = 0; x < w; x += y == 0 || y + 1 == h || w == 1 ? 1 : w - 1)
      m->edge += m->pixels[y * w + x];
}

static enum fm_status read_one(struct fm_context *ctx, const char *path, struct fm_drawn *mask) {
  struct fm_image image;
  FM_TRY(fm_image_read_labels(ctx, path, &image));
  bool ground = make_binary(&image);
  *mask = (struct fm_drawn){.width = image.width,
                            .height = image.height,
                            .pixels = image.pixels,
                            .lossy = image.lossy,
                            .no_ground = !ground,
                            .orientation = image.orientation};
  count(mask);
  bool says_nothing = !mask->set || mask->set == (size_t)mask->width * (size_t)mask->height;
  if (!image.had_alpha || !says_nothing) return FM_OK;
  fm_mask_release(ctx, mask);
  return fm_error(
      ctx, FM_FORMAT,
      "the mask '%s' has the same colour everywhere, and transparency, which is not looked at: if that "
      "is the mask, save it as a grey picture without transparency",
      path);
}

/* Adds the masks of a folder one by one. */
static enum fm_status unite(struct fm_context *ctx, const char *folder, const char *name,
                            struct fm_drawn *all) {
  struct fm_drawn one;
  char *path = fm_path_join(ctx, folder, name);
  if (!path) return FM_MEMORY;
  enum fm_status status = read_one(ctx, path, &one);
  if (status == FM_OK && !all->pixels) {
    *all = one;
    all->orientation = 0;
  } else if (status == FM_OK) {
    if (one.width != all->width || one.height != all->height)
      status =
          fm_error(ctx, FM_FORMAT, "the masks in '%s' are of several sizes: '%s' has %dx%d pixels, not %dx%d",
                   folder, name, one.width, one.height, all->width, all->height);
    for (size_t i = 0; status == FM_OK && i < (size_t)one.width * (size_t)one.height; i++)
      all->pixels[i] |= one.pixels[i];
    all->lossy |= one.lossy;
    all->no_ground |= one.no_ground;
    fm_mask_release(ctx, &one);
  }
  fm_free(ctx, path);
  return status;
}

static enum fm_status read_folder(struct fm_context *ctx, const char *path, struct fm_drawn *mask) {
  struct fm_names names;
  FM_TRY(fm_folder_list(ctx, path, &names));
  enum fm_status status = FM_OK;
  for (size_t i = 0; status == FM_OK && i < names.count; i++)
    if (fm_is_picture(names.name[i])) status = unite(ctx, path, names.name[i], mask);
  fm_names_free(ctx, &names);
  if (status == FM_OK && !mask->pixels)
    status = fm_error(ctx, FM_FORMAT, "the folder of masks '%s' holds no picture", path);
  if (status == FM_OK)
    count(mask);
  else
    fm_mask_release(ctx, mask);
  return status;
}

enum fm_status fm_mask_read(struct fm_context *ctx, const char *path, struct fm_drawn *mask) {
  *mask = (struct fm_drawn){0};
  return fm_folder_exists(path) ? read_folder(ctx, path, mask) : read_one(ctx, path, mask);
}

void fm_mask_release(struct fm_context *ctx, struct fm_drawn *mask) {
  fm_free(ctx, mask->pixels);
  *mask = (struct fm_drawn){0};
}

enum fm_status fm_mask_fits(struct fm_context *ctx, const struct fm_drawn *mask, const char *path, int width,
                            int height) {
  if (mask->width == width && mask->height == height) return FM_OK;
  return fm_error(ctx, FM_FORMAT,
                  "the mask '%s' has %dx%d pixels and its picture %dx%d; they should be the same", path,
                  mask->width, mask->height, width, height);
}

enum fm_status fm_mask_nearest(struct fm_context *ctx, const struct fm_preprocess *p,
                               const struct fm_drawn *mask, unsigned char *out) {
  struct fm_size size = fm_preprocess_size(p);
  unsigned char *whole = out;
  if (!fm_size_same(size, p->size) && !(whole = fm_alloc(ctx, fm_size_pixels(p->size), 1))) return FM_MEMORY;
  fm_resize_nearest(mask->pixels, mask->width, mask->height, whole, p->size.width, p->size.height);
  if (whole == out) return FM_OK;
  fm_crop_centre(whole, p->size.width, p->size.height, 1, out, size.width, size.height);
  fm_free(ctx, whole);
  return FM_OK;
}

enum fm_status fm_mask_load(struct fm_context *ctx, const char *path, const struct fm_preprocess *p,
                            unsigned char *out) {
  struct fm_drawn mask;
  FM_TRY(fm_preprocess_check(ctx, p));
  FM_TRY(fm_mask_read(ctx, path, &mask));
  enum fm_status status = fm_mask_nearest(ctx, p, &mask, out);
  fm_mask_release(ctx, &mask);
  return status;
}

/* ---- what looks wrong ---- */

/* A white background with a black flaw: a real flaw that large hardly ever fills the picture's edge, too. */
static bool looks_inverted(const struct fm_drawn *m) {
  size_t w = (size_t)m->width, h = (size_t)m->height, all = w * h;
  size_t edge = w < 3 || h < 3 ? all : 2 * (w + h) - 4;
  return m->set < all && 2 * m->set > all && 10 * m->edge >= 9 * edge;
}

static bool is_whole(const struct fm_drawn *m) {
  return m->set == (size_t)m->width * (size_t)m->height && !m->no_ground;
}

static void note_one(bool holds, size_t *count, const char **first, const char *name) {
  if (!holds) return;
  if (!(*count)++) *first = name;
}

void fm_mask_count(struct fm_mask_census *c, const struct fm_drawn *mask, const char *path,
                   const char *picture) {
  c->masks++;
  note_one(mask->lossy, &c->lossy, &c->first_lossy, path);
  note_one(!mask->set, &c->empty, &c->first_empty, picture);
  note_one(looks_inverted(mask), &c->inverted, &c->first_inverted, path);
  note_one(mask->no_ground, &c->no_ground, &c->first_no_ground, path);
  note_one(is_whole(mask), &c->whole, &c->first_whole, path);
  note_one(mask->orientation > 1, &c->turned, &c->first_turned, path);
}

/* What spoils the figures where most masks are like that, and is only suspect in a few. */
static enum fm_status say_wrong(struct fm_context *ctx, const struct fm_mask_census *c) {
  const struct {
    size_t count;
    const char *first, *look, *as_error, *as_warning;
  } wrong[] = {
      {c->inverted, c->first_inverted, "look inverted",
       "most of the picture and its edge are marked as flawed. Flawed pixels should be white (not zero), all "
       "others black (zero): invert the masks",
       "most of the picture and its edge are marked as flawed. If so, the figures of pixels are wrong"},
      {c->no_ground, c->first_no_ground, "have no black pixel, although they have several colours",
       "so the whole picture counts as flawed. Pixels without a flaw should be black (zero)",
       "so the whole picture counts as flawed, and the figures of pixels are probably wrong"}};
  enum { KINDS = sizeof wrong / sizeof *wrong };
  for (int k = 0; k < KINDS; k++)
    if (2 * wrong[k].count > c->masks)
      return fm_error(ctx, FM_FORMAT, "%zu of %zu masks %s, the first is '%s': %s", wrong[k].count, c->masks,
                      wrong[k].look, wrong[k].first, wrong[k].as_error);
  for (int k = 0; k < KINDS; k++)
    if (wrong[k].count)
      fm_note(ctx, "warning: %zu of %zu masks %s, the first is '%s': %s", wrong[k].count, c->masks,
              wrong[k].look, wrong[k].first, wrong[k].as_warning);
  return FM_OK;
}

enum fm_status fm_mask_census_say(struct fm_context *ctx, const struct fm_mask_census *c) {
  FM_TRY(say_wrong(ctx, c));
  if (c->whole)
    fm_note(ctx, "warning: %zu of %zu masks mark every pixel of their picture as flawed, the first is '%s'",
            c->whole, c->masks, c->first_whole);
  if (c->turned)
    fm_note(
        ctx,
        "note: %zu of %zu masks were turned upright, as their orientation tag says, the first is '%s'; their "
        "pictures should have the same tag",
        c->turned, c->masks, c->first_turned);
  if (c->lossy)
    fm_note(ctx,
            "note: %zu of %zu masks are lossy (JPEG or WebP), the first is '%s'; since their values are not "
            "exact, pixels count as flawed from half of white on. PNG is exact",
            c->lossy, c->masks, c->first_lossy);
  if (c->empty)
    fm_note(ctx,
            "warning: %zu of %zu flawed pictures have an empty mask with no flawed pixel, the first is '%s'; "
            "they count as flawed pictures, and their pixels are left out of the figures of pixels",
            c->empty, c->masks, c->first_empty);
  return FM_OK;
}
