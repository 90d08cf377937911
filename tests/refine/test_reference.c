/* What a reference is made of: it comes back from its small form, models of older versions are read, and the
 * few pictures that are chosen stand for all of them. */
#define _XOPEN_SOURCE 700
#include "method/tiny.h"
#include "refine/f2pad_internal.h"
#include "refine/few.h"

#include <math.h>
#include <stdlib.h>

enum { SIZE = 64, PIXELS = SIZE * SIZE };

/* Three kinds of pictures in two places each: one of each kind is chosen, then what is rarest. */
static void one_of_each_kind(void **state) {
  enum { COUNT = 12, CELLS = 16 * 16, CHANNELS = 2 };
  struct fm_context *ctx = *state;
  float *value = fm_alloc(ctx, COUNT, CHANNELS * CELLS * sizeof *value);
  for (int i = 0; i < COUNT; i++)
    for (int k = 0; k < CHANNELS * CELLS; k++) {
      int kind = i < 8 ? 0 : i < 11 ? 1 : 2;
      float own = 0.01f * (float)((i * 7 + k * 3) % 5);
      value[i * CHANNELS * CELLS + k] = own + (k % 16 < 8 ? 0 : (float)kind);
    }
  const struct fm_crowd crowd = {COUNT, CHANNELS, 16, 16, value};
  size_t chosen[3];
  ASSERT_OK(ctx, fm_few_choose(ctx, &crowd, 3, chosen));
  assert_true(chosen[0] < 8);
  assert_in_range(chosen[1], 8, 10);
  assert_int_equal(chosen[2], 11);
  /* Where one differs from all others in one corner only, that corner counts: of three the odd one is taken.
   */
  for (int i = 0; i < COUNT * CHANNELS * CELLS; i++) value[i] = 0;
  value[5 * CHANNELS * CELLS] = 3;
  ASSERT_OK(ctx, fm_few_choose(ctx, &crowd, 2, chosen));
  assert_int_equal(chosen[1], 5);
  fm_free(ctx, value);
}

static void packs(void **state) {
  enum { ROWS = 3, CHANNELS = 4, RUN = 5 };
  struct fm_context *ctx = *state;
  struct fm_reference r = {
      .size = {SIZE, SIZE}, .count = 2, .rows = ROWS, .columns = CHANNELS * RUN, .channels = CHANNELS};
  unsigned char *rgb = fm_alloc(ctx, 2 * PIXELS, 3), *rgba;
  float value[ROWS * CHANNELS * RUN], *back;
  for (int i = 0; i < 2 * PIXELS; i++) {
    int x = i % SIZE, y = i % PIXELS / SIZE;
    rgb[3 * i] = (unsigned char)(4 * x);
    rgb[3 * i + 1] = (unsigned char)(i < PIXELS ? 4 * y : 128);
    rgb[3 * i + 2] = (unsigned char)(2 * x + 2 * y);
  }
  ASSERT_OK(ctx, fm_reference_pack(ctx, rgb, &r));
  ASSERT_OK(ctx, fm_reference_pictures(ctx, &r, &rgba));
  assert_true(r.length[0] + r.length[1] < PIXELS);
  for (int i = 0; i < 2 * PIXELS; i++)
    for (int c = 0; c < 3; c++) assert_true(abs(rgba[4 * i + c] - rgb[3 * i + c]) <= 8);
  for (int i = 0; i < ROWS * CHANNELS * RUN; i++) { /* a range for each channel; the last one is flat */
    int c = i % (CHANNELS * RUN) / RUN;
    value[i] = c == 3 ? -7 : (float)((i * 13) % 11 - 5) * powf(100, (float)c);
  }
  ASSERT_OK(ctx, fm_reference_pack_features(ctx, value, &r));
  ASSERT_OK(ctx, fm_reference_features(ctx, &r, &back));
  for (int i = 0; i < ROWS * CHANNELS * RUN; i++) {
    int c = i % (CHANNELS * RUN) / RUN;
    assert_true(fabsf(back[i] - value[i]) <= (c == 3 ? 0 : 10 * powf(100, (float)c) / 255 * 0.51f));
  }
  fm_reference_free(ctx, &r);
  r = (struct fm_reference){.rows = ROWS, .columns = CHANNELS * RUN, .channels = CHANNELS};
  value[7] = NAN;
  assert_int_equal(fm_reference_pack_features(ctx, value, &r), FM_NUMERIC);
  fm_error_clear(ctx);
  fm_reference_free(ctx, &r);
  fm_free(ctx, rgb);
  fm_free(ctx, rgba);
  fm_free(ctx, back);
}

/* The model's file with its reference as older versions wrote it. */
static void write_old(struct tiny *t, const struct fm_model *m, const char *path) {
  static const char *const newer[] = {"refine.jpeg", "refine.length", "refine.low", "refine.step",
                                      "refine.feature"};
  const struct fm_reference *r = &m->refinement.reference;
  const size_t pictures[] = {r->count, SIZE, SIZE, 3}, features[] = {r->rows, r->columns};
  unsigned char *rgba, *rgb = fm_alloc(t->ctx, r->count * PIXELS, 3);
  float *feature;
  struct fm_safetensors *file;
  struct fm_safetensors_out *out;
  ASSERT_OK(t->ctx, fm_reference_pictures(t->ctx, r, &rgba));
  ASSERT_OK(t->ctx, fm_reference_features(t->ctx, r, &feature));
  for (size_t i = 0; i < r->count * PIXELS; i++) memcpy(rgb + 3 * i, rgba + 4 * i, 3);
  ASSERT_OK(t->ctx, fm_safetensors_read(t->ctx, t->model, &file));
  ASSERT_OK(t->ctx, fm_safetensors_out_open(t->ctx, &out));
  for (size_t i = 0; fm_safetensors_meta_key(file, i); i++) {
    const char *key = fm_safetensors_meta_key(file, i);
    ASSERT_OK(t->ctx, fm_safetensors_out_meta(out, key, fm_safetensors_meta(file, key)));
  }
  for (size_t i = 0; i < fm_safetensors_count(file); i++) {
    const struct fm_tensor *tensor = fm_safetensors_at(file, i);
    bool left_out = false;
    for (size_t k = 0; k < sizeof newer / sizeof *newer; k++) left_out |= !strcmp(tensor->name, newer[k]);
    if (!left_out)
      ASSERT_OK(t->ctx, fm_safetensors_out_tensor(out, tensor->name, tensor->type, tensor->dims,
                                                  tensor->shape, tensor->bytes));
  }
  ASSERT_OK(t->ctx, fm_safetensors_out_tensor(out, "refine.good", FM_U8, 4, pictures, rgb));
  ASSERT_OK(t->ctx, fm_safetensors_out_tensor(out, "refine.feature", FM_F32, 2, features, feature));
  ASSERT_OK(t->ctx, fm_safetensors_out_write(out, path));
  fm_safetensors_out_free(out);
  fm_safetensors_free(t->ctx, file);
  fm_free(t->ctx, rgba);
  fm_free(t->ctx, rgb);
  fm_free(t->ctx, feature);
}

static void look(struct tiny *t, const struct fm_model *m, float *blur) {
  struct fm_preprocess p;
  struct fm_look look;
  unsigned char rgb[PIXELS * 3];
  ASSERT_OK(t->ctx, fm_recipe_preprocess(t->ctx, &m->recipe, &p));
  ASSERT_OK(t->ctx, fm_picture_load(t->ctx, t->category.test[0].path, &p, rgb, NULL));
  ASSERT_OK(t->ctx, fm_look_make(t->d, m, &m->refinement.reference, m->refinement.blur, 1, &look));
  float map[PIXELS];
  ASSERT_OK(t->ctx, fm_look_at(&look, 1, rgb, NULL, map, NULL));
  memcpy(blur, look.blur, PIXELS * sizeof *blur);
  fm_look_free(&look);
}

/* A model of an older version is as good as the same one of today, also when it was written again. */
static void older_versions(void **state) {
  struct tiny t;
  struct fm_model m, old, again;
  char path[600];
  float blur[PIXELS], other[PIXELS];
  tiny_open(*state, &t);
  ASSERT_OK(t.ctx, fm_recipe_begin(t.ctx, "padim", &t.fit.recipe));
  t.fit.recipe.size = fm_square(SIZE);
  t.fit.recipe.channels = 20;
  t.fit.recipe.refine = true;
  ASSERT_OK(t.ctx, tiny_fit(&t));
  ASSERT_OK(t.ctx, fm_model_load(t.ctx, t.model, NULL, &m));
  assert_true(m.refinement.there && m.refinement.reference.jpeg && !m.refinement.reference.good);
  snprintf(path, sizeof path, "%s.old", t.model);
  write_old(&t, &m, path);
  ASSERT_OK(t.ctx, fm_model_load(t.ctx, path, NULL, &old));
  assert_true(old.refinement.reference.good && !old.refinement.reference.jpeg);
  assert_int_equal(old.refinement.reference.channels, m.refinement.reference.channels);
  look(&t, &m, blur);
  look(&t, &old, other);
  for (int i = 0; i < PIXELS; i++) assert_true(fabsf(blur[i] - other[i]) < 1e-3f);
  ASSERT_OK(t.ctx, fm_model_save(&old, path, false));
  ASSERT_OK(t.ctx, fm_model_load(t.ctx, path, NULL, &again));
  look(&t, &again, blur);
  assert_memory_equal(blur, other, sizeof blur);
  fm_model_free(&m);
  fm_model_free(&old);
  fm_model_free(&again);
  tiny_close(&t);
}

/* A reference that is no picture is found where it is used. */
static void damaged_picture(void **state) {
  struct fm_context *ctx = *state;
  struct fm_reference r = {.size = {SIZE, SIZE}, .count = 1};
  unsigned char *rgb = fm_alloc(ctx, PIXELS, 3), *rgba;
  ASSERT_OK(ctx, fm_reference_pack(ctx, rgb, &r));
  r.size.width = SIZE / 2;
  assert_int_equal(fm_reference_pictures(ctx, &r, &rgba), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "64 x 64"));
  fm_error_clear(ctx);
  r.size.width = SIZE;
  memset(r.jpeg, 0, (size_t)r.length[0]);
  assert_int_equal(fm_reference_pictures(ctx, &r, &rgba), FM_FORMAT);
  assert_null(rgba);
  fm_error_clear(ctx);
  fm_reference_free(ctx, &r);
  fm_free(ctx, rgb);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(one_of_each_kind), TEST(packs), TEST(older_versions),
                                     TEST(damaged_picture)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
