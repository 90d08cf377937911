#include "task/learn.h"

#include "base/memory.h"
#include "data/tiles.h"
#include "refine/f2pad.h"

#include <stdio.h>

/* What the network sees of pictures: they themselves, or their tiles, which are *own then. */
static enum fm_status as_seen(struct fm_context *ctx, const struct fm_recipe *recipe,
                              const struct fm_sample **samples, size_t *count, struct fm_sample **own) {
  *own = NULL;
  if (!recipe->tile) return FM_OK;
  FM_TRY(fm_tiles_list(ctx, *samples, *count, (int)recipe->tile, own, count));
  *samples = *own;
  return FM_OK;
}

static enum fm_status check_memory(struct fm_device *d, const struct fm_train *t) {
  const struct fm_method *method = fm_method_of(&t->recipe);
  size_t bytes;
  char what[80];
  if (!method->memory) return FM_OK;
  FM_TRY(method->memory(d, t, &bytes));
  snprintf(what, sizeof what, "fit %s to %zu %s", method->name, t->count,
           t->recipe.tile ? "tiles" : "pictures");
  return fm_memory_check(d, what, bytes, "use fewer pictures (--shots) or a smaller --size");
}

enum fm_status fm_learn(struct fm_device *d, const struct fm_train *pictures, struct fm_model *m) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_train t = *pictures;
  struct fm_sample *own;
  FM_TRY(as_seen(ctx, &t.recipe, &t.samples, &t.count, &own));
  enum fm_status status = check_memory(d, &t);
  if (status == FM_OK) status = fm_method_of(&t.recipe)->fit(d, &t, &m->learned);
  if (own) m->data.tiles = t.count;
  fm_free(ctx, own);
  return status;
}

enum fm_status fm_learn_refinement(struct fm_device *d, struct fm_model *m, const struct fm_train *pictures,
                                   const struct fm_sample *held, size_t held_count) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_train t = *pictures;
  struct fm_sample *own[2] = {NULL, NULL};
  enum fm_status status = as_seen(ctx, &t.recipe, &t.samples, &t.count, &own[0]);
  if (status == FM_OK) status = as_seen(ctx, &t.recipe, &held, &held_count, &own[1]);
  if (status == FM_OK) status = fm_f2pad_fit(d, m, &t, held, held_count);
  for (int i = 0; i < 2; i++) fm_free(ctx, own[i]);
  return status;
}
