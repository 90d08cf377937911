#include "model/method.h"

#include <stdio.h>
#include <string.h>

const struct fm_method *fm_method_of(const struct fm_recipe *recipe) {
  for (int i = 0; i < fm_method_count; i++)
    if (strcmp(fm_methods[i]->name, recipe->method) == 0) return fm_methods[i];
  return NULL;
}

enum fm_status fm_method_find(struct fm_context *ctx, const char *name, const struct fm_method **method) {
  char names[200] = "";
  for (int i = 0; i < fm_method_count; i++) {
    size_t used = strlen(names);
    *method = fm_methods[i];
    if (strcmp(fm_methods[i]->name, name) == 0) return FM_OK;
    snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", fm_methods[i]->name);
  }
  return fm_error(ctx, FM_USAGE, "there is no method '%.60s'; there are: %s (and auto, for train)", name,
                  names);
}

struct fm_train fm_train_of(const struct fm_model *m, const struct fm_sample *samples, size_t count) {
  return (struct fm_train){.recipe = m->recipe,
                           .category = m->data.category,
                           .samples = samples,
                           .count = count,
                           .data_hash = m->data.hash,
                           .expert = &m->expert,
                           .standard = fm_standard_none(&m->standard) ? NULL : &m->standard};
}

enum fm_status fm_train_preprocess(struct fm_context *ctx, const struct fm_train *train,
                                   struct fm_preprocess *out) {
  FM_TRY(fm_recipe_preprocess(ctx, &train->recipe, out));
  out->standard = train->standard;
  return FM_OK;
}
