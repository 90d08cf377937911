/* Reading what others measured: every member is looked at before it is believed. */
#include "check/share.h"

#include "base/file.h"
#include "base/memory.h"
#include "file/json_read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_FILE = 1 << 20, MAX_VALUES = 1 << 14 };

/* A file that is being read. */
struct reader {
  struct fm_context *ctx;
  const char *path;
  struct fm_share *out;
};

#define AGAIN "; write it again with 'flawmap bench --share'"

static enum fm_status broken(const struct reader *r, const char *where, const char *name, const char *what) {
  return fm_error(r->ctx, FM_FORMAT, "'%s': %s\"%s\" %s" AGAIN, r->path, where, name, what);
}

static enum fm_status text_of(const struct reader *r, const cJSON *object, const char *where,
                              const char *name, char *out, size_t room) {
  const cJSON *item = fm_json_member(object, name);
  if (!cJSON_IsString(item)) return broken(r, where, name, "is not there once, as a string");
  if (strlen(item->valuestring) >= room)
    return broken(r, where, name, "is longer than any that flawmap writes");
  snprintf(out, room, "%s", item->valuestring);
  return FM_OK;
}

/* As text_of, where null stands for "". */
static enum fm_status text_or_null(const struct reader *r, const cJSON *object, const char *where,
                                   const char *name, char *out, size_t room) {
  return cJSON_IsNull(fm_json_member(object, name)) ? FM_OK : text_of(r, object, where, name, out, room);
}

/* Positive, and so far from the ends of the range that ratios stay numbers. */
static enum fm_status number_of(const struct reader *r, const cJSON *object, const char *where,
                                const char *name, double unit, double *out) {
  const cJSON *item = fm_json_member(object, name);
  if (!cJSON_IsNumber(item)) return broken(r, where, name, "is not there once, as a number");
  double v = item->valuedouble;
  if (!(v >= 1e-15 && v <= 1e15)) return broken(r, where, name, "is not a number that can be measured");
  *out = v * unit;
  return FM_OK;
}

static enum fm_status count_of(const struct reader *r, const cJSON *object, const char *where,
                               const char *name, int *out) {
  double v = 0;
  FM_TRY(number_of(r, object, where, name, 1, &v));
  if (v > 1e9 || v != floor(v)) return broken(r, where, name, "is not a whole number");
  *out = (int)v;
  return FM_OK;
}

/* As count_of, where it may be 0. */
static enum fm_status lines_of(const struct reader *r, const cJSON *object, const char *where,
                               const char *name, int *out) {
  const cJSON *item = fm_json_member(object, name);
  if (cJSON_IsNumber(item) && item->valuedouble == 0) return FM_OK;
  return count_of(r, object, where, name, out);
}

static enum fm_status object_of(const struct reader *r, const cJSON *root, const char *name,
                                const cJSON **object) {
  *object = fm_json_member(root, name);
  return cJSON_IsObject(*object) ? FM_OK : broken(r, "", name, "is not there once, as an object");
}

static enum fm_status read_head(const struct reader *r, const cJSON *root) {
  struct fm_share *s = r->out;
  char schema[32];
  if (text_of(r, root, "", "schema", schema, sizeof schema) != FM_OK ||
      strcmp(schema, FM_SHARE_SCHEMA) != 0) {
    fm_error_clear(r->ctx);
    return fm_error(r->ctx, FM_FORMAT,
                    "'%s': its \"schema\" is not " FM_SHARE_SCHEMA
                    ": another program wrote it, or another version of flawmap" AGAIN,
                    r->path);
  }
  const cJSON *quick = fm_json_member(root, "quick"), *system, *lines;
  if (!cJSON_IsBool(quick)) return broken(r, "", "quick", "is not there once, as true or false");
  s->quick = cJSON_IsTrue(quick);
  FM_TRY(text_of(r, root, "", "flawmap", s->flawmap, sizeof s->flawmap));
  FM_TRY(text_or_null(r, root, "", "commit", s->commit, sizeof s->commit));
  FM_TRY(text_of(r, root, "", "kernels_sha256", s->kernels, sizeof s->kernels));
  FM_TRY(text_or_null(r, root, "", "forced_variant", s->variant, sizeof s->variant));
  FM_TRY(object_of(r, root, "tuned_lines", &lines));
  FM_TRY(lines_of(r, lines, "tuned_lines' ", "own", &s->tuned));
  FM_TRY(lines_of(r, lines, "tuned_lines' ", "shipped", &s->shipped));
  FM_TRY(object_of(r, root, "system", &system));
  FM_TRY(text_of(r, system, "system's ", "os", s->system, sizeof s->system));
  return text_or_null(r, system, "system's ", "cpu", s->cpu, sizeof s->cpu);
}

static enum fm_status read_device(const struct reader *r, const cJSON *root) {
  struct fm_facts *f = &r->out->device;
  const char *where = "device's ";
  const cJSON *device;
  FM_TRY(object_of(r, root, "device", &device));
  FM_TRY(text_of(r, device, where, "name", f->name, sizeof f->name));
  FM_TRY(text_of(r, device, where, "vendor", f->vendor, sizeof f->vendor));
  FM_TRY(text_of(r, device, where, "driver", f->driver, sizeof f->driver));
  FM_TRY(text_of(r, device, where, "version", f->version, sizeof f->version));
  FM_TRY(text_of(r, device, where, "platform", f->platform, sizeof f->platform));
  FM_TRY(count_of(r, device, where, "compute_units", &f->compute_units));
  FM_TRY(count_of(r, device, where, "block", &f->block));
  return count_of(r, device, where, "group", &f->group);
}

static enum fm_status read_proof(const struct reader *r, const cJSON *root) {
  const cJSON *verify;
  char outcome[32];
  FM_TRY(object_of(r, root, "verify", &verify));
  FM_TRY(text_of(r, verify, "verify's ", "outcome", outcome, sizeof outcome));
  r->out->judged = strcmp(outcome, "right") == 0;
  if (r->out->judged || strcmp(outcome, "right, not all judged") == 0) return FM_OK;
  return fm_error(r->ctx, FM_FORMAT,
                  "'%s': verify's outcome is '%s': speed without proof that the device computes right is not "
                  "compared" AGAIN,
                  r->path, outcome);
}

static enum fm_status read_peak(const struct reader *r, const cJSON *root) {
  struct fm_peak *p = &r->out->peak;
  const cJSON *peak;
  FM_TRY(object_of(r, root, "peak", &peak));
  FM_TRY(number_of(r, peak, "peak's ", "fma_gflops", 1e9, &p->flops));
  FM_TRY(number_of(r, peak, "peak's ", "copy_gb_s", 1e9, &p->copy));
  FM_TRY(number_of(r, peak, "peak's ", "triad_gb_s", 1e9, &p->triad));
  return number_of(r, peak, "peak's ", "launch_us", 1e-6, &p->wait);
}

static enum fm_status read_entry(const struct reader *r, const cJSON *item, struct fm_share_entry *e) {
  const char *where = "suite's ";
  FM_TRY(text_of(r, item, where, "name", e->name, sizeof e->name));
  FM_TRY(text_of(r, item, where, "network", e->network, sizeof e->network));
  FM_TRY(text_of(r, item, where, "pass", e->pass, sizeof e->pass));
  FM_TRY(count_of(r, item, where, "batch", &e->batch));
  FM_TRY(count_of(r, item, where, "size", &e->size));
  FM_TRY(number_of(r, item, where, "median_s", 1, &e->time.median));
  FM_TRY(number_of(r, item, where, "least_s", 1, &e->time.least));
  FM_TRY(number_of(r, item, where, "most_s", 1, &e->time.most));
  FM_TRY(count_of(r, item, where, "runs", &e->time.runs));
  if (fm_json_member(item, "gflops")) FM_TRY(number_of(r, item, where, "gflops", 1, &e->gflops));
  if (e->time.least > e->time.median || e->time.median > e->time.most)
    return broken(r, where, "median_s", "is not between least_s and most_s");
  for (const struct fm_share_entry *other = r->out->entry; other < e; other++)
    if (strcmp(other->name, e->name) == 0) return broken(r, where, e->name, "is there twice");
  return FM_OK;
}

static enum fm_status read_suite(const struct reader *r, const cJSON *root) {
  struct fm_share *s = r->out;
  const cJSON *suite = fm_json_member(root, "suite"), *item;
  if (!cJSON_IsArray(suite)) return broken(r, "", "suite", "is not there once, as an array");
  cJSON_ArrayForEach(item, suite) {
    if (s->entries == FM_SHARE_ENTRIES)
      return fm_error(r->ctx, FM_LIMIT, "'%s': its suite has more than %d entries, the limit" AGAIN, r->path,
                      FM_SHARE_ENTRIES);
    if (!cJSON_IsObject(item)) return broken(r, "", "suite", "has something that is not an object");
    FM_TRY(read_entry(r, item, &s->entry[s->entries]));
    s->entries++;
  }
  return FM_OK;
}

static enum fm_status read_all(const struct reader *r, const cJSON *root) {
  FM_TRY(read_head(r, root));
  FM_TRY(read_device(r, root));
  FM_TRY(read_proof(r, root));
  FM_TRY(read_peak(r, root));
  return read_suite(r, root);
}

static enum fm_status parse(struct fm_context *ctx, const char *path, const char *json, size_t size,
                            struct fm_share *share) {
  const struct reader r = {.ctx = ctx, .path = path, .out = share};
  const struct fm_json_source source = {
      .path = path, .part = "the file", .advice = AGAIN, .most_values = MAX_VALUES};
  cJSON *root;
  *share = (struct fm_share){0};
  enum fm_status status = fm_json_parse(ctx, &source, json, size, &root);
  if (status == FM_OK) status = read_all(&r, root);
  cJSON_Delete(root);
  return status;
}

enum fm_status fm_share_read(struct fm_context *ctx, const char *path, struct fm_share *share) {
  unsigned char *bytes;
  size_t size;
  FM_TRY(fm_file_read(ctx, path, MAX_FILE, &bytes, &size));
  enum fm_status status = parse(ctx, path, (const char *)bytes, size, share);
  fm_free(ctx, bytes);
  return status;
}
