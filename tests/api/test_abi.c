#define _POSIX_C_SOURCE 200809L
/* What programs were built with stays as it is: the sizes and places of host/flawmap.abi. After an addition
 * at the end of a struct: test_api_abi --print > host/flawmap.abi. */
#include "test.h"

#include "flawmap.h"

#include <stdio.h>
#include <string.h>

#define FIELD(type, field)                                                                                   \
  { #type, #field, offsetof(struct type, field), sizeof(((struct type *)0)->field) }
#define WHOLE(type)                                                                                          \
  { #type, "", 0, sizeof(struct type) }
static const struct {
  const char *type, *field;
  size_t at, size;
} places[] = {
    WHOLE(fm_detector_options),
    FIELD(fm_detector_options, size),
    FIELD(fm_detector_options, at_once),
    FIELD(fm_detector_options, sharpen),
    FIELD(fm_detector_options, untrained),
    FIELD(fm_detector_options, weights),
    FIELD(fm_detector_options, has_threshold),
    FIELD(fm_detector_options, has_pixel_threshold),
    FIELD(fm_detector_options, threshold),
    FIELD(fm_detector_options, pixel_threshold),
    FIELD(fm_detector_options, min_area),
    WHOLE(fm_picture_region),
    FIELD(fm_picture_region, x),
    FIELD(fm_picture_region, y),
    FIELD(fm_picture_region, width),
    FIELD(fm_picture_region, height),
    FIELD(fm_picture_region, area),
    FIELD(fm_picture_region, share),
    FIELD(fm_picture_region, peak),
    FIELD(fm_picture_region, mean),
    FIELD(fm_picture_region, centre_x),
    FIELD(fm_picture_region, centre_y),
    WHOLE(fm_picture),
    FIELD(fm_picture, size),
    FIELD(fm_picture, width),
    FIELD(fm_picture, height),
    FIELD(fm_picture, pixels),
    FIELD(fm_picture, stride),
    FIELD(fm_picture, order),
    FIELD(fm_picture, map),
    FIELD(fm_picture, mask),
    FIELD(fm_picture, repaired),
    FIELD(fm_picture, regions),
    FIELD(fm_picture, region_room),
    FIELD(fm_picture, region_count),
    FIELD(fm_picture, score),
    FIELD(fm_picture, flagged),
};

static void print(FILE *out) {
  fprintf(out, "# struct.field place size, on x86-64; tests/api/test_abi.c compares\n");
  for (size_t i = 0; i < sizeof places / sizeof *places; i++)
    fprintf(out, "%s%s%s %zu %zu\n", places[i].type, *places[i].field ? "." : "", places[i].field,
            places[i].at, places[i].size);
}

static void places_are_the_known_ones(void **state) {
  (void)state;
  if (sizeof(long) != 8 || sizeof(void *) != 8) skip();
  char now[8192] = "", known[8192] = "";
  FILE *out = fmemopen(now, sizeof now, "w"), *in = fopen(FM_SOURCE_DIR "/host/flawmap.abi", "r");
  assert_non_null(out);
  assert_non_null(in);
  print(out);
  fclose(out);
  assert_true(fread(known, 1, sizeof known - 1, in) > 0);
  fclose(in);
  assert_string_equal(now, known);
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--print") == 0) {
    print(stdout);
    return 0;
  }
  const struct CMUnitTest tests[] = {TEST(places_are_the_known_ones)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
