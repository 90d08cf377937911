/* The tiles of every row that fits this device: the rule's first, none twice, each computes the same.
 * Compiling takes longest, so every shape tries a third of them, another one each. */
#include "fixture.h"

#include "op/variant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  struct fm_conv conv;
  int h, w; /* of the result */
} table[] = {{{40, 72, 3, 1, 1, 1, false, false}, 5, 19}, {{24, 40, 3, 2, 1, 1, false, false}, 4, 9},
             {{72, 65, 1, 1, 0, 0, false, false}, 3, 17}, {{3, 24, 3, 2, 1, 1, false, true}, 6, 16},
             {{40, 40, 5, 1, 2, 2, true, false}, 18, 17}, {{24, 24, 3, 2, 1, 1, true, false}, 9, 8}};

/* What a row with a tile computes, as numbers of the host; *count of them. */
static float *compute(struct fixture *f, int i, enum fm_conv_way way, const struct fm_variant *row,
                      const struct fm_tile *tile, size_t *count) {
  const struct fm_conv *c = &table[i].conv;
  struct fm_rng rng = fm_rng_stream(f->seed, "tiles");
  int h = table[i].h, w = table[i].w, hi = (h - 1) * c->stride + c->k - 2 * c->pad_y,
      wi = (w - 1) * c->stride + c->k - 2 * c->pad_x;
  bool back = way == FM_CONV_BACK, weights = way == FM_CONV_WEIGHTS;
  struct tensor x = tensor_random(f, &rng, 2, c->cin, hi, wi, fm_conv_halo(c, hi, wi, h, w), 0);
  struct tensor y = tensor_random(f, &rng, 2, c->cout, h, w, fm_conv_back_halo(c, hi, wi, h, w), 0);
  size_t packed = fm_conv_weights(c, f->block);
  float *oihw = malloc(packed * sizeof *oihw), *bits = malloc(packed * sizeof *bits);
  for (size_t k = 0; k < packed; k++) oihw[k] = (float)random_int(&rng, -999, 999) / 999;
  fm_conv_pack(c, f->block, oihw, bits);
  struct zone wt = zone_make(f, packed * sizeof *bits, bits), dw = zone_make(f, packed * sizeof *bits, NULL);
  const struct fm_acts *in = back ? &y.acts : &x.acts, *of = back ? &x.acts : &y.acts;
  struct tensor out = tensor_empty(f, of->n, of->c, of->h, of->w, 1);
  struct fm_call call;
  fm_conv_choose(f->device, c, way, in, weights ? &y.acts : &out.acts, row, &call);
  fm_variant_take(fm_device_facts(f->device), &call, tile);
  struct zone prepared = zone_make(f, call.work.prepared + sizeof(float), NULL),
              scratch = zone_make(f, call.work.scratch + sizeof(float), NULL);
  fm_conv_prepare(f->device, &call, &wt.buffer, &prepared.buffer);
  fm_conv_run(f->device, &call,
              &(struct fm_conv_args){.in = in,
                                     .out = weights ? &y.acts : &out.acts,
                                     .weights = call.work.prepared ? &prepared.buffer : &wt.buffer,
                                     .limits = fm_limits_none,
                                     .scratch = &scratch.buffer,
                                     .dw = &dw.buffer});
  *count = weights ? packed : out.count;
  float *result = malloc(*count * sizeof *result);
  if (weights) {
    zone_read(f, &dw, result);
  } else {
    double *got = tensor_read(f, &out);
    for (size_t k = 0; k < *count; k++) result[k] = (float)got[k];
    free(got);
  }
  free(oihw);
  free(bits);
  struct zone *const zones[] = {&wt, &dw, &prepared, &scratch};
  for (int k = 0; k < 4; k++) zone_free(f, zones[k]);
  tensor_free(f, &x);
  tensor_free(f, &y);
  tensor_free(f, &out);
  return result;
}

/* A gradient to the weights may be summed in other parts. */
static void compare(struct fixture *f, enum fm_conv_way way, const struct fm_variant *row, const float *rule,
                    const float *other, size_t count) {
  double largest = 1, off = 0;
  for (size_t k = 0; k < count; k++) {
    largest = fmax(largest, fabs((double)rule[k]));
    off = fmax(off, fabs((double)rule[k] - (double)other[k]));
    if (!(rule[k] == rule[k] && other[k] == other[k])) off = INFINITY;
  }
  if (way == FM_CONV_WEIGHTS ? off <= row->error * largest : memcmp(rule, other, count * sizeof *rule) == 0)
    return;
  print_error("FAILED: %s\n", f->line);
  fail_msg("another tile of the same row gives other numbers (%g off, of %g)", off, largest);
}

/* The compilers of CPUs take minutes over tiles through local memory; the rule's are tested elsewhere. */
static bool slow(struct fixture *f, const struct fm_variant *row) {
  return strstr(row->name, "tiled") && fm_device_facts(f->device)->kind == FM_CLASS_CPU;
}

static void try_row(struct fixture *f, int i, enum fm_conv_way way, const struct fm_variant *row) {
  const struct fm_conv *c = &table[i].conv;
  const struct fm_acts in = {2,  way == FM_CONV_BACK ? c->cout : c->cin, table[i].h, table[i].w, 1, f->block,
                             {0}},
                       out = {2,  way == FM_CONV_BACK ? c->cin : c->cout, table[i].h, table[i].w, 1, f->block,
                              {0}};
  if (!fm_conv_fits(f->device, c, way, &in, &out, row)) return;
  struct fm_call call;
  struct fm_tile list[FM_TILES], read;
  char text[FM_TILE_TEXT];
  fm_conv_choose(f->device, c, way, &in, &out, row, &call);
  int tiles = fm_variant_tiles(fm_device_facts(f->device), &call.shape, row, list);
  assert_in_range(tiles, 1, FM_TILES);
  assert_true(fm_tile_same(&call.tile, &list[0]));
  float *rule = NULL;
  for (int k = 0; k < tiles; k++) {
    size_t count;
    fm_tile_print(&list[k], text);
    snprintf(f->line, sizeof f->line, "tiles: shape %d, way %d, %s: %s", i, (int)way, row->name, text);
    assert_true(fm_tile_read(text, &read) && fm_tile_same(&read, &list[k]));
    for (int j = 0; j < k; j++) assert_false(fm_tile_same(&list[j], &list[k]));
    if (slow(f, row) || (k && (k + i + (int)way) % 3)) continue;
    float *got = compute(f, i, way, row, &list[k], &count);
    if (rule) compare(f, way, row, rule, got, count);
    if (rule)
      free(got);
    else
      rule = got;
  }
  free(rule);
}

static void test_tiles(void **state) {
  const struct fm_variant *row;
  for (int i = 0; i < (int)(sizeof table / sizeof *table); i++)
    for (int k = 0; (row = fm_variant_at(k)); k++) {
      if (!table[i].conv.picture) try_row(*state, i, FM_CONV_BACK, row);
      try_row(*state, i, FM_CONV_FORWARD, row);
      try_row(*state, i, FM_CONV_WEIGHTS, row);
    }
}

static void test_text(void **state) {
  static const char *const wrong[] = {
      "",          " ",         "blocks",    "blocks ",         "blocks 0",           "blocks -1", "blocks x",
      "blocks 2x", "blocks 02", "block 2",   "blocks 1025",     "blocks 2 blocks 2",  "--",        "- ",
      " blocks 2", "blocks 2 ", "blocks  2", "blocks 2,rows 1", "blocks 99999999999", "2",         "Blocks 2",
      "blocks +2", "blocks 2\t"};
  struct fm_tile t;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    if (fm_tile_read(wrong[i], &t)) fail_msg("'%s' is taken for a tile", wrong[i]);
  assert_true(fm_tile_read("-", &t) && fm_tile_same(&t, &(struct fm_tile){0}));
  assert_true(fm_tile_read("rows 8 pixels 1024", &t) &&
              fm_tile_same(&t, &(struct fm_tile){.rows = 8, .pixels = 1024}));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_tiles)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
