#include "app/bench_share.h"

#include "app/trusted.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/print.h"
#include "check/share.h"

#include <stdio.h>
#include <string.h>

/* What computed: the lines above the table. */
static void print_head(const struct fm_share *s, int number) {
  const struct fm_facts *f = &s->device;
  fm_print("%d: %s, %d compute units (%s, driver %s)\n", number, f->name, f->compute_units, f->version,
           f->driver);
  fm_print("   flawmap %s, commit %.12s%s, kernels %.12s; %s%s%s\n", s->flawmap,
           s->commit[0] ? s->commit : "not known", strstr(s->commit, "-dirty") ? " (changed)" : "",
           s->kernels, s->system, s->cpu[0] ? ", " : "", s->cpu);
  fm_print("   verify: this device computes right%s\n",
           s->judged ? "" : ", but for gradients that could not be judged");
  if (s->tuned || s->shipped)
    fm_print("   tuned lines: %d of its own, %d that flawmap brings\n", s->tuned, s->shipped);
  if (s->variant[0]) fm_print("   with FLAWMAP_VARIANT=%s: not what flawmap would choose\n", s->variant);
  if (s->quick) fm_print("   --quick: one run of small pictures, which says little about speed\n");
}

static void print_one(const struct fm_share *s) {
  const struct fm_peak *p = &s->peak;
  print_head(s, 1);
  fm_print("peak: %.1f GFLOP/s; copy %.1f GB/s, triad %.1f GB/s; launch and wait %.1f us\n", 1e-9 * p->flops,
           1e-9 * p->copy, 1e-9 * p->triad, 1e6 * p->wait);
  fm_print("%-32s %11s %11s %11s %5s %9s %8s\n", "pass", "median ms", "least", "most", "runs", "GFLOP/s",
           "of peak");
  for (int i = 0; i < s->entries; i++) {
    const struct fm_share_entry *e = &s->entry[i];
    fm_print("%-32s %11.3f %11.3f %11.3f %5d", e->name, 1e3 * e->time.median, 1e3 * e->time.least,
             1e3 * e->time.most, e->time.runs);
    if (e->gflops > 0) fm_print(" %9.1f %6.1f %%", e->gflops, 1e11 * e->gflops / p->flops);
    fm_print("\n");
  }
}

static enum fm_status write_share(struct fm_context *ctx, const struct fm_share *share, const char *path) {
  char *text;
  size_t size;
  FM_TRY(fm_share_text(ctx, share, &text, &size));
  enum fm_status status = fm_file_write(ctx, path, text, size);
  fm_free(ctx, text);
  return status;
}

enum fm_status fm_bench_share(struct fm_context *ctx, const char *device, bool quick, const char *path) {
  struct fm_device *d;
  FM_TRY(fm_writer_try(ctx, path));
  struct fm_share *share = fm_alloc(ctx, 1, sizeof *share);
  if (!share) return FM_MEMORY;
  enum fm_status status = fm_trusted_device(ctx, device, false, &d);
  if (status == FM_OK) {
    if (fm_file_exists(path))
      fm_note(ctx, "note: '%s' exists already; it is replaced once everything is measured", path);
    status = fm_share_measure(d, quick, share);
    enum fm_status closed = fm_device_close(d);
    if (status == FM_OK) status = closed;
  }
  if (status == FM_OK) status = write_share(ctx, share, path);
  if (status == FM_OK) {
    print_one(share);
    fm_print("written to '%s'; 'flawmap bench --compare' sets such files side by side\n", path);
  }
  fm_free(ctx, share);
  return status;
}

static const struct fm_share_entry *find_entry(const struct fm_share *s, const char *name) {
  for (int i = 0; i < s->entries; i++)
    if (strcmp(s->entry[i].name, name) == 0) return &s->entry[i];
  return NULL;
}

/* A column of a line: the value, and how many times as fast as in the first file; 0: not measured. */
static void print_cell(double value, double times) {
  char ratio[32] = "", number[32] = "-";
  if (value > 0) snprintf(number, sizeof number, "%.3f", value);
  if (times > 0) snprintf(ratio, sizeof ratio, "x %.2f", times);
  fm_print(" %12s %10s", number, ratio);
}

static double copy_of(const struct fm_peak *p) {
  return 1e-9 * p->copy;
}
static double triad_of(const struct fm_peak *p) {
  return 1e-9 * p->triad;
}
static double flops_of(const struct fm_peak *p) {
  return 1e-9 * p->flops;
}
static double wait_of(const struct fm_peak *p) {
  return 1e6 * p->wait;
}

static const struct {
  const char *name;
  double (*value)(const struct fm_peak *peak);
  bool less; /* is better */
} peak_lines[] = {{"peak, GFLOP/s", flops_of, false},
                  {"copy, GB/s", copy_of, false},
                  {"triad, GB/s", triad_of, false},
                  {"launch and wait, us", wait_of, true}};

static void print_peaks(const struct fm_share *s, int count) {
  for (size_t k = 0; k < sizeof peak_lines / sizeof *peak_lines; k++) {
    double first = peak_lines[k].value(&s[0].peak);
    fm_print("%-32s", peak_lines[k].name);
    for (int i = 0; i < count; i++) {
      double own = peak_lines[k].value(&s[i].peak);
      print_cell(own, i == 0 ? 0 : peak_lines[k].less ? first / own : own / first);
    }
    fm_print("\n");
  }
}

static void print_entry(const struct fm_share *s, int count, const char *name) {
  const struct fm_share_entry *first = find_entry(&s[0], name);
  fm_print("%-32s", name);
  for (int i = 0; i < count; i++) {
    const struct fm_share_entry *e = find_entry(&s[i], name);
    print_cell(e ? 1e3 * e->time.median : 0, i > 0 && e && first ? first->time.median / e->time.median : 0);
  }
  fm_print("\n");
}

/* Every line that one of the files has, in the order in which they have them. */
static void print_entries(const struct fm_share *s, int count) {
  for (int i = 0; i < count; i++)
    for (int k = 0; k < s[i].entries; k++) {
      const char *name = s[i].entry[k].name;
      bool printed = false;
      for (int before = 0; before < i && !printed; before++) printed = find_entry(&s[before], name) != NULL;
      if (!printed) print_entry(s, count, name);
    }
}

static void print_columns(const struct fm_share *s, int count) {
  for (int i = 0; i < count; i++) print_head(&s[i], i + 1);
  fm_print("medians in ms; x: times as fast as 1\n%-32s", "");
  for (int i = 0; i < count; i++) {
    char name[24];
    snprintf(name, sizeof name, "%d %.20s", i + 1, s[i].device.name);
    fm_print(" %23.23s", name);
  }
  fm_print("\n");
  print_peaks(s, count);
  print_entries(s, count);
}

enum fm_status fm_bench_compare(struct fm_context *ctx, const char *const *paths, int count) {
  if (count < 1 || count > FM_SHARE_MOST_FILES)
    return fm_error(ctx, FM_USAGE, "--compare takes 1 to %d files that 'flawmap bench --share' wrote, not %d",
                    FM_SHARE_MOST_FILES, count);
  struct fm_share *shares = fm_alloc(ctx, (size_t)count, sizeof *shares);
  enum fm_status status = shares ? FM_OK : FM_MEMORY;
  for (int i = 0; i < count && status == FM_OK; i++) status = fm_share_read(ctx, paths[i], &shares[i]);
  if (status == FM_OK) print_columns(shares, count);
  fm_free(ctx, shares);
  return status;
}
