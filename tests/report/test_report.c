#define _XOPEN_SOURCE 700
#include "data/folder.h"

#include "file/tiff.h"
#include "report/report.h"

#include <math.h>

enum { WIDTH = 40, HEIGHT = 24, PIXELS = WIDTH * HEIGHT };

struct made {
  unsigned char pixels[3 * PIXELS], truth[PIXELS];
  float map[PIXELS];
  struct fm_image image;
};

/* A picture with a square flaw in its map; where is its left edge. */
static void make(struct made *m, int where, float height, bool flawed) {
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++) {
      int at = y * WIDTH + x;
      bool in = x >= where && x < where + 6 && y >= 8 && y < 14;
      m->map[at] = in ? height : (float)x / 400;
      m->truth[at] = flawed && in ? 255 : 0;
      for (int c = 0; c < 3; c++) m->pixels[3 * at + c] = (unsigned char)(x * 5 + y + 40 * c);
    }
  m->image = (struct fm_image){.width = WIDTH, .height = HEIGHT, .channels = 3, .pixels = m->pixels};
}

static const struct fm_metrics official = {.image_auroc = 0.75, .image_ap = 0.5, .aupro_cdo1 = NAN},
                               cdo1 = {.image_auroc = 0.875};

/* Four pictures: found, missed, false alarm, passed; the threshold is 1. */
static enum fm_status add_category(struct fm_context *ctx, struct fm_report *report, const char *name) {
  const float holdout[] = {0.5f, 1, 0.25f};
  struct fm_report_category category = {.name = name, .pictures = 4, .heat = fm_heat_make(0, 1, 3)};
  FM_TRY(fm_threshold_choose(ctx, 3, holdout, 0.25, 0, "held-out good pictures", &category.rule.image));
  category.rule.pixel = category.rule.image;
  FM_TRY(fm_report_category_begin(report, &category));
  static const struct {
    const char *kind, *name;
    float height;
    bool flawed;
  } picture[] = {{"crack", "000", 3, true},
                 {"crack", "001", 0.5f, true},
                 {"good", "000", 2, false},
                 {"good", "a<b", 1, false}};
  for (size_t i = 0; i < 4; i++) {
    struct made m;
    make(&m, 5 + 7 * (int)i, picture[i].height, picture[i].flawed);
    struct fm_report_picture p = {.kind = picture[i].kind,
                                  .name = picture[i].name,
                                  .image = &m.image,
                                  .map = m.map,
                                  .truth = picture[i].flawed ? m.truth : NULL,
                                  .flawed = picture[i].flawed,
                                  .score = (double)picture[i].height};
    static const float base[4] = {0, 1, 2, 3};
    struct fm_heat heat = fm_heat_make(0, 1, 3);
    if (i == 0) { /* as if its map had been sharpened */
      p.base = base;
      p.base_width = p.base_height = 2;
      p.base_heat = &heat;
      p.repaired = &m.image;
    }
    FM_TRY(fm_report_add(report, &p));
  }
  return fm_report_category_end(report, &official, &cdo1);
}

static enum fm_status write_report(struct fm_context *ctx, const char *folder, bool several,
                                   struct fm_report_tally *tally) {
  const struct fm_fact facts[] = {{"method", "cdo"}, {"data set", "a \"set\", <new>"}};
  struct fm_report_head head = {
      .folder = folder, .title = "A & B", .facts = facts, .fact_count = 2, .several = several};
  struct fm_report *report;
  FM_TRY(fm_report_open(ctx, &head, &report));
  enum fm_status status = add_category(ctx, report, "bottle");
  if (status == FM_OK && several) status = add_category(ctx, report, "screw");
  if (status == FM_OK) status = fm_report_close(report);
  if (tally) *tally = fm_report_tally(report);
  fm_report_free(report);
  return status;
}

static char *content(struct fm_context *ctx, const struct folder *f, const char *name, size_t *size) {
  char path[512];
  unsigned char *bytes;
  ASSERT_OK(ctx, fm_file_read(ctx, folder_path(f, name, path), 1 << 24, &bytes, size));
  return (char *)bytes;
}

static void everything_is_written(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  char path[512];
  struct fm_report_tally tally;
  ASSERT_OK(ctx, write_report(ctx, folder_path(&f, "out/here", path), false, &tally));
  assert_true(tally.found == 1 && tally.missed == 1 && tally.alarms == 1 && tally.passed == 1);
  static const char *const files[] = {"metrics.json",
                                      "metrics.csv",
                                      "images.csv",
                                      "report.html",
                                      "contact.png",
                                      "maps/crack/000.tiff",
                                      "masks/good/a<b.png",
                                      "overlays/crack/001.png",
                                      "repaired/crack/000.png",
                                      "report/whole/good/a<b.jpg",
                                      "report/found/crack/001.jpg",
                                      "report/own-map/crack/000.jpg"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char name[256];
    snprintf(name, sizeof name, "out/here/%s", files[i]);
    if (!fm_file_exists(folder_path(&f, name, path))) fail_msg("%s is missing", files[i]);
  }
  assert_false(fm_file_exists(folder_path(&f, "out/here/repaired/crack/001.png", path)));
  size_t size;
  char *page = content(ctx, &f, "out/here/report.html", &size);
  assert_non_null(strstr(page, "<figcaption>repaired</figcaption>"));
  assert_non_null(strstr(page, "src=\"report/repaired/crack/000.jpg\""));
  assert_non_null(strstr(page, "<figcaption>own map</figcaption>"));
  fm_free(ctx, page);
  int w, h;
  float *map;
  ASSERT_OK(ctx, fm_tiff_read(ctx, folder_path(&f, "out/here/maps/crack/000.tiff", path), &w, &h, &map));
  struct made m;
  make(&m, 5, 3, true);
  assert_true(w == WIDTH && h == HEIGHT);
  assert_memory_equal(map, m.map, sizeof m.map);
  fm_free(ctx, map);
  struct fm_image mask;
  ASSERT_OK(ctx, fm_image_read(ctx, folder_path(&f, "out/here/masks/crack/000.png", path), &mask));
  assert_int_equal(mask.channels, 1);
  assert_memory_equal(mask.pixels, m.truth, PIXELS); /* what is over the threshold is the flaw */
  fm_image_free(ctx, &mask);
  folder_remove(&f);
}

static void tables(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  ASSERT_OK(ctx, write_report(ctx, f.path, true, NULL));
  size_t size;
  char *csv = content(ctx, &f, "images.csv", &size);
  assert_non_null(strstr(csv, "category,kind,name,score,verdict,truth,threshold,origin,flagged_share,gain_"
                              "red,gain_green,gain_blue,angle,shift_x,shift_y,scale,regions\n"));
  assert_non_null(
      strstr(csv, "bottle,crack,000,3,flawed,flawed,1,3 held-out good pictures,0.0375,,,,,,,,1\n"));
  assert_non_null(strstr(csv, "bottle,crack,001,0.5,good,flawed,1,"));
  assert_non_null(strstr(csv, "screw,good,a<b,1,good,good,1,")); /* at the threshold is not over it */
  fm_free(ctx, csv);
  csv = content(ctx, &f, "regions.csv", &size);
  assert_non_null(
      strstr(csv, "category,kind,name,region,x,y,width,height,area,share,peak,mean,centre_x,centre_y\n"));
  assert_non_null(strstr(csv, "bottle,crack,000,1,"));
  assert_null(strstr(csv, "crack,001")); /* missed */
  fm_free(ctx, csv);
  csv = content(ctx, &f, "metrics.csv", &size);
  assert_non_null(strstr(csv, "category,image_auroc,image_ap,"));
  assert_non_null(strstr(csv, ",cdo1.image_auroc,"));
  assert_non_null(strstr(csv, "\nscrew,0.75,0.5,"));
  assert_non_null(strstr(csv, "\nmean,0.75,0.5,"));
  fm_free(ctx, csv);
  char *json = content(ctx, &f, "metrics.json", &size);
  assert_non_null(strstr(json, "\"aupro_cdo1\": null"));
  assert_non_null(strstr(json, "\"screw\": {"));
  assert_non_null(strstr(json, "\"flawed_missed\": 1"));
  assert_non_null(strstr(json, "\"data set\": \"a \\\"set\\\", <new>\""));
  fm_free(ctx, json);
  char path[512];
  assert_true(fm_file_exists(folder_path(&f, "screw/contact.png", path)));
  assert_true(fm_file_exists(folder_path(&f, "bottle/maps/good/000.tiff", path)));
  folder_remove(&f);
}

static size_t occurrences(const char *text, const char *word) {
  size_t n = 0;
  for (const char *at = text; (at = strstr(at, word)); at++) n++;
  return n;
}

static void wants(const char *page, const char *text) {
  if (!strstr(page, text)) fail_msg("the page lacks %s", text);
}

static void page_takes_nothing_from_elsewhere(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  ASSERT_OK(ctx, write_report(ctx, f.path, false, NULL));
  size_t size;
  char *page = content(ctx, &f, "report.html", &size);
  const char *const forbidden[] = {"http://", "https://", "<link", "url(", "@import", f.path, "a<b", "<new>"};
  for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
    if (strstr(page, forbidden[i])) fail_msg("the page contains %s", forbidden[i]);
  static const char *const wanted[] = {"A &amp; B",
                                       "a&lt;b",
                                       "<b><span data-live=\"found\">1</span> of 2</b> flawed pictures found",
                                       "missed, score",
                                       "prefers-color-scheme",
                                       "3 held-out good pictures.",
                                       "Not honest",
                                       "script-src 'sha256-",
                                       "src=\"report/picture/good/a%3Cb.jpg\"",
                                       "href=\"overlays/good/a%3Cb.png\""};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) wants(page, wanted[i]);
  /* The missed flaw and the false alarm come before what was right. */
  assert_true(strstr(page, "name\">crack/001<") < strstr(page, "name\">crack/000<"));
  assert_true(strstr(page, "name\">good/000<") < strstr(page, "name\">good/a&lt;b<"));
  fm_free(ctx, page);
  folder_remove(&f);
}

/* The alternative texts say what a small picture shows. */
static void pictures_in_words(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  ASSERT_OK(ctx, write_report(ctx, f.path, false, NULL));
  size_t size;
  char *page = content(ctx, &f, "report.html", &size);
  wants(page, "alt=\"Outlined as flawed: 1 region, 3.8 percent of the picture, strongest at the left\"");
  wants(page, "alt=\"Marked as flawed by hand: 3.8 percent of the picture, around the middle\"");
  wants(page, "alt=\"Nothing is outlined; the highest score lies at the middle\"");
  wants(page, "alt=\"crack/000 as it was taken\"");
  assert_int_equal(occurrences(page, "<img loading"),
                   occurrences(page, " alt=\"") - 2); /* two of the viewer */
  assert_null(strstr(page, "<img loading=\"lazy\" width=\"40\" height=\"24\" alt=\"\""));
  fm_free(ctx, page);
  folder_remove(&f);
}

/* Every mistake's link leads to its card, also where only few cards have pictures. */
static void links_of_mistakes(void **state) {
  struct fm_context *ctx = *state;
  for (int single = 0; single < 2; single++) {
    struct folder f = folder_make();
    const struct fm_report_head head = {.folder = f.path, .several = true, .single_file = single, .shown = 1};
    struct fm_report *report;
    ASSERT_OK(ctx, fm_report_open(ctx, &head, &report));
    for (int i = 0; i < 2; i++) ASSERT_OK(ctx, add_category(ctx, report, i ? "b" : "a"));
    ASSERT_OK(ctx, fm_report_close(report));
    fm_report_free(report);
    size_t size, links = 0;
    char *page = content(ctx, &f, "report.html", &size);
    for (const char *at = page; (at = strstr(at, "<a href=\"#p")); at++, links++) {
      char id[32];
      assert_int_equal(sscanf(at, "<a href=\"#%20[^\"]", id), 1);
      char card[64];
      snprintf(card, sizeof card, "class=\"card wrong\" id=\"%s\"", id);
      wants(page, card);
    }
    assert_int_equal(links, 4);
    assert_int_equal(occurrences(page, "<article"), 8);
    assert_int_equal(occurrences(page, "class=\"card wrong\""), 4);
    assert_int_equal(occurrences(page, "Its pictures are in the folder"),
                     single ? 4 : 0); /* not the mistakes' */
    assert_int_equal(occurrences(page, "src=\"data:image/jpeg;base64,/9j/") > 0, single);
    char path[512];
    assert_int_equal(fm_folder_exists(folder_path(&f, "a/report", path)), !single);
    fm_free(ctx, page);
    folder_remove(&f);
  }
}

/* Nobody knows what the pictures are: verdicts and pictures, but no mistakes and no figures. */
static void page_without_truth(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  const struct fm_report_head head = {.folder = f.path, .page_only = true};
  struct fm_report_category category = {.name = "line", .blind = true, .heat = fm_heat_make(0, 1, 2)};
  fm_threshold_by_hand(1, 0.01, &category.rule.image);
  category.rule.pixel = category.rule.image;
  struct fm_report *report;
  ASSERT_OK(ctx, fm_report_open(ctx, &head, &report));
  ASSERT_OK(ctx, fm_report_category_begin(report, &category));
  for (int i = 0; i < 2; i++) {
    struct made m;
    struct fm_record *drawn;
    make(&m, 10, i ? 0.5f : 3, false);
    struct fm_report_picture p = {
        .kind = "", .name = i ? "monday/1" : "2", .image = &m.image, .map = m.map, .score = i ? 0.5 : 3};
    ASSERT_OK(ctx, fm_report_draw(report, ctx, &p, &drawn));
    ASSERT_OK(ctx, fm_report_take(report, drawn));
  }
  ASSERT_OK(ctx, fm_report_category_end(report, NULL, NULL));
  ASSERT_OK(ctx, fm_report_close(report));
  fm_report_free(report);
  size_t size;
  char *page = content(ctx, &f, "report.html", &size);
  wants(page, "<b data-live=\"alarms\">1</b> of 2 pictures flagged as flawed");
  wants(page, "src=\"report/found/monday/1.jpg\"");
  wants(page, "href=\"overlays/2.png\"");
  static const char *const unknown[] = {">Mistakes<", ">no flaw<", "id=\"f1\"", ">nan", "card wrong"};
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
    if (strstr(page, unknown[i])) fail_msg("the page says %s", unknown[i]);
  fm_free(ctx, page);
  struct fm_names names;
  ASSERT_OK(ctx, fm_folder_list(ctx, f.path, &names));
  assert_int_equal(names.count, 2); /* report and report.html */
  fm_names_free(ctx, &names);
  folder_remove(&f);
}

static void same_bytes_every_time(void **state) {
  struct fm_context *ctx = *state;
  struct folder a = folder_make(), b = folder_make();
  ctx->threads = 1;
  ASSERT_OK(ctx, write_report(ctx, a.path, false, NULL));
  ctx->threads = 4;
  ASSERT_OK(ctx, write_report(ctx, b.path, false, NULL));
  static const char *const files[] = {"report.html",
                                      "metrics.json",
                                      "images.csv",
                                      "contact.png",
                                      "maps/crack/000.tiff",
                                      "overlays/crack/000.png",
                                      "report/whole/crack/000.jpg",
                                      "report/found/crack/001.jpg"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    size_t n, k;
    char *x = content(ctx, &a, files[i], &n), *y = content(ctx, &b, files[i], &k);
    assert_int_equal(n, k);
    assert_memory_equal(x, y, n);
    fm_free(ctx, x);
    fm_free(ctx, y);
  }
  folder_remove(&a);
  folder_remove(&b);
}

/* Every allocation and every file operation fails once: an error, no leak, no half-written file. */
static void failures(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  ctx->threads = 1;
  for (int kind = FM_FAULT_ALLOC; kind <= FM_FAULT_FILE; kind++)
    for (long n = 1;; n += n < 60 ? 1 : 17) {
      ctx->fault[kind] = (struct fm_fault){.fail_at = n, .once = true};
      enum fm_status status = write_report(ctx, f.path, false, NULL);
      bool reached = ctx->fault[kind].count >= n;
      ctx->fault[kind] = (struct fm_fault){0};
      if (!reached) {
        assert_int_equal(status, FM_OK);
        assert_true(n > 60);
        break;
      }
      assert_int_not_equal(status, FM_OK);
      assert_int_equal(ctx->errors, 1);
      fm_error_clear(ctx);
    }
  struct fm_names left;
  ASSERT_OK(ctx, fm_folder_list(ctx, f.path, &left));
  for (size_t i = 0; i < left.count; i++) assert_null(strstr(left.name[i], ".part"));
  fm_names_free(ctx, &left);
  folder_remove(&f);
}

static void one_pixel_and_no_picture(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  struct fm_report_head head = {.folder = f.path};
  struct fm_report *report;
  ASSERT_OK(ctx, fm_report_open(ctx, &head, &report));
  struct fm_report_category category = {.name = "tiny", .heat = fm_heat_make(0, 0, 0)};
  const struct fm_metrics none = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, .sizes = 0};
  ASSERT_OK(ctx, fm_report_category_begin(report, &category));
  ASSERT_OK(ctx, fm_report_category_end(report, &none, NULL));
  category.name = "dot";
  ASSERT_OK(ctx, fm_report_category_begin(report, &category));
  unsigned char pixel = 3;
  float score = 0;
  struct fm_image image = {.width = 1, .height = 1, .channels = 1, .pixels = &pixel};
  struct fm_report_picture p = {.kind = "bad", .name = "1", .image = &image, .map = &score, .flawed = true};
  ASSERT_OK(ctx, fm_report_add(report, &p));
  ASSERT_OK(ctx, fm_report_category_end(report, &none, NULL));
  ASSERT_OK(ctx, fm_report_close(report));
  fm_report_free(report);
  size_t size;
  char *page = content(ctx, &f, "report.html", &size);
  assert_null(strstr(page, ">nan"));
  assert_null(strstr(page, "\"nan"));
  assert_non_null(strstr(page, "no mask"));
  fm_free(ctx, page);
  folder_remove(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(everything_is_written),
                                     TEST(tables),
                                     TEST(page_takes_nothing_from_elsewhere),
                                     TEST(pictures_in_words),
                                     TEST(links_of_mistakes),
                                     TEST(page_without_truth),
                                     TEST(same_bytes_every_time),
                                     TEST(failures),
                                     TEST(one_pixel_and_no_picture)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
