/* Model files: what was saved comes back; what is damaged or hostile is refused in a sentence. */
#define _XOPEN_SOURCE 700
#include "base/rng.h"
#include "data/folder.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>

struct fixture {
  struct fm_context *ctx;
  struct folder folder;
  struct fm_model model;
  char path[512];
};

static void fixture_open(struct fm_context *ctx, struct fixture *f) {
  *f = (struct fixture){.ctx = ctx, .folder = folder_make()};
  struct fm_model *m = &f->model;
  m->ctx = ctx;
  setenv("XDG_DATA_HOME", f->folder.path, 1);
  setenv("XDG_DATA_DIRS", f->folder.path, 1);
  folder_path(&f->folder, "a.flawmap", f->path);
  fm_recipe_default(&m->recipe);
  m->recipe.size = fm_square(64);
  ASSERT_OK(ctx, fm_backbone_find(ctx, m->recipe.backbone, &m->backbone));
  ASSERT_OK(ctx, fm_expert_load(ctx, m->backbone, NULL, true, &m->expert));
  ASSERT_OK(ctx, fm_backbone_weights(ctx, m->backbone, &m->learned));
  fm_weights_fill(&m->learned, 7, "apprentice.");
  snprintf(m->data.category, sizeof m->data.category, "bottle");
  snprintf(m->data.hash, sizeof m->data.hash, "0123456789abcdef");
  snprintf(m->device, sizeof m->device, "a \"device\" of ours");
  float scores[20];
  for (int i = 0; i < 20; i++) scores[i] = (float)i / 3;
  ASSERT_OK(ctx, fm_threshold_choose(ctx, 20, scores, 0.05, 0, "good pictures", &m->image));
  m->pixel = m->image;
  m->pixel.low = m->pixel.high = NAN;
  m->has_thresholds = true;
  m->data.real = fm_strdup(ctx, "crack/001\ndent/002\n");
  assert_non_null(m->data.real);
  m->data.pictures = fm_strdup(ctx, "0123456789abcdef"
                                    "fedcba9876543210");
  assert_non_null(m->data.pictures);
}

static void fixture_close(struct fixture *f) {
  fm_model_free(&f->model);
  folder_remove(&f->folder);
}

static void assert_same_weights(const struct fm_weights *a, const struct fm_weights *b) {
  assert_int_equal(a->total, b->total);
  assert_memory_equal(a->value, b->value, a->total * sizeof *a->value);
}

static void round_trip(void **state) {
  struct fixture f;
  struct fm_model m;
  fixture_open(*state, &f);
  ASSERT_OK(f.ctx, fm_model_save(&f.model, f.path, false));
  ASSERT_OK(f.ctx, fm_model_load(f.ctx, f.path, NULL, &m));
  assert_same_weights(&m.expert.weights, &f.model.expert.weights);
  assert_same_weights(&m.learned, &f.model.learned);
  assert_string_equal(m.data.category, "bottle");
  assert_string_equal(m.device, f.model.device);
  assert_string_equal(m.data.real, f.model.data.real);
  assert_string_equal(m.data.pictures, f.model.data.pictures);
  assert_string_equal(m.expert.hash, f.model.expert.hash);
  assert_string_equal(m.image.origin, f.model.image.origin);
  assert_true(m.image.value == f.model.image.value && m.image.n == 20 && m.image.k == f.model.image.k);
  assert_true(m.image.low == f.model.image.low && isnan(m.pixel.low));
  assert_true(m.recipe.lr == 4e-4 && fm_size_same(m.recipe.size, fm_square(64)) && !m.thin);
  fm_model_free(&m);
  fixture_close(&f);
}

static void thin(void **state) {
  struct fixture f;
  struct fm_model m;
  fixture_open(*state, &f);
  ASSERT_OK(f.ctx, fm_model_save(&f.model, f.path, true));
  ASSERT_OK(f.ctx, fm_model_load(f.ctx, f.path, NULL, &m)); /* untrained: made again */
  assert_same_weights(&m.expert.weights, &f.model.expert.weights);
  assert_true(m.thin);
  fm_model_free(&m);
  /* Other weights than those it was trained with. */
  char other[512];
  folder_path(&f.folder, "other.safetensors", other);
  struct fm_safetensors_out *out;
  ASSERT_OK(f.ctx, fm_safetensors_out_open(f.ctx, &out));
  ASSERT_OK(f.ctx, fm_weights_save(&f.model.learned, out, ""));
  ASSERT_OK(f.ctx, fm_safetensors_out_write(out, other));
  fm_safetensors_out_free(out);
  assert_int_equal(fm_model_load(f.ctx, f.path, other, &m), FM_FORMAT);
  assert_non_null(strstr(f.ctx->message, "other expert weights"));
  fm_error_clear(f.ctx);
  /* Two files of weights joined. */
  struct fm_model joined;
  ASSERT_OK(f.ctx, fm_model_join(f.ctx, &f.model.recipe, other, other, &joined));
  assert_true(joined.expert.trained && !joined.has_thresholds);
  assert_same_weights(&joined.learned, &f.model.learned);
  ASSERT_OK(f.ctx, fm_model_save(&joined, f.path, false));
  fm_model_free(&joined);
  ASSERT_OK(f.ctx, fm_model_load(f.ctx, f.path, NULL, &m));
  assert_false(m.has_thresholds);
  fm_model_free(&m);
  fixture_close(&f);
}

/* Writes the file with a part of its header replaced (the same length), and asserts that it is refused. */
static void refused(struct fixture *f, const unsigned char *good, size_t size, const char *from,
                    const char *to, const char *said) {
  struct fm_model m;
  unsigned char *bytes = fm_alloc(f->ctx, size, 1);
  size_t n = strlen(from);
  assert_int_equal(n, strlen(to));
  memcpy(bytes, good, size);
  bool found = false;
  for (size_t i = 0; i + n < size && !found; i++)
    if (memcmp(bytes + i, from, n) == 0) {
      memcpy(bytes + i, to, n);
      found = true;
    }
  if (!found) fail_msg("no '%s' in the file", from);
  ASSERT_OK(f->ctx, fm_file_write(f->ctx, f->path, bytes, size));
  fm_free(f->ctx, bytes);
  if (fm_model_load(f->ctx, f->path, NULL, &m) == FM_OK) fail_msg("'%s' was accepted", to);
  if (!strstr(f->ctx->message, said)) fail_msg("'%s': %s", to, f->ctx->message);
  fm_error_clear(f->ctx);
}

static void hostile(void **state) {
  struct fixture f;
  struct fm_model m;
  unsigned char *good;
  size_t size;
  fixture_open(*state, &f);
  ASSERT_OK(f.ctx, fm_model_save(&f.model, f.path, false));
  ASSERT_OK(f.ctx, fm_file_read(f.ctx, f.path, (size_t)1 << 30, &good, &size));
  refused(&f, good, size, "\"flawmap.model\":\"1\"", "\"flawmap.model\":\"7\"", "format '7'");
  refused(&f, good, size, "\"flawmap.model\"", "\"flawmap.modem\"", "not a flawmap model");
  refused(&f, good, size, "\"recipe.lr\":\"0.0004\"", "\"recipe.lr\":\"0.000x\"", "lr");
  refused(&f, good, size, "\"recipe.size\":\"64\"", "\"recipe.size\":\"65\"", "65");
  refused(&f, good, size, "\"recipe.size\":\"64\"", "\"recipe.sise\":\"64\"", "recipe.size");
  refused(&f, good, size, "efficientnet_lite0", "efficientnet_lite9", "efficientnet_lite9");
  refused(&f, good, size, "\"cv2\"", "\"cv3\"", "cv3");
  refused(&f, good, size, "\"threshold.image.n\":\"20\"", "\"threshold.image.n\":\"-2\"",
          "threshold.image.n");
  refused(&f, good, size, "\"threshold.image.alpha\"", "\"threshold.image.alphe\"", "threshold.image.alpha");
  refused(&f, good, size, "\"apprentice._conv_stem.weight\"", "\"apprentice._conv_stam.weight\"",
          "_conv_stem");
  refused(&f, good, size, "fedcba98", "fedcbaX8", "data.pictures");
  refused(&f, good, size, "fedcba98", "0023ba98", "data.pictures"); /* not sorted */
  refused(&f, good, size, "\"data.pictures\":\"0123", "\"data.pictures\":\"01 3", "data.pictures");
  refused(&f, good, size, "crack/001", "crack-001", "data.real");
  refused(&f, good, size, "dent/002\\n", "dent/00222", "data.real");
  refused(&f, good, size, "\"expert.inside\":\"yes\"", "\"expert.inside\":\"yep\"", "expert.inside");
  float nan = NAN;
  unsigned char keep[4];
  memcpy(keep, good + size - 4, 4);
  memcpy(good + size - 4, &nan, 4);
  ASSERT_OK(f.ctx, fm_file_write(f.ctx, f.path, good, size));
  assert_int_equal(fm_model_load(f.ctx, f.path, NULL, &m), FM_FORMAT);
  fm_error_clear(f.ctx);
  memcpy(good + size - 4, keep, 4);
  /* Random bytes of the header changed: loaded or refused, never worse. */
  struct fm_rng rng = fm_rng_stream(3, "hostile");
  for (int i = 0; i < 60; i++) {
    size_t at = (size_t)fm_rng_integer(&rng, 0, 8000);
    unsigned char old = good[at];
    good[at] ^= (unsigned char)fm_rng_integer(&rng, 1, 256);
    ASSERT_OK(f.ctx, fm_file_write(f.ctx, f.path, good, size));
    if (fm_model_load(f.ctx, f.path, NULL, &m) == FM_OK) fm_model_free(&m);
    fm_error_clear(f.ctx);
    good[at] = old;
  }
  fm_free(f.ctx, good);
  fixture_close(&f);
}

/* Puts one name in place of another of the same length in the file's header. */
static void rename_in(const char *path, const char *from, const char *to) {
  size_t n = strlen(from);
  FILE *file = fopen(path, "r+b");
  assert_non_null(file);
  char head[16384];
  size_t size = fread(head, 1, sizeof head, file), at = 0;
  while (at + n <= size && memcmp(head + at, from, n) != 0) at++;
  assert_true(at + n <= size);
  fseek(file, (long)at, SEEK_SET);
  fwrite(to, 1, n, file);
  fclose(file);
}

/* A model from before a constant was there loads with what held then; one of a newer version is named. */
static void older_and_newer(void **state) {
  struct fixture f;
  struct fm_model m;
  int young = 0;
  fixture_open(*state, &f);
  f.model.recipe.crop = fm_square(32);
  for (int i = 0; i < FM_FIELDS; i++) {
    char key[64], absent[64], value[FM_FIELD_VALUE];
    assert_non_null(fm_fields[i].since);
    if (!fm_recipe_has(&f.model.recipe, i) || fm_fields[i].quiet) continue;
    snprintf(key, sizeof key, "\"recipe.%s\"", fm_fields[i].key);
    snprintf(absent, sizeof absent, "\"absent.%s\"", fm_fields[i].key);
    ASSERT_OK(f.ctx, fm_model_save(&f.model, f.path, false));
    rename_in(f.path, key, absent);
    enum fm_status status = fm_model_load(f.ctx, f.path, NULL, &m);
    if (fm_fields[i].before) {
      ASSERT_OK(f.ctx, status);
      fm_recipe_get(&m.recipe, i, value);
      assert_string_equal(value, fm_fields[i].before);
      fm_model_free(&m);
      rename_in(f.path, "\"0.1.0\"", "\"0.1.1\""); /* a newer program would have written it */
      assert_int_equal(fm_model_load(f.ctx, f.path, NULL, &m), FM_FORMAT);
      assert_non_null(strstr(f.ctx->message, "flawmap 0.1.1 wrote it, which is newer"));
      young++;
    } else {
      assert_int_equal(status, FM_FORMAT);
      assert_non_null(strstr(f.ctx->message, "flawmap 0.1.0 wrote it)"));
    }
    assert_non_null(strstr(f.ctx->message, fm_fields[i].before ? fm_fields[i].key : "recipe."));
    fm_error_clear(f.ctx);
  }
  assert_int_equal(young, 8);
  ASSERT_OK(f.ctx, fm_model_save(&f.model, f.path, false));
  rename_in(f.path, "\"data.real\"", "\"recipe.zz\"");
  assert_int_equal(fm_model_load(f.ctx, f.path, NULL, &m), FM_FORMAT);
  assert_non_null(strstr(f.ctx->message, "'zz'"));
  fm_error_clear(f.ctx);
  fixture_close(&f);
}

static bool has_text(struct fm_context *ctx, const char *path, const char *text) {
  unsigned char *bytes;
  size_t size, n = strlen(text);
  bool found = false;
  ASSERT_OK(ctx, fm_file_read(ctx, path, 1 << 28, &bytes, &size));
  for (size_t i = 0; i + n <= size && !found; i++) found = memcmp(bytes + i, text, n) == 0;
  fm_free(ctx, bytes);
  return found;
}

/* The mean part of the model at hand, which has none before and after. */
static void mean_parts(struct fixture *f) {
  struct fm_standard *s = &f->model.standard;
  struct fm_model m;
  ASSERT_OK(f->ctx, fm_mean_part_make(f->ctx, &s->part));
  s->part.aspect = 1.25f;
  s->part.limit = 0.3f;
  s->part.scales = true;
  for (int i = 0; i < FM_VIEW_PIXELS; i++) {
    s->part.relief[i] = (float)(i % 200);
    s->part.spread[i] = 8 + (float)(i % 7);
    s->part.shown[i] = i % 3 > 0;
    s->part.colour[3 * i] = (unsigned char)i;
  }
  s->poses = true;
  ASSERT_OK(f->ctx, fm_model_save(&f->model, f->path, false));
  ASSERT_OK(f->ctx, fm_model_load(f->ctx, f->path, NULL, &m));
  assert_true(m.standard.poses && m.standard.finder && m.standard.part.scales);
  assert_true(m.standard.part.aspect == 1.25f && m.standard.part.limit == s->part.limit);
  assert_memory_equal(m.standard.part.relief, s->part.relief, FM_VIEW_PIXELS * sizeof(float));
  assert_memory_equal(m.standard.part.spread, s->part.spread, FM_VIEW_PIXELS * sizeof(float));
  assert_memory_equal(m.standard.part.colour, s->part.colour, FM_VIEW_PIXELS * 3);
  assert_memory_equal(m.standard.part.shown, s->part.shown, FM_VIEW_PIXELS);
  fm_model_free(&m);
  for (int k = 0; k < 5; k++) {
    float relief = s->part.relief[9], spread = s->part.spread[9];
    if (k == 0) s->part.relief[9] = NAN;
    if (k == 1) s->part.spread[9] = 0;
    if (k == 2) s->part.shown[9] = 2;
    if (k == 3) s->part.aspect = -1;
    if (k == 4) s->part.limit = INFINITY;
    ASSERT_OK(f->ctx, fm_model_save(&f->model, f->path, false));
    assert_int_equal(fm_model_load(f->ctx, f->path, NULL, &m), FM_FORMAT);
    assert_non_null(strstr(f->ctx->message, "standard.part"));
    fm_error_clear(f->ctx);
    s->part.relief[9] = relief;
    s->part.spread[9] = spread;
    s->part.shown[9] = 0;
    s->part.aspect = 1.25f;
    s->part.limit = 0.3f;
  }
  s->poses = false;
  fm_mean_part_free(f->ctx, &s->part);
}

/* A model without a standard has not a byte of one; with one it comes back, and nothing in it is believed. */
static void standards(void **state) {
  static const struct {
    int number;
    float level, spread;
  } wrong[] = {{0, NAN, 1}, {5, 7, 1}, {9, 1, -1}, {191, 1, INFINITY}};
  struct fixture f;
  struct fm_model m;
  fixture_open(*state, &f);
  struct fm_light *light = &f.model.standard.light;
  ASSERT_OK(f.ctx, fm_model_save(&f.model, f.path, false));
  assert_false(has_text(f.ctx, f.path, "light"));
  assert_false(has_text(f.ctx, f.path, "standard"));
  ASSERT_OK(f.ctx, fm_model_load(f.ctx, f.path, NULL, &m));
  assert_string_equal(m.recipe.light, "off");
  assert_true(fm_standard_none(&m.standard));
  fm_model_free(&m);
  strcpy(f.model.recipe.light, "auto");
  light->mode = FM_LIGHT_COLOUR;
  for (int i = 0; i < FM_LIGHT_NUMBERS; i++) {
    light->level[i] = 0.02f * (float)i;
    light->spread[i] = 0.01f * (float)(i % 3);
  }
  ASSERT_OK(f.ctx, fm_model_save(&f.model, f.path, false));
  ASSERT_OK(f.ctx, fm_model_load(f.ctx, f.path, NULL, &m));
  assert_string_equal(m.recipe.light, "auto");
  assert_memory_equal(&m.standard.light, light, sizeof *light);
  fm_model_free(&m);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct fm_light good = *light;
    light->level[wrong[i].number] = wrong[i].level;
    light->spread[wrong[i].number] = wrong[i].spread;
    ASSERT_OK(f.ctx, fm_model_save(&f.model, f.path, false));
    assert_int_equal(fm_model_load(f.ctx, f.path, NULL, &m), FM_FORMAT);
    assert_non_null(strstr(f.ctx->message, "standard.light"));
    fm_error_clear(f.ctx);
    *light = good;
  }
  mean_parts(&f);
  light->mode = FM_LIGHT_OFF; /* held-out pictures decided against it */
  ASSERT_OK(f.ctx, fm_model_save(&f.model, f.path, false));
  ASSERT_OK(f.ctx, fm_model_load(f.ctx, f.path, NULL, &m));
  assert_true(fm_standard_none(&m.standard));
  fm_model_free(&m);
  fixture_close(&f);
}

/* What is taken for a model by mistake is named. */
static void pictures_are_no_models(void **state) {
  struct fixture f;
  struct fm_model m;
  fixture_open(*state, &f);
  ASSERT_OK(f.ctx, fm_file_write(f.ctx, f.path, "\xFF\xD8\xFF\xE0 and more of a picture", 27));
  assert_int_equal(fm_model_load(f.ctx, f.path, NULL, &m), FM_FORMAT);
  assert_non_null(strstr(f.ctx->message, "is a JPEG picture, not a flawmap model"));
  fm_error_clear(f.ctx);
  fixture_close(&f);
}

/* Weights of the user's own come first, then those of packages, in the order of XDG_DATA_DIRS. */
static void where_weights_lie(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  static const char *const names[] = {"b/flawmap/resnet50_v2.safetensors",
                                      "a/flawmap/resnet50_v2.safetensors",
                                      "own/flawmap/resnet50_v2.safetensors"};
  const struct fm_backbone *backbone;
  char text[512], dirs[1200], path[512];
  ASSERT_OK(ctx, fm_backbone_find(ctx, "resnet50_v2_post", &backbone));
  snprintf(dirs, sizeof dirs, "%s/none:%s/a:%s/b", f.path, f.path, f.path);
  setenv("XDG_DATA_HOME", folder_path(&f, "own", text), 1);
  setenv("XDG_DATA_DIRS", dirs, 1);
  for (int i = -1; i < 3; i++) { /* nowhere: where they would be put */
    if (i >= 0) folder_touch(ctx, &f, names[i]);
    char *found = fm_expert_find(ctx, backbone), *put = fm_expert_path(ctx, backbone);
    assert_string_equal(put, folder_path(&f, names[2], path));
    assert_string_equal(found, folder_path(&f, names[i < 0 ? 2 : i], path));
    fm_free(ctx, found);
    fm_free(ctx, put);
  }
  folder_remove(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(round_trip), TEST(older_and_newer), TEST(pictures_are_no_models), TEST(thin),
      TEST(hostile),    TEST(standards),       TEST(where_weights_lie)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
