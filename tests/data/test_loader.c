#define _XOPEN_SOURCE 700
#include "folder.h"

#include "base/rng.h"
#include "data/loader.h"
#include "data/mask.h"
#include "file/image.h"

enum { PICTURES = 11, SIDE = 48, BATCH = 4, BATCHES = 3 };

struct set {
  struct folder folder;
  char path[PICTURES + 1][512]; /* the last is a mask */
  struct fm_sample sample[PICTURES];
};

static void put_noise(struct fm_context *ctx, const char *path, int width, int height, const char *stream) {
  struct fm_image image = {.width = width, .height = height, .channels = 3};
  size_t n = (size_t)width * (size_t)height * 3;
  image.pixels = fm_alloc(ctx, n, 1);
  struct fm_rng rng = fm_rng_stream(1, stream);
  for (size_t i = 0; i < n; i++) image.pixels[i] = (unsigned char)(fm_rng_next(&rng) >> 56);
  ASSERT_OK(ctx, fm_png_write(ctx, path, &image));
  fm_image_free(ctx, &image);
}

static void set_make(struct fm_context *ctx, struct set *set) {
  static char good[] = "good";
  struct folder folder = folder_make();
  *set = (struct set){.folder = folder};
  for (int i = 0; i <= PICTURES; i++) {
    char name[32];
    snprintf(name, sizeof name, i < PICTURES ? "%03d.png" : "mask.png", i);
    folder_path(&folder, name, set->path[i]);
    if (i < PICTURES) put_noise(ctx, set->path[i], 50 + i, 60, name);
    if (i < PICTURES)
      set->sample[i] = (struct fm_sample){.path = set->path[i], .kind = good, .name = set->path[i]};
  }
  /* A grey mask, white right of the middle. */
  unsigned char pixels[60 * 60];
  for (int i = 0; i < 60 * 60; i++) pixels[i] = i % 60 >= 30 ? 255 : 0;
  struct fm_image mask = {.width = 60, .height = 60, .channels = 1, .pixels = pixels};
  ASSERT_OK(ctx, fm_png_write(ctx, set->path[PICTURES], &mask));
}

static struct fm_loader_options options_for(const struct set *set) {
  return (struct fm_loader_options){.samples = set->sample,
                                    .count = PICTURES,
                                    .preprocess = {.size = {SIDE, SIDE}},
                                    .batch = BATCH,
                                    .shuffle = true,
                                    .synthetic = fm_synthetic_cdo("bottle"),
                                    .seed = 111,
                                    .epochs = 3};
}

static uint64_t hash(uint64_t h, const void *bytes, size_t n) {
  for (const unsigned char *c = bytes; n--; c++) h = (h ^ *c) * 0x100000001B3u;
  return h;
}

static uint64_t hash_batch(const struct fm_batch *b) {
  uint64_t h = hash(0xCBF29CE484222325u, b->rgb, b->count * SIDE * SIDE * 3);
  h = hash(h, b->mask, b->count * SIDE * SIDE);
  h = hash(h, b->pictures, b->count * sizeof *b->pictures);
  h = hash(h, b->width, b->count * sizeof *b->width);
  h = hash(h, b->height, b->count * sizeof *b->height);
  return hash(h, (uint64_t[]){(uint64_t)b->epoch, b->index, b->count, b->last}, 4 * sizeof(uint64_t));
}

/* Runs to the end; the hash of every batch. Returns how many there were. */
static size_t run(struct fm_context *ctx, const struct fm_loader_options *o, uint64_t hashes[9]) {
  struct fm_loader *loader;
  struct fm_batch batch;
  size_t n = 0;
  ASSERT_OK(ctx, fm_loader_open(ctx, o, &loader));
  for (;;) {
    ASSERT_OK(ctx, fm_loader_next(loader, &batch));
    if (!batch.count) break;
    assert_true(n < 9);
    hashes[n++] = hash_batch(&batch);
  }
  ASSERT_OK(ctx, fm_loader_next(loader, &batch));
  assert_int_equal(batch.count, 0);
  fm_loader_close(loader);
  return n;
}

static void plain_order_is_the_pictures(void **state) {
  struct fm_context *ctx = *state;
  struct set set;
  set_make(ctx, &set);
  struct fm_loader_options o = options_for(&set);
  o.shuffle = false, o.epochs = 0, o.synthetic = (struct fm_synthetic){0};
  struct fm_loader *loader;
  struct fm_batch b;
  unsigned char *rgb = fm_alloc(ctx, SIDE * SIDE, 3);
  ASSERT_OK(ctx, fm_loader_open(ctx, &o, &loader));
  assert_int_equal(fm_loader_batches(loader), BATCHES);
  uint32_t next = 0;
  for (size_t index = 0; index < BATCHES; index++) {
    ASSERT_OK(ctx, fm_loader_next(loader, &b));
    assert_int_equal(b.index, index);
    assert_int_equal(b.count, index == 2 ? 3 : 4);
    assert_int_equal(b.last, index == 2);
    for (size_t i = 0; i < b.count; i++, next++) {
      assert_int_equal(b.pictures[i], next);
      ASSERT_OK(ctx, fm_picture_load(ctx, set.path[next], &o.preprocess, rgb, NULL));
      assert_memory_equal(rgb, b.rgb + i * SIDE * SIDE * 3, SIDE * SIDE * 3);
      assert_int_equal(b.width[i], 50 + (int)next);
      assert_int_equal(b.height[i], 60);
      assert_null(memchr(b.mask + i * SIDE * SIDE, 1, SIDE * SIDE));
    }
  }
  assert_int_equal(next, PICTURES);
  fm_loader_close(loader);
  fm_free(ctx, rgb);
  folder_remove(&set.folder);
}

/* Threads, depth, cache and the place where a run starts change nothing. */
static void the_same_whatever_the_machine(void **state) {
  struct fm_context *ctx = *state;
  struct set set;
  set_make(ctx, &set);
  struct fm_loader_options o = options_for(&set);
  uint64_t expected[9], got[9];
  o.workers = 1;
  assert_int_equal(run(ctx, &o, expected), 9);
  assert_true(expected[0] != expected[3] && expected[0] != expected[6]); /* each epoch anew */
  for (int workers = 1; workers <= 5; workers += 2)
    for (int depth = 1; depth <= 8; depth += 7)
      for (size_t limit = 0; limit < 3; limit++) {
        o.workers = workers, o.depth = depth;
        o.cache_limit = limit == 0 ? 0 : limit == 1 ? 1 : 4 * SIDE * SIDE * 5;
        assert_int_equal(run(ctx, &o, got), 9);
        assert_memory_equal(got, expected, sizeof got);
      }
  for (size_t start = 0; start <= 9; start++) {
    o.first_epoch = (int)(start / BATCHES), o.first_batch = start % BATCHES;
    assert_int_equal(run(ctx, &o, got), 9 - start);
    assert_memory_equal(got, expected + start, (9 - start) * sizeof *got);
  }
  o.first_epoch = 0, o.first_batch = BATCHES; /* the end of an epoch is the begin of the next */
  assert_int_equal(run(ctx, &o, got), 6);
  assert_memory_equal(got, expected + 3, 6 * sizeof *got);
  folder_remove(&set.folder);
}

/* Drawn on the picture stretched to 160 and reduced to 48, both as Pillow does it: the numbers of
 * tests/reference/cdo2025.py. From the cache or anew, and with any number of threads. */
static void anomalies_on_a_canvas(void **state) {
  struct fm_context *ctx = *state;
  static const struct {
    int area;
    uint64_t rgb, mask;
  } expected[4] = {
      {89, 0x7a1f4772b3bf356cu, 0x5394cac483e9324eu},
      {218, 0x8fb2bba2f5206547u, 0x1f7a8efc7bc5a123u},
      {106, 0x52fc425a645944b2u, 0x5b56488cce2cf2efu},
      {115, 0xdd7ef9105d27af8au, 0x26ef855c3a7724d2u},
  };
  struct set set;
  set_make(ctx, &set);
  struct fm_loader_options o = options_for(&set);
  o.shuffle = false, o.epochs = 2, o.preprocess.resize = FM_RESIZE_PIL;
  o.synthetic = fm_synthetic_cdo("carpet");
  o.synthetic.canvas = 160;
  for (int run = 0; run < 3; run++) {
    struct fm_loader *loader;
    struct fm_batch b;
    o.workers = run + 1, o.cache_limit = run == 1 ? 1 : 0;
    o.first_epoch = run == 2; /* begun there */
    ASSERT_OK(ctx, fm_loader_open(ctx, &o, &loader));
    for (int i = run == 2 ? BATCHES : 0; i <= BATCHES; i++) ASSERT_OK(ctx, fm_loader_next(loader, &b));
    assert_int_equal(b.epoch, 1);
    for (size_t k = 0; k < BATCH; k++) {
      const unsigned char *mask = b.mask + k * SIDE * SIDE;
      int area = 0;
      for (int i = 0; i < SIDE * SIDE; i++) area += mask[i];
      assert_int_equal(area, expected[k].area);
      assert_true(hash(0xCBF29CE484222325u, mask, SIDE * SIDE) == expected[k].mask);
      assert_true(hash(0xCBF29CE484222325u, b.rgb + k * SIDE * SIDE * 3, SIDE * SIDE * 3) == expected[k].rgb);
    }
    fm_loader_close(loader);
  }
  folder_remove(&set.folder);
}

static void every_picture_once_an_epoch(void **state) {
  struct fm_context *ctx = *state;
  struct set set;
  set_make(ctx, &set);
  struct fm_loader_options o = options_for(&set);
  struct fm_loader *loader;
  struct fm_batch b;
  ASSERT_OK(ctx, fm_loader_open(ctx, &o, &loader));
  bool in_order = true, anomalies = false;
  for (int epoch = 0; epoch < 3; epoch++) {
    int seen[PICTURES] = {0};
    for (int i = 0; i < BATCHES; i++) {
      ASSERT_OK(ctx, fm_loader_next(loader, &b));
      assert_int_equal(b.epoch, epoch);
      for (size_t k = 0; k < b.count; k++) {
        seen[b.pictures[k]]++;
        if (b.pictures[k] != (uint32_t)i * BATCH + k) in_order = false;
      }
      if (memchr(b.mask, 1, b.count * SIDE * SIDE)) anomalies = true;
    }
    for (int p = 0; p < PICTURES; p++) assert_int_equal(seen[p], 1);
  }
  assert_false(in_order);
  assert_true(anomalies);
  fm_loader_close(loader);
  folder_remove(&set.folder);
}

static void flawed_pictures_bring_their_masks(void **state) {
  struct fm_context *ctx = *state;
  struct set set;
  set_make(ctx, &set);
  struct fm_loader_options o = options_for(&set);
  o.shuffle = false, o.masks = true, o.epochs = 2;
  set.sample[2].flawed = true;
  set.sample[2].mask = set.path[PICTURES];
  struct fm_loader *loader;
  struct fm_batch b;
  ASSERT_OK(ctx, fm_loader_open(ctx, &o, &loader));
  for (int i = 0; i < 2 * BATCHES; i++) {
    ASSERT_OK(ctx, fm_loader_next(loader, &b));
    if (i % BATCHES) continue; /* also from the cache, in the second epoch */
    for (int k = 0; k < SIDE * SIDE; k++) assert_int_equal(b.mask[2 * SIDE * SIDE + k], k % SIDE >= SIDE / 2);
  }
  fm_loader_close(loader);
  /* With a canvas: reduced as Pillow does it, and flawed where a part is; the picture itself as without one.
   */
  struct fm_loader_options canvas = o;
  canvas.synthetic.canvas = 160, canvas.preprocess.resize = FM_RESIZE_PIL;
  unsigned char rgb[SIDE * SIDE * 3];
  ASSERT_OK(ctx, fm_picture_load(ctx, set.path[2], &canvas.preprocess, rgb, NULL));
  ASSERT_OK(ctx, fm_loader_open(ctx, &canvas, &loader));
  ASSERT_OK(ctx, fm_loader_next(loader, &b));
  for (int k = 0; k < SIDE * SIDE; k++)
    assert_int_equal(b.mask[2 * SIDE * SIDE + k], k % SIDE >= SIDE / 2 - 1);
  assert_memory_equal(b.rgb + 2 * sizeof rgb, rgb, sizeof rgb);
  fm_loader_close(loader);
  set.sample[2].mask = NULL;
  ASSERT_OK(ctx, fm_loader_open(ctx, &o, &loader));
  assert_int_equal(fm_loader_next(loader, &b), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "002.png"));
  fm_error_clear(ctx);
  fm_loader_close(loader);
  folder_remove(&set.folder);
}

static void a_damaged_picture_is_an_error(void **state) {
  struct fm_context *ctx = *state;
  struct set set;
  set_make(ctx, &set);
  struct fm_loader_options o = options_for(&set);
  folder_put(ctx, &set.folder, "007.png", "not a picture", 13);
  struct fm_loader *loader;
  struct fm_batch b;
  ASSERT_OK(ctx, fm_loader_open(ctx, &o, &loader));
  enum fm_status status = FM_OK;
  for (int i = 0; i < BATCHES && status == FM_OK; i++) status = fm_loader_next(loader, &b);
  assert_int_equal(status, FM_FORMAT);
  assert_int_equal(b.count, 0);
  assert_non_null(strstr(ctx->message, "007.png"));
  assert_int_equal(fm_loader_next(loader, &b), FM_FORMAT); /* it stays */
  fm_loader_close(loader);
  fm_error_clear(ctx);
  folder_remove(&set.folder);
}

/* Three pictures that are none, in two of the batches: named, in order; the others are what they are without
 * them, and come at their own size as far as there is room. */
static void damaged_pictures_can_be_left_out(void **state) {
  struct fm_context *ctx = *state;
  struct set set;
  set_make(ctx, &set);
  unsigned char want[PICTURES][SIDE * SIDE * 3];
  struct fm_loader_options o = {.samples = set.sample,
                                .count = PICTURES,
                                .preprocess = {.size = {SIDE, SIDE}},
                                .batch = BATCH,
                                .tolerant = true,
                                .images = true};
  const uint32_t bad[] = {4, 6, 10};
  for (uint32_t i = 0; i < PICTURES; i++)
    ASSERT_OK(ctx, fm_picture_load(ctx, set.path[i], &o.preprocess, want[i], NULL));
  for (int i = 0; i < 3; i++) folder_put(ctx, &set.folder, strrchr(set.path[bad[i]], '/') + 1, "none", 4);
  for (int tight = 0; tight < 2; tight++) {
    struct fm_loader *loader;
    struct fm_batch b;
    size_t good = 0, unread = 0, whole = 0;
    o.image_limit = tight ? 60 * 60 * 3 * 2 : 1 << 20;
    ASSERT_OK(ctx, fm_loader_open(ctx, &o, &loader));
    for (;;) {
      ASSERT_OK(ctx, fm_loader_next(loader, &b));
      if (!b.count && !b.unread_count) break;
      for (size_t i = 0; i < b.unread_count; i++) {
        assert_int_equal(b.unread[i].picture, bad[unread++]);
        assert_int_equal(b.unread[i].status, FM_FORMAT);
        assert_non_null(strstr(b.unread[i].message, set.path[b.unread[i].picture]));
      }
      for (size_t i = 0; i < b.count; i++) {
        assert_memory_equal(b.rgb + i * SIDE * SIDE * 3, want[b.pictures[i]], SIDE * SIDE * 3);
        assert_int_equal(b.width[i], 50 + b.pictures[i]);
        assert_int_equal(b.image[i].width, 50 + b.pictures[i]);
        whole += b.image[i].pixels != NULL;
        good++;
      }
    }
    assert_int_equal(unread, 3);
    assert_int_equal(good, PICTURES - 3);
    if (tight)
      assert_in_range(whole, 1, PICTURES - 4);
    else
      assert_int_equal(whole, PICTURES - 3);
    fm_loader_close(loader);
    assert_int_equal(ctx->errors, 0);
  }
  folder_remove(&set.folder);
}

static void closes_at_any_moment(void **state) {
  struct fm_context *ctx = *state;
  struct set set;
  set_make(ctx, &set);
  struct fm_loader_options o = options_for(&set);
  for (int used = 0; used < 10; used++) {
    struct fm_loader *loader;
    struct fm_batch b;
    o.workers = 1 + used % 3;
    ASSERT_OK(ctx, fm_loader_open(ctx, &o, &loader));
    for (int i = 0; i < used; i++) ASSERT_OK(ctx, fm_loader_next(loader, &b));
    fm_loader_close(loader);
    assert_int_equal(ctx->live_allocations, 0);
  }
  fm_loader_close(NULL);
  folder_remove(&set.folder);
}

static void wrong_options(void **state) {
  struct fm_context *ctx = *state;
  struct set set = {0};
  struct fm_loader *loader;
  struct fm_loader_options good = options_for(&set), o[7];
  for (int i = 0; i < 7; i++) o[i] = good;
  o[0].count = 0;
  o[1].batch = 0;
  o[2].preprocess.size = fm_square(0);
  o[3].preprocess.crop = fm_square(SIDE + 1);
  o[4].first_batch = BATCHES + 1;
  o[5].synthetic.canvas = 5000;
  o[6].first_epoch = -1;
  for (int i = 0; i < 7; i++) {
    assert_int_equal(fm_loader_open(ctx, &o[i], &loader), FM_USAGE);
    assert_null(loader);
    fm_error_clear(ctx);
  }
}

/* The n-th allocation or read fails, once and for good: an error or all batches, never a leak or a hang. */
static void failures_are_reported(void **state) {
  struct fm_context *ctx = *state;
  struct set set;
  set_make(ctx, &set);
  struct fm_loader_options o = options_for(&set);
  o.epochs = 2;
  for (int mode = 0; mode < 4; mode++) {
    o.synthetic.canvas = mode < 2 ? 0 : 64;
    struct fm_fault *fault = &ctx->fault[mode % 2 ? FM_FAULT_FILE : FM_FAULT_ALLOC];
    enum fm_status status = FM_MEMORY;
    for (long n = 1; status != FM_OK; n++) {
      struct fm_loader *loader;
      struct fm_batch b = {.count = 1};
      fm_error_clear(ctx);
      fault->count = 0;
      fault->fail_at = n;
      fault->once = mode > 1;
      status = fm_loader_open(ctx, &o, &loader);
      while (status == FM_OK && b.count) status = fm_loader_next(loader, &b);
      fm_loader_close(loader);
      assert_int_equal(status == FM_OK, ctx->status == FM_OK);
      assert_int_equal(ctx->live_allocations, 0);
      assert_true(n < 10000);
    }
    fault->fail_at = 0;
  }
  folder_remove(&set.folder);
}

static void crops_and_whole_masks(void **state) {
  struct fm_context *ctx = *state;
  struct set set;
  set_make(ctx, &set);
  struct fm_preprocess whole = {.size = {32, 32}, .resize = FM_RESIZE_PIL},
                       cropped = {.size = {32, 32}, .crop = {28, 28}, .resize = FM_RESIZE_PIL};
  unsigned char a[32 * 32 * 3], b[28 * 28 * 3], mask[28 * 28];
  struct fm_drawn own;
  assert_true(fm_size_same(fm_preprocess_size(&cropped), fm_square(28)));
  ASSERT_OK(ctx, fm_picture_load(ctx, set.path[0], &whole, a, NULL));
  ASSERT_OK(ctx, fm_picture_load(ctx, set.path[0], &cropped, b, NULL));
  for (size_t y = 0; y < 28; y++) assert_memory_equal(b + y * 84, a + (y + 2) * 96 + 6, 84);
  ASSERT_OK(ctx, fm_mask_load(ctx, set.path[PICTURES], &cropped, mask));
  for (int i = 0; i < 28 * 28; i++) assert_int_equal(mask[i], i % 28 >= 14);
  ASSERT_OK(ctx, fm_mask_read(ctx, set.path[PICTURES], &own));
  for (int i = 0; i < 60 * 60; i++) assert_int_equal(own.pixels[i], i % 60 >= 30);
  ASSERT_OK(ctx, fm_mask_fits(ctx, &own, set.path[PICTURES], 60, 60));
  assert_int_equal(fm_mask_fits(ctx, &own, set.path[PICTURES], 60, 61), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "60x61"));
  fm_error_clear(ctx);
  fm_mask_release(ctx, &own);
  folder_remove(&set.folder);
}

/* Pieces: drawn at the pictures' own size, the same for any batch and number of threads, others in the next
 * round; what the network sees differs from the plain picture about where its mask says so. */
static void draws_pieces(void **state) {
  struct fm_context *ctx = *state;
  struct set set;
  set_make(ctx, &set);
  struct fm_loader_options plain = options_for(&set);
  plain.shuffle = false;
  plain.synthetic = (struct fm_synthetic){0};
  plain.epochs = 2;
  struct fm_loader_options pieces = plain;
  pieces.pieces = true;
  struct fm_loader *a, *b;
  ASSERT_OK(ctx, fm_loader_open(ctx, &plain, &a));
  ASSERT_OK(ctx, fm_loader_open(ctx, &pieces, &b));
  size_t marked = 0, changed = 0, elsewhere = 0;
  uint64_t round[2] = {1, 1};
  for (;;) {
    struct fm_batch before, after;
    ASSERT_OK(ctx, fm_loader_next(a, &before));
    ASSERT_OK(ctx, fm_loader_next(b, &after));
    assert_int_equal(before.count, after.count);
    if (!before.count) break;
    assert_null(before.own_mask);
    for (size_t i = 0; i < after.count; i++) {
      size_t own = 0;
      for (int k = 0; k < after.width[i] * after.height[i]; k++) own += after.own_mask[i][k];
      assert_in_range(own, 1, after.width[i] * after.height[i] / 2);
    }
    for (size_t k = 0; k < after.count * SIDE * SIDE; k++) {
      bool differs = memcmp(before.rgb + 3 * k, after.rgb + 3 * k, 3) != 0;
      marked += after.mask[k];
      changed += differs;
      elsewhere += differs && !after.mask[k];
    }
    round[after.epoch] = hash(round[after.epoch], after.mask, after.count * SIDE * SIDE);
  }
  assert_true(marked > 100 && 10 * elsewhere < 5 * changed);
  assert_true(round[0] != round[1]);
  fm_loader_close(a);
  fm_loader_close(b);
  struct fm_loader_options alone = pieces;
  alone.batch = 1;
  alone.workers = 1;
  alone.epochs = 1;
  ASSERT_OK(ctx, fm_loader_open(ctx, &alone, &a));
  uint64_t again = 1;
  for (struct fm_batch one;;) {
    ASSERT_OK(ctx, fm_loader_next(a, &one));
    if (!one.count) break;
    again = hash(again, one.mask, SIDE * SIDE);
  }
  assert_true(again == round[0]);
  fm_loader_close(a);
  struct fm_loader_options both = pieces;
  both.synthetic = fm_synthetic_cdo("bottle");
  assert_int_equal(fm_loader_open(ctx, &both, &a), FM_USAGE);
  folder_remove(&set.folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(plain_order_is_the_pictures),
                                     TEST(the_same_whatever_the_machine),
                                     TEST(anomalies_on_a_canvas),
                                     TEST(every_picture_once_an_epoch),
                                     TEST(flawed_pictures_bring_their_masks),
                                     TEST(a_damaged_picture_is_an_error),
                                     TEST(damaged_pictures_can_be_left_out),
                                     TEST(closes_at_any_moment),
                                     TEST(wrong_options),
                                     TEST(draws_pieces),
                                     TEST(failures_are_reported),
                                     TEST(crops_and_whole_masks)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
