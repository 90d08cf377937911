#define _POSIX_C_SOURCE 200809L
#include "method/channels.h"

#include "base/embedded.h"
#include "base/memory.h"
#include "base/rng.h"
#include "method/taps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first of a permutation of all channels; 0: every channel. */
static enum fm_status draw(struct fm_context *ctx, const struct fm_recipe *r, uint32_t all, bool *chosen) {
  if (r->channels > (long)all)
    return fm_error(ctx, FM_USAGE,
                    "--channels is %ld, but %s has only %u channels in its three taps; 0 takes all of them",
                    r->channels, r->backbone, (unsigned)all);
  uint32_t *order = fm_alloc(ctx, all, sizeof *order);
  if (!order) return FM_MEMORY;
  struct fm_rng rng = fm_rng_stream((uint64_t)r->seed, "padim.channels");
  fm_rng_permutation(&rng, order, all);
  for (uint32_t i = 0; i < (r->channels ? (uint32_t)r->channels : all); i++) chosen[order[i]] = true;
  fm_free(ctx, order);
  return FM_OK;
}

/* The lists there are are the embedded files NAME_of_CHANNELS.txt. */
static bool is_list(const char *file) {
  size_t n = strlen(file);
  return n > 4 && strcmp(file + n - 4, ".txt") == 0 && strstr(file, "_of_");
}

static enum fm_status find_list(struct fm_context *ctx, const char *name, const struct fm_embedded **list) {
  char file[64], names[200] = "";
  snprintf(file, sizeof file, "%.58s.txt", name);
  *list = fm_embedded_find(fm_embedded_models, file);
  if (*list && is_list(file)) return FM_OK;
  for (const struct fm_embedded *e = fm_embedded_models; e->name; e++) {
    size_t used = strlen(names);
    if (is_list(e->name))
      snprintf(names + used, sizeof names - used, "%s%.*s", used ? ", " : "", (int)strlen(e->name) - 4,
               e->name);
  }
  return fm_error(ctx, FM_USAGE, "there is no channel list '%s'; there are: %s", name, names);
}

/* Lines that begin with # are words about it; then how many channels there are in all, and the chosen ones.
 */
static enum fm_status from_list(struct fm_context *ctx, const struct fm_recipe *r, long all, bool *chosen) {
  const struct fm_embedded *list;
  FM_TRY(find_list(ctx, r->channel_list, &list));
  const char *at = (const char *)list->bytes;
  while (*at == '#' && strchr(at, '\n')) at = strchr(at, '\n') + 1;
  char *next;
  long have = strtol(at, &next, 10);
  if (have != all)
    return fm_error(ctx, FM_USAGE,
                    "the channel list %s is for %ld channels, but %s has %ld in its three taps",
                    r->channel_list, have, r->backbone, all);
  for (at = next;; at = next) {
    long c = strtol(at, &next, 10);
    if (next == at) return FM_OK;
    if (c < 0 || c >= all)
      return fm_error(ctx, FM_INTERNAL, "the channel list %s is broken", r->channel_list);
    chosen[c] = true;
  }
}

enum fm_status fm_channels_choose(struct fm_context *ctx, const struct fm_recipe *recipe, int *count,
                                  int **channel) {
  struct fm_acts tap[FM_TAPS];
  *count = 0;
  *channel = NULL;
  FM_TRY(fm_taps_shapes(ctx, recipe, tap));
  int all = tap[0].c + tap[1].c + tap[2].c;
  bool *chosen = fm_alloc(ctx, (size_t)all, sizeof *chosen);
  if (!chosen) return FM_MEMORY;
  enum fm_status status = recipe->channel_list[0] ? from_list(ctx, recipe, all, chosen)
                                                  : draw(ctx, recipe, (uint32_t)all, chosen);
  if (status == FM_OK) *channel = fm_alloc(ctx, (size_t)all, sizeof **channel);
  if (status == FM_OK && !*channel) status = FM_MEMORY;
  for (int c = 0; c < all && status == FM_OK; c++)
    if (chosen[c]) (*channel)[(*count)++] = c;
  fm_free(ctx, chosen);
  return status;
}
