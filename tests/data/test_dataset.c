#define _XOPEN_SOURCE 700
#include "folder.h"

#include "data/dataset.h"

static void touch_all(struct fm_context *ctx, const struct folder *f, const char *const *names) {
  for (; *names; names++) folder_touch(ctx, f, *names);
}

static const char *const mvtec[] = {"cap/train/good/002.png",
                                    "cap/train/good/000.PNG",
                                    "cap/train/good/001.jpeg",
                                    "cap/train/good/notes.txt",
                                    "cap/test/good/000.png",
                                    "cap/test/scratch/001.png",
                                    "cap/test/scratch/000.png",
                                    "cap/test/scratch/002.png",
                                    "cap/ground_truth/scratch/000_mask.png",
                                    "cap/ground_truth/scratch/001.tif",
                                    "cap/ground_truth/scratch/0000_mask.png",
                                    "bolt/train/good/a.tif",
                                    "readme/text.txt",
                                    NULL};

static void check_cap(struct fm_context *ctx, const struct fm_dataset *set, const char *name) {
  struct fm_category c;
  ASSERT_OK(ctx, fm_category_open(ctx, set, name, &c));
  assert_string_equal(c.name, "cap");
  assert_int_equal(c.train_count, 3);
  assert_string_equal(c.train[0].name, "000");
  assert_string_equal(fm_path_name(c.train[1].path), "001.jpeg");
  assert_int_equal(c.test_count, 4);
  assert_string_equal(c.test[0].kind, "good");
  assert_false(c.test[0].flawed);
  assert_null(c.test[0].mask);
  assert_string_equal(c.test[1].kind, "scratch");
  assert_true(c.test[1].flawed);
  assert_non_null(strstr(c.test[1].mask, "/ground_truth/scratch/000_mask.png"));
  assert_non_null(strstr(c.test[2].mask, "/ground_truth/scratch/001.tif"));
  assert_null(c.test[3].mask);
  assert_int_equal(fm_category_needs_masks(ctx, &c), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "scratch/002.png"));
  fm_error_clear(ctx);
  fm_category_close(ctx, &c);
}

static void layout_of_mvtec(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  touch_all(ctx, &f, mvtec);
  struct fm_dataset set;
  ASSERT_OK(ctx, fm_dataset_open(ctx, f.path, NULL, &set));
  assert_int_equal(set.layout, FM_LAYOUT_MVTEC);
  assert_false(set.single);
  assert_int_equal(set.categories.count, 2);
  assert_string_equal(set.categories.name[0], "bolt");
  check_cap(ctx, &set, "cap");
  struct fm_category c;
  assert_int_equal(fm_category_open(ctx, &set, "cup", &c), FM_USAGE);
  assert_non_null(strstr(ctx->message, "bolt, cap"));
  fm_error_clear(ctx);
  assert_int_equal(fm_category_open(ctx, &set, NULL, &c), FM_USAGE);
  fm_error_clear(ctx);
  fm_dataset_close(ctx, &set);
  /* One category's own folder, with a slash at the end. */
  char path[512];
  ASSERT_OK(ctx, fm_dataset_open(ctx, folder_path(&f, "cap//", path), NULL, &set));
  assert_true(set.single);
  check_cap(ctx, &set, NULL);
  fm_dataset_close(ctx, &set);
  folder_remove(&f);
}

static void layout_of_mvtec3d(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  touch_all(ctx, &f,
            (const char *const[]){"bagel/train/good/rgb/000.png", "bagel/train/good/xyz/000.tiff",
                                  "bagel/test/hole/rgb/000.png", "bagel/test/hole/gt/000.png",
                                  "bagel/test/good/rgb/000.png", "bagel/test/good/gt/000.png", NULL});
  struct fm_dataset set;
  struct fm_category c;
  ASSERT_OK(ctx, fm_dataset_open(ctx, f.path, NULL, &set));
  assert_int_equal(set.layout, FM_LAYOUT_MVTEC3D);
  ASSERT_OK(ctx, fm_category_open(ctx, &set, NULL, &c));
  assert_int_equal(c.train_count, 1);
  assert_int_equal(c.test_count, 2);
  assert_null(c.test[0].mask);
  assert_non_null(strstr(c.test[1].mask, "hole/gt/000.png"));
  ASSERT_OK(ctx, fm_category_needs_masks(ctx, &c));
  fm_category_close(ctx, &c);
  fm_dataset_close(ctx, &set);
  folder_remove(&f);
}

/* BTAD's names, no training pictures at all, and folders that are good under other names. */
static void kinds_that_are_good(void **state) {
  struct fm_context *ctx = *state;
  static const char *const good[] = {"good",       "OK",        "Normal",     "no_defect",
                                     "No-Defects", "no defect", "defect_free"},
                           *const flawed[] = {"ko",       "NOK", "defect",
                                              "not_good", "bad", "abnormal",
                                              "goodness", "",    "no_defect_no_defect_no_defect_no_defect"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(fm_kind_is_good(good[i]));
  for (size_t i = 0; i < sizeof flawed / sizeof *flawed; i++) assert_false(fm_kind_is_good(flawed[i]));
  static const char *const named[] = {"NOK",          "defect",   "not_good", "bad",
                                      "Broken-Large", "scratch2", "2024 ng"},
                           *const neither[] = {"ok",         "good",     "left",  "2024",
                                               "badger",     "night",    "",      "defect_free_v2",
                                               "no_flaws_3", "holey",    "set_1", "not_a_crack",
                                               "normal",     "camera ok"};
  for (size_t i = 0; i < sizeof named / sizeof *named; i++) assert_true(fm_kind_is_flawed(named[i]));
  for (size_t i = 0; i < sizeof neither / sizeof *neither; i++) assert_false(fm_kind_is_flawed(neither[i]));
  struct folder f = folder_make();
  struct fm_dataset set;
  struct fm_category c;
  touch_all(ctx, &f,
            (const char *const[]){"01/train/ok/0.bmp", "01/test/ok/1.bmp", "01/test/ko/2.bmp",
                                  "01/ground_truth/ko/2.png", "02/test/ok/0.png", "02/test/ko/1.png", NULL});
  ASSERT_OK(ctx, fm_dataset_open(ctx, f.path, NULL, &set));
  assert_int_equal(set.layout, FM_LAYOUT_MVTEC);
  assert_int_equal(set.categories.count, 2);
  ASSERT_OK(ctx, fm_category_open(ctx, &set, "01", &c));
  assert_int_equal(c.train_count, 1);
  assert_int_equal(c.test_count, 2);
  assert_true(c.test[0].flawed && c.test[0].mask);
  assert_false(c.test[1].flawed || c.test[1].mask);
  assert_string_equal(c.test[1].kind, "ok");
  fm_category_close(ctx, &c);
  ASSERT_OK(ctx, fm_category_open(ctx, &set, "02", &c));
  assert_int_equal(c.train_count, 0);
  assert_int_equal(c.test_count, 2);
  fm_category_close(ctx, &c);
  fm_dataset_close(ctx, &set);
  char path[512];
  ASSERT_OK(ctx, fm_dataset_open(ctx, folder_path(&f, "02", path), NULL, &set));
  assert_true(set.single);
  fm_dataset_close(ctx, &set);
  folder_remove(&f);
}

/* All the ways to name a mask, LOCO's folders among them; those that fit no picture are counted. */
static void masks_by_name(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  struct fm_dataset set;
  struct fm_category c;
  touch_all(ctx, &f,
            (const char *const[]){"test/a/0.png",
                                  "test/a/1.png",
                                  "test/a/2.png",
                                  "test/a/3.png",
                                  "test/a/30.png",
                                  "ground_truth/a/0.bmp",
                                  "ground_truth/a/0_gt.png",
                                  "ground_truth/a/0_Mask.webp",
                                  "ground_truth/a/1_GT.png",
                                  "ground_truth/a/1.png",
                                  "ground_truth/a/2.tif",
                                  "ground_truth/a/2/0.png",
                                  "ground_truth/a/3/0.png",
                                  "ground_truth/a/3/1.png",
                                  "ground_truth/a/31_mask.png",
                                  "ground_truth/a/32/0.png",
                                  "ground_truth/b/0.png",
                                  "ground_truth/good/0.png",
                                  "ground_truth/a/notes.txt",
                                  NULL});
  ASSERT_OK(ctx, fm_dataset_open(ctx, f.path, NULL, &set));
  ASSERT_OK(ctx, fm_category_open(ctx, &set, NULL, &c));
  static const char *const want[] = {"a/0_Mask.webp", "a/1_GT.png", "a/2.tif", "a/3"};
  assert_int_equal(c.test_count, 5);
  for (int i = 0; i < 4; i++) assert_string_equal(strstr(c.test[i].mask, "ground_truth/") + 13, want[i]);
  assert_null(c.test[4].mask);
  /* 0.bmp, 0_gt.png, 1.png, the folder 2, 31_mask.png, the folder 32, and the kind b */
  assert_int_equal(c.stray_masks, 7);
  assert_non_null(strstr(c.stray_mask, "ground_truth/a/0.bmp"));
  fm_category_close(ctx, &c);
  fm_dataset_close(ctx, &set);
  folder_remove(&f);
}

/* As VisA is downloaded: the table is not there, and what to do is said. */
static void visa_without_its_table(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  folder_touch(ctx, &f, "visa/candle/Data/Images/Normal/0000.JPG");
  char path[512];
  for (int single = 0; single < 2; single++) {
    struct fm_dataset set;
    assert_int_equal(fm_dataset_open(ctx, folder_path(&f, single ? "visa/candle" : "visa", path), NULL, &set),
                     FM_FORMAT);
    assert_non_null(strstr(ctx->message, "split_csv/1cls.csv"));
    assert_non_null(strstr(ctx->message, "visa/candle/Data/Images/Normal --layout folder"));
    fm_error_clear(ctx);
  }
  folder_remove(&f);
}

static void put_table(struct fm_context *ctx, const struct folder *f, const char *text) {
  folder_put(ctx, f, "split_csv/1cls.csv", text, strlen(text));
}

static void layout_of_visa(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  put_table(ctx, &f,
            "\xEF\xBB\xBF"
            "object,split,label,image,mask\r\n"
            "pcb1,train,normal,pcb1/Data/Images/Normal/0001.JPG,\n"
            "candle,train,normal,candle/Data/Images/Normal/0001.JPG,\n"
            "candle,train,normal,candle/Data/Images/Normal/0000.JPG,\r\n"
            "\n"
            "candle,test,anomaly,candle/Data/Images/Anomaly/000.JPG,candle/Data/Masks/Anomaly/000.png\n"
            "candle,test,normal,candle/Data/Images/Normal/0003.JPG");
  folder_touch(ctx, &f, "candle/Data/Masks/Anomaly/000.png");
  folder_touch(ctx, &f, "candle/Data/Images/Normal/0000.JPG");
  char path[512];
  for (int single = 0; single < 2; single++) {
    struct fm_dataset set;
    struct fm_category c;
    ASSERT_OK(ctx, fm_dataset_open(ctx, single ? folder_path(&f, "candle", path) : f.path, NULL, &set));
    assert_int_equal(set.layout, FM_LAYOUT_VISA);
    assert_int_equal(set.categories.count, single ? 1 : 2);
    ASSERT_OK(ctx, fm_category_open(ctx, &set, "candle", &c));
    assert_int_equal(c.train_count, 2);
    assert_string_equal(c.train[0].name, "0000");
    assert_true(fm_file_exists(c.train[0].path));
    assert_int_equal(c.test_count, 2);
    assert_string_equal(c.test[0].kind, "bad");
    assert_true(fm_file_exists(c.test[0].mask));
    assert_string_equal(c.test[1].kind, "good");
    fm_category_close(ctx, &c);
    fm_dataset_close(ctx, &set);
  }
  folder_remove(&f);
}

static void tables_that_are_wrong(void **state) {
  struct fm_context *ctx = *state;
  static const char *const rows[] = {
      "c,train,anomaly,a.jpg,m.png",
      "c,train,normal,../../a.jpg,",
      "c,train,normal,/etc/a.jpg,",
      "c,sometimes,normal,a.jpg,",
      "c,test,anomaly,a.jpg,b/../../m.png",
      "c,train,good,a.jpg,",
      "c,train,normal,,",
      "c,train",
  };
  struct folder f = folder_make();
  struct fm_dataset set;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char text[256];
    snprintf(text, sizeof text, "object,split,label,image,mask\n%s\n", rows[i]);
    put_table(ctx, &f, text);
    ASSERT_OK(ctx, fm_dataset_open(ctx, f.path, NULL, &set));
    struct fm_category c;
    assert_int_equal(fm_category_open(ctx, &set, "c", &c), FM_FORMAT);
    assert_non_null(strstr(ctx->message, "line 2"));
    fm_error_clear(ctx);
    fm_dataset_close(ctx, &set);
  }
  put_table(ctx, &f, "object,split,label,picture,mask\n");
  assert_int_equal(fm_dataset_open(ctx, f.path, NULL, &set), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "image"));
  fm_error_clear(ctx);
  folder_remove(&f);
}

static void layout_of_a_folder(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  touch_all(ctx, &f,
            (const char *const[]){"ok/b.jpg", "ok/a.TIFF", "ok/sub/c.png", "nok/x.png", "nok/x.jpg",
                                  "nok/dent/y.png", "mask/x.png", "mask/dent/y_mask.png", "fine/g.png",
                                  NULL});
  char ok[512], nok[512], mask[512], fine[512];
  struct fm_dataset_options options = {.bad = folder_path(&f, "nok", nok),
                                       .masks = folder_path(&f, "mask", mask),
                                       .good = folder_path(&f, "fine", fine)};
  struct fm_dataset set;
  struct fm_category c;
  ASSERT_OK(ctx, fm_dataset_open(ctx, folder_path(&f, "ok/", ok), &options, &set));
  assert_int_equal(set.layout, FM_LAYOUT_FOLDER);
  ASSERT_OK(ctx, fm_category_open(ctx, &set, NULL, &c));
  assert_string_equal(c.name, "ok");
  assert_int_equal(c.train_count, 3);
  assert_string_equal(c.train[2].name, "sub/c");
  assert_int_equal(c.test_count, 4);
  assert_string_equal(c.test[0].kind, "bad");
  assert_string_equal(c.test[0].name, "x"); /* x.jpg and x.png must not share a name */
  assert_string_equal(c.test[1].name, "x.png");
  assert_non_null(strstr(c.test[1].mask, "mask/x.png"));
  assert_string_equal(c.test[2].kind, "dent");
  assert_non_null(strstr(c.test[2].mask, "dent/y_mask.png"));
  assert_string_equal(c.test[3].kind, "good");
  fm_category_close(ctx, &c);
  fm_dataset_close(ctx, &set);
  /* A folder given as "." has no name of its own. */
  ASSERT_OK(ctx, fm_dataset_open(ctx, folder_path(&f, "ok/.", ok), &options, &set));
  assert_string_equal(set.categories.name[0], "pictures");
  fm_dataset_close(ctx, &set);
  options.masks = "/nowhere/at/all";
  ASSERT_OK(ctx, fm_dataset_open(ctx, ok, &options, &set));
  assert_int_equal(fm_category_open(ctx, &set, NULL, &c), FM_USAGE);
  fm_error_clear(ctx);
  fm_dataset_close(ctx, &set);
  folder_remove(&f);
}

static void expect_open_error(struct fm_context *ctx, const char *data, enum fm_layout layout,
                              const char *text) {
  struct fm_dataset set;
  struct fm_dataset_options options = {.layout = layout};
  assert_int_equal(fm_dataset_open(ctx, data, &options, &set), FM_USAGE);
  if (!strstr(ctx->message, text)) fail_msg("'%s' lacks '%s'", ctx->message, text);
  fm_error_clear(ctx);
}

static void errors_that_say_what_to_do(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  expect_open_error(ctx, f.path, FM_LAYOUT_AUTO, "train/good");
  expect_open_error(ctx, f.path, FM_LAYOUT_VISA, "1cls.csv");
  expect_open_error(ctx, "/nowhere/at/all", FM_LAYOUT_AUTO, "does not exist");
  folder_touch(ctx, &f, "file");
  char path[512];
  expect_open_error(ctx, folder_path(&f, "file", path), FM_LAYOUT_AUTO, "is a file");
  struct fm_dataset set;
  struct fm_category c;
  folder_touch(ctx, &f, "cap/train/bad/000.png");
  ASSERT_OK(ctx, fm_dataset_open(ctx, f.path, NULL, &set));
  assert_int_equal(fm_category_open(ctx, &set, "cap", &c), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "train/good"));
  fm_error_clear(ctx);
  folder_touch(ctx, &f, "cap/test/good/000.png");
  ASSERT_OK(ctx, fm_category_open(ctx, &set, "cap", &c));
  assert_int_equal(fm_category_needs_training(ctx, &c), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "train/good"));
  fm_error_clear(ctx);
  fm_category_close(ctx, &c);
  fm_dataset_close(ctx, &set);
  enum fm_layout layout;
  assert_int_equal(fm_layout_parse(ctx, "coco", &layout), FM_USAGE);
  fm_error_clear(ctx);
  ASSERT_OK(ctx, fm_layout_parse(ctx, "visa", &layout));
  assert_int_equal(layout, FM_LAYOUT_VISA);
  folder_remove(&f);
}

static void holdout_takes_every_fifth(void **state) {
  struct fm_context *ctx = *state;
  struct fm_sample samples[209] = {0};
  for (size_t i = 0; i < 209; i++) samples[i].flawed = i % 5 == 4;
  struct fm_category c = {.train = samples, .train_count = 209};
  struct fm_holdout h;
  ASSERT_OK(ctx, fm_dataset_holdout(ctx, &c, 0.2, &h));
  assert_int_equal(h.held_count, 41);
  assert_int_equal(h.learn_count, 168);
  for (size_t i = 0; i < h.held_count; i++) assert_true(h.held[i].flawed);
  fm_holdout_free(ctx, &h);
  static const struct {
    size_t n;
    double fraction;
    size_t held;
  } cases[] = {{10, 0, 0},  {10, 0.5, 5}, {10, 0.9, 9}, {1, 0.9, 0},   {2, 0.2, 0},
               {2, 0.9, 0}, {3, 0.2, 1},  {4, 0.2, 1},  {209, 0.1, 20}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    c.train_count = cases[i].n;
    ASSERT_OK(ctx, fm_dataset_holdout(ctx, &c, cases[i].fraction, &h));
    assert_int_equal(h.held_count, cases[i].held);
    assert_int_equal(h.learn_count, cases[i].n - cases[i].held);
    fm_holdout_free(ctx, &h);
  }
  assert_int_equal(fm_dataset_holdout(ctx, &c, 1, &h), FM_USAGE);
  fm_error_clear(ctx);
}

/* The n-th allocation or file operation fails, for every n: an error, one message, nothing left allocated. */
static void failures_are_reported(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  touch_all(ctx, &f, mvtec);
  for (int kind = FM_FAULT_ALLOC; kind <= FM_FAULT_FILE; kind++) {
    enum fm_status status = FM_MEMORY;
    for (long n = 1; status != FM_OK; n++) {
      fm_error_clear(ctx);
      ctx->fault[kind].count = 0;
      ctx->fault[kind].fail_at = n;
      struct fm_dataset set;
      struct fm_category c = {0};
      status = fm_dataset_open(ctx, f.path, NULL, &set);
      if (status == FM_OK) status = fm_category_open(ctx, &set, "cap", &c);
      assert_int_equal(status == FM_OK, ctx->status == FM_OK);
      fm_category_close(ctx, &c);
      fm_dataset_close(ctx, &set);
      assert_int_equal(ctx->live_allocations, 0);
      assert_true(n < 1000);
    }
    ctx->fault[kind].fail_at = 0;
  }
  folder_remove(&f);
}

/* FNV-1a of "000.png\n001.png\n", computed with an independent few lines of Python. */
static void hash_is_of_the_names(void **state) {
  (void)state;
  char a[] = "/somewhere/000.png", b[] = "x/001.png", hash[17];
  struct fm_sample samples[] = {{.path = a}, {.path = b}};
  fm_category_hash(&(struct fm_category){.train = samples, .train_count = 2}, hash);
  assert_string_equal(hash, "58596a2bd6f0d0ac");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(layout_of_mvtec),           TEST(layout_of_mvtec3d),     TEST(layout_of_visa),
      TEST(kinds_that_are_good),       TEST(masks_by_name),         TEST(visa_without_its_table),
      TEST(tables_that_are_wrong),     TEST(layout_of_a_folder),    TEST(errors_that_say_what_to_do),
      TEST(holdout_takes_every_fifth), TEST(failures_are_reported), TEST(hash_is_of_the_names)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
