#define _POSIX_C_SOURCE 200809L
#include "check/share.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "check/bench.h"
#include "check/bench_detector.h"
#include "check/facts.h"
#include "check/golden.h"
#include "device/program.h"
#include "op/tuned.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* The model's name from what Linux says of the first processor; elsewhere and on machines without one: "". */
static void name_cpu(char *out, size_t room) {
  char text[4096];
  size_t n = fm_file_head("/proc/cpuinfo", text, sizeof text - 1);
  text[n] = 0;
  const char *at = strstr(text, "model name");
  size_t length = at ? strcspn(at, ":\n") : 0;
  if (!at || at[length] != ':') return;
  at += length + 1;
  at += strspn(at, " \t");
  snprintf(out, room, "%.*s", (int)strcspn(at, "\n"), at);
}

static enum fm_status describe(struct fm_device *d, struct fm_share *s) {
  const char *variant = getenv("FLAWMAP_VARIANT");
  struct utsname u;
  snprintf(s->flawmap, sizeof s->flawmap, "%s", fm_version());
  snprintf(s->commit, sizeof s->commit, "%s", fm_commit());
  FM_TRY(fm_tuned_load(d));
  fm_tuned_in_force(d, &s->tuned, &s->shipped);
  if (uname(&u) == 0) /* all but the host's name */
    snprintf(s->system, sizeof s->system, "%.40s %.60s %.20s", u.sysname, u.release, u.machine);
  name_cpu(s->cpu, sizeof s->cpu);
  snprintf(s->variant, sizeof s->variant, "%s", variant ? variant : "");
  s->device = *fm_device_facts(d);
  return fm_program_sources_hash(d, s->kernels);
}

static double share_of(double error, double allowed) {
  return error == 0 ? 0 : error / allowed;
}

static void note_proof(struct fm_share *s, const char *golden, const struct fm_golden_result *r) {
  for (int i = 0; i < r->groups && s->proofs < FM_SHARE_PROOFS; i++) {
    const struct fm_golden_group *g = &r->group[i];
    double largest = share_of(g->largest, g->allowed_largest),
           median = share_of(g->median, g->allowed_median);
    struct fm_share_proof *p = &s->proof[s->proofs++];
    *p = (struct fm_share_proof){.share = largest > median ? largest : median, .judged = !g->unclear};
    snprintf(p->golden, sizeof p->golden, "%s", golden);
    snprintf(p->group, sizeof p->group, "%s", g->name);
  }
  s->judged = s->judged && !r->unclear;
}

static enum fm_status prove_one(struct fm_device *d, const struct fm_embedded *golden, struct fm_share *s) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_safetensors *file;
  struct fm_golden_result result;
  FM_TRY(fm_golden_open(ctx, golden, &file));
  enum fm_status status = fm_golden_verify(d, file, &result);
  fm_safetensors_free(ctx, file);
  FM_TRY(status);
  if (!result.good) {
    const struct fm_golden_group *wrong = fm_golden_wrong(&result);
    return fm_error(
        ctx, FM_DEVICE,
        "'%s' does not compute right (golden %s, group %s), so its speed means nothing: nothing was "
        "measured and no file was written; 'flawmap verify' shows every group",
        fm_device_facts(d)->name, golden->name, wrong ? wrong->name : "none");
  }
  note_proof(s, golden->name, &result);
  return FM_OK;
}

static int count_goldens(void) {
  int n = 0;
  for (const struct fm_embedded *e = fm_golden_next(NULL); e; e = fm_golden_next(e)) n++;
  return n;
}

static enum fm_status prove(struct fm_device *d, struct fm_progress *progress, struct fm_share *s) {
  if (count_goldens() == 0)
    return fm_error(
        fm_device_context(d), FM_INTERNAL,
        "this program was built without goldens, so it cannot prove that a device computes right; "
        "build it with models/goldens");
  s->judged = true;
  for (const struct fm_embedded *e = fm_golden_next(NULL); e; e = fm_golden_next(e)) {
    snprintf(progress->detail, sizeof progress->detail, "verify %.60s", e->name);
    FM_TRY(prove_one(d, e, s));
    fm_progress_step(progress, 1);
  }
  return FM_OK;
}

/* The suite: each network, by one picture, by a batch, and a training step of a batch; a detector of the
 * first. */
static const char *const suite_networks[] = {"efficientnet_lite0", "resnet18", "hrnet32"};
enum { NETWORKS = sizeof suite_networks / sizeof *suite_networks, PASSES = 3 };

static struct fm_bench_pass suite_pass(int i, bool quick) {
  return (struct fm_bench_pass){.train = i == 2,
                                .batch = i == 0  ? 1
                                         : quick ? 2
                                                 : 16,
                                .size = quick ? 64 : 256};
}

static void add_entry(struct fm_share *s, const char *network, const char *kind, int batch, int size,
                      const struct fm_timing *time, double flops) {
  struct fm_share_entry *e = &s->entry[s->entries++];
  *e = (struct fm_share_entry){
      .batch = batch, .size = size, .time = *time, .gflops = 1e-9 * flops / time->median};
  snprintf(e->network, sizeof e->network, "%s", network);
  snprintf(e->pass, sizeof e->pass, "%s%d", kind, batch);
  snprintf(e->name, sizeof e->name, "%s %s%d %d", network, kind, batch, size);
}

static enum fm_status measure_pass(struct fm_device *d, const struct fm_bench_pass *p, struct fm_share *s) {
  struct fm_bench_result r;
  FM_TRY(fm_bench_pass_run(d, p, s->quick ? 1 : 5, s->quick ? 0 : 2, &r));
  add_entry(s, p->backbone->name, p->train ? "train" : "infer", p->batch, p->size, &r.time, r.flops);
  return FM_OK;
}

static void fitted(void *arg) {
  struct fm_progress *progress = arg;
  fm_progress_step(progress, 1);
}

static enum fm_status measure_detector(struct fm_device *d, struct fm_progress *progress,
                                       struct fm_share *s) {
  struct fm_timing fit, refine;
  const struct fm_bench_detector what = {.backbone = suite_networks[0],
                                         .pictures = s->quick ? 8 : 40,
                                         .size = s->quick ? 64 : 256,
                                         .runs = s->quick ? 1 : 3,
                                         .seconds = s->quick ? 0 : 2,
                                         .next = fitted,
                                         .arg = progress};
  snprintf(progress->detail, sizeof progress->detail, "PatchCore's fit, F2PAD");
  FM_TRY(fm_bench_detector_run(d, &what, &fit, &refine));
  add_entry(s, what.backbone, "patchcore", what.pictures, what.size, &fit, 0);
  add_entry(s, what.backbone, "f2pad", 1, what.size, &refine, 0);
  fm_progress_step(progress, 1);
  return FM_OK;
}

static enum fm_status measure(struct fm_device *d, struct fm_progress *progress, struct fm_share *s) {
  snprintf(progress->detail, sizeof progress->detail, "the device's peak");
  FM_TRY(fm_peak_measure(d, s->quick ? 0 : 2, (size_t)(s->quick ? 16 : 256) << 20, &s->peak));
  fm_progress_step(progress, 1);
  for (int i = 0; i < NETWORKS * PASSES; i++) {
    struct fm_bench_pass pass = suite_pass(i % PASSES, s->quick);
    FM_TRY(fm_backbone_find(fm_device_context(d), suite_networks[i / PASSES], &pass.backbone));
    snprintf(progress->detail, sizeof progress->detail, "%s, %s of %d", pass.backbone->name,
             pass.train ? "training" : "inference", pass.batch);
    FM_TRY(measure_pass(d, &pass, s));
    fm_progress_step(progress, 1);
  }
  return measure_detector(d, progress, s);
}

enum fm_status fm_share_measure(struct fm_device *d, bool quick, struct fm_share *s) {
  struct fm_progress progress;
  *s = (struct fm_share){.quick = quick};
  FM_TRY(describe(d, s));
  fm_progress_begin(&progress, fm_device_context(d), "measuring", 0,
                    count_goldens() + 1 + NETWORKS * PASSES + 2);
  enum fm_status status = prove(d, &progress, s);
  if (status == FM_OK) status = measure(d, &progress, s);
  fm_progress_end(&progress);
  return status;
}

static void put_device(struct fm_json *j, const struct fm_facts *f) {
  fm_json_object(j, "device");
  fm_facts_put(j, f);
  fm_json_end(j);
}

static void put_proof(struct fm_json *j, const struct fm_share *s) {
  fm_json_object(j, "verify");
  fm_json_string(j, "outcome", s->judged ? "right" : "right, not all judged");
  fm_json_array(j, "groups");
  for (int i = 0; i < s->proofs; i++) {
    const struct fm_share_proof *p = &s->proof[i];
    fm_json_object(j, NULL);
    fm_json_string(j, "golden", p->golden);
    fm_json_string(j, "group", p->group);
    fm_json_number(j, "share_of_allowed", p->share);
    fm_json_bool(j, "judged", p->judged);
    fm_json_end(j);
  }
  fm_json_end(j);
  fm_json_end(j);
}

static void put_peak(struct fm_json *j, const struct fm_peak *p) {
  fm_json_object(j, "peak");
  fm_json_number(j, "fma_gflops", 1e-9 * p->flops);
  fm_json_number(j, "copy_gb_s", 1e-9 * p->copy);
  fm_json_number(j, "triad_gb_s", 1e-9 * p->triad);
  fm_json_number(j, "launch_us", 1e6 * p->wait);
  fm_json_end(j);
}

static void put_entry(struct fm_json *j, const struct fm_share_entry *e, const struct fm_peak *peak) {
  fm_json_object(j, NULL);
  fm_json_string(j, "name", e->name);
  fm_json_string(j, "network", e->network);
  fm_json_string(j, "pass", e->pass);
  fm_json_integer(j, "batch", e->batch);
  fm_json_integer(j, "size", e->size);
  fm_json_number(j, "median_s", e->time.median);
  fm_json_number(j, "least_s", e->time.least);
  fm_json_number(j, "most_s", e->time.most);
  fm_json_integer(j, "runs", e->time.runs);
  if (e->gflops > 0) {
    fm_json_number(j, "gflops", e->gflops);
    fm_json_number(j, "share_of_peak", 1e9 * e->gflops / peak->flops);
  }
  fm_json_end(j);
}

enum fm_status fm_share_text(struct fm_context *ctx, const struct fm_share *s, char **text, size_t *size) {
  struct fm_text out;
  struct fm_json j;
  fm_text_begin(&out, ctx);
  fm_json_begin(&j, &out, true);
  fm_json_object(&j, NULL);
  fm_json_string(&j, "schema", FM_SHARE_SCHEMA);
  fm_json_string(&j, "flawmap", s->flawmap);
  fm_json_string(&j, "commit", s->commit[0] ? s->commit : NULL);
  fm_json_string(&j, "kernels_sha256", s->kernels);
  fm_json_string(&j, "forced_variant", s->variant[0] ? s->variant : NULL);
  fm_json_object(&j, "tuned_lines");
  fm_json_integer(&j, "own", s->tuned);
  fm_json_integer(&j, "shipped", s->shipped);
  fm_json_end(&j);
  fm_json_bool(&j, "quick", s->quick);
  fm_json_object(&j, "system");
  fm_json_string(&j, "os", s->system);
  fm_json_string(&j, "cpu", s->cpu[0] ? s->cpu : NULL);
  fm_json_end(&j);
  put_device(&j, &s->device);
  put_proof(&j, s);
  put_peak(&j, &s->peak);
  fm_json_array(&j, "suite");
  for (int i = 0; i < s->entries; i++) put_entry(&j, &s->entry[i], &s->peak);
  fm_json_end(&j);
  fm_json_end(&j);
  return fm_text_take(&out, text, size);
}
