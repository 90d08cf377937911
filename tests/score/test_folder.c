#define _XOPEN_SOURCE 700
#include "data/folder.h"

#include "file/image.h"
#include "file/tiff.h"
#include "score/folder.h"

#include <math.h>

enum { SIDE = 8 };

static const char *path_in(const struct folder *f, const char *kind, const char *name, char out[512]) {
  char folder[512];
  folder_path(f, kind, folder);
  struct fm_context ctx;
  fm_context_init(&ctx);
  assert_int_equal(fm_folder_make(&ctx, folder), FM_OK);
  fm_context_free(&ctx);
  snprintf(out, 512, "%.400s/%.100s", folder, name);
  return out;
}

/* A map that rises from left to right, from `base`. */
static void put_map(struct fm_context *ctx, const struct folder *f, const char *kind, const char *name,
                    float base) {
  float map[SIDE * SIDE];
  for (int i = 0; i < SIDE * SIDE; i++) map[i] = base + (float)(i % SIDE);
  char path[512];
  ASSERT_OK(ctx, fm_tiff_write(ctx, path_in(f, kind, name, path), SIDE, SIDE, map));
}

/* Flawed in the rightmost columns; a value of 1, not 255, and in the green channel only. */
static void put_mask(struct fm_context *ctx, const struct folder *f, const char *kind, const char *name,
                     int side, int columns) {
  unsigned char pixels[3 * 16 * 16] = {0};
  for (int i = 0; i < side * side; i++) pixels[3 * i + 1] = i % side >= side - columns;
  struct fm_image image = {.width = side, .height = side, .channels = 3, .pixels = pixels};
  char path[512];
  ASSERT_OK(ctx, fm_png_write(ctx, path_in(f, kind, name, path), &image));
}

static void masks_are_found(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  static const char *const maps[] = {"", "maps/", "test/"}; /* the three arrangements */
  for (int a = 0; a < 3; a++) {
    char root[64], good[64], crack[64];
    snprintf(root, sizeof root, "set%d", a);
    snprintf(good, sizeof good, "set%d/%sgood", a, maps[a]);
    snprintf(crack, sizeof crack, "set%d/%scrack", a, maps[a]);
    put_map(ctx, &f, good, "000.tiff", 0);
    put_map(ctx, &f, good, "001.x.tif", 0);
    put_map(ctx, &f, crack, "000.tiff", 1);
    put_map(ctx, &f, crack, "001.tiff", 2);
    put_mask(ctx, &f, "data/ground_truth/crack", "000_mask.png", SIDE, 2);
    folder_touch(ctx, &f, "data/test/crack/000.png");
    folder_touch(ctx, &f, "data/test/crack/009.png");
    folder_touch(ctx, &f, "data/test/crack/notes.txt");
    char set[512], data[512];
    struct fm_score_folder got;
    ASSERT_OK(ctx, fm_score_folder(ctx, folder_path(&f, root, set), folder_path(&f, "data", data), &got));
    assert_int_equal(got.pictures, 4);
    assert_int_equal(got.kinds, 2);
    assert_int_equal(got.flawed, 2);
    assert_int_equal(got.unmasked, 1);
    assert_int_equal(got.missing, 1);
    assert_true(got.metrics.image_auroc == 1); /* scores 7, 7 against 8, 9, of which one has no mask */
    assert_int_equal(got.metrics.unmarked, 1);
    assert_true(got.metrics.pixel_f1_threshold == 7);
  }
  folder_remove(&f);
}

static void sizes_must_agree(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  put_map(ctx, &f, "maps/crack", "000.tiff", 1);
  put_mask(ctx, &f, "ground_truth/crack", "000_mask.png", SIDE + 1, 2);
  struct fm_score_folder got;
  assert_int_equal(fm_score_folder(ctx, f.path, f.path, &got), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "maps/crack/000.tiff' has 8 x 8"));
  assert_non_null(strstr(ctx->message, "crack/000_mask.png' has 9 x 9"));
  folder_remove(&f);
}

static void what_is_missing_is_said(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  struct fm_score_folder got;
  assert_int_equal(fm_score_folder(ctx, "/nowhere", f.path, &got), FM_IO);
  assert_non_null(strstr(ctx->message, "/nowhere"));
  fm_error_clear(ctx);
  assert_int_equal(fm_score_folder(ctx, f.path, "/nowhere", &got), FM_IO);
  fm_error_clear(ctx);
  assert_int_equal(fm_score_folder(ctx, f.path, f.path, &got), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "KIND/NAME.tiff"));
  fm_error_clear(ctx);
  put_map(ctx, &f, "good", "000.tif", 0);
  put_map(ctx, &f, "good", "000.tiff", 0);
  assert_int_equal(fm_score_folder(ctx, f.path, f.path, &got), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "two maps of the same picture"));
  folder_remove(&f);
}

/* Every allocation and every file operation fails once: an error, no leak. */
static void failures(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  put_map(ctx, &f, "maps/good", "000.tiff", 0);
  put_map(ctx, &f, "maps/crack", "000.tiff", 1);
  put_mask(ctx, &f, "ground_truth/crack", "000_mask.png", SIDE, 2);
  struct fm_score_folder got;
  for (int kind = FM_FAULT_ALLOC; kind <= FM_FAULT_FILE; kind++) {
    for (long n = 1;; n++) {
      ctx->fault[kind] = (struct fm_fault){.fail_at = n, .once = true};
      enum fm_status status = fm_score_folder(ctx, f.path, f.path, &got);
      if (status == FM_OK) break;
      assert_true(ctx->message[0]);
      fm_error_clear(ctx);
    }
    assert_true(ctx->fault[kind].count > 3);
    ctx->fault[kind] = (struct fm_fault){0};
  }
  folder_remove(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(masks_are_found), TEST(sizes_must_agree),
                                     TEST(what_is_missing_is_said), TEST(failures)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
