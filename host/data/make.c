#define _POSIX_C_SOURCE 200809L
#include "data/make.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "data/draw.h"
#include "file/image.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct fm_product *const products[] = {&fm_product_gear,  &fm_product_weave, &fm_product_lever,
                                                    &fm_product_plate, &fm_product_seal,  &fm_product_slab};
enum { PRODUCTS = sizeof products / sizeof *products };

const char *const *fm_make_products(void) {
  static const char *const names[PRODUCTS + 1] = {"gear", "weave", "lever", "plate", "seal", "slab"};
  return names;
}

static const struct fm_product *find(const char *name) {
  for (int i = 0; i < PRODUCTS; i++)
    if (strcmp(products[i]->name, name) == 0) return products[i];
  return NULL;
}

const char *const *fm_make_kinds(const char *product) {
  const struct fm_product *p = find(product);
  return p ? p->kinds : NULL;
}

static int height_of(const struct fm_product *p, int size) {
  return size * (p->tall ? p->tall : 1);
}

int fm_make_height(const char *product, int size) {
  const struct fm_product *p = find(product);
  return p ? height_of(p, size) : 0;
}

static struct fm_make_options with_defaults(const struct fm_make_options *options) {
  struct fm_make_options o = options ? *options : (struct fm_make_options){0};
  if (!o.size) o.size = 256;
  if (!o.train) o.train = 40;
  if (!o.test_good) o.test_good = 8;
  if (!o.per_kind) o.per_kind = 6;
  return o;
}

static enum fm_status go_on(struct fm_context *ctx) {
  if (!atomic_load(&ctx->stop)) return FM_OK;
  return fm_error(ctx, FM_STOPPED, "stopped while drawing; the data set is incomplete");
}

/* The mean of a grid of samples a pixel, as many as the picture's size needs. A large picture takes a minute:
 * stopping is heard in each row, and leaves `out` unfinished. */
static enum fm_status render(struct fm_context *ctx, const struct fm_product *p, const void *scene, int size,
                             bool flawed, float *out) {
  int grid = size <= 384 ? 3 : 2;
  float unit = 256.f / (float)size, part = unit / (float)grid, weight = 1 / (float)(grid * grid);
  for (int y = 0; y < height_of(p, size); y++) {
    FM_TRY(go_on(ctx));
    for (int x = 0; x < size; x++, out += 3) {
      struct fm_rgb sum = {0, 0, 0};
      for (int k = 0; k < grid * grid; k++) {
        int column = k % grid, row = k / grid;
        float sx = ((float)x * unit) + part * ((float)column + 0.5f);
        float sy = ((float)y * unit) + part * ((float)row + 0.5f);
        struct fm_rgb c = p->shade(scene, sx, sy, flawed);
        sum.r += fm_clamp(c.r, 0, 1.1f), sum.g += fm_clamp(c.g, 0, 1.1f), sum.b += fm_clamp(c.b, 0, 1.1f);
      }
      out[0] = sum.r * weight, out[1] = sum.g * weight, out[2] = sum.b * weight;
    }
  }
  return FM_OK;
}

/* A camera's noise, and 8 bits. Noise belongs to the picture, not to what is in it: a flaw does not change
 * it. */
static void develop(const float *in, struct fm_rng noise, float sigma, size_t n, unsigned char *rgb) {
  for (size_t i = 0; i < 3 * n; i++) {
    noise.next = 2 * i;
    float v = 255 * in[i] + sigma * (float)fm_rng_normal(&noise);
    rgb[i] = (unsigned char)lrintf(fm_clamp(v, 0, 255));
  }
}

static int neighbours(const unsigned char *mask, int width, int height, int x, int y) {
  int count = 0;
  for (int dy = -1; dy <= 1; dy++)
    for (int dx = -1; dx <= 1; dx++) {
      int px = x + dx, py = y + dy;
      if ((dx || dy) && px >= 0 && py >= 0 && px < width && py < height)
        count += mask[(size_t)py * (size_t)width + (size_t)px] & 1;
    }
  return count;
}

/* One step of cleaning: a place with 5 and more marked neighbours is marked, one with none or one is not. */
static void clean(unsigned char *mask, int width, int height) {
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      unsigned char *m = &mask[(size_t)y * (size_t)width + (size_t)x];
      int count = neighbours(mask, width, height, x, y);
      if (count >= 5 || (count >= 2 && (*m & 1))) *m |= 2;
    }
  for (size_t i = 0; i < (size_t)width * (size_t)height; i++) mask[i] >>= 1;
}

/* Marks what differs visibly from the same picture without the flaw. */
static void compare(const float *good, const float *flawed, float visible, int width, int height,
                    unsigned char *mask) {
  size_t n = (size_t)width * (size_t)height;
  for (size_t i = 0; i < n; i++) {
    float most = 0;
    for (size_t c = 3 * i; c < 3 * i + 3; c++) most = fmaxf(most, fabsf(good[c] - flawed[c]));
    mask[i] = most > visible / 255;
  }
  clean(mask, width, height);
  clean(mask, width, height);
  for (size_t i = 0; i < n; i++) mask[i] = mask[i] ? 255 : 0;
}

/* The stream of random numbers for one use in one picture. */
static struct fm_rng stream(const struct fm_make_options *o, const struct fm_product *p, const char *split,
                            const char *kind, int index, const char *use, int attempt) {
  char name[128];
  snprintf(name, sizeof name, "make.%s.%s.%s.%d.%s.%d", p->name, split, kind, index, use, attempt);
  return fm_rng_stream(o->seed, name);
}

static bool large_enough(const unsigned char *mask, size_t n, int size) {
  size_t area = 0;
  for (size_t i = 0; i < n; i++) area += mask[i] != 0;
  return area >= (size_t)size * (size_t)size / 1500 + 1; /* about 44 of 65536 pixels */
}

static enum fm_status make_picture(struct fm_context *ctx, const struct fm_product *p, const char *split,
                                   int kind, int index, const struct fm_make_options *o, unsigned char *rgb,
                                   unsigned char *mask) {
  enum { ATTEMPTS = 50 };
  union {
    unsigned char bytes[FM_SCENE_BYTES];
    max_align_t align;
  } scene;
  const char *name = kind < 0 ? "good" : p->kinds[kind];
  int height = height_of(p, o->size);
  size_t n = (size_t)o->size * (size_t)height;
  float *good = fm_alloc(ctx, n, 3 * sizeof *good),
        *flawed = kind < 0 ? NULL : fm_alloc(ctx, n, 3 * sizeof *flawed);
  enum fm_status status = good && (flawed || kind < 0) ? FM_OK : FM_MEMORY;
  memset(mask, 0, n);
  /* A flaw that fell where it cannot be seen (dirt over a hole) is drawn again. */
  for (int attempt = 0; status == FM_OK && attempt < ATTEMPTS; attempt++) {
    struct fm_rng variety = stream(o, p, split, name, index, "good", 0);
    struct fm_rng flaw = stream(o, p, split, name, index, "flaw", attempt);
    p->prepare(&scene, &variety, &flaw, kind, o);
    if (attempt == 0) status = render(ctx, p, &scene, o->size, false, good);
    if (status == FM_OK && flawed) status = render(ctx, p, &scene, o->size, true, flawed);
    if (status != FM_OK || !flawed) break;
    compare(good, flawed, p->visible > 0 ? p->visible : 9, o->size, height, mask);
    if (large_enough(mask, n, o->size)) break;
  }
  if (status == FM_OK) status = go_on(ctx);
  if (status == FM_OK)
    develop(flawed ? flawed : good, stream(o, p, split, name, index, "noise", 0),
            p->noise > 0 ? p->noise : 1.4f, n, rgb);
  fm_free(ctx, good);
  fm_free(ctx, flawed);
  return status;
}

static enum fm_status no_product(struct fm_context *ctx, const char *name) {
  return fm_error(ctx, FM_USAGE,
                  "there is no product '%s'; there are gear, weave, lever, plate, seal and slab", name);
}

static enum fm_status check(struct fm_context *ctx, const struct fm_make_options *o) {
  if (o->product && !find(o->product)) return no_product(ctx, o->product);
  if (o->size < 64 || o->size > 12288)
    return fm_error(ctx, FM_USAGE, "pictures of %d pixels a side cannot be drawn; choose 64 to 12288",
                    o->size);
  if (o->train < 1 || o->test_good < 0 || o->per_kind < 0 || o->train > 10000 || o->test_good > 10000 ||
      o->per_kind > 10000)
    return fm_error(ctx, FM_USAGE, "the numbers of pictures must be between 1 and 10000");
  return FM_OK;
}

enum fm_status fm_make_picture(struct fm_context *ctx, const char *product, const char *split,
                               const char *kind, int index, const struct fm_make_options *options,
                               unsigned char *rgb, unsigned char *mask) {
  struct fm_make_options o = with_defaults(options);
  FM_TRY(check(ctx, &o));
  const struct fm_product *p = find(product);
  if (!p) return no_product(ctx, product);
  int number = -1;
  for (int i = 0; p->kinds[i]; i++)
    if (strcmp(p->kinds[i], kind) == 0) number = i;
  if (number < 0 && strcmp(kind, "good") != 0)
    return fm_error(ctx, FM_USAGE, "'%s' has no flaw of the kind '%s'", product, kind);
  return make_picture(ctx, p, split, number, index, &o, rgb, mask);
}

/* ---- a whole data set ---- */

struct job {
  const struct fm_product *product;
  const char *split;
  int kind, index; /* kind -1: good */
};

struct jobs {
  struct fm_context *ctx;
  const char *folder;
  struct fm_make_options options;
  struct job *item;
  size_t count;
  pthread_mutex_t lock; /* of progress */
  struct fm_progress progress;
};

static enum fm_status write_png(struct jobs *jobs, const char *path, int height, int channels,
                                unsigned char *pixels) {
  struct fm_image image = {
      .width = jobs->options.size, .height = height, .channels = channels, .pixels = pixels};
  return fm_png_write(jobs->ctx, path, &image);
}

static enum fm_status run_job(void *user, size_t index) {
  struct jobs *jobs = user;
  struct fm_context *ctx = jobs->ctx;
  const struct job *j = &jobs->item[index];
  const char *kind = j->kind < 0 ? "good" : j->product->kinds[j->kind];
  int height = height_of(j->product, jobs->options.size);
  size_t n = (size_t)jobs->options.size * (size_t)height;
  FM_TRY(go_on(ctx));
  char *path =
      fm_format(ctx, "%s/%s/%s/%s/%03d.png", jobs->folder, j->product->name, j->split, kind, j->index);
  char *mask_path =
      fm_format(ctx, "%s/%s/ground_truth/%s/%03d_mask.png", jobs->folder, j->product->name, kind, j->index);
  unsigned char *rgb = fm_alloc(ctx, n, 3), *mask = fm_alloc(ctx, n, 1);
  enum fm_status status = path && mask_path && rgb && mask ? FM_OK : FM_MEMORY;
  if (status == FM_OK)
    status = make_picture(ctx, j->product, j->split, j->kind, j->index, &jobs->options, rgb, mask);
  if (status == FM_OK) status = write_png(jobs, path, height, 3, rgb);
  if (status == FM_OK && j->kind >= 0) status = write_png(jobs, mask_path, height, 1, mask);
  fm_free(ctx, path);
  fm_free(ctx, mask_path);
  fm_free(ctx, rgb);
  fm_free(ctx, mask);
  pthread_mutex_lock(&jobs->lock);
  fm_progress_step(&jobs->progress, 1);
  pthread_mutex_unlock(&jobs->lock);
  return status;
}

static enum fm_status make_folder(struct fm_context *ctx, const char *folder, const struct fm_product *p,
                                  const char *part, const char *kind) {
  char *path = fm_format(ctx, "%s/%s/%s/%s", folder, p->name, part, kind);
  enum fm_status status = path ? fm_folder_make(ctx, path) : FM_MEMORY;
  fm_free(ctx, path);
  return status;
}

static void add(struct jobs *jobs, const struct fm_product *p, const char *split, int kind, int count) {
  for (int i = 0; i < count; i++) jobs->item[jobs->count++] = (struct job){p, split, kind, i};
}

static enum fm_status plan(struct jobs *jobs) {
  struct fm_context *ctx = jobs->ctx;
  const struct fm_make_options *o = &jobs->options;
  for (int i = 0; i < PRODUCTS; i++) {
    const struct fm_product *p = products[i];
    if (o->product ? strcmp(o->product, p->name) != 0 : i >= FM_MAKE_UNASKED) continue;
    FM_TRY(make_folder(ctx, jobs->folder, p, "train", "good"));
    FM_TRY(make_folder(ctx, jobs->folder, p, "test", "good"));
    add(jobs, p, "train", -1, o->train);
    add(jobs, p, "test", -1, o->test_good);
    for (int k = 0; p->kinds[k]; k++) {
      FM_TRY(make_folder(ctx, jobs->folder, p, "test", p->kinds[k]));
      FM_TRY(make_folder(ctx, jobs->folder, p, "ground_truth", p->kinds[k]));
      add(jobs, p, "test", k, o->per_kind);
    }
  }
  return FM_OK;
}

enum fm_status fm_make_dataset(struct fm_context *ctx, const char *folder,
                               const struct fm_make_options *options) {
  enum { MOST_KINDS = 8 };
  struct jobs jobs = {.ctx = ctx, .folder = folder, .options = with_defaults(options)};
  const struct fm_make_options *o = &jobs.options;
  FM_TRY(check(ctx, o));
  size_t each = (size_t)o->train + (size_t)o->test_good + (size_t)MOST_KINDS * (size_t)o->per_kind;
  if (!(jobs.item = fm_alloc(ctx, PRODUCTS * each, sizeof *jobs.item))) return FM_MEMORY;
  enum fm_status status = plan(&jobs);
  if (status == FM_OK) {
    pthread_mutex_init(&jobs.lock, NULL);
    fm_progress_begin(&jobs.progress, ctx, "drawing pictures", 0, (long)jobs.count);
    status = fm_parallel(ctx, jobs.count, run_job, &jobs);
    fm_progress_end(&jobs.progress);
    pthread_mutex_destroy(&jobs.lock);
  }
  fm_free(ctx, jobs.item);
  return status;
}
