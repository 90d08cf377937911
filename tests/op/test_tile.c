/* The tiles of every row that fits this device: the rule's first, none twice, each computes the same; so do
 * those that the rule takes for other numbers of pictures and units. Compiling takes longest, so every shape
 * tries a third of them, another one each. */
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

/* The rule's tiles for one picture and for many, on devices of few units and of many: whether a picture is
 * alone must not change a bit of it. */
static int rule_tiles(struct fixture *f, const struct fm_shape *shape, const struct fm_variant *row,
                      struct fm_tile list[FM_TILES]) {
  int count = 0;
  for (int units = 1; units <= 1024; units *= 4)
    for (int n = 1; n <= 64; n *= 4) {
      struct fm_facts facts = *fm_device_facts(f->device);
      struct fm_shape s = *shape;
      struct fm_tile tiles[FM_TILES];
      facts.compute_units = units;
      s.made_for = s.in.n = s.out.n = n;
      fm_variant_tiles(&facts, &s, row, tiles);
      fm_tile_add(list, &count, tiles[0]);
    }
  return count;
}

static void test_pictures_alone(void **state) {
  struct fixture *f = *state;
  const struct fm_variant *row;
  static const int shapes[] = {0, 2}; /* 3x3, and 1x1: chains of whole steps and a last one that is not */
  for (int k = 0; (row = fm_variant_at(k)); k++)
    for (int i = 0; i < 2 && row->op == FM_OP_CONV; i++) {
      const struct fm_conv *c = &table[shapes[i]].conv;
      const struct fm_acts in = {2, c->cin, table[shapes[i]].h, table[shapes[i]].w, 1, f->block, {0}},
                           out = {2, c->cout, table[shapes[i]].h, table[shapes[i]].w, 1, f->block, {0}};
      struct fm_call call;
      struct fm_tile list[FM_TILES];
      size_t count;
      if (!fm_conv_fits(f->device, c, FM_CONV_FORWARD, &in, &out, row)) continue;
      fm_conv_choose(f->device, c, FM_CONV_FORWARD, &in, &out, row, &call);
      int tiles = rule_tiles(f, &call.shape, row, list);
      float *first = compute(f, shapes[i], FM_CONV_FORWARD, row, &list[0], &count);
      for (int t = 1; t < tiles; t++) {
        snprintf(f->line, sizeof f->line, "tiles: shape %d of %s, the rule's tile %d", shapes[i], row->name,
                 t);
        float *other = compute(f, shapes[i], FM_CONV_FORWARD, row, &list[t], &count);
        compare(f, FM_CONV_FORWARD, row, first, other, count);
        free(other);
      }
      free(first);
    }
}

/* A GPU of few registers gets no tile whose sums and totals take more than half of them, one of many no
 * smaller tile than it can hold. */
static void test_registers(void **state) {
  static const struct fm_acts plane = {16, 128, 32, 32, 1, 4, {0}};
  const struct fm_shape s = {.op = FM_OP_CONV,
                             .conv = {128, 128, 3, 1, 1, 1, false, false},
                             .in = plane,
                             .out = plane,
                             .stride = 1,
                             .packed_lanes = 4,
                             .made_for = 16};
  for (int registers = 128; registers <= 256; registers *= 2) {
    const struct fm_facts f = {.kind = FM_CLASS_GPU,
                               .compute_units = 64,
                               .block = 4,
                               .group = 64,
                               .registers = registers,
                               .local_memory_real = true,
                               .max_group = 256,
                               .local_memory = 64 << 10};
    const struct fm_variant *row = fm_variant_rule(&f, &s);
    struct fm_tile list[FM_TILES];
    fm_variant_tiles(&f, &s, row, list);
    assert_string_equal(row->name, registers == 128 ? "conv_direct" : "conv_tiled");
    if (registers == 128) assert_int_equal(list[0].blocks * list[0].pixels * 4 * 2, 64);
    if (registers == 128) assert_int_equal(list[0].waves, 1);
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
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_registers),
                                     cmocka_unit_test(test_tiles), cmocka_unit_test(test_pictures_alone)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
