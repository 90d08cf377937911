#include "test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "data/resize.h"

#include <math.h>
#include <string.h>

/* Noise from the counter RNG: stream "resize", seed 1, the top byte of each value. */
static unsigned char *noise(struct fm_context *ctx, size_t n) {
  unsigned char *out = fm_alloc(ctx, n, 1);
  assert_non_null(out);
  struct fm_rng rng = fm_rng_stream(1, "resize");
  for (size_t i = 0; i < n; i++) out[i] = (unsigned char)(fm_rng_next(&rng) >> 56);
  return out;
}

static uint64_t fnv(const unsigned char *bytes, size_t n) {
  uint64_t h = 0xCBF29CE484222325u;
  for (size_t i = 0; i < n; i++) h = (h ^ bytes[i]) * 0x100000001B3u;
  return h;
}

/* FNV-1a of what cv2.resize(INTER_LINEAR) of OpenCV 4.14 (5.0 gives the same) and Image.resize(BILINEAR) and
 * (LANCZOS) of Pillow 12.2 made of the same noise. */
static const struct {
  int width, height, out_width, out_height, channels;
  uint64_t cv2, pil, lanczos;
} goldens[] = {
    {450, 450, 256, 256, 3, 0x10c99e2b8cd8d8b6u, 0xd476fcf7a3b462cau, 0x625659f7b176924fu},
    {900, 900, 256, 256, 3, 0x94abe8ccbc6b8fcfu, 0x5093a75c2aa4db40u, 0x50286b76d9061fd6u},
    {512, 512, 256, 256, 3, 0xb6c5830a131fcf1au, 0x34eeb5443261ea03u, 0xac8eab1197f96046u},
    {128, 128, 256, 256, 3, 0x58a88ec29d06d08cu, 0x860d0bd86d295873u, 0x47c122857eb480ebu},
    {300, 200, 256, 256, 3, 0xe02d37717e915e4du, 0x0c7f9a7e7bf428c5u, 0x93248fbb225ff664u},
    {200, 300, 256, 256, 1, 0x1c3c2acc619d937fu, 0xca6c97606404951eu, 0xb109cbca9db87008u},
    {256, 300, 256, 256, 3, 0x8f159771d18f0062u, 0xc8b6a35b56c17a0bu, 0x0d9245dab218ed1cu},
    {7, 5, 16, 16, 3, 0xade28c45cd517334u, 0x733c29d8f9a9b2ecu, 0x65b1e187b747f41eu},
    {1, 1, 4, 4, 3, 0xadef02130e499045u, 0xadef02130e499045u, 0xadef02130e499045u},
    {1000, 37, 64, 256, 1, 0x95d9f0f518ffeb5fu, 0xc76962905cab7397u, 0x3058532491d95757u},
};

static void same_bits_as_the_libraries(void **state) {
  struct fm_context *ctx = *state;
  for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++) {
    int w = goldens[i].width, h = goldens[i].height, ow = goldens[i].out_width, oh = goldens[i].out_height;
    int c = goldens[i].channels;
    unsigned char *in = noise(ctx, (size_t)(w * h * c)), *out = fm_alloc(ctx, (size_t)(ow * oh * c), 1);
    ASSERT_OK(ctx, fm_resize_picture(ctx, FM_RESIZE_CV2, in, w, h, c, out, ow, oh));
    if (fnv(out, (size_t)(ow * oh * c)) != goldens[i].cv2) fail_msg("cv2 %dx%d to %dx%d", w, h, ow, oh);
    ASSERT_OK(ctx, fm_resize_picture(ctx, FM_RESIZE_PIL, in, w, h, c, out, ow, oh));
    if (fnv(out, (size_t)(ow * oh * c)) != goldens[i].pil) fail_msg("pil %dx%d to %dx%d", w, h, ow, oh);
    ASSERT_OK(ctx, fm_resize_picture(ctx, FM_RESIZE_LANCZOS, in, w, h, c, out, ow, oh));
    if (fnv(out, (size_t)(ow * oh * c)) != goldens[i].lanczos)
      fail_msg("lanczos %dx%d to %dx%d", w, h, ow, oh);
    fm_free(ctx, in);
    fm_free(ctx, out);
  }
}

/* The first 35 bytes of the noise as a 7x5 picture: for seeing what differs when the hashes above do. */
static void a_few_values(void **state) {
  struct fm_context *ctx = *state;
  static const unsigned char cv2[] = {150, 149, 212, 93, 55, 231, 37, 40, 154, 53, 230, 174};
  static const unsigned char pil[] = {139, 126, 172, 94, 78, 155, 128, 85, 141, 101, 192, 176};
  static const unsigned char lanczos[] = {144, 120, 176, 81, 52, 168, 135, 73, 141, 101, 194, 183};
  static const unsigned char lanczos_up[] = {139, 91,  101, 162, 167, 171, 121, 69,  66,
                                             82,  129, 111, 94,  188, 192, 127, 126, 180};
  static const unsigned char cv2_up[] = {144, 122, 102, 101, 142, 196, 129, 66,  73,
                                         86,  109, 90,  81,  185, 222, 205, 194, 217};
  static const unsigned char pil_up[] = {134, 104, 112, 146, 164, 168, 120, 79,  76,
                                         94,  119, 112, 110, 185, 184, 146, 134, 171};
  unsigned char *in = noise(ctx, 35), out[18];
  ASSERT_OK(ctx, fm_resize_cv2(ctx, in, 7, 5, 1, out, 4, 3));
  assert_memory_equal(out, cv2, sizeof cv2);
  ASSERT_OK(ctx, fm_resize_pil(ctx, in, 7, 5, 1, out, 4, 3));
  assert_memory_equal(out, pil, sizeof pil);
  ASSERT_OK(ctx, fm_resize_cv2(ctx, in, 7, 5, 1, out, 9, 2));
  assert_memory_equal(out, cv2_up, sizeof cv2_up);
  ASSERT_OK(ctx, fm_resize_pil(ctx, in, 7, 5, 1, out, 9, 2));
  assert_memory_equal(out, pil_up, sizeof pil_up);
  ASSERT_OK(ctx, fm_resize_lanczos(ctx, in, 7, 5, 1, out, 4, 3));
  assert_memory_equal(out, lanczos, sizeof lanczos);
  ASSERT_OK(ctx, fm_resize_lanczos(ctx, in, 7, 5, 1, out, 9, 2));
  assert_memory_equal(out, lanczos_up, sizeof lanczos_up);
  fm_free(ctx, in);
}

/* The same for cv2.resize(INTER_NEAREST), one channel. */
static void nearest_as_opencv(void **state) {
  struct fm_context *ctx = *state;
  static const struct {
    int width, height, out_width, out_height;
    uint64_t hash;
  } cases[] = {
      {900, 900, 256, 256, 0x6ce1e00744ff865bu},  {7, 5, 4, 3, 0xb4d4835c7e8f7392u},
      {3, 3, 7, 8, 0x0feb4db5d9c8c376u},          {450, 450, 256, 256, 0x8baf66b76e025d87u},
      {1024, 1024, 96, 100, 0x6f9408e4d7c8d96bu},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int w = cases[i].width, h = cases[i].height, ow = cases[i].out_width, oh = cases[i].out_height;
    unsigned char *in = noise(ctx, (size_t)(w * h)), *out = fm_alloc(ctx, (size_t)(ow * oh), 1);
    fm_resize_nearest(in, w, h, out, ow, oh);
    if (fnv(out, (size_t)(ow * oh)) != cases[i].hash) fail_msg("nearest %dx%d to %dx%d", w, h, ow, oh);
    fm_free(ctx, in);
    fm_free(ctx, out);
  }
}

/* torch.nn.functional.interpolate(mode="bilinear", align_corners=False) */
static void maps_as_torch(void **state) {
  struct fm_context *ctx = *state;
  static const float in[] = {0, 1, 4, 2, 8, -3};
  static const float up[] = {0, .4f, 1, 2.8f, 4, 1, 2.4f, 4.5f, 2.1f, .5f, 2, 4.4f, 8, 1.4f, -3};
  static const float down[] = {1.875f, 1.5f};
  float out[15];
  ASSERT_OK(ctx, fm_resize_map(ctx, in, 3, 2, out, 5, 3));
  for (int i = 0; i < 15; i++) assert_true(fabsf(out[i] - up[i]) < 2e-6f);
  ASSERT_OK(ctx, fm_resize_map(ctx, in, 3, 2, out, 2, 1));
  for (int i = 0; i < 2; i++) assert_true(fabsf(out[i] - down[i]) < 2e-6f);
  ASSERT_OK(ctx, fm_resize_map(ctx, in, 1, 1, out, 3, 5));
  for (int i = 0; i < 15; i++) assert_true(out[i] == 0);
}

/* (7 - 4) / 2 = 1.5 and (5 - 2) / 2 = 1.5 become 2; (7 - 2) / 2 = 2.5 becomes 2. */
static void crops_the_middle(void **state) {
  (void)state;
  unsigned char in[35], out[8];
  for (int i = 0; i < 35; i++) in[i] = (unsigned char)i;
  fm_crop_centre(in, 7, 5, 1, out, 4, 2);
  assert_memory_equal(out, ((unsigned char[]){16, 17, 18, 19, 23, 24, 25, 26}), 8);
  fm_crop_centre(in, 7, 5, 1, out, 2, 1);
  assert_memory_equal(out, ((unsigned char[]){16, 17}), 2);
}

static void names_are_parsed(void **state) {
  struct fm_context *ctx = *state;
  enum fm_resize kind;
  ASSERT_OK(ctx, fm_resize_parse(ctx, "pil", &kind));
  assert_string_equal(fm_resize_name(kind), "pil");
  ASSERT_OK(ctx, fm_resize_parse(ctx, "lanczos", &kind));
  assert_int_equal(kind, FM_RESIZE_LANCZOS);
  assert_string_equal(fm_resize_name(kind), "lanczos");
  assert_int_equal(fm_resize_parse(ctx, "bicubic", &kind), FM_USAGE);
  fm_error_clear(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(same_bits_as_the_libraries), TEST(a_few_values),
                                     TEST(nearest_as_opencv),          TEST(maps_as_torch),
                                     TEST(crops_the_middle),           TEST(names_are_parsed)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
