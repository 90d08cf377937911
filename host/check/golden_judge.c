/* What of a golden is compared, how an error is measured, and what is allowed. */
#include "check/golden_internal.h"

#include "base/memory.h"
#include "base/sort.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static double tolerance_from_file(struct fm_golden *g, const char *group) {
  const char *text = fm_safetensors_meta(g->file, "float32_error_of_pytorch");
  cJSON *json = text ? cJSON_Parse(text) : NULL;
  cJSON *entry = cJSON_GetObjectItemCaseSensitive(json, group),
        *max = cJSON_GetObjectItemCaseSensitive(entry, "max");
  double pytorch = cJSON_IsNumber(max) ? max->valuedouble : 0;
  cJSON_Delete(json);
  return fmax(1e-5, 8 * pytorch);
}

struct fm_golden_group *fm_golden_group_of(struct fm_golden_result *r, const char *name) {
  for (int i = 0; i < r->groups; i++)
    if (strcmp(r->group[i].name, name) == 0) return &r->group[i];
  return NULL;
}

/* The group, made where it is a new one; NULL: there are too many. */
static struct fm_golden_group *meet_group(struct fm_golden *g, const char *name) {
  struct fm_golden_result *r = g->result;
  struct fm_golden_group *group = fm_golden_group_of(r, name);
  if (group || r->groups == FM_GOLDEN_GROUPS) return group;
  group = &r->group[r->groups++];
  snprintf(group->name, sizeof group->name, "%s", name);
  bool gradient = strcmp(name, "grad") == 0 || strcmp(name, "gradnorm") == 0;
  group->allowed_largest = group->allowed_median = tolerance_from_file(g, name);
  if (gradient) {
    /* One activation that rounds to the other side of zero moves a whole tensor, so PyTorch's own error jumps
     * from 4e-6 to 1e-2 between two seeds: for one tensor the bound is wide, the median shows what is wrong.
     */
    group->allowed_largest = 5e-2;
    group->allowed_median = strcmp(g->backbone->name, "resnet18") == 0 ? 2e-3 : 1e-2;
  }
  if (strcmp(name, "stepped") == 0) { /* a share of the samples, see stepped_error */
    group->allowed_largest = 0.01;
    group->allowed_median = 0.01;
  }
  return group;
}

/* Adam's first step is lr times the gradient's sign: counts the samples off by more than 1e-6 over the whole
 * group; a sample off by more than 2.1 lr is an error without bound. */
static double stepped_error(struct fm_golden *g, const float *got, const float *want, size_t n) {
  for (size_t i = 0; i < n; i++) {
    double e = fabs((double)got[i] - (double)want[i]);
    if (!(e <= 2.1 * g->lr)) return INFINITY;
    g->stepped_off += e > 1e-6;
    g->stepped_all++;
  }
  return (double)g->stepped_off / (double)g->stepped_all;
}

/* Relative L2 for gradients, else the largest difference over the largest value. */
static double error_of(struct fm_golden *g, const char *group, const float *got, const float *want,
                       size_t n) {
  double difference = 0, size = 0, largest = 0, value = 0;
  if (strcmp(group, "stepped") == 0) return stepped_error(g, got, want, n);
  for (size_t i = 0; i < n; i++) {
    double e = fabs((double)got[i] - (double)want[i]);
    if (!isfinite(e)) return INFINITY;
    difference += e * e;
    size += (double)want[i] * (double)want[i];
    largest = fmax(largest, e);
    value = fmax(value, fabs((double)want[i]));
  }
  return strcmp(group, "grad") == 0 ? sqrt(difference) / fmax(sqrt(size), 1e-30)
                                    : largest / fmax(value, 1e-30);
}

bool fm_golden_moves(const char *group) {
  return strcmp(group, "grad") == 0 || strcmp(group, "gradnorm") == 0 || strcmp(group, "stepped") == 0;
}

static void note_error(struct fm_golden *g, struct fm_golden_group *group, const char *name, double e) {
  g->errors[(size_t)(group - g->result->group) * FM_GOLDEN_TENSORS + group->tensors % FM_GOLDEN_TENSORS] = e;
  if (!(e <= group->largest) || group->tensors == 0) {
    group->largest = e;
    snprintf(group->worst, sizeof group->worst, "%s", name);
  }
  group->tensors++;
}

/* What the values should be: the golden's, or this device's own of its first step. The first step's are kept
 * where rounding moves them. */
static enum fm_status wanted(struct fm_golden *g, const struct fm_tensor *t, bool moves, const float *got,
                             float *want) {
  float *own = g->own.value + g->own.used;
  if (moves) g->own.used += t->count;
  if (g->own.compare) {
    memcpy(want, own, t->count * sizeof *want);
    return FM_OK;
  }
  if (moves) memcpy(own, got, t->count * sizeof *own);
  return fm_safetensors_floats(g->ctx, g->file, t->name, t->dims, t->shape, want);
}

enum fm_status fm_golden_compare(struct fm_golden *g, const char *name, const float *values, size_t count) {
  const struct fm_tensor *t = fm_safetensors_find(g->file, name);
  FM_TRY(fm_stop_check(g->ctx, "verifying '%s'", fm_safetensors_path(g->file)));
  if (!t) return FM_OK;
  size_t k = count < (size_t)g->samples ? count : (size_t)g->samples;
  char group_name[32];
  snprintf(group_name, sizeof group_name, "%.*s", (int)strcspn(name, "."), name);
  bool moves = fm_golden_moves(group_name);
  if (g->own.compare && !moves) return FM_OK;
  struct fm_golden_group *group = meet_group(g, group_name);
  if (!group || t->count != k)
    return fm_error(g->ctx, FM_FORMAT, "golden '%s': tensor '%s' has %zu values, expected %zu",
                    fm_safetensors_path(g->file), name, t->count, k);
  float *want = fm_alloc(g->ctx, 2 * k, sizeof *want);
  if (!want) return FM_MEMORY;
  float *got = want + k;
  for (size_t i = 0; i < k; i++) got[i] = values[i * count / k];
  enum fm_status status = wanted(g, t, moves, got, want);
  if (status == FM_OK) note_error(g, group, name, error_of(g, group_name, got, want, k));
  fm_free(g->ctx, want);
  return status;
}

const struct fm_golden_group *fm_golden_wrong(const struct fm_golden_result *r) {
  for (int i = 0; i < r->groups; i++)
    if (!r->group[i].good && !r->group[i].unclear) return &r->group[i];
  return NULL;
}

bool fm_golden_by_median(const struct fm_golden_group *group) {
  return group->largest <= group->allowed_largest && !(group->median <= group->allowed_median);
}

void fm_golden_judge(struct fm_golden *g) {
  struct fm_golden_result *r = g->result;
  r->good = r->groups > 0;
  for (int i = 0; i < r->groups; i++) {
    struct fm_golden_group *group = &r->group[i];
    double *errors = g->errors + (size_t)i * FM_GOLDEN_TENSORS;
    size_t n = group->tensors < FM_GOLDEN_TENSORS ? group->tensors : FM_GOLDEN_TENSORS;
    fm_sort_doubles(errors, n);
    group->median = n % 2 ? errors[n / 2] : (errors[n / 2 - 1] + errors[n / 2]) / 2;
    if (strcmp(group->name, "stepped") == 0 &&
        group->largest <= 1) /* one figure: the share of samples that are off */
      group->largest = group->median = (double)g->stepped_off / (double)g->stepped_all;
    group->good = group->largest <= group->allowed_largest && group->median <= group->allowed_median;
    r->good = r->good && group->good;
  }
}
