/* A part's pose is found again, under a flaw over a third of it, in pictures that are not square, too; it is
 * known where there is none; and what was turned comes back to where it was. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "data/make.h"
#include "data/pose_learn.h"
#include "data/resize.h"
#include "data/standard.h"
#include "data/warp.h"
#include "file/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = FM_VIEW_SIDE, BYTES = SIDE * SIDE * 3, LEARN = 16, HELD = 4, ALL = LEARN + HELD };

struct product {
  int width; /* of the pictures; SIDE high */
  unsigned char *own, *view;
  struct fm_mean_part mean;
  struct fm_pose_trial trial;
};

static unsigned char *own_of(const struct product *p, int i) {
  return p->own + (size_t)i * (size_t)p->width * SIDE * 3;
}

static unsigned char *view_of(const struct product *p, int i) {
  return p->view + (size_t)i * BYTES;
}

/* A square picture with its outermost columns repeated, and its view. */
static void widen(struct fm_context *ctx, struct product *p, int i, const unsigned char *square) {
  int edge = (p->width - SIDE) / 2;
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < p->width; x++) {
      int from = x - edge < 0 ? 0 : x - edge >= SIDE ? SIDE - 1 : x - edge;
      memcpy(own_of(p, i) + 3 * (y * p->width + x), square + 3 * (y * SIDE + from), 3);
    }
  const struct fm_image image = {.width = p->width, .height = SIDE, .channels = 3, .pixels = own_of(p, i)};
  ASSERT_OK(ctx, fm_resize_pil(ctx, image.pixels, p->width, SIDE, 3, view_of(p, i), SIDE, SIDE));
}

static void open_product(struct fm_context *ctx, int width, struct product *p) {
  *p = (struct product){.width = width};
  p->own = fm_alloc(ctx, ALL, (size_t)width * SIDE * 3);
  p->view = fm_alloc(ctx, ALL, BYTES);
}

static void learn(struct fm_context *ctx, struct product *p) {
  ASSERT_OK(ctx, fm_mean_part_learn(ctx, p->view, LEARN, view_of(p, LEARN), HELD, (float)p->width / SIDE,
                                    &p->mean, &p->trial));
}

static void close_product(struct fm_context *ctx, struct product *p) {
  fm_mean_part_free(ctx, &p->mean);
  fm_free(ctx, p->own);
  fm_free(ctx, p->view);
}

static void draw(struct fm_context *ctx, const char *name, bool rotate, int width, struct product *p) {
  const struct fm_make_options o = {.size = SIDE, .rotate = rotate};
  unsigned char *mask = fm_alloc(ctx, SIDE * SIDE, 1), *rgb = fm_alloc(ctx, BYTES, 1);
  open_product(ctx, width, p);
  for (int i = 0; i < ALL; i++) {
    ASSERT_OK(ctx, fm_make_picture(ctx, name, "train", "good", i, &o, rgb, mask));
    widen(ctx, p, i, rgb);
  }
  fm_free(ctx, mask);
  fm_free(ctx, rgb);
  learn(ctx, p);
}

static float degrees_apart(float a, float b) {
  float off = fabsf(a - b) / 6.2831853f;
  return 360 * fabsf(off - roundf(off));
}

static void find(struct fm_context *ctx, const struct product *p, const unsigned char *view,
                 struct fm_pose *pose, float *agreement) {
  struct fm_pose_finder *finder;
  struct fm_part *part = fm_alloc(ctx, 1, sizeof *part);
  ASSERT_OK(ctx, fm_pose_finder_make(ctx, &p->mean, &finder));
  fm_part_look(view, part);
  fm_pose_find(finder, part, (float)p->width / SIDE, pose, agreement);
  fm_pose_finder_free(ctx, finder);
  fm_free(ctx, part);
}

/* A third of a lever that lies so, at the one end or the other, gets a value. */
static void spoil(const struct product *p, const struct fm_pose *pose, bool left, unsigned char value,
                  unsigned char *view) {
  float c = cosf(pose->angle), s = sinf(pose->angle), across = sqrtf(p->mean.aspect);
  for (int i = 0; i < SIDE * SIDE; i++) {
    float x = (((float)(i % SIDE) + 0.5f) / SIDE - 0.5f) * across - pose->x,
          y = (((float)(i / SIDE) + 0.5f) / SIDE - 0.5f) / across - pose->y;
    float along = c * x + s * y, aside = c * y - s * x;
    if (fabsf(aside) < 0.1f && fabsf(along) < 0.33f && (left ? along < -0.1f : along > 0.1f))
      memset(view + 3 * i, value, 3);
  }
}

/* Levers lie anywhere: held-out ones are found, and copies that are turned, with a third gone, dark or
 * bright. */
static void found_again(void **state) {
  struct fm_context *ctx = *state;
  struct product p;
  unsigned char *copy = fm_alloc(ctx, BYTES, 1), *turned = fm_alloc(ctx, BYTES, 1);
  for (int width = SIDE; width <= 160; width += 32) {
    draw(ctx, "lever", false, width, &p);
    assert_true(p.trial.pays && p.trial.parts == 1 && p.trial.found == 1 && p.trial.again == 1);
    assert_true(p.trial.left < 0.3f);
    for (int i = LEARN; i < ALL; i++) {
      struct fm_pose before, after;
      float agreement;
      find(ctx, &p, view_of(&p, i), &before, &agreement);
      assert_true(agreement > p.mean.limit);
      assert_true(before.scale > 0.94f && before.scale < 1.06f);
      const unsigned char spoilt[] = {0, view_of(&p, i)[0], 255}; /* the corner is ground */
      for (int k = 0; k < 6; k++) {
        const float turn = 1.1f * (float)k - 2.7f;
        const struct fm_pose back = {.angle = -turn, .scale = 1};
        struct fm_affine affine = fm_pose_affine(&back, p.mean.aspect, p.mean.aspect);
        memcpy(copy, view_of(&p, i), BYTES);
        spoil(&p, &before, k % 2, spoilt[k / 2], copy);
        fm_warp_view(copy, &affine, turned);
        find(ctx, &p, turned, &after, &agreement);
        if (agreement < p.mean.limit || degrees_apart(after.angle, before.angle + turn) > 3)
          fail_msg("%d wide, picture %d, spoilt %d: turn %g instead of %g, agreement %g of %g", width, i, k,
                   (double)after.angle, (double)(before.angle + turn), (double)agreement,
                   (double)p.mean.limit);
      }
    }
    close_product(ctx, &p);
  }
  fm_free(ctx, copy);
  fm_free(ctx, turned);
}

/* A disc that lies anywhere, with grain that says nothing. */
static void draw_discs(struct fm_context *ctx, struct product *p) {
  struct fm_rng rng = fm_rng_stream(3, "discs");
  unsigned char *rgb = fm_alloc(ctx, BYTES, 1);
  open_product(ctx, SIDE, p);
  for (int i = 0; i < ALL; i++) {
    float x = 64 + 24 * (fm_rng_uniform(&rng) - 0.5f), y = 64 + 24 * (fm_rng_uniform(&rng) - 0.5f);
    for (int k = 0; k < BYTES; k++) {
      float far = hypotf((float)(k / 3 % SIDE) - x, (float)(k / 3 / SIDE) - y);
      float v = (far < 30 ? 90 : 200) + 6 * (float)fm_rng_normal(&rng);
      rgb[k] = (unsigned char)v;
    }
    widen(ctx, p, i, rgb);
  }
  fm_free(ctx, rgb);
  learn(ctx, p);
}

/* What pays, and what does not: a texture has no part, a disc no direction. */
static void reasons(void **state) {
  struct fm_context *ctx = *state;
  struct product p;
  draw(ctx, "weave", false, SIDE, &p);
  assert_true(!p.trial.pays && p.trial.again < 0.6f);
  close_product(ctx, &p);
  draw_discs(ctx, &p);
  assert_true(!p.trial.pays && p.trial.again < 0.3f);
  close_product(ctx, &p);
  draw(ctx, "gear", false, SIDE, &p); /* it is shifted a little */
  assert_true(p.trial.pays && p.trial.left < 0.3f);
  for (int i = 0; i < ALL; i++) memcpy(view_of(&p, i), view_of(&p, 0), BYTES);
  fm_mean_part_free(ctx, &p.mean);
  learn(ctx, &p); /* parts that lie alike */
  assert_true(!p.trial.pays && p.trial.again == 1 && p.trial.left > 0.9f);
  close_product(ctx, &p);
}

static double difference(const unsigned char *a, const unsigned char *b, const unsigned char *where,
                         size_t *count) {
  double sum = 0;
  *count = 0;
  for (int i = 0; i < SIDE * SIDE; i++) {
    if (!where[i]) continue;
    for (int c = 0; c < 3; c++) sum += abs(a[3 * i + c] - b[3 * i + c]);
    ++*count;
  }
  return sum / (double)(3 * *count);
}

/* A network that is no square: what comes back is the picture at its size. */
static void through_a_rectangle(struct fm_context *ctx, const struct fm_standard *standard,
                                const struct fm_image *own) {
  enum { WIDE = 160, HIGH = 96 };
  const struct fm_size size = {WIDE, HIGH};
  unsigned char *rgb = fm_alloc(ctx, WIDE * HIGH, 9), *before = rgb + 3 * WIDE * HIGH,
                *room = before + 3 * WIDE * HIGH;
  struct fm_adjusted a;
  double sum = 0;
  int count = 0;
  ASSERT_OK(ctx, fm_resize_pil(ctx, own->pixels, own->width, own->height, 3, rgb, WIDE, HIGH));
  memcpy(before, rgb, 3 * WIDE * HIGH);
  ASSERT_OK(ctx, fm_standard_adjust(ctx, standard, own, rgb, size, &a));
  assert_true(a.placed && memcmp(before, rgb, 3 * WIDE * HIGH) != 0);
  fm_standard_undo_picture(standard, &a, rgb, size, size, room);
  for (int k = 0; k < 3 * WIDE * HIGH; k += 3) {
    if (rgb[k] + rgb[k + 1] + rgb[k + 2] == 0) continue; /* nobody looked there */
    sum += abs(rgb[k] - before[k]);
    count++;
  }
  if (sum > 5 * count || count < WIDE * HIGH / 2) fail_msg("%g over %d", sum / count, count);
  fm_free(ctx, rgb);
}

/* Cells that are looked at: a map of them, back in the picture's pose, is full wherever that was looked at,
 * and they are as many as come back, but for the part's size and the rim. */
static void all_that_comes_back(struct fm_context *ctx, const struct fm_standard *standard,
                                const struct fm_adjusted *a, float *map, float *room) {
  enum { GRID = SIDE / 4 };
  unsigned char covered[SIDE * SIDE], few[GRID * GRID];
  int cells = 0, pixels = 0, full = 0, coarse = 0;
  fm_standard_covered(standard, a, fm_square(SIDE), fm_square(SIDE), fm_square(SIDE), covered);
  fm_standard_covered(standard, a, fm_square(SIDE), fm_square(SIDE), fm_square(GRID), few);
  for (int k = 0; k < SIDE * SIDE; k++) cells += covered[k];
  for (int k = 0; k < GRID * GRID; k++) coarse += few[k];
  for (int k = 0; k < SIDE * SIDE; k++) map[k] = covered[k] ? 2 : 1;
  map[0] = 0; /* the lowest: what nobody looked at */
  fm_standard_undo_map(standard, a, map, fm_square(SIDE), fm_square(SIDE), room);
  for (int k = 0; k < SIDE * SIDE; k++) {
    pixels += map[k] > 0;
    full += map[k] >= 1.5f;
  }
  if (full < 0.97 * pixels || cells > SIDE * SIDE * 0.95 || abs(cells - 16 * coarse) > 0.03 * cells ||
      fabs(cells * (double)(a->pose.scale * a->pose.scale) - pixels) > 0.05 * pixels)
    fail_msg("%d cells, %d pixels, %d of them full; %d of a coarse grid", cells, pixels, full, coarse);
}

/* Every picture looks like the mean part then, and comes back to what it was. */
static void there_and_back(void **state) {
  struct fm_context *ctx = *state;
  struct product p;
  unsigned char *rgb = fm_alloc(ctx, BYTES, 1), *room = fm_alloc(ctx, BYTES, 1),
                *seen = fm_alloc(ctx, SIDE, SIDE);
  float *map = fm_alloc(ctx, SIDE * SIDE, sizeof *map), *map_room = fm_alloc(ctx, SIDE * SIDE, sizeof *map);
  for (int width = SIDE; width <= 160; width += 32) {
    draw(ctx, "lever", false, width, &p);
    struct fm_standard standard = {.poses = true, .part = p.mean};
    p.mean = (struct fm_mean_part){0};
    ASSERT_OK(ctx, fm_standard_ready(ctx, &standard));
    for (int i = LEARN; i < ALL; i++) {
      const struct fm_image own = {.width = width, .height = SIDE, .channels = 3, .pixels = own_of(&p, i)};
      struct fm_adjusted a;
      size_t count;
      memcpy(rgb, view_of(&p, i), BYTES);
      ASSERT_OK(ctx, fm_standard_adjust(ctx, &standard, &own, rgb, fm_square(SIDE), &a));
      assert_true(a.placed && !a.unplaced);
      double before = difference(view_of(&p, i), standard.part.colour, standard.part.shown, &count),
             after = difference(rgb, standard.part.colour, standard.part.shown, &count);
      assert_true(count > SIDE * SIDE / 2);
      /* Their light differs, too; so it is taken out of both by the ground's. */
      assert_true(after < before);
      for (int k = 0; k < SIDE * SIDE; k++) map[k] = (float)rgb[3 * k];
      fm_standard_undo_picture(&standard, &a, rgb, fm_square(SIDE), fm_square(SIDE), room);
      fm_standard_undo_map(&standard, &a, map, fm_square(SIDE), fm_square(SIDE), map_room);
      for (int k = 0; k < SIDE * SIDE; k++) {
        seen[k] = rgb[3 * k] + rgb[3 * k + 1] + rgb[3 * k + 2] > 0;
        if (seen[k]) assert_true(fabsf(map[k] - (float)rgb[3 * k]) <= 0.51f);
      }
      double back = difference(rgb, view_of(&p, i), seen, &count);
      if (back > 4 || count < SIDE * SIDE / 2)
        fail_msg("%d wide, picture %d: %g over %zu", width, i, back, count);
      through_a_rectangle(ctx, &standard, &own);
      if (width == SIDE) all_that_comes_back(ctx, &standard, &a, map, map_room);
    }
    fm_standard_free(ctx, &standard);
    close_product(ctx, &p);
  }
  fm_free(ctx, rgb);
  fm_free(ctx, room);
  fm_free(ctx, seen);
  fm_free(ctx, map);
  fm_free(ctx, map_room);
}

/* One colour, noise, and a part that fills the picture stay as they are, in every size. */
static void nothing_to_find(void **state) {
  static const int sides[] = {1, 2, 33, SIDE, 160};
  struct fm_context *ctx = *state;
  struct product p;
  struct fm_rng rng = fm_rng_stream(5, "noise");
  unsigned char *rgb = fm_alloc(ctx, 160 * 160, 3), *same = fm_alloc(ctx, 160 * 160, 3);
  draw(ctx, "lever", false, SIDE, &p);
  struct fm_standard standard = {.poses = true, .part = p.mean};
  p.mean = (struct fm_mean_part){0};
  ASSERT_OK(ctx, fm_standard_ready(ctx, &standard));
  for (int kind = 0; kind < 3; kind++)
    for (size_t s = 0; s < sizeof sides / sizeof *sides; s++) {
      struct fm_adjusted a;
      const struct fm_image own = {.width = sides[s], .height = sides[s], .channels = 3, .pixels = same};
      for (int i = 0; i < 160 * 160 * 3; i++)
        same[i] = kind == 0   ? 90
                  : kind == 1 ? (unsigned char)(fm_rng_next(&rng) >> 56)
                              : (unsigned char)(i % 7 * 30);
      memcpy(rgb, same, 160 * 160 * 3);
      ASSERT_OK(ctx, fm_standard_adjust(ctx, &standard, &own, rgb, fm_square(sides[s]), &a));
      assert_true(!a.placed && a.unplaced);
      assert_memory_equal(rgb, same, 160 * 160 * 3);
    }
  fm_standard_free(ctx, &standard);
  close_product(ctx, &p);
  fm_free(ctx, rgb);
  fm_free(ctx, same);
}

/* A place outside of the picture, by its definition: the mean part's colour, and what is left of the
 * difference at the picture's nearest pixel, within 8 of 128 pixels. */
static float beyond(const struct fm_posing *p, const struct fm_image *in, float x, float y, int c,
                    float mean) {
  const struct fm_affine back = fm_affine_inverse(&p->to_own);
  float at[2], rim[2], own[3];
  fm_affine_map(&p->to_own, x, y, at);
  for (int i = 0; i < 2; i++) at[i] = fminf(fmaxf(at[i], 0), 1);
  fm_affine_map(&back, at[0], at[1], rim);
  fm_sample_colour(in->pixels, in->width, in->height, in->channels, at[0], at[1], own);
  float far = hypotf(rim[0] - x, rim[1] - y) * 128;
  return mean + fmaxf(1 - far / 8, 0) * (own[c] * p->gain[c] - mean);
}

/* A pixel by its definition: n x n samples of the picture, where it has them, times the gain; for the rest
 * what goes on beyond it. */
static float by_definition(const struct fm_posing *p, const struct fm_image *in, struct fm_size size, int n,
                           int x, int y, int c, float mean) {
  float sum = 0, other = beyond(p, in, ((float)x + 0.5f) / (float)size.width,
                                ((float)y + 0.5f) / (float)size.height, c, mean);
  for (int k = 0; k < n * n; k++) {
    float at[2], own[3];
    fm_affine_map(&p->to_own, ((float)(x * n + k % n) + 0.5f) / (float)(size.width * n),
                  ((float)(y * n + k / n) + 0.5f) / (float)(size.height * n), at);
    bool inside = at[0] >= 0 && at[1] >= 0 && at[0] <= 1 && at[1] <= 1;
    if (inside) fm_sample_colour(in->pixels, in->width, in->height, in->channels, at[0], at[1], own);
    sum += inside ? own[c] * p->gain[c] : other;
  }
  sum /= (float)(n * n);
  return sum < 255 ? sum : 255;
}

/* Grey and in colours, larger than what comes out and not, turned so that corners lie outside. */
static void to_the_mean_pose(void **state) {
  struct fm_context *ctx = *state;
  static const struct {
    int width, height, channels, n;
    struct fm_size size;
  } cases[] = {{90, 70, 3, 1, {96, 64}}, {90, 70, 1, 1, {96, 64}}, {150, 130, 3, 2, {64, 32}}};
  enum { MEAN = 77 };
  struct fm_mean_part mean;
  ASSERT_OK(ctx, fm_mean_part_make(ctx, &mean));
  memset(mean.shown, 1, FM_VIEW_PIXELS);
  memset(mean.colour, MEAN, BYTES);
  const struct fm_pose pose = {.angle = 0.5f, .scale = 1.1f, .x = 0.05f, .y = -0.1f};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct fm_image in = {.width = cases[k].width, .height = cases[k].height, .channels = cases[k].channels};
    struct fm_size size = cases[k].size;
    struct fm_rng rng = fm_rng_stream(4, "posed");
    in.pixels = fm_alloc(ctx, (size_t)(in.width * in.height), (size_t)in.channels);
    for (int i = 0; i < in.width * in.height * in.channels; i++)
      in.pixels[i] = (unsigned char)fm_rng_integer(&rng, 0, 200);
    const struct fm_posing p = {
        &mean, fm_pose_affine(&pose, 1.5f, (float)in.width / (float)in.height), {1.2f, 0.5f, 0.9f}};
    unsigned char *out = fm_alloc(ctx, fm_size_pixels(size), 3);
    ASSERT_OK(ctx, fm_warp_part(ctx, &p, &in, size, out));
    int outside = 0;
    for (int i = 0; i < size.width * size.height * 3; i++) {
      int pixel = i / 3;
      float want =
          by_definition(&p, &in, size, cases[k].n, pixel % size.width, pixel / size.width, i % 3, MEAN);
      if (fabsf((float)out[i] - want) > 0.6f)
        fail_msg("case %zu, pixel %d, colour %d: %d, should be %g", k, pixel, i % 3, out[i], (double)want);
      outside += out[i] == MEAN; /* far from the picture */
    }
    assert_in_range(outside, 100, size.width * size.height * 2);
    fm_free(ctx, out);
    fm_image_free(ctx, &in);
  }
  fm_mean_part_free(ctx, &mean);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(found_again), TEST(reasons), TEST(there_and_back),
                                     TEST(to_the_mean_pose), TEST(nothing_to_find)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
