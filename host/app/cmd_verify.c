/* flawmap verify: does this device compute right. */
#include "app/commands.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/print.h"
#include "check/golden.h"
#include "op/selftest.h"

#include <stdio.h>

struct verdict {
  bool good;
  int unclear; /* goldens that said nothing about gradients */
};

static void print_result(const char *name, const struct fm_golden_result *r, double seconds) {
  fm_print("%s: %s, batch %d, %dx%d, seed %llu (%.1f s)\n", name, r->backbone, r->batch, r->size, r->size,
           (unsigned long long)r->seed, seconds);
  fm_print("  %-12s %8s %12s %12s %12s %12s\n", "group", "tensors", "largest", "allowed", "median",
           "allowed");
  for (int i = 0; i < r->groups; i++) {
    const struct fm_golden_group *g = &r->group[i];
    fm_print("  %-12s %8zu %12.2e %12.2e %12.2e %12.2e  %s%s\n", g->name, g->tensors, g->largest,
             g->allowed_largest, g->median, g->allowed_median,
             g->good                  ? "ok"
             : g->unclear             ? "not judged"
             : fm_golden_by_median(g) ? "EXCEEDED by the median"
                                      : "EXCEEDED at ",
             g->good || g->unclear || fm_golden_by_median(g) ? "" : g->worst);
  }
  if (r->unclear)
    fm_print(
        "  not judged: this golden hangs on a rounding. With pictures moved by 1e-7 these values move about\n"
        "  as far on this device, which repeats each step bit by bit; take a golden with another seed\n");
}

static enum fm_status verify_one(struct fm_device *d, const char *name, struct fm_safetensors *file,
                                 struct verdict *verdict) {
  struct fm_golden_result result;
  double begin = fm_seconds();
  FM_TRY(fm_golden_verify(d, file, &result));
  print_result(name, &result, fm_seconds() - begin);
  fflush(stdout);
  verdict->good = verdict->good && result.good;
  verdict->unclear += result.unclear;
  return FM_OK;
}

static void print_verdict(const struct verdict *v) {
  if (!v->good)
    fm_print("FAILED: this device does not compute right\n");
  else if (v->unclear)
    fm_print("verified: this device computes right, but for the gradients of %d golden%s, which could not be "
             "judged\n",
             v->unclear, v->unclear == 1 ? "" : "s");
  else
    fm_print("verified: this device computes right\n");
}

/* The goldens built into the program. */
static enum fm_status verify_embedded(struct fm_context *ctx, struct fm_device *d, struct verdict *verdict) {
  const struct fm_embedded *e = fm_golden_next(NULL);
  if (!e)
    return fm_error(ctx, FM_INTERNAL,
                    "this program was built without goldens; name one: flawmap verify FILE");
  for (; e; e = fm_golden_next(e)) {
    struct fm_safetensors *file;
    FM_TRY(fm_golden_open(ctx, e, &file));
    enum fm_status status = verify_one(d, e->name, file, verdict);
    fm_safetensors_free(ctx, file);
    FM_TRY(status);
  }
  return FM_OK;
}

/* Every kernel family by its known answer. One that computes wrong is a line of the result, not its end. */
static enum fm_status verify_kernels(struct fm_context *ctx, struct fm_device *d, struct verdict *verdict) {
  enum fm_status status = fm_selftest_run(d);
  if (status == FM_DEVICE && fm_device_status(d) == FM_OK) {
    fm_print("kernels: %s: FAILED\n", ctx->message);
    fm_error_clear(ctx);
    verdict->good = false;
    return FM_OK;
  }
  if (status == FM_OK) fm_print("kernels: every family gives its known answers\n");
  return status;
}

enum fm_status fm_cmd_verify(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  const char *device = NULL, **files = fm_alloc(ctx, (size_t)argc + 1, sizeof *files);
  if (!files) return FM_MEMORY;
  struct fm_option options[] = {
      {"device", FM_OPT_TEXT, &device, "N|NAME", "the device ('flawmap devices' lists them)", 0, 0, NULL}};
  int count;
  bool help;
  struct verdict verdict = {.good = true};
  struct fm_device *d = NULL;
  enum fm_status status =
      fm_options_parse(ctx, fm_command_find("verify"), options, 1, argc, argv, files, &count, &help);
  if (status == FM_OK && !help) status = fm_device_open(ctx, device, &d);
  if (status == FM_OK && !help) {
    fm_print("device: %s (%s)\n", fm_device_facts(d)->name, fm_device_facts(d)->version);
    status = verify_kernels(ctx, d, &verdict);
    if (count == 0 && status == FM_OK) status = verify_embedded(ctx, d, &verdict);
    for (int i = 0; i < count && status == FM_OK; i++) {
      struct fm_safetensors *file;
      status = fm_safetensors_read(ctx, files[i], &file);
      if (status != FM_OK) break;
      status = verify_one(d, files[i], file, &verdict);
      fm_safetensors_free(ctx, file);
    }
    if (status == FM_OK) {
      print_verdict(&verdict);
      *exit_status = verdict.good ? 0 : 1;
    }
  }
  fm_free(ctx, files);
  enum fm_status closed = fm_device_close(d);
  return status != FM_OK ? status : closed;
}
