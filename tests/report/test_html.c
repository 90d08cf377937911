#include "test.h"

#include "base/memory.h"
#include "report/html.h"
#include "report/plot.h"
#include "report/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void check(struct fm_context *ctx, struct fm_text *text, const char *want) {
  char *got;
  ASSERT_OK(ctx, fm_text_take(text, &got, NULL));
  assert_string_equal(got, want);
  fm_free(ctx, got);
}

static void escaping(void **state) {
  struct fm_context *ctx = *state;
  struct fm_text text;
  fm_text_begin(&text, ctx);
  fm_html_escape(&text, "<script>alert(\"a&b's\")</script>");
  check(ctx, &text, "&lt;script&gt;alert(&quot;a&amp;b&#39;s&quot;)&lt;/script&gt;");
  fm_text_begin(&text, ctx);
  fm_html_escape(&text, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8d\xbe"); /* well-formed: unchanged */
  check(ctx, &text, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8d\xbe");
  fm_text_begin(&text, ctx);
  fm_html_escape(&text, "\xff|\xc3|\xe2\x82|\xc0\xaf|\xed\xa0\x80|\x01");
#define BAD "\xef\xbf\xbd"
  check(ctx, &text, BAD "|" BAD "|" BAD BAD "|" BAD BAD "|" BAD BAD BAD "|" BAD);
#undef BAD
}

static void paths(void **state) {
  struct fm_context *ctx = *state;
  struct fm_text text;
  fm_text_begin(&text, ctx);
  fm_html_path(&text, "a/b c#1%?\"<\xff\xc3\xa9.x-_~:\n");
  check(ctx, &text, "a/b%20c%231%25%3F%22%3C%FF%C3%A9.x-_~%3A%0A");
}

/* RFC 4648, section 10 */
static void base64(void **state) {
  struct fm_context *ctx = *state;
  static const char *const want[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
  for (size_t n = 0; n <= 6; n++) {
    struct fm_text text;
    fm_text_begin(&text, ctx);
    fm_base64(&text, (const unsigned char *)"foobar", n);
    check(ctx, &text, want[n]);
  }
}

static size_t occurrences(const char *text, const char *word) {
  size_t n = 0;
  for (const char *at = text; (at = strstr(at, word)); at++) n++;
  return n;
}

static void plots(void **state) {
  struct fm_context *ctx = *state;
  struct fm_histogram h;
  ASSERT_OK(ctx, fm_histogram_begin(&h, ctx));
  float map[1000];
  unsigned char mask[1000];
  for (int i = 0; i < 1000; i++) {
    map[i] = (float)i / 1000 - 0.2f;
    mask[i] = i >= 900;
  }
  fm_histogram_add(&h, 1000, map, mask);
  fm_histogram_add(&h, 1000, map, NULL);
  assert_int_equal(h.total[0], 1900);
  assert_int_equal(h.total[1], 100);
  struct fm_text text;
  fm_text_begin(&text, ctx);
  fm_plot_pixels(&text, &h, 0.5, NAN);
  char *svg;
  ASSERT_OK(ctx, fm_text_take(&text, &svg, NULL));
  assert_int_equal(occurrences(svg, "class=\"area"), 2);
  assert_int_equal(occurrences(svg, "threshold 0.5"), 1);
  assert_int_equal(occurrences(svg, "best F1"), 0);
  assert_null(strstr(svg, "nan"));
  fm_free(ctx, svg);
  fm_histogram_free(&h, ctx);
  const struct fm_plot_dot dot[] = {
      {"a<b", "x", 1, true, 7}, {"a<b", "y", 1, true, 1}, {"good", "z", 1, false, 0}};
  fm_text_begin(&text, ctx);
  fm_plot_pictures(&text, 3, dot, 1, 1);
  ASSERT_OK(ctx, fm_text_take(&text, &svg, NULL));
  assert_int_equal(occurrences(svg, "<circle"), 3);
  assert_int_equal(occurrences(svg, "a&lt;b"), 3);
  assert_int_equal(occurrences(svg, "data-card=\"7\""), 1);
  assert_null(strstr(svg, "a<b"));
  assert_null(strstr(svg, "nan"));
  assert_null(strstr(svg, "inf"));
  fm_free(ctx, svg);
}

/* Shares: a line from the lower left to the upper right corner of the frame that data-box names. */
static void curves(void **state) {
  struct fm_context *ctx = *state;
  const double x[] = {0, 1}, y[] = {0, 1};
  struct fm_curve c = {.label = "a \"curve\"",
                       .x_name = "x<y",
                       .y_name = "y",
                       .percent = true,
                       .x_high = 1,
                       .count = 2,
                       .x = x,
                       .y = y,
                       .mark_x = 0.5,
                       .mark_y = 0.5,
                       .line_x = NAN};
  struct fm_text text;
  char *svg;
  fm_text_begin(&text, ctx);
  fm_plot_curve(&text, &c);
  ASSERT_OK(ctx, fm_text_take(&text, &svg, NULL));
  int left, right, bottom, top;
  assert_int_equal(sscanf(strstr(svg, "data-box"), "data-box=\"%d %d %d %d\"", &left, &right, &bottom, &top),
                   4);
  char line[80];
  snprintf(line, sizeof line, "class=\"line\" d=\"M%d.0 %d.0L%d.0 %d.0\"", left, bottom, right, top);
  assert_non_null(strstr(svg, line));
  snprintf(line, sizeof line, "cx=\"%.1f\" cy=\"%.1f\"", (left + right) / 2.0, (bottom + top) / 2.0);
  assert_non_null(strstr(svg, line));
  assert_non_null(strstr(svg, "a &quot;curve&quot;"));
  assert_non_null(strstr(svg, "x&lt;y"));
  assert_int_equal(occurrences(svg, "class=\"f1\""), 0);
  fm_free(ctx, svg);
  /* One point, and values that are all the same. */
  c = (struct fm_curve){
      .label = "", .x_name = "", .y_name = "", .count = 1, .x = x, .y = y, .mark_x = NAN, .line_x = NAN};
  fm_text_begin(&text, ctx);
  fm_plot_curve(&text, &c);
  ASSERT_OK(ctx, fm_text_take(&text, &svg, NULL));
  assert_null(strstr(svg, "nan"));
  assert_null(strstr(svg, "inf"));
  fm_free(ctx, svg);
}

static void metrics_as_json(void **state) {
  struct fm_context *ctx = *state;
  struct fm_metrics m = {0};
  m.image_auroc = 0.1;
  m.pixel_ap = NAN;
  struct fm_text text;
  fm_text_begin(&text, ctx);
  struct fm_json j;
  fm_json_begin(&j, &text, false);
  fm_json_object(&j, NULL);
  fm_metrics_json(&j, &m);
  fm_json_end(&j);
  check(ctx, &text,
        "{\"image_auroc\":0.1,\"image_ap\":0,\"image_f1\":0,\"image_f1_threshold\":0,\"pixel_auroc\":0,"
        "\"pixel_ap\":null,\"pixel_f1\":0,\"pixel_f1_threshold\":0,\"pixel_iou\":0,\"aupro_0.30\":0,"
        "\"aupro_0.05\":0,\"aupro_cdo1\":0}");
  fm_text_begin(&text, ctx);
  fm_metrics_table(&text, &m);
  char *table;
  ASSERT_OK(ctx, fm_text_take(&text, &table, NULL));
  assert_non_null(strstr(table, "AUROC                              10.00      0.00\n"));
  assert_non_null(strstr(table, "average precision                   0.00         -\n"));
  fm_free(ctx, table);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(escaping), TEST(paths),  TEST(base64),
                                     TEST(plots),    TEST(curves), TEST(metrics_as_json)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
