/* Lines of tuned choices that flawmap brings (models/tuned.txt): each names a row and a tile that exist,
 * fits, and computes what the rule's choice does. Lines of other classes of devices are run where the test is
 * that class. */
#include "test.h"

#include "base/embedded.h"
#include "check/tune_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct fm_context ctx;
static struct fm_device *device;

static int open_device(void **state) {
  fm_context_init(&ctx);
  return fm_device_open(&ctx, NULL, &device) == FM_OK ? 0 : -1;
}
static int close_device(void **state) {
  return fm_device_close(device) == FM_OK && ctx.live_allocations == 0 ? 0 : -1;
}

/* The convolution that a line is about, of pictures that small tests have time for; false where it is none.
 */
static bool read_shape(const struct fm_tuned_line *l, struct fm_tune_case *c) {
  static const char *const ways[] = {"forward", "kept", "back", "weights"};
  char way[16], kind[16] = "";
  int k, k2, h, w, way_at = 0, block = fm_device_facts(device)->block;
  *c = (struct fm_tune_case){0};
  struct fm_conv *v = &c->conv;
  if (sscanf(l->shape, "%15s %dx%d/%d %d>%d %dx%d", way, &k, &k2, &v->stride, &v->cin, &v->cout, &h, &w) !=
          8 &&
      sscanf(l->shape, "%15s %dx%d/%d %15s %d>%d %dx%d", way, &k, &k2, &v->stride, kind, &v->cin, &v->cout,
             &h, &w) != 9)
    return false;
  while (way_at < 4 && strcmp(ways[way_at], way) != 0) way_at++;
  if (way_at == 4 || k != k2) return false;
  c->way = (enum fm_conv_way)way_at;
  v->k = k;
  v->pad_y = v->pad_x = k / 2;
  v->depthwise = strcmp(kind, "depthwise") == 0;
  v->picture = strcmp(kind, "picture") == 0;
  bool back = c->way == FM_CONV_BACK;
  int out_h = back ? (h + v->stride - 1) / v->stride : h, out_w = back ? (w + v->stride - 1) / v->stride : w,
      in_h = back ? h : h * v->stride, in_w = back ? w : w * v->stride;
  struct fm_acts
      x = {2, v->cin, in_h, in_w, fm_conv_halo(v, in_h, in_w, out_h, out_w), v->picture ? 4 : block, {0}},
      y = {2, v->cout, out_h, out_w, fm_conv_back_halo(v, in_h, in_w, out_h, out_w), block, {0}};
  if (back) x.block = block;
  c->in = back ? y : x;
  c->out = back ? x : y;
  return true;
}

/* What is wrong with a line, or NULL. */
static const char *wrong(const struct fm_tuned_line *l) {
  const struct fm_variant *row = NULL;
  struct fm_tune_case c;
  struct fm_tune_bench b;
  struct fm_tile list[FM_TILES];
  for (int i = 0; (row = fm_variant_at(i)); i++)
    if (strcmp(row->name, l->row) == 0) break;
  if (!row) return "there is no such row";
  if (!read_shape(l, &c)) return "its shape is none";
  ASSERT_OK(&ctx, fm_tune_open(device, &c, &b));
  const struct fm_shape *s = &b.rule.call.shape;
  const bool fits = fm_variant_fits(fm_device_facts(device), s, row);
  const char *why = fits ? "its tile is none of the row's" : "the row does not fit";
  int count = fits ? fm_variant_tiles(fm_device_facts(device), s, row, list) : 0;
  for (int i = 0; i < count; i++) {
    struct fm_tune_way way;
    bool agrees;
    if (!fm_tile_same(&list[i], &l->tile)) continue;
    ASSERT_OK(&ctx, fm_tune_way_make(&b, row, &list[i], &way));
    ASSERT_OK(&ctx, fm_tune_agrees(&b, &way, &agrees));
    fm_tune_way_free(&b, &way);
    why = agrees ? NULL : "it computes something else";
  }
  fm_tune_close(&b);
  return why;
}

/* Of this class: blocks and groups, whatever the kind of device. */
static bool of_class(const struct fm_tuned_line *l) {
  char own[16];
  snprintf(own, sizeof own, "%dx%d", fm_device_facts(device)->block, fm_device_facts(device)->group);
  return strlen(l->class) > 3 && strcmp(l->class + 3, own) == 0;
}

static void test_shipped(void **state) {
  const struct fm_embedded *e = fm_embedded_find(fm_embedded_models, "tuned.txt");
  struct fm_tuned t = {0};
  size_t lines = 0;
  assert_non_null(e);
  ASSERT_OK(&ctx, fm_tuned_parse(&ctx, e->name, (const char *)e->bytes, e->size, true, &t));
  for (const char *at = strchr((const char *)e->bytes, '\n'); at && at[1]; at = strchr(at + 1, '\n'))
    lines += at[1] != '#' && at[1] != '\n';
  assert_int_equal(lines, t.count); /* none is damaged */
  for (size_t i = 0; i < t.count; i++) {
    const char *why = of_class(&t.line[i]) ? wrong(&t.line[i]) : NULL;
    if (why) fail_msg("models/tuned.txt, '%s' for %s: %s", t.line[i].row, t.line[i].shape, why);
  }
  fm_tuned_free(&ctx, &t);
}

/* Whether that would be seen. */
static void test_seen(void **state) {
  static const struct {
    struct fm_tuned_line line;
    const char *why;
  } cases[] = {
      {{.shape = "forward 3x3/2 24>40 9x7", .row = "conv", .tile = {.blocks = 1, .pixels = 8}}, NULL},
      {{.shape = "kept 1x1/1 24>40 9x7", .row = "conv", .tile = {.blocks = 1, .pixels = 8}}, NULL},
      {{.shape = "back 3x3/2 24>40 9x8", .row = "conv", .tile = {.blocks = 2, .pixels = 6}}, NULL},
      {{.shape = "weights 3x3/1 24>40 9x7", .row = "wgrad", .tile = {.blocks = 1, .inputs = 1, .lanes = 8}},
       NULL},
      {{.shape = "forward 3x3/1 depthwise 24>24 9x9", .row = "depthwise", .tile = {.pixels = 2}}, NULL},
      {{.shape = "forward 3x3/2 picture 3>24 9x9", .row = "conv", .tile = {.blocks = 1, .pixels = 8}}, NULL},
      {{.shape = "forward 3x3/2 24>40 9x7", .row = "conv", .tile = {.blocks = 7, .pixels = 8}}, "tile"},
      {{.shape = "forward 3x3/2 24>40 9x7", .row = "winograd4", .tile = {.blocks = 2, .pixels = 8}},
       "not fit"},
      {{.shape = "forward 3x3/2 24>40 9x7", .row = "wgrad"}, "not fit"},
      {{.shape = "forward 3x3/2 24>40 9x7", .row = "nothing"}, "no such row"},
      {{.shape = "sideways 3x3/2 24>40 9x7", .row = "conv"}, "shape"}};
  if (fm_device_facts(device)->block != 16) skip();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *why = wrong(&cases[i].line), *wanted = cases[i].why;
    if (wanted ? !why || !strstr(why, wanted) : why != NULL)
      fail_msg("%s, %s: '%s'", cases[i].line.shape, cases[i].line.row, why ? why : "nothing is wrong");
  }
}

/* A result that is off is seen, and so is a NaN. */
static void test_agrees(void **state) {
  struct fm_tuned_line l = {.shape = "forward 3x3/1 24>40 9x7"};
  struct fm_tune_case c;
  struct fm_tune_bench b;
  bool agrees;
  assert_true(read_shape(&l, &c));
  ASSERT_OK(&ctx, fm_tune_open(device, &c, &b));
  ASSERT_OK(&ctx, fm_tune_agrees(&b, &b.rule, &agrees));
  assert_true(agrees);
  const float kept = b.want[7];
  b.want[7] += (float)(1e-4 * b.largest);
  ASSERT_OK(&ctx, fm_tune_agrees(&b, &b.rule, &agrees));
  assert_false(agrees);
  b.want[7] = (float)NAN;
  ASSERT_OK(&ctx, fm_tune_agrees(&b, &b.rule, &agrees));
  assert_false(agrees);
  b.want[7] = kept;
  b.want[b.count - 1] += (float)b.largest;
  ASSERT_OK(&ctx, fm_tune_agrees(&b, &b.rule, &agrees));
  assert_false(agrees);
  fm_tune_close(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_shipped), cmocka_unit_test(test_seen),
                                     cmocka_unit_test(test_agrees)};
  return cmocka_run_group_tests(tests, open_device, close_device);
}
