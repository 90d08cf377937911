/* flawmap bench: how fast is this device, and how near to its peak. */
#include "app/bench_share.h"
#include "app/commands.h"
#include "app/trusted.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/print.h"
#include "check/bench.h"
#include "check/facts.h"
#include "device/device.h"
#include "file/json.h"
#include "op/peak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench_options {
  const char *device, *backbones, *passes, *share;
  long size, batch, runs;
  double seconds;
  bool json, quick, list, peak, operators, compare;
  bool own; /* something was given that decides what is measured, which --share does itself */
};

/* Everything that was measured, in the order of measuring. */
struct bench_run {
  struct fm_context *ctx;
  struct fm_device *d;
  const struct bench_options *o;
  struct fm_text text; /* JSON */
  struct fm_json json;
  struct fm_peak peak;
};

/* Cuts the next word off a comma-separated list; false at its end. */
static bool next_word(const char **list, char *word, size_t size) {
  if (!**list) return false;
  size_t n = strcspn(*list, ",");
  snprintf(word, size, "%.*s", (int)n, *list);
  *list += n + ((*list)[n] == ',');
  return true;
}

/* "infer16": a kind and a batch. */
static enum fm_status parse_pass(struct fm_context *ctx, const char *word, struct fm_bench_pass *pass) {
  bool train = strncmp(word, "train", 5) == 0;
  char *end = NULL;
  long batch = train || strncmp(word, "infer", 5) == 0 ? strtol(word + 5, &end, 10) : 0;
  if (!end || *end || batch < 1 || batch > 4096)
    return fm_error(ctx, FM_USAGE,
                    "--passes: '%s' is not a pass; passes are called inferN and trainN, where N is the "
                    "number of pictures at a time",
                    word);
  pass->train = train;
  pass->batch = (int)batch;
  return FM_OK;
}

static void put_pass(struct bench_run *b, const struct fm_bench_pass *p, const struct fm_bench_result *r) {
  double speed = r->flops / r->time.median;
  char name[32], share[16] = "-";
  snprintf(name, sizeof name, "%s%d", p->train ? "train" : "infer", p->batch);
  if (b->peak.flops > 0) snprintf(share, sizeof share, "%.1f %%", 100 * speed / b->peak.flops);
  if (!b->o->json) {
    fm_print("%-20s %-8s %10.4f %10.4f %5d %10.1f %9s %9.0f %9ld %6ld\n", p->backbone->name, name,
             r->time.median, r->time.least, r->time.runs, 1e-9 * speed, share, (double)r->bytes / 0x1p20,
             r->launches, r->waits);
    fflush(stdout);
  }
  fm_json_object(&b->json, NULL);
  fm_json_string(&b->json, "backbone", p->backbone->name);
  fm_json_string(&b->json, "pass", name);
  fm_json_integer(&b->json, "batch", p->batch);
  fm_json_integer(&b->json, "size", p->size);
  fm_json_number(&b->json, "seconds", r->time.median);
  fm_json_number(&b->json, "least_seconds", r->time.least);
  fm_json_integer(&b->json, "runs", r->time.runs);
  fm_json_number(&b->json, "gflops", 1e-9 * speed);
  if (b->peak.flops > 0) fm_json_number(&b->json, "share_of_peak", speed / b->peak.flops);
  fm_json_integer(&b->json, "device_bytes", (int64_t)r->bytes);
  fm_json_integer(&b->json, "launches", r->launches);
  fm_json_integer(&b->json, "waits", r->waits);
}

/* Convolutions are compared with the peak of multiply-adds, everything else with the faster of copy and
 * triad. */
static void put_operator(struct bench_run *b, const struct fm_bench_operator *row, double total) {
  const struct fm_step_facts *f = &row->facts;
  double bandwidth = b->peak.copy > b->peak.triad ? b->peak.copy : b->peak.triad;
  double work = f->flops > 0 ? f->flops : f->bytes, speed = work / row->seconds;
  double share = speed / (f->flops > 0 ? b->peak.flops : bandwidth);
  char of_peak[16] = "-";
  if (b->o->peak) snprintf(of_peak, sizeof of_peak, "%.1f %%", 100 * share);
  if (!b->o->json)
    fm_print("  %-13s %-36s %5ld %10.3f %10.2f %6.1f %% %9.1f %-7s %9s\n", f->name, f->shape, row->count,
             1e3 * row->seconds, 1e3 * row->total, 100 * row->total / total, 1e-9 * speed,
             f->flops > 0 ? "GFLOP/s" : "GB/s", of_peak);
  fm_json_object(&b->json, NULL);
  fm_json_string(&b->json, "operator", f->name);
  fm_json_string(&b->json, "shape", f->shape);
  fm_json_integer(&b->json, "count", row->count);
  fm_json_number(&b->json, "seconds", row->seconds);
  fm_json_number(&b->json, "total_seconds", row->total);
  fm_json_number(&b->json, f->flops > 0 ? "gflops" : "gb_s", 1e-9 * speed);
  if (b->o->peak) fm_json_number(&b->json, "share_of_peak", share);
  fm_json_end(&b->json);
}

static enum fm_status bench_operators(struct bench_run *b, const struct fm_bench_pass *p, double whole) {
  struct fm_bench_operators o;
  enum fm_status status = fm_bench_operators_run(b->d, p, (int)b->o->runs, &o);
  if (status == FM_OK) {
    if (!b->o->json) {
      fm_print("  one by one, waiting for each: %.4f s (the whole pass: %.4f s)\n", o.total, whole);
      fm_print("  %-13s %-36s %5s %10s %10s %8s %9s %-7s %9s\n", "operator", "shape", "count", "ms each",
               "ms", "share", "speed", "", "of peak");
    }
    fm_json_number(&b->json, "operators_seconds", o.total);
    fm_json_array(&b->json, "operators");
    for (size_t i = 0; i < o.count; i++) put_operator(b, &o.row[i], o.total);
    fm_json_end(&b->json);
  }
  fm_bench_operators_free(b->ctx, &o);
  return status;
}

static enum fm_status bench_pass(struct bench_run *b, const struct fm_bench_pass *p) {
  struct fm_bench_result result;
  FM_TRY(fm_bench_pass_run(b->d, p, (int)b->o->runs, b->o->seconds, &result));
  put_pass(b, p, &result);
  if (b->o->operators) FM_TRY(bench_operators(b, p, result.time.median));
  fm_json_end(&b->json);
  return FM_OK;
}

/* Calls visit for every pass of every network. */
static enum fm_status each_pass(struct bench_run *b,
                                enum fm_status (*visit)(struct bench_run *, const struct fm_bench_pass *)) {
  char names[64], word[64], kind[32];
  snprintf(names, sizeof names, "infer1,infer%ld,train%ld", b->o->batch, b->o->batch);
  for (const char *list = b->o->backbones; next_word(&list, word, sizeof word);) {
    struct fm_bench_pass pass = {.size = (int)b->o->size};
    FM_TRY(fm_backbone_find(b->ctx, word, &pass.backbone));
    for (const char *passes = b->o->passes ? b->o->passes : names; next_word(&passes, kind, sizeof kind);) {
      FM_TRY(parse_pass(b->ctx, kind, &pass));
      FM_TRY(visit(b, &pass));
    }
  }
  return FM_OK;
}

/* Wrong names and sizes are said before anything is measured. */
static enum fm_status check_pass(struct bench_run *b, const struct fm_bench_pass *p) {
  struct fm_graph g;
  FM_TRY(fm_backbone_build(b->ctx, p->backbone, fm_square(p->size), &g));
  fm_graph_free(&g);
  return FM_OK;
}

static enum fm_status bench_passes(struct bench_run *b) {
  if (!b->o->json)
    fm_print("%-20s %-8s %10s %10s %5s %10s %9s %9s %9s %6s\n", "backbone", "pass", "seconds", "least",
             "runs", "GFLOP/s", "of peak", "MiB", "launches", "waits");
  fm_json_array(&b->json, "passes");
  FM_TRY(each_pass(b, bench_pass));
  fm_json_end(&b->json);
  return FM_OK;
}

static enum fm_status bench_device(struct bench_run *b) {
  struct fm_peak *p = &b->peak;
  FM_TRY(fm_peak_measure(b->d, b->o->quick ? 0 : 2, (size_t)(b->o->quick ? 16 : 256) << 20, p));
  if (!b->o->json)
    fm_print("peak: %.1f GFLOP/s of fused multiply-adds (%d chains); copy %.1f GB/s, triad %.1f GB/s (3 x "
             "%zu MiB); launch and wait %.1f us\n",
             1e-9 * p->flops, p->chains, 1e-9 * p->copy, 1e-9 * p->triad, p->bytes >> 20, 1e6 * p->wait);
  fm_json_object(&b->json, "peak");
  fm_json_number(&b->json, "fma_gflops", 1e-9 * p->flops);
  fm_json_integer(&b->json, "chains", p->chains);
  fm_json_number(&b->json, "copy_gb_s", 1e-9 * p->copy);
  fm_json_number(&b->json, "triad_gb_s", 1e-9 * p->triad);
  fm_json_integer(&b->json, "buffer_bytes", (int64_t)p->bytes);
  fm_json_number(&b->json, "launch_and_wait_s", p->wait);
  fm_json_end(&b->json);
  return FM_OK;
}

static enum fm_status measure(struct bench_run *b) {
  const struct fm_facts *f = fm_device_facts(b->d);
  fm_json_object(&b->json, NULL);
  fm_json_string(&b->json, "flawmap", fm_version());
  fm_json_object(&b->json, "device");
  fm_facts_put(&b->json, f);
  fm_json_end(&b->json);
  if (!b->o->json) fm_print("device: %s, %d compute units (%s)\n", f->name, f->compute_units, f->version);
  if (b->o->peak) FM_TRY(bench_device(b));
  FM_TRY(bench_passes(b));
  fm_json_end(&b->json);
  return FM_OK;
}

static enum fm_status run(struct fm_context *ctx, const struct bench_options *o) {
  struct bench_run b = {.ctx = ctx, .o = o};
  FM_TRY(each_pass(&b, check_pass));
  FM_TRY(fm_trusted_device(ctx, o->device, false, &b.d));
  fm_text_begin(&b.text, ctx);
  fm_json_begin(&b.json, &b.text, true);
  enum fm_status status = measure(&b);
  if (status == FM_OK && o->json) {
    char *chars;
    status = fm_text_take(&b.text, &chars, NULL);
    if (status == FM_OK) fm_print_data(chars);
    fm_free(ctx, chars);
  }
  fm_text_free(&b.text);
  enum fm_status closed = fm_device_close(b.d);
  return status != FM_OK ? status : closed;
}

static void list_networks(void) {
  for (int i = 0; i < fm_backbone_count; i++)
    fm_print("%-20s %s\n", fm_backbones[i].name, fm_backbones[i].about);
}

/* What goes together: --share has a suite of its own, --compare measures nothing. */
static enum fm_status check_together(struct fm_context *ctx, const struct bench_options *o, int words,
                                     const char *word) {
  bool measures = o->own || o->quick || o->device;
  if (o->compare && (o->share || o->list || measures))
    return fm_error(ctx, FM_USAGE, "--compare only reads files; leave out the other options");
  if (o->share && (o->own || o->list))
    return fm_error(ctx, FM_USAGE,
                    "--share measures a suite of its own, so that devices can be compared; of the other "
                    "options only --device and --quick go with it");
  if (!o->compare && words > 0)
    return fm_error(ctx, FM_USAGE, "flawmap bench takes no argument '%s'; networks are named with --backbone",
                    word);
  return FM_OK;
}

static enum fm_status dispatch(struct fm_context *ctx, struct bench_options *o, const char *const *words,
                               int count) {
  FM_TRY(check_together(ctx, o, count, words[0]));
  if (o->compare) return fm_bench_compare(ctx, words, count);
  if (o->share) return fm_bench_share(ctx, o->device, o->quick, o->share);
  if (o->list) {
    list_networks();
    return FM_OK;
  }
  if (o->quick) {
    o->runs = 1;
    o->seconds = 0;
  }
  return run(ctx, o);
}

enum fm_status fm_cmd_bench(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  (void)exit_status;
  struct bench_options o = {
      .backbones = "resnet18", .size = 256, .batch = 16, .runs = 5, .seconds = 1, .peak = true};
  struct fm_option options[] = {
      {"device", FM_OPT_TEXT, &o.device, "N|NAME", "the device ('flawmap devices' lists them)", 0, 0, NULL},
      {"backbone", FM_OPT_TEXT, &o.backbones, "NAME,...", "networks (resnet18)", 0, 0, &o.own},
      {"size", FM_OPT_INT, &o.size, "N", "width and height of the pictures (256)", 32, 4096, &o.own},
      {"batch", FM_OPT_INT, &o.batch, "N", "pictures at a time (16)", 1, 4096, &o.own},
      {"passes", FM_OPT_TEXT, &o.passes, "LIST", "which: inferN, trainN (infer1,infer16,train16)", 0, 0,
       &o.own},
      {"runs", FM_OPT_INT, &o.runs, "N", "smallest number of runs of a pass (5)", 1, 1000, &o.own},
      {"seconds", FM_OPT_NUMBER, &o.seconds, "S", "measure each pass for at least S seconds (1)", 0, 3600,
       &o.own},
      {"operators", FM_OPT_FLAG, &o.operators, NULL,
       "also time each pass operator by operator, slowest first", 0, 0, &o.own},
      {"peak", FM_OPT_FLAG, &o.peak, NULL, "measure the device's peak first (the default; --no-peak)", 0, 0,
       &o.own},
      {"list", FM_OPT_FLAG, &o.list, NULL, "only list the networks", 0, 0, NULL},
      {"quick", FM_OPT_FLAG, &o.quick, NULL, "one run of everything, to see that it works", 0, 0, NULL},
      {"json", FM_OPT_FLAG, &o.json, NULL, "the result as JSON", 0, 0, &o.own},
      {"share", FM_OPT_TEXT, &o.share, "FILE", "verify, then measure a fixed suite into a file for --compare",
       0, 0, NULL},
      {"compare", FM_OPT_FLAG, &o.compare, NULL, "show the devices of such files side by side", 0, 0, NULL},
  };
  int count;
  bool help;
  const char **words = fm_alloc(ctx, (size_t)argc + 1, sizeof *words);
  if (!words) return FM_MEMORY;
  enum fm_status status =
      fm_options_parse(ctx, fm_command_find("bench"), options, sizeof options / sizeof *options, argc, argv,
                       words, &count, &help);
  if (status == FM_OK && !help) status = dispatch(ctx, &o, words, count);
  fm_free(ctx, words);
  return status;
}
