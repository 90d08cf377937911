#define _XOPEN_SOURCE 700
#include "folder.h"

#include "data/dataset.h"
#include "data/make.h"
#include "file/image.h"

#include <math.h>
#include <pthread.h>
#include <time.h>

enum { S = 64, N = S * S };
static const struct fm_make_options small = {.size = S, .train = 3, .test_good = 1, .per_kind = 2};

static double difference(const unsigned char *a, const unsigned char *b) {
  double sum = 0;
  for (int i = 0; i < 3 * N; i++) sum += abs(a[i] - b[i]);
  return sum / (3 * N);
}

static void every_kind_can_be_seen(void **state) {
  struct fm_context *ctx = *state;
  static unsigned char rgb[6 * N], mask[2 * N], again[6 * N];
  for (const char *const *p = fm_make_products(); *p; p++)
    for (const char *const *kind = fm_make_kinds(*p); *kind; kind++)
      for (int i = 0; i < 3; i++) {
        ASSERT_OK(ctx, fm_make_picture(ctx, *p, "test", *kind, i, &small, rgb, mask));
        int area = 0, n = S * fm_make_height(*p, S);
        for (int k = 0; k < n; k++) {
          assert_true(mask[k] == 0 || mask[k] == 255);
          area += mask[k] != 0;
        }
        if (area < 2 || area > N / 4) fail_msg("%s %s %d: %d pixels", *p, *kind, i, area);
        ASSERT_OK(ctx, fm_make_picture(ctx, *p, "test", *kind, i, &small, again, mask));
        assert_memory_equal(rgb, again, 3 * (size_t)n);
      }
}

static void good_pictures_vary_a_little(void **state) {
  struct fm_context *ctx = *state;
  static unsigned char a[3 * N], b[3 * N], c[3 * N], mask[N];
  struct fm_make_options rotated = small, seeded = small;
  rotated.rotate = true;
  seeded.seed = 2;
  ASSERT_OK(ctx, fm_make_picture(ctx, "gear", "train", "good", 0, &small, a, mask));
  assert_null(memchr(mask, 255, N));
  ASSERT_OK(ctx, fm_make_picture(ctx, "gear", "train", "good", 1, &small, b, mask));
  ASSERT_OK(ctx, fm_make_picture(ctx, "gear", "train", "good", 1, &rotated, c, mask));
  double near = difference(a, b), far = difference(a, c);
  assert_true(near > 0.5 && near < 12 && far > near);
  ASSERT_OK(ctx, fm_make_picture(ctx, "gear", "train", "good", 0, &seeded, b, mask));
  assert_true(difference(a, b) > 0.5);
  ASSERT_OK(ctx, fm_make_picture(ctx, "gear", "test", "good", 0, &small, b, mask));
  assert_true(difference(a, b) > 0.5); /* no test picture is a training picture */
}

static unsigned char good[8][6 * N];

static void draw_good(struct fm_context *ctx, const char *product) {
  static unsigned char mask[2 * N];
  for (int i = 0; i < 8; i++)
    ASSERT_OK(ctx, fm_make_picture(ctx, product, "train", "good", i, &small, good[i], mask));
}

/* The plate's label is red, with its arrow upwards, or blue, with its arrow downwards. */
static void the_plate_has_two_looks(void **state) {
  enum { LABEL = 3 * (25 * S + 27), ABOVE = 3 * (30 * S + 51), BELOW = 3 * (33 * S + 51) };
  int red = 0;
  draw_good(*state, "plate");
  for (int i = 0; i < 8; i++) {
    bool up = good[i][ABOVE] < good[i][BELOW];
    assert_int_equal(up, good[i][LABEL] > 150);
    assert_int_equal(up, good[i][LABEL + 2] < 60);
    red += up;
  }
  assert_true(red > 0 && red < 8);
}

/* The seal is dark, and its ground hardly varies. */
static void the_seal_hardly_varies(void **state) {
  draw_good(*state, "seal");
  for (int i = 0; i < 8; i++)
    for (int k = 0; k < 3 * N; k++) {
      assert_true(good[i][k] < 40);
      bool ground = k / 3 % S < 8 && k / 3 / S < 8; /* a corner */
      if (ground) assert_true(abs(good[i][k] - good[0][k]) <= 6);
    }
}

/* The slab is twice as tall as wide, in its files too, and lit otherwise in each picture. */
static void the_slab_is_tall_and_lit_unevenly(void **state) {
  struct fm_context *ctx = *state;
  draw_good(ctx, "slab");
  double least = 255, most = 0;
  for (int i = 0; i < 8; i++) {
    double mean = 0;
    for (int k = 0; k < 6 * N; k++) mean += good[i][k] / (6.0 * N);
    least = fmin(least, mean), most = fmax(most, mean);
  }
  assert_true(most - least > 8);
  struct folder f = folder_make();
  struct fm_make_options o = {.size = S, .train = 1, .test_good = 1, .per_kind = 1, .product = "slab"};
  struct fm_image image;
  char path[512];
  ASSERT_OK(ctx, fm_make_dataset(ctx, f.path, &o));
  const char *files[] = {"slab/train/good/000.png", "slab/ground_truth/crack/000_mask.png"};
  for (int i = 0; i < 2; i++) {
    ASSERT_OK(ctx, fm_image_read(ctx, folder_path(&f, files[i], path), &image));
    assert_int_equal(image.width, S);
    assert_int_equal(image.height, 2 * S);
    fm_image_free(ctx, &image);
  }
  folder_remove(&f);
}

static void a_data_set_in_mvtec_layout(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  struct fm_dataset set;
  struct fm_category c;
  char path[512];
  ASSERT_OK(ctx, fm_make_dataset(ctx, folder_path(&f, "new/set", path), &small));
  ASSERT_OK(ctx, fm_dataset_open(ctx, path, NULL, &set));
  assert_int_equal(set.layout, FM_LAYOUT_MVTEC);
  assert_int_equal(set.categories.count, 2);
  for (size_t i = 0; i < 2; i++) {
    size_t kinds = 0;
    while (fm_make_kinds(set.categories.name[i])[kinds]) kinds++;
    assert_true(kinds >= 5);
    ASSERT_OK(ctx, fm_category_open(ctx, &set, set.categories.name[i], &c));
    ASSERT_OK(ctx, fm_category_needs_masks(ctx, &c));
    assert_int_equal(c.train_count, 3);
    assert_int_equal(c.test_count, 1 + 2 * kinds);
    struct fm_image picture, mask;
    ASSERT_OK(ctx, fm_image_read(ctx, c.test[c.test_count - 1].path, &picture));
    ASSERT_OK(ctx, fm_image_read(ctx, c.test[c.test_count - 1].mask, &mask));
    assert_int_equal(picture.width, S);
    assert_int_equal(picture.channels, 3);
    assert_int_equal(mask.height, S);
    assert_int_equal(mask.channels, 1);
    fm_image_free(ctx, &picture);
    fm_image_free(ctx, &mask);
    fm_category_close(ctx, &c);
  }
  fm_dataset_close(ctx, &set);
  folder_remove(&f);
}

static void wrong_options(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  struct fm_make_options o[3] = {small, small, small};
  static unsigned char rgb[3 * N], mask[N];
  o[0].size = 63;
  o[1].train = -1;
  o[2].per_kind = 10001;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(fm_make_dataset(ctx, f.path, &o[i]), FM_USAGE);
    fm_error_clear(ctx);
  }
  assert_int_equal(fm_make_picture(ctx, "cup", "test", "good", 0, &small, rgb, mask), FM_USAGE);
  fm_error_clear(ctx);
  assert_int_equal(fm_make_picture(ctx, "gear", "test", "hole", 0, &small, rgb, mask), FM_USAGE);
  fm_error_clear(ctx);
  assert_null(fm_make_kinds("cup"));
  char path[512];
  folder_touch(ctx, &f, "file");
  assert_int_equal(fm_make_dataset(ctx, folder_path(&f, "file", path), &small), FM_IO);
  fm_error_clear(ctx);
  folder_remove(&f);
}

static void failures_are_reported(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  struct fm_make_options o = small;
  for (int kind = FM_FAULT_ALLOC; kind <= FM_FAULT_FILE; kind++)
    for (long n = 1; n < 200; n += n < 12 ? 1 : 37) {
      ctx->fault[kind].count = 0;
      ctx->fault[kind].fail_at = n;
      enum fm_status status = fm_make_dataset(ctx, f.path, &o);
      assert_int_equal(status == FM_OK, ctx->status == FM_OK);
      assert_int_equal(ctx->live_allocations, 0);
      ctx->fault[kind].fail_at = 0;
      fm_error_clear(ctx);
    }
  folder_remove(&f);
}

/* A large picture takes seconds, and stopping is heard while it is drawn. */
static void *stop_soon(void *user) {
  struct fm_context *ctx = user;
  nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
  atomic_store(&ctx->stop, true);
  return NULL;
}

static void stops_within_a_picture(void **state) {
  enum { LARGE = 4096 };
  struct fm_context *ctx = *state;
  struct fm_make_options o = {.size = LARGE};
  unsigned char *rgb = malloc((size_t)LARGE * LARGE * 3), *mask = malloc((size_t)LARGE * LARGE);
  pthread_t thread;
  assert_true(rgb && mask);
  assert_int_equal(pthread_create(&thread, NULL, stop_soon, ctx), 0);
  assert_int_equal(fm_make_picture(ctx, "gear", "test", "scratch", 0, &o, rgb, mask), FM_STOPPED);
  pthread_join(thread, NULL);
  free(rgb);
  free(mask);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_plate_has_two_looks),    TEST(the_seal_hardly_varies), TEST(the_slab_is_tall_and_lit_unevenly),
      TEST(stops_within_a_picture),     TEST(every_kind_can_be_seen), TEST(good_pictures_vary_a_little),
      TEST(a_data_set_in_mvtec_layout), TEST(wrong_options),          TEST(failures_are_reported)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
