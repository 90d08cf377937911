#include "test.h"

#include "base/memory.h"
#include "report/html.h"
#include "report/plot.h"
#include "report/table.h"

#include <math.h>
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
  const struct fm_plot_dot dot[] = {{"a<b", "x", 1, true}, {"a<b", "y", 1, true}, {"good", "z", 1, false}};
  fm_text_begin(&text, ctx);
  fm_plot_pictures(&text, 3, dot, 1, 1);
  ASSERT_OK(ctx, fm_text_take(&text, &svg, NULL));
  assert_int_equal(occurrences(svg, "<circle"), 3);
  assert_int_equal(occurrences(svg, "a&lt;b"), 3);
  assert_null(strstr(svg, "a<b"));
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
  const struct CMUnitTest tests[] = {TEST(escaping), TEST(base64), TEST(plots), TEST(metrics_as_json)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
