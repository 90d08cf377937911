#define _XOPEN_SOURCE 700
#include "folder.h"

#include "base/log.h"
#include "data/dataset.h"
#include "data/find.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void touch_all(struct fm_context *ctx, const struct folder *f, const char *const *names) {
  for (; *names; names++) folder_touch(ctx, f, *names);
}

/* What is found below f, as lines; the caller's (fm_free). */
static char *found(struct fm_context *ctx, const struct folder *f, const struct fm_find_options *options,
                   size_t unread) {
  struct fm_finding finding = {0};
  char *lines = fm_strdup(ctx, "");
  ASSERT_OK(ctx, fm_find_pictures(ctx, f->path, options, &finding));
  for (size_t i = 0; i < finding.count; i++) {
    char *more = fm_format(ctx, "%s%s\n", lines, finding.item[i].below);
    fm_free(ctx, lines);
    lines = more;
  }
  assert_int_equal(finding.unread, unread);
  assert_int_equal(fm_finding_complete(ctx, &finding, f->path), unread ? FM_FORMAT : FM_OK);
  fm_error_clear(ctx);
  fm_finding_free(ctx, &finding);
  return lines;
}

static void expect(struct fm_context *ctx, const struct folder *f, const struct fm_find_options *options,
                   size_t unread, const char *lines) {
  char *got = found(ctx, f, options, unread);
  assert_string_equal(got, lines);
  fm_free(ctx, got);
}

static void pictures_by_name_and_by_content(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  touch_all(ctx, &f,
            (const char *const[]){"b.PNG", "a.jfif", "left/deep/c.webp", "d.bmp", "left/e.tiff", "notes.txt",
                                  "empty", NULL});
  folder_put(ctx, &f, "camera1", "\x89PNG\r\n\x1a\n", 8);
  folder_put(ctx, &f, "left/raw.dat", "II*\0\10\0\0\0", 8);
  expect(ctx, &f, NULL, 0, "a.jfif\nb.PNG\ncamera1\nd.bmp\nleft/deep/c.webp\nleft/e.tiff\nleft/raw.dat\n");
  expect(ctx, &f, &(struct fm_find_options){.flat = true}, 0, "a.jfif\nb.PNG\ncamera1\nd.bmp\n");
  char left[512];
  const char *const without[] = {"", folder_path(&f, "left/../left/deep", left), NULL};
  expect(ctx, &f, &(struct fm_find_options){.without = without}, 0,
         "a.jfif\nb.PNG\ncamera1\nd.bmp\nleft/e.tiff\nleft/raw.dat\n");
  /* Kinds that are not read: by name, by content. */
  touch_all(ctx, &f, (const char *const[]){"x.gif", "left/y.HEIC", "z.pgm", NULL});
  folder_put(ctx, &f, "left/page", "GIF89a", 6);
  char *lines = found(ctx, &f, NULL, 4);
  assert_null(strstr(lines, "x.gif"));
  assert_null(strstr(lines, "page"));
  fm_free(ctx, lines);
  folder_remove(&f);
}

static void what_others_leave_behind(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  touch_all(ctx, &f,
            (const char *const[]){"a.png", "._a.png", ".DS_Store", "Thumbs.db", "desktop.ini",
                                  "@eaDir/a.png/SYNOPHOTO.jpg", "s/@eaDir/b.png", ".thumbnails/a.png",
                                  "__MACOSX/a.png", "#recycle/a.png", ".ipynb_checkpoints/a-checkpoint.png",
                                  "$RECYCLE.BIN/a.png", "@Recycle/a.png", "lost+found/a.png", ".hidden.gif",
                                  "s/b.png", NULL});
  expect(ctx, &f, NULL, 0, "a.png\ns/b.png\n");
  folder_remove(&f);
}

static void results_are_no_input(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  char path[512];
  touch_all(ctx, &f,
            (const char *const[]){"a.png", "out/maps/a.tiff", "out/b.png", "out/overlays/a.png",
                                  "maps/mine.png", "old/maps/a.tiff", "old/masks/a.png", "eval/report.html",
                                  "eval/metrics.json", "eval/contact.png", "eval/gear/maps/good/a.tiff",
                                  "marked/overlays/a.png", "marked/repaired/a.png", NULL});
  ASSERT_OK(ctx, fm_mark_results(ctx, folder_path(&f, "marked", path)));
  ASSERT_OK(ctx, fm_mark_results(ctx, path)); /* again: nothing happens */
  expect(ctx, &f, NULL, 0, "a.png\nmaps/mine.png\nout/b.png\n");
  folder_remove(&f);
}

static void links_and_things_that_are_no_files(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  char path[512];
  touch_all(ctx, &f, (const char *const[]){"a/x.png", "b/y.png", NULL});
  assert_int_equal(symlink(".", folder_path(&f, "a/self", path)), 0);
  assert_int_equal(symlink("..", folder_path(&f, "b/up", path)), 0);
  assert_int_equal(symlink("b", folder_path(&f, "0", path)), 0);      /* b has a name of its own */
  assert_int_equal(symlink("../b", folder_path(&f, "a/b", path)), 0); /* and a crosswise pair */
  assert_int_equal(symlink("../a", folder_path(&f, "b/a", path)), 0);
  assert_int_equal(symlink("a/x.png", folder_path(&f, "link.png", path)), 0);
  assert_int_equal(symlink("nowhere", folder_path(&f, "lost.png", path)), 0);
  assert_int_equal(mkfifo(folder_path(&f, "pipe.png", path), 0600), 0);
  assert_int_equal(mkfifo(folder_path(&f, "pipe", path), 0600), 0);
  char *lines = found(ctx, &f, NULL, 0);
  assert_non_null(strstr(lines, "a/x.png\nb/y.png\nlink.png\nlost.png\n"));
  assert_null(strstr(lines, "pipe"));
  assert_null(strstr(lines, "0/"));
  fm_free(ctx, lines);
  folder_remove(&f);
}

/* A link out of the folder is followed, under the first link's name. */
static void links_to_folders_elsewhere(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make(), g = folder_make();
  char path[512];
  folder_touch(ctx, &g, "sub/far.png");
  folder_touch(ctx, &f, "near.png");
  assert_int_equal(symlink(g.path, folder_path(&f, "z", path)), 0);
  assert_int_equal(symlink(g.path, folder_path(&f, "m", path)), 0);
  expect(ctx, &f, NULL, 0, "m/sub/far.png\nnear.png\n");
  folder_remove(&f);
  folder_remove(&g);
}

/* 60,000 files: well below the second that anybody would wait. The bound is for sanitizers, and counts the
 * processor's time, as other programs may be running; what grows with the square would take hours. */
static void many_files_take_no_time(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  enum { FILES = 60000 };
  char path[512];
  folder_touch(ctx, &f, "good/00000.png");
  for (int i = 1; i < FILES; i++) {
    snprintf(path, sizeof path, "%s/good/%05d.png", f.path, i);
    FILE *file = fopen(path, "wb"); /* fm_file_write would wait for the disk */
    assert_non_null(file);
    fclose(file);
  }
  clock_t begin = clock();
  struct fm_dataset set;
  struct fm_category c;
  ASSERT_OK(ctx, fm_dataset_open(ctx, folder_path(&f, "good", path), NULL, &set));
  ASSERT_OK(ctx, fm_category_open(ctx, &set, NULL, &c));
  double spent = (double)(clock() - begin) / CLOCKS_PER_SEC;
  assert_int_equal(c.train_count, FILES);
  assert_string_equal(c.train[FILES - 1].name, "59999");
  fm_category_close(ctx, &c);
  fm_dataset_close(ctx, &set);
  if (spent > 12) fail_msg("%d files were listed in %.1f s", FILES, spent);
  /* Ctrl-C is heard before all are listed. */
  struct fm_finding finding = {0};
  print_message("%d files: %.2f s\n", FILES, spent);
  atomic_store(&ctx->stop, true);
  assert_int_equal(fm_find_pictures(ctx, path, NULL, &finding), FM_STOPPED);
  assert_true(finding.count < 2);
  fm_finding_free(ctx, &finding);
  atomic_store(&ctx->stop, false);
  folder_remove(&f);
}

static void names_of_a_data_set(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  touch_all(ctx, &f,
            (const char *const[]){"train/good/a.png", "train/good/line2/a.png", "test/good/x.png",
                                  "test/@eaDir/x.png", "test/dent/x.png", "test/dent/left/x.png",
                                  "test/dent/left/x.jpg", "ground_truth/dent/x_mask.png",
                                  "ground_truth/dent/left/x_mask.bmp", NULL});
  struct fm_dataset set;
  struct fm_category c;
  ASSERT_OK(ctx, fm_dataset_open(ctx, f.path, NULL, &set));
  ASSERT_OK(ctx, fm_category_open(ctx, &set, NULL, &c));
  assert_int_equal(c.train_count, 2);
  assert_string_equal(c.train[1].name, "line2/a");
  assert_int_equal(c.test_count, 4);
  assert_string_equal(c.test[0].kind, "dent");
  assert_string_equal(c.test[0].name, "left/x");
  assert_string_equal(c.test[1].name, "left/x.png");
  assert_string_equal(c.test[2].name, "x");
  assert_non_null(strstr(c.test[0].mask, "dent/left/x_mask.bmp"));
  assert_non_null(strstr(c.test[2].mask, "dent/x_mask.png"));
  assert_string_equal(c.test[3].kind, "good");
  ASSERT_OK(ctx, fm_category_complete(ctx, &c, false));
  ASSERT_OK(ctx, fm_category_complete(ctx, &c, true));
  fm_category_close(ctx, &c);
  fm_dataset_close(ctx, &set);
  /* A picture that is not read, one in no kind's folder. */
  touch_all(ctx, &f, (const char *const[]){"train/good/b.gif", "test/stray.png", NULL});
  ASSERT_OK(ctx, fm_dataset_open(ctx, f.path, NULL, &set));
  ASSERT_OK(ctx, fm_category_open(ctx, &set, NULL, &c));
  for (int test = 0; test < 2; test++) {
    assert_int_equal(fm_category_complete(ctx, &c, test), FM_FORMAT);
    assert_non_null(strstr(ctx->message, test ? "stray.png" : "b.gif"));
    fm_error_clear(ctx);
  }
  fm_category_close(ctx, &c);
  fm_dataset_close(ctx, &set);
  folder_remove(&f);
}

static void failures_are_reported(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  struct fm_finding finding = {0};
  assert_int_equal(fm_find_pictures(ctx, "/nowhere/at/all", NULL, &finding), FM_IO);
  fm_error_clear(ctx);
  touch_all(ctx, &f, (const char *const[]){"a/x.png", "b/y.png", "@eaDir/z.png", "g.gif", NULL});
  enum fm_status status = FM_MEMORY;
  for (long n = 1; status != FM_OK; n++) {
    fm_error_clear(ctx);
    ctx->fault[FM_FAULT_ALLOC] = (struct fm_fault){.fail_at = n};
    status = fm_find_pictures(ctx, f.path, NULL, &finding);
    fm_finding_free(ctx, &finding);
    assert_int_equal(status == FM_OK, ctx->status == FM_OK);
    assert_int_equal(ctx->live_allocations, 0);
    assert_true(n < 1000);
  }
  ctx->fault[FM_FAULT_ALLOC].fail_at = 0;
  /* A folder below that cannot be listed (the second file operation) is named and counted. */
  ctx->fault[FM_FAULT_FILE] = (struct fm_fault){.fail_at = 2, .once = true};
  ASSERT_OK(ctx, fm_find_pictures(ctx, f.path, NULL, &finding));
  assert_int_equal(finding.unread, 2);
  assert_int_equal(finding.count, 1);
  fm_finding_free(ctx, &finding);
  ctx->fault[FM_FAULT_FILE].fail_at = 0;
  folder_remove(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(pictures_by_name_and_by_content),
                                     TEST(what_others_leave_behind),
                                     TEST(results_are_no_input),
                                     TEST(links_and_things_that_are_no_files),
                                     TEST(links_to_folders_elsewhere),
                                     TEST(many_files_take_no_time),
                                     TEST(names_of_a_data_set),
                                     TEST(failures_are_reported)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
