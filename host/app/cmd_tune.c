/* flawmap tune: which kernels are faster on this device than those that the rule takes. */
#include "app/commands.h"
#include "app/trusted.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/print.h"
#include "check/tune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tune_options {
  const char *device, *output;
  long size, batch;
  double gain;
  bool quick;
};

static bool of_device(const struct fm_tuned_line *l, const struct fm_tuned_line *own) {
  return l->scope == own->scope && strcmp(l->class, own->class) == 0 && strcmp(l->name, own->name) == 0;
}

static double times_faster(const struct fm_tuned_line *l) {
  return (double)l->rule_us / l->us;
}

/* What was won by this device's lines, the most first. */
static int by_gain(const void *a, const void *b) {
  const struct fm_tuned_line *const *x = a, *const *y = b;
  double p = times_faster(*x), q = times_faster(*y);
  return p != q ? (p < q) - (p > q) : (*x > *y) - (*x < *y);
}

static enum fm_status print_lines(struct fm_device *d, const struct fm_tuned *t) {
  enum { MOST = 20 };
  struct fm_context *ctx = fm_device_context(d);
  struct fm_tuned_line own;
  const struct fm_tuned_line **list = fm_alloc(ctx, t->count, sizeof *list);
  size_t count = 0;
  if (!list) return FM_MEMORY;
  fm_tuned_begin(fm_device_facts(d), NULL, &own);
  for (size_t i = 0; i < t->count; i++)
    if (of_device(&t->line[i], &own)) list[count++] = &t->line[i];
  qsort(list, count, sizeof *list, by_gain);
  if (count)
    fm_print("%-40s %8s  %-16s %-28s %9s %9s %6s\n", "what", "pictures", "row", "tile", "us", "rule", "gain");
  for (size_t i = 0; i < count && i < MOST; i++) {
    char tile[FM_TILE_TEXT];
    fm_tile_print(&list[i]->tile, tile);
    fm_print("%-40s %7d+  %-16s %-28s %9d %9d %5.2fx\n", list[i]->shape, list[i]->from, list[i]->row, tile,
             list[i]->us, list[i]->rule_us, times_faster(list[i]));
  }
  if (count > MOST) fm_print("and %zu more\n", count - MOST);
  fm_free(ctx, list);
  return FM_OK;
}

struct place {
  struct fm_context *ctx;
  const char *path;
};

static enum fm_status keep(void *arg, const struct fm_tuned *t) {
  const struct place *p = arg;
  return fm_tuned_write(p->ctx, p->path, t);
}

static enum fm_status tune(struct fm_device *d, struct fm_tune_options *o, const char *path) {
  struct fm_context *ctx = fm_device_context(d);
  struct place place = {ctx, path};
  struct fm_tuned t = {0};
  struct fm_tune_result r;
  FM_TRY(fm_tuned_read(ctx, path, &t));
  o->keep = keep;
  o->arg = &place;
  enum fm_status tuned = fm_tune_run(d, o, &t, &r), status = tuned;
  if (r.shapes > 0 && (tuned == FM_OK || tuned == FM_STOPPED)) {
    fm_print("%ld shapes, %ld rows with tiles tried, %ld of them wrong; one of each shape: %.1f ms, by the "
             "rule %.1f ms\n",
             r.shapes, r.tried, r.wrong, 1e-3 * r.us, 1e-3 * r.rule_us);
    if (r.disturbed)
      fm_print(
          "%ld winners left out: something else was computing, so that their times say little; tune again "
          "when the machine has nothing else to do\n",
          r.disturbed);
    status = print_lines(d, &t);
    fm_print("written: %s\n", path);
  }
  fm_tuned_free(ctx, &t);
  return tuned != FM_OK ? tuned : status;
}

static enum fm_status find_networks(struct fm_context *ctx, const char *const *words, int count,
                                    const struct fm_backbone **networks, int *found) {
  *found = count ? count : fm_backbone_count;
  for (int i = 0; i < *found; i++) {
    networks[i] = &fm_backbones[i];
    if (count) FM_TRY(fm_backbone_find(ctx, words[i], &networks[i]));
  }
  return FM_OK;
}

/* The file to write, a new string. The user's own may be the first in its folder. */
static enum fm_status find_place(struct fm_context *ctx, const char *output, char **path) {
  const char *wish = getenv("FLAWMAP_TUNE");
  *path = output ? fm_strdup(ctx, output) : fm_tuned_path(ctx);
  if (!*path) return FM_MEMORY;
  char *slash = strrchr(*path, '/');
  if (output || (wish && *wish && strcmp(wish, "off") != 0) || !slash || slash == *path)
    return fm_writer_try(ctx, *path);
  *slash = 0;
  enum fm_status status = fm_folder_make(ctx, *path);
  *slash = '/';
  return status == FM_OK ? fm_writer_try(ctx, *path) : status;
}

/* Wrong names, sizes and places are said before anything is measured. */
static enum fm_status run(struct fm_context *ctx, const struct tune_options *o, const char *const *words,
                          int count) {
  const struct fm_backbone **networks =
      fm_alloc(ctx, (size_t)(count > fm_backbone_count ? count : fm_backbone_count), sizeof *networks);
  char *path = NULL;
  struct fm_device *d = NULL;
  struct fm_tune_options to = {.networks = networks,
                               .batch = (int)o->batch,
                               .size = (int)o->size,
                               .gain = o->gain / 100,
                               .quick = o->quick};
  enum fm_status status = networks ? FM_OK : FM_MEMORY;
  if (status == FM_OK) status = find_networks(ctx, words, count, networks, &to.count);
  for (int i = 0; status == FM_OK && i < to.count; i++) {
    struct fm_graph g;
    status = fm_backbone_build(ctx, networks[i], fm_square(to.size), &g);
    if (status == FM_OK) fm_graph_free(&g);
  }
  if (status == FM_OK) status = find_place(ctx, o->output, &path);
  if (status == FM_OK) status = fm_trusted_device(ctx, o->device, false, &d);
  if (status == FM_OK) status = tune(d, &to, path);
  enum fm_status closed = fm_device_close(d);
  fm_free(ctx, networks);
  fm_free(ctx, path);
  return status != FM_OK ? status : closed;
}

enum fm_status fm_cmd_tune(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  (void)exit_status;
  struct tune_options o = {.size = 256, .batch = 16, .gain = 5};
  struct fm_option options[] = {
      {"device", FM_OPT_TEXT, &o.device, "N|NAME", "the device ('flawmap devices' lists them)", 0, 0, NULL},
      {"size", FM_OPT_INT, &o.size, "N", "width and height of the pictures (256)", 32, 4096, NULL},
      {"batch", FM_OPT_INT, &o.batch, "N", "pictures at a time, beside single ones (16)", 1, 4096, NULL},
      {"gain", FM_OPT_NUMBER, &o.gain, "P", "percent of the time that must be won for a line (5)", 0, 90,
       NULL},
      {"quick", FM_OPT_FLAG, &o.quick, NULL, "a few shapes and tiles, to see that it works", 0, 0, NULL},
      {"o", FM_OPT_TEXT, &o.output, "FILE", "the file to write (flawmap/tuned.txt among the user's data)", 0,
       0, NULL},
  };
  int count;
  bool help;
  const char **words = fm_alloc(ctx, (size_t)argc + 1, sizeof *words);
  if (!words) return FM_MEMORY;
  enum fm_status status =
      fm_options_parse(ctx, fm_command_find("tune"), options, sizeof options / sizeof *options, argc, argv,
                       words, &count, &help);
  if (status == FM_OK && !help) status = run(ctx, &o, words, count);
  fm_free(ctx, words);
  return status;
}
