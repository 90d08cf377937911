/* A recipe: every constant of a training, in one table from which options, recipe files, the metadata of
 * models and checkpoints, and their comparison are made. Adding a constant is one field and one row.
 *
 * Recipes are files of "key = value" lines (models/recipes, in [cdo] and alike); a key is the option's name.
 */
#ifndef FM_DETECT_RECIPE_H
#define FM_DETECT_RECIPE_H

#include "data/loader.h"
#include "file/safetensors.h"
#include "op/adam.h"

enum fm_switch { FM_AUTO, FM_YES, FM_NO };

struct fm_recipe {
  char method[16], backbone[32], resize[8];
  long size, epochs, batch, seed;
  double lr, lr_decay, weight_decay, beta1, beta2, epsilon;
  double gamma, momentum; /* momentum: of the running statistics */
  bool mom, oom, reestimate;
  enum fm_switch skip_background; /* auto: for the categories that the publication names */
  long patches, patch_smallest, patch_largest, redraws;
  double hold_out, false_alarms;
};

enum fm_field_kind { FM_FIELD_FLAG, FM_FIELD_SWITCH, FM_FIELD_INT, FM_FIELD_NUMBER, FM_FIELD_TEXT };

struct fm_field {
  const char *key; /* "lr-decay" */
  enum fm_field_kind kind;
  size_t offset, size;         /* in struct fm_recipe */
  double low, high;            /* of numbers */
  const char *argument, *help; /* help NULL: a constant that is rarely changed */
};

enum { FM_FIELDS = 25, FM_FIELD_VALUE = 64 };
extern const struct fm_field fm_fields[FM_FIELDS];

/* What `flawmap train` does without options: the published CDO with a small network, hold-out, and statistics
 * that are estimated again at the end. */
void fm_recipe_default(struct fm_recipe *recipe);

/* A key's value from text; where ("recipe cdo", "'bottle.flawmap'") begins the message. FM_USAGE. */
enum fm_status fm_recipe_set(struct fm_context *ctx, struct fm_recipe *recipe, const char *key,
                             const char *value, const char *where);

/* The value of field i as text that fm_recipe_set reads back exactly. */
void fm_recipe_get(const struct fm_recipe *recipe, int i, char out[FM_FIELD_VALUE]);

/* Index of the key, or -1. */
int fm_field_find(const char *key);

/* Sets every value of a recipe built in ("cdo") or of a file, but for the fields marked in keep (FM_FIELDS
 * flags; may be NULL). */
enum fm_status fm_recipe_read(struct fm_context *ctx, const char *name, const bool *keep,
                              struct fm_recipe *recipe);

/* Values that do not fit together or are not there: FM_USAGE. */
enum fm_status fm_recipe_check(struct fm_context *ctx, const struct fm_recipe *recipe);

/* All fields as metadata "recipe.KEY"; and back: a missing or impossible one is FM_FORMAT. */
enum fm_status fm_recipe_save(const struct fm_recipe *recipe, struct fm_safetensors_out *out);
enum fm_status fm_recipe_load(struct fm_context *ctx, const struct fm_safetensors *file,
                              struct fm_recipe *recipe);

/* What other parts need of it. */
enum fm_status fm_recipe_preprocess(struct fm_context *ctx, const struct fm_recipe *recipe,
                                    struct fm_preprocess *out);
struct fm_synthetic fm_recipe_synthetic(const struct fm_recipe *recipe, const char *category);
struct fm_adam fm_recipe_adam(const struct fm_recipe *recipe);

#endif
