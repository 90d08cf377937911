/* flawmap synth: a small data set with exact masks, for trying things out. */
#include "app/commands.h"

#include "base/log.h"
#include "base/print.h"
#include "data/make.h"

#include <stdio.h>
#include <string.h>

static int kinds_of(const char *product) {
  int count = 0;
  for (const char *const *k = fm_make_kinds(product); *k; k++) count++;
  return count;
}

static enum fm_status run(struct fm_context *ctx, const char *folder, const struct fm_make_options *o) {
  double begin = fm_seconds();
  char time[32];
  FM_TRY(fm_make_dataset(ctx, folder, o));
  fm_duration(fm_seconds() - begin, time);
  const char *const *first = fm_make_products(), *shown = o->product ? o->product : *first;
  for (const char *const *p = first; *p; p++) {
    if (o->product ? strcmp(o->product, *p) != 0 : p - first >= FM_MAKE_UNASKED) continue;
    fm_print(
        "%s/%s: %d good pictures to learn from; to test %d good ones and %d of each of %d kinds of flaws (",
        folder, *p, o->train, o->test_good, o->per_kind, kinds_of(*p));
    for (const char *const *k = fm_make_kinds(*p); *k; k++) fm_print(k[1] ? "%s, " : "%s)\n", *k);
  }
  fm_print("%d x %d pixels, seed %llu, %s. Next: flawmap train %s --category all -o models\n", o->size,
           fm_make_height(shown, o->size), (unsigned long long)o->seed, time, folder);
  return FM_OK;
}

enum fm_status fm_cmd_synth(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  (void)exit_status;
  const char *folder, *product = NULL;
  long size = 256, train = 40, good = 8, flawed = 6, seed = 0;
  bool rotate = false, help;
  struct fm_option options[] = {
      {"product", FM_OPT_TEXT, &product, "NAME",
       "only this one: gear (an object), weave (a texture), lever (lies anywhere), plate (has two looks), "
       "seal "
       "(dark, faint flaws) or slab (tall pictures, uneven light)",
       0, 0, NULL},
      {"size", FM_OPT_INT, &size, "N", "width of the pictures, and height but of slab (256)", 64, 4096, NULL},
      {"train", FM_OPT_INT, &train, "N", "good pictures to learn from, of each product (40)", 1, 10000, NULL},
      {"good", FM_OPT_INT, &good, "N", "good pictures to test, of each product (8)", 1, 10000, NULL},
      {"flawed", FM_OPT_INT, &flawed, "N", "pictures of each kind of flaw (6)", 1, 10000, NULL},
      {"seed", FM_OPT_INT, &seed, "N", "the same seed gives the same bytes (0)", 0, 9e15, NULL},
      {"rotate", FM_OPT_FLAG, &rotate, NULL, "the gear lies at any angle", 0, 0, NULL},
  };
  enum fm_status status =
      fm_options_words(ctx, fm_command_find("synth"), options, sizeof options / sizeof *options, argc, argv,
                       1, 1, &folder, &help);
  if (status != FM_OK || help) return status;
  struct fm_make_options o = {.size = (int)size,
                              .train = (int)train,
                              .test_good = (int)good,
                              .per_kind = (int)flawed,
                              .seed = (uint64_t)seed,
                              .rotate = rotate,
                              .product = product};
  return run(ctx, folder, &o);
}
