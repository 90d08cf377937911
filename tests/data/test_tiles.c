/* Tiles of pictures: where they lie, what they show, samples and masks cut from decoded pictures. */
#define _XOPEN_SOURCE 700
#include "test.h"

#include "base/memory.h"
#include "base/thread.h"
#include "data/decoded.h"
#include "data/folder.h"
#include "data/loader.h"
#include "data/tiles.h"

#include <string.h>

/* Every pixel is in a tile, neighbours share a quarter, and no tile leaves a picture that is large enough. */
static void places(void **state) {
  static const int tiles[] = {32, 33, 100, 256};
  (void)state;
  for (int t = 0; t < 4; t++)
    for (int side = 1; side < 1500; side++) {
      const int tile = tiles[t];
      const struct fm_tiling tiling = fm_tiling_of(tile, side, 1);
      const int n = tiling.across;
      assert_int_equal(tiling.down, 1);
      assert_int_equal(fm_tile_begin(tile, side, 0, n), 0);
      if (side <= tile) {
        assert_int_equal(n, 1);
        continue;
      }
      assert_int_equal(fm_tile_begin(tile, side, n - 1, n) + tile, side);
      for (int k = 1; k < n; k++) {
        int step = fm_tile_begin(tile, side, k, n) - fm_tile_begin(tile, side, k - 1, n);
        assert_true(step > 0 && step <= tile - tile / 4);
      }
      assert_true(n == 2 ||
                  (n - 2) * (tile - tile / 4) + tile < side); /* and there are no more than it takes */
    }
}

static void fill(struct fm_image *image) {
  for (int i = 0; i < image->width * image->height * image->channels; i++)
    image->pixels[i] = (unsigned char)(i * 7 + i / 251);
}

static void cuts(void **state) {
  struct fm_context *ctx = *state;
  for (int channels = 1; channels <= 3; channels += 2) {
    struct fm_image image = {.width = 50, .height = 20, .channels = channels};
    image.pixels = fm_alloc(ctx, 50 * 20, (size_t)channels);
    unsigned char tile[32 * 32 * 3];
    fill(&image);
    fm_tile_cut(&image, 32, 18, 0, tile);
    for (int y = 0; y < 32; y++) {
      int own = y < 20 ? y : 39 - y; /* mirrored below the picture */
      assert_memory_equal(tile + y * 32 * channels, image.pixels + (own * 50 + 18) * channels,
                          32 * (size_t)channels);
    }
    image.width = 5; /* mirrored again and again */
    fm_tile_cut(&image, 32, 0, 0, tile);
    for (int x = 0; x < 32; x++) {
      static const int own[] = {0, 1, 2, 3, 4, 4, 3, 2, 1, 0};
      assert_memory_equal(tile + x * channels, image.pixels + own[x % 10] * channels, (size_t)channels);
    }
    fm_image_free(ctx, &image);
  }
}

/* Pictures of 70 x 40 on the disk, the second with a mask of its right half. */
struct set {
  struct folder folder;
  struct fm_sample sample[2];
  char path[3][512];
};

static void set_make(struct fm_context *ctx, struct set *s) {
  static const char *const names[] = {"a.png", "b.png", "mask.png"};
  *s = (struct set){.folder = folder_make()};
  for (int k = 0; k < 3; k++) {
    struct fm_image image = {.width = 70, .height = 40, .channels = k == 2 ? 1 : 3};
    image.pixels = fm_alloc(ctx, 70 * 40, (size_t)image.channels);
    fill(&image);
    for (int i = 0; k == 2 && i < 70 * 40; i++) image.pixels[i] = i % 70 >= 35 ? 255 : 0;
    if (k < 2) image.pixels[0] = (unsigned char)k;
    folder_path(&s->folder, names[k], s->path[k]);
    ASSERT_OK(ctx, fm_png_write(ctx, s->path[k], &image));
    fm_image_free(ctx, &image);
  }
  s->sample[0].path = s->path[0];
  s->sample[1] = (struct fm_sample){.path = s->path[1], .mask = s->path[2], .flawed = true};
}

/* The loader's tiles are those of fm_sample_load, in the order of the list, for any number of threads. */
static void as_samples(void **state) {
  enum { TILE = 32, SEEN = 32, ALL = 2 * 3 * 2 };
  struct fm_context *ctx = *state;
  struct set s;
  struct fm_sample *tiles;
  size_t count;
  set_make(ctx, &s);
  ASSERT_OK(ctx, fm_tiles_list(ctx, s.sample, 2, TILE, &tiles, &count));
  assert_int_equal(count, ALL);
  assert_true(tiles[0].x == 0 && tiles[0].y == 0 && tiles[2].x == 38 && tiles[5].x == 38 && tiles[5].y == 8);
  assert_true(tiles[6].path == s.path[1] && tiles[6].flawed);
  for (int workers = 1; workers <= 3; workers++) {
    struct fm_loader_options o = {.samples = tiles,
                                  .count = count,
                                  .batch = ALL,
                                  .masks = true,
                                  .workers = workers,
                                  .preprocess = {.size = {SEEN, SEEN}, .tile = TILE}};
    struct fm_loader *loader;
    struct fm_batch batch;
    ASSERT_OK(ctx, fm_loader_open(ctx, &o, &loader));
    ASSERT_OK(ctx, fm_loader_next(loader, &batch));
    assert_int_equal(batch.count, ALL);
    for (int i = 0; i < ALL; i++) {
      unsigned char rgb[SEEN * SEEN * 3];
      ASSERT_OK(ctx, fm_sample_load(ctx, &tiles[i], &o.preprocess, rgb));
      assert_memory_equal(batch.rgb + i * SEEN * SEEN * 3, rgb, sizeof rgb);
      assert_true(batch.width[i] == TILE && batch.height[i] == TILE);
      for (int p = 0; p < SEEN * SEEN; p++)
        assert_int_equal(batch.mask[i * SEEN * SEEN + p], i >= 6 && tiles[i].x + p % SEEN >= 35);
    }
    fm_loader_close(loader);
  }
  fm_free(ctx, tiles);
  s.sample[0].path = (char *)"/none/such.png";
  assert_int_equal(fm_tiles_list(ctx, s.sample, 1, TILE, &tiles, &count), FM_IO);
  fm_error_clear(ctx);
  folder_remove(&s.folder);
}

struct many {
  struct fm_context *ctx;
  struct fm_decoded *decoded;
  struct set *set;
};

static enum fm_status look(void *user, size_t i) {
  struct many *m = user;
  const struct fm_image *image;
  FM_TRY(fm_decoded_get(m->decoded, m->ctx, m->set->path[i % 2], &image));
  assert_int_equal(image->pixels[0], i % 2);
  fm_decoded_put(m->decoded, image);
  return FM_OK;
}

/* One place for a picture and one thread: they take turns; a picture that cannot be read takes no place. */
static void shared(void **state) {
  struct fm_context *ctx = *state;
  struct set s;
  struct many m = {.ctx = ctx, .set = &s};
  const struct fm_image *image, *again;
  set_make(ctx, &s);
  ASSERT_OK(ctx, fm_decoded_open(ctx, &(struct fm_preprocess){0}, 1, &m.decoded));
  ctx->threads = 4;
  ASSERT_OK(ctx, fm_parallel(ctx, 200, look, &m));
  assert_int_equal(fm_decoded_get(m.decoded, ctx, "/none/such.png", &image), FM_IO);
  fm_error_clear(ctx);
  ASSERT_OK(ctx, fm_decoded_get(m.decoded, ctx, s.path[0], &image));
  ASSERT_OK(ctx, fm_decoded_get(m.decoded, ctx, s.path[0], &again));
  assert_ptr_equal(image, again); /* not decoded again */
  fm_decoded_put(m.decoded, image);
  fm_decoded_put(m.decoded, again);
  fm_decoded_close(m.decoded);
  folder_remove(&s.folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(places), TEST(cuts), TEST(as_samples), TEST(shared)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
