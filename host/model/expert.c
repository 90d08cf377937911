#define _POSIX_C_SOURCE 200809L
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "file/pth.h"
#include "file/sha256.h"
#include "model/model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Seed of an untrained expert: beyond what --seed takes, so that it never equals the apprentice's start. */
#define UNTRAINED_SEED UINT64_C(0xC0FFEE0000000001)

enum fm_status fm_backbone_weights(struct fm_context *ctx, const struct fm_backbone *backbone,
                                   struct fm_weights *weights) {
  struct fm_graph graph;
  FM_TRY(fm_backbone_build(ctx, backbone, fm_square(64), &graph));
  enum fm_status status = fm_weights_make(&graph, weights);
  fm_graph_free(&graph);
  if (status != FM_OK) fm_weights_free(weights);
  return status;
}

enum fm_status fm_weights_check(const struct fm_weights *w, const char *path, const char *prefix) {
  for (size_t i = 0; i < w->count; i++) {
    const struct fm_weight *item = &w->item[i];
    size_t n = strlen(item->name);
    bool variance = n > 12 && strcmp(item->name + n - 12, ".running_var") == 0;
    const float *v = w->value + item->offset;
    for (size_t k = 0; k < item->count; k++)
      if (!isfinite(v[k]) || (variance && v[k] < 0))
        return fm_error(w->ctx, FM_FORMAT, "'%s': the tensor '%s%s' holds %g, which is not a possible weight",
                        path, prefix, item->name, (double)v[k]);
  }
  return FM_OK;
}

static enum fm_status hash(struct fm_expert *e) {
  const struct fm_weights *w = &e->weights;
  struct fm_sha256 sha;
  enum fm_status status = fm_sha256_begin(&sha, w->ctx);
  for (size_t i = 0; i < w->count && status == FM_OK; i++) {
    status = fm_sha256_update(&sha, w->item[i].name, strlen(w->item[i].name) + 1);
    if (status == FM_OK)
      status = fm_sha256_update(&sha, w->value + w->item[i].offset, w->item[i].count * sizeof *w->value);
  }
  if (status == FM_OK) status = fm_sha256_end(&sha, e->hash);
  fm_sha256_free(&sha);
  return status;
}

/* A folder's file of the network; both kinds of taps of resnet50_v2 have the same weights. */
static char *weights_in(struct fm_context *ctx, int length, const char *folder, const char *below,
                        const struct fm_backbone *backbone) {
  size_t n = strlen(backbone->name), name = n > 5 && strcmp(backbone->name + n - 5, "_post") == 0 ? n - 5 : n;
  return fm_format(ctx, "%.*s%s/flawmap/%.*s.safetensors", length, folder, below, (int)name, backbone->name);
}

char *fm_expert_path(struct fm_context *ctx, const struct fm_backbone *backbone) {
  const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
  bool own = data && data[0];
  const char *folder = own ? data : home ? home : ".";
  return weights_in(ctx, (int)strlen(folder), folder, own ? "" : "/.local/share", backbone);
}

char *fm_expert_find(struct fm_context *ctx, const struct fm_backbone *backbone) {
  char *path = fm_expert_path(ctx, backbone);
  const char *shared = getenv("XDG_DATA_DIRS");
  if (!shared || !shared[0]) shared = "/usr/local/share:/usr/share";
  while (path && !fm_file_exists(path) && *shared) {
    size_t length = strcspn(shared, ":");
    fm_free(ctx, path);
    path = weights_in(ctx, (int)length, shared, "", backbone);
    shared += length + (shared[length] == ':');
  }
  if (path && fm_file_exists(path)) return path;
  fm_free(ctx, path);
  return fm_expert_path(ctx, backbone);
}

static enum fm_status from_file(struct fm_context *ctx, const char *path, struct fm_expert *e) {
  struct fm_safetensors *file;
  FM_TRY(fm_tensors_read(ctx, path, &file));
  enum fm_status status = fm_weights_load(&e->weights, file, "");
  fm_safetensors_free(ctx, file);
  if (status == FM_OK) status = fm_weights_check(&e->weights, path, "");
  e->trained = true;
  snprintf(e->file, sizeof e->file, "%.127s", fm_path_name(path));
  return status;
}

static enum fm_status find(struct fm_context *ctx, const struct fm_backbone *backbone, const char *path,
                           bool untrained, struct fm_expert *e) {
  if (untrained) {
    fm_note(
        ctx,
        "warning: UNTRAINED: the expert %s has random weights and knows nothing about pictures; most flaws "
        "will be missed",
        backbone->name);
    fm_weights_init(&e->weights, backbone->init, UNTRAINED_SEED);
    return FM_OK;
  }
  if (path) return from_file(ctx, path, e);
  char *usual = fm_expert_find(ctx, backbone);
  if (!usual) return FM_MEMORY;
  enum fm_status status = fm_file_exists(usual)
                              ? from_file(ctx, usual, e)
                              : fm_error(ctx, FM_USAGE,
                                         "there are no pretrained weights of %s: '%s' does not exist; get "
                                         "them with 'flawmap fetch %s' or name a file with --weights FILE "
                                         "(or use --untrained, only to see that everything runs)",
                                         backbone->name, usual, backbone->name);
  fm_free(ctx, usual);
  return status;
}

enum fm_status fm_expert_load(struct fm_context *ctx, const struct fm_backbone *backbone, const char *path,
                              bool untrained, struct fm_expert *expert) {
  *expert = (struct fm_expert){0};
  FM_TRY(fm_backbone_weights(ctx, backbone, &expert->weights));
  enum fm_status status = find(ctx, backbone, path, untrained, expert);
  if (status == FM_OK) status = hash(expert);
  if (status != FM_OK) fm_expert_free(expert);
  return status;
}

void fm_expert_free(struct fm_expert *expert) {
  fm_weights_free(&expert->weights);
}
