/* The file of tuned choices: its lines, what is wrong with them, and which one holds. */
#define _POSIX_C_SOURCE 200809L
#include "fixture.h"

#include "base/file.h"
#include "base/memory.h"
#include "op/tuned.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD "flawmap tuned 1\n"
#define LINE                                                                                                 \
  "cpu16x1 | device A b | forward 3x3/2 64>128 32x32 | 1 | conv | blocks 4 pixels 4 | 700 us | 900 us"

static void test_lines(void **state) {
  struct fixture *f = *state;
  struct fm_tuned t = {0};
  const char text[] = HEAD "# a comment\n\n" LINE "\r\n"
                           "gpu4x64 | class | weights 1x1/1 8>8 1x1 | 4096 | wgrad | - | 1 us | 999999999 us";
  assert_int_equal(fm_tuned_parse(&f->ctx, "a file", text, sizeof text - 1, false, &t), FM_OK);
  assert_int_equal(t.count, 2);
  const struct fm_tuned_line *l = &t.line[0];
  assert_string_equal(l->class, "cpu16x1");
  assert_int_equal(l->scope, FM_TUNED_DEVICE);
  assert_string_equal(l->name, "A b");
  assert_string_equal(l->shape, "forward 3x3/2 64>128 32x32");
  assert_string_equal(l->row, "conv");
  assert_true(l->from == 1 && l->us == 700 && l->rule_us == 900 && l->tile.blocks == 4 &&
              l->tile.pixels == 4);
  assert_true(t.line[1].scope == FM_TUNED_CLASS && !*t.line[1].name && t.line[1].from == 4096);
  fm_tuned_free(&f->ctx, &t);
}

/* What is written is read again, every byte the same the second time; put replaces, drop removes. */
static void test_round(void **state) {
  struct fixture *f = *state;
  struct fm_tuned t = {0}, again = {0};
  char folder[] = "/tmp/flawmap_tuned_XXXXXX";
  assert_non_null(mkdtemp(folder));
  char *path = fm_format(&f->ctx, "%s/tuned.txt", folder);
  unsigned char *one, *two;
  size_t n, m;
  ASSERT_OK(&f->ctx, fm_tuned_parse(&f->ctx, "", HEAD LINE, strlen(HEAD LINE), false, &t));
  struct fm_tuned_line l = t.line[0];
  l.us = 5;
  ASSERT_OK(&f->ctx, fm_tuned_put(&f->ctx, &t, &l));
  assert_true(t.count == 1 && t.line[0].us == 5);
  l.from = 16;
  ASSERT_OK(&f->ctx, fm_tuned_put(&f->ctx, &t, &l));
  assert_int_equal(t.count, 2);
  ASSERT_OK(&f->ctx, fm_tuned_write(&f->ctx, path, &t));
  ASSERT_OK(&f->ctx, fm_file_read(&f->ctx, path, 10000, &one, &n));
  ASSERT_OK(&f->ctx, fm_tuned_read(&f->ctx, path, &again));
  assert_int_equal(again.count, 2);
  ASSERT_OK(&f->ctx, fm_tuned_write(&f->ctx, path, &again));
  ASSERT_OK(&f->ctx, fm_file_read(&f->ctx, path, 10000, &two, &m));
  assert_true(n == m && memcmp(one, two, n) == 0);
  strcpy(l.name, "another");
  fm_tuned_drop(&t, &l);
  assert_int_equal(t.count, 2);
  strcpy(l.name, "A b");
  fm_tuned_drop(&t, &l);
  assert_int_equal(t.count, 0);
  fm_free(&f->ctx, one);
  fm_free(&f->ctx, two);
  fm_tuned_free(&f->ctx, &t);
  fm_tuned_free(&f->ctx, &again);
  unlink(path);
  rmdir(folder);
  fm_free(&f->ctx, path);
}

/* A damaged line is left out and the others stay. */
static void test_hostile(void **state) {
  struct fixture *f = *state;
  static const char *const wrong[] = {
      "x",
      "cpu16x1 | device A | forward | 1 | conv | - | 1 us",
      LINE " | more",
      "cpu16x1 | device A | forward | 1 | conv | - | 1 us | 1 us | 1 us",
      " | device A | forward | 1 | conv | - | 1 us | 1 us",
      "cpu16x1111111111111111111 | device A | forward | 1 | conv | - | 1 us | 1 us",
      "tpu | device A | forward | 1 | conv | - | 1 us | 1 us",
      "cpu16x1 | device  | forward | 1 | conv | - | 1 us | 1 us",
      "cpu16x1 | devices A | forward | 1 | conv | - | 1 us | 1 us",
      "cpu16x1 | class A | forward | 1 | conv | - | 1 us | 1 us",
      "cpu16x1 | device A\033[2J | forward | 1 | conv | - | 1 us | 1 us",
      "cpu16x1 | device A | for%ward | 1 | conv | - | 1 us | 1 us",
      ("cpu16x1 | device A | aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | 1 | "
       "conv "
       "| - | 1 us | 1 us"),
      "cpu16x1 | device A | forward | 0 | conv | - | 1 us | 1 us",
      "cpu16x1 | device A | forward | 4097 | conv | - | 1 us | 1 us",
      "cpu16x1 | device A | forward | 99999999999999999999 | conv | - | 1 us | 1 us",
      "cpu16x1 | device A | forward | -1 | conv | - | 1 us | 1 us",
      "cpu16x1 | device A | forward | 1 | ../conv | - | 1 us | 1 us",
      "cpu16x1 | device A | forward | 1 | aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | - | 1 us | 1 us",
      "cpu16x1 | device A | forward | 1 | conv | blocks 2000 | 1 us | 1 us",
      "cpu16x1 | device A | forward | 1 | conv |  | 1 us | 1 us",
      "cpu16x1 | device A | forward | 1 | conv | - | 1.5 us | 1 us",
      "cpu16x1 | device A | forward | 1 | conv | - | 1 ms | 1 us",
      "cpu16x1 | device A | forward | 1 | conv | - | 1 us | ",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct fm_tuned t = {0};
    char text[1024];
    int n = snprintf(text, sizeof text, HEAD "%s\n" LINE "\n", wrong[i]);
    ASSERT_OK(&f->ctx, fm_tuned_parse(&f->ctx, "a file", text, (size_t)n, false, &t));
    if (t.count != 1) fail_msg("'%s' is taken", wrong[i]);
    fm_tuned_free(&f->ctx, &t);
  }
  struct fm_tuned t = {0};
  char *long_line = malloc(1 << 20);
  memset(long_line, 'a', 1 << 20);
  memcpy(long_line, HEAD, strlen(HEAD));
  ASSERT_OK(&f->ctx, fm_tuned_parse(&f->ctx, "a file", long_line, 1 << 20, false, &t));
  ASSERT_OK(&f->ctx, fm_tuned_parse(&f->ctx, "a file", HEAD "a\0b\n", strlen(HEAD) + 4, false, &t));
  assert_int_equal(t.count, 0);
  free(long_line);
  static const char *const no_file[] = {"", "\n", "flawmap tuned 2\n", "flawmap tuned 1 \n", "PK\003\004"};
  for (size_t i = 0; i < sizeof no_file / sizeof *no_file; i++) {
    assert_int_equal(fm_tuned_parse(&f->ctx, "a file", no_file[i], strlen(no_file[i]), false, &t), FM_FORMAT);
    fm_error_clear(&f->ctx);
  }
  char *many = malloc((size_t)25000 * 120);
  size_t at = (size_t)sprintf(many, HEAD);
  for (int i = 0; i < 25000; i++) at += (size_t)sprintf(many + at, "%s\n", LINE);
  assert_int_equal(fm_tuned_parse(&f->ctx, "a file", many, at, false, &t), FM_LIMIT);
  fm_error_clear(&f->ctx);
  fm_tuned_free(&f->ctx, &t);
  free(many);
}

/* ---- look-up: a shape that the rule gives to `conv` on every CPU */
static const struct fm_conv conv = {64, 128, 3, 2, 1, 1, false, false};

/* What is chosen where that is the user's file; the tile as text. */
static const char *take(struct fixture *f, const char *text, const struct fm_conv *c, enum fm_conv_way way,
                        const struct fm_acts *in, const struct fm_acts *out, struct fm_call *call) {
  static char tile[FM_TILE_TEXT];
  struct fm_device *d;
  char path[] = "/tmp/flawmap_tuned_XXXXXX";
  int file = mkstemp(path);
  assert_true(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
  close(file);
  setenv("FLAWMAP_TUNE", path, 1);
  ASSERT_OK(&f->ctx, fm_device_open(&f->ctx, NULL, &d));
  ASSERT_OK(&f->ctx, fm_tuned_load(d));
  fm_conv_choose(d, c, way, in, out, NULL, call);
  fm_tile_print(&call->tile, tile);
  ASSERT_OK(&f->ctx, fm_device_close(d));
  unsetenv("FLAWMAP_TUNE");
  unlink(path);
  return tile;
}

/* A file of lines for this shape: "SCOPE FROM TILE" with names of this device in the place of DEVICE, FAMILY.
 */
struct draft {
  const char *scope;
  int from;
  const char *row, *tile, *what;
};

static const char *choose(struct fixture *f, const struct draft *lines, int count, int pictures,
                          struct fm_call *call) {
  const struct fm_facts *facts = fm_device_facts(f->device);
  char text[4096] = HEAD;
  for (int i = 0; i < count; i++) {
    size_t n = strlen(text);
    const char *s = lines[i].scope;
    snprintf(text + n, sizeof text - n,
             "%s%dx%d | %s%s | %s 3x3/2 64>128 32x32 | %d | %s | %s | 1 us | 2 us\n",
             facts->kind == FM_CLASS_GPU ? "gpu" : "cpu", facts->block, facts->group, s,
             strcmp(s, "device ") == 0   ? facts->name
             : strcmp(s, "family ") == 0 ? facts->vendor
                                         : "",
             lines[i].what, lines[i].from, lines[i].row, lines[i].tile);
  }
  const struct fm_acts in = {pictures, 64, 64, 64, 1, f->block, {0}},
                       out = {pictures, 128, 32, 32, 1, f->block, {0}};
  return take(f, text, &conv, FM_CONV_FORWARD, &in, &out, call);
}

static void expect(struct fixture *f, const struct draft *lines, int count, int pictures, const char *tile) {
  struct fm_call call;
  const char *got = choose(f, lines, count, pictures, &call);
  if (strcmp(got, tile) != 0) fail_msg("the tile is '%s' instead of '%s'", got, tile);
  assert_string_equal(call.variant->name, "conv");
}

static void test_found(void **state) {
  struct fixture *f = *state;
  if (fm_device_facts(f->device)->group > 1 || f->block != 16 || getenv("FLAWMAP_VARIANT")) skip();
  struct draft class = {"class", 1, "conv", "blocks 4 pixels 4", "forward"},
               family = {"family ", 1, "conv", "blocks 3 pixels 4", "forward"},
               device = {"device ", 1, "conv", "blocks 2 pixels 6", "forward"},
               many = {"device ", 4, "conv", "blocks 1 pixels 16", "forward"},
               order = {"device ", 1, "conv", "blocks 4 pixels 4 order 1", "forward"}, stranger = device;
  const char *rule = "blocks 2 pixels 8";
  expect(f, &class, 0, 1, rule);
  expect(f, &class, 1, 1, class.tile);
  expect(f, (struct draft[]){class, family}, 2, 1, family.tile);
  expect(f, (struct draft[]){family, class}, 2, 1, family.tile);
  expect(f, (struct draft[]){device, class, family}, 3, 1, device.tile);
  expect(f, (struct draft[]){device, order}, 2, 1, order.tile); /* of equals the later */
  expect(f, (struct draft[]){many, device}, 2, 3, device.tile);
  expect(f, (struct draft[]){many, device}, 2, 4, many.tile);
  expect(f, (struct draft[]){many, class}, 2, 16, many.tile);
  expect(f, &many, 1, 1, rule);
  stranger.scope = "device somebody else's ";
  expect(f, (struct draft[]){stranger, class}, 2, 1, class.tile);
  stranger = device;
  stranger.what = "kept";
  expect(f, &stranger, 1, 1, rule);
}

/* What does not exist or does not fit is left out, and the next best taken. */
static void test_unfit(void **state) {
  struct fixture *f = *state;
  if (fm_device_facts(f->device)->group > 1 || f->block != 16 || getenv("FLAWMAP_VARIANT")) skip();
  const struct draft class = {"class", 1, "conv", "blocks 4 pixels 4", "forward"};
  static const struct draft bad[] = {{"device ", 1, "nothing", "-", "forward"},
                                     {"device ", 1, "wgrad", "-", "forward"},
                                     {"device ", 1, "winograd4", "blocks 2 pixels 8", "forward"},
                                     {"device ", 1, "conv_direct", "blocks 4 pixels 4 waves 4", "forward"},
                                     {"device ", 1, "conv", "-", "forward"},
                                     {"device ", 1, "conv", "blocks 1024 pixels 1024", "forward"},
                                     {"device ", 1, "conv", "blocks 2 pixels 8 depth 1", "forward"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    expect(f, &bad[i], 1, 1, "blocks 2 pixels 8");
    expect(f, (struct draft[]){class, bad[i]}, 2, 1, class.tile);
  }
}

/* A line for many pictures never chooses a row, and no line a row of too large an error in training. */
static void test_rows(void **state) {
  struct fixture *f = *state;
  if (fm_device_facts(f->device)->group > 1 || f->block != 16 || getenv("FLAWMAP_VARIANT")) skip();
  struct fm_call call;
  const struct fm_acts a = {16, 64, 32, 32, 1, f->block, {0}};
  const struct fm_conv c = {64, 64, 3, 1, 1, 1, false, false};
  static const struct {
    const char *what, *row, *tile, *taken;
    int from;
    enum fm_conv_way way;
  } cases[] = {{"forward", "conv", "blocks 2 pixels 8", "conv", 1, FM_CONV_FORWARD},
               {"forward", "conv", "blocks 4 pixels 4", "winograd4", 2, FM_CONV_FORWARD},
               {"kept", "conv", "blocks 2 pixels 8", "conv", 1, FM_CONV_KEPT},
               {"kept", "winograd4", "blocks 2 pixels 8", "winograd2", 1, FM_CONV_KEPT},
               {"back", "winograd2", "blocks 2 pixels 8", "winograd2", 1, FM_CONV_BACK}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[512];
    snprintf(text, sizeof text, HEAD "cpu16x1 | class | %s 3x3/1 64>64 32x32 | %d | %s | %s | 1 us | 2 us\n",
             cases[i].what, cases[i].from, cases[i].row, cases[i].tile);
    const char *tile = take(f, text, &c, cases[i].way, &a, &a, &call);
    assert_string_equal(tile, "blocks 2 pixels 8"); /* in each of them */
    assert_string_equal(call.variant->name, cases[i].taken);
  }
}

/* The user's lines come before shipped ones of a narrower scope. */
static void free_lines(struct fm_context *ctx, void *kept) {
  fm_tuned_free(ctx, kept);
}

static void test_shipped(void **state) {
  struct fixture *f = *state;
  const struct fm_facts *facts = fm_device_facts(f->device);
  if (facts->group > 1 || f->block != 16 || getenv("FLAWMAP_VARIANT")) skip();
  struct fm_tuned t = {0};
  struct fm_device *d;
  ASSERT_OK(&f->ctx, fm_device_open(&f->ctx, NULL, &d));
  for (int shipped = 0; shipped < 2; shipped++) {
    char text[512];
    int n = snprintf(text, sizeof text,
                     HEAD "cpu16x1 | %s%s | forward 3x3/2 64>128 32x32 | 1 | conv | %s | 1 us | 2 us\n",
                     shipped ? "device " : "class", shipped ? facts->name : "",
                     shipped ? "blocks 2 pixels 6" : "blocks 4 pixels 4");
    ASSERT_OK(&f->ctx, fm_tuned_parse(&f->ctx, "", text, (size_t)n, shipped, &t));
  }
  fm_device_keep(d, &t, free_lines);
  const struct fm_acts in = {1, 64, 64, 64, 1, f->block, {0}}, out = {1, 128, 32, 32, 1, f->block, {0}};
  struct fm_call call;
  fm_conv_choose(d, &conv, FM_CONV_FORWARD, &in, &out, NULL, &call);
  assert_int_equal(call.tile.blocks, 4);
  ASSERT_OK(&f->ctx, fm_device_close(d));
}

/* A file that is asked for must be there and good; off is none. */
static void test_asked(void **state) {
  struct fixture *f = *state;
  struct fm_device *d;
  static const struct {
    const char *path;
    enum fm_status status;
  } cases[] = {{"/tmp/flawmap_no_such_file", FM_IO}, {"/dev/null", FM_IO}, {"/tmp", FM_IO}, {"off", FM_OK}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    setenv("FLAWMAP_TUNE", cases[i].path, 1);
    ASSERT_OK(&f->ctx, fm_device_open(&f->ctx, NULL, &d));
    assert_int_equal(fm_tuned_load(d), cases[i].status);
    fm_error_clear(&f->ctx);
    ASSERT_OK(&f->ctx, fm_device_close(d));
  }
  unsetenv("FLAWMAP_TUNE");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines),   cmocka_unit_test(test_round),
                                     cmocka_unit_test(test_hostile), cmocka_unit_test(test_found),
                                     cmocka_unit_test(test_unfit),   cmocka_unit_test(test_rows),
                                     cmocka_unit_test(test_shipped), cmocka_unit_test(test_asked)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
