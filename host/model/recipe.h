/* A recipe: every constant of a training, in one table from which options, recipe files, the metadata of
 * models and checkpoints, and their comparison are made. Adding a constant is one field and one row.
 *
 * Recipes are files of "key = value" lines (models/recipes, in [cdo] and alike); a key is the option's name.
 */
#ifndef FM_MODEL_RECIPE_H
#define FM_MODEL_RECIPE_H

#include "base/embedded.h"
#include "data/loader.h"
#include "data/standard_learn.h"
#include "file/safetensors.h"
#include "op/adam.h"

enum fm_switch { FM_AUTO, FM_YES, FM_NO };

/* The methods that a constant means something to. */
enum { FM_CDO = 1, FM_PADIM = 2, FM_PATCHCORE = 4, FM_CFLOW = 8, FM_EVERY = 15 };

struct fm_recipe {
  char method[16], backbone[32], resize[8], light[8], align[8];
  struct fm_size size, crop; /* crop: zeros: none */
  long tile, batch, seed, shots;
  double hold_out, false_alarms;
  bool learn_all; /* the held-out pictures, too, once they have decided; thresholds: see task/fit.h */
  bool refine;    /* learn to sharpen maps, too */
  bool leave_out_odd;
  /* Training by gradient */
  long epochs, steps; /* steps: CDO; at least so many, by more epochs */
  double lr, lr_decay, weight_decay, beta1, beta2, epsilon, clip;
  long lr_drop; /* after so many epochs the rate is a tenth; 0: never */
  /* CDO */
  char variant[16];       /* "2023" or "2025": normalisation, map and score */
  double gamma, momentum; /* momentum: of the running statistics */
  bool mom, oom, reestimate;
  enum fm_switch skip_background; /* auto: for the categories that the publication names */
  long patches, patch_smallest, patch_largest, redraws, patch_canvas, real_anomalies;
  /* PaDiM */
  long channels;
  char channel_list[32]; /* a published choice, or "" */
  double regulariser, floor;
  /* PatchCore */
  char features[16]; /* "concat" or "official" */
  long dimensions, projection, bank_limit, neighbours, reweight;
  double coreset, fine;
  /* CFLOW-AD */
  long blocks, condition, fibres, passes, warmup;
  double clamp, lr_last, lr_first, rotate, normal_share;
  char mixing[16], padding[8];
};

enum fm_field_kind {
  FM_FIELD_FLAG,
  FM_FIELD_SWITCH,
  FM_FIELD_INT,
  FM_FIELD_NUMBER,
  FM_FIELD_TEXT,
  FM_FIELD_SIZE /* "256" or "512x384" */
};

struct fm_field {
  const char *key; /* "lr-decay" */
  enum fm_field_kind kind;
  int methods;                 /* FM_CDO | ... */
  size_t offset, size;         /* in struct fm_recipe */
  double low, high;            /* of numbers, and of the sides of sizes */
  const char *argument, *help; /* help NULL: a constant that is rarely changed */
  const char *since;           /* the version of flawmap that has it first */
  const char *before;          /* what holds for models from before that, which lack it; NULL: none do */
  bool quiet; /* a file leaves it out where it has that value, so that files from before keep their bytes */
};

enum { FM_FIELDS = 63, FM_FIELD_VALUE = 64 };
extern const struct fm_field fm_fields[FM_FIELDS];

/* What `flawmap train` does without options: the published CDO with a small network, hold-out, and statistics
 * that are estimated again at the end. */
void fm_recipe_default(struct fm_recipe *recipe);

/* In place of a method: one is still to be chosen (task/auto.h). Such a recipe has every field. */
#define FM_METHOD_AUTO "auto"
bool fm_recipe_automatic(const struct fm_recipe *recipe);

/* Who asks for a share to be held out (given [FM_FIELDS]) does not want it to be learned from in the end,
 * unless they say so. */
bool fm_recipe_holds_out(const bool *given);

/* The defaults of a method; FM_USAGE with the names there are. */
enum fm_status fm_recipe_begin(struct fm_context *ctx, const char *method, struct fm_recipe *recipe);

/* True where field i means something to the recipe's method. */
bool fm_recipe_has(const struct fm_recipe *recipe, int i);

/* A key's value from text; where ("recipe cdo", "'bottle.flawmap'") begins the message. FM_USAGE. */
enum fm_status fm_recipe_set(struct fm_context *ctx, struct fm_recipe *recipe, const char *key,
                             const char *value, const char *where);

/* The value of field i as text that fm_recipe_set reads back exactly. */
void fm_recipe_get(const struct fm_recipe *recipe, int i, char out[FM_FIELD_VALUE]);

/* Index of the key, or -1. */
int fm_field_find(const char *key);

/* The recipes that are built in: the first one after `last` (NULL: the first of all), NULL after them. Its
 * name without ".ini", and what it says about itself first, as one line. */
const struct fm_embedded *fm_recipe_next(const struct fm_embedded *last);
void fm_recipe_about(const struct fm_embedded *recipe, char name[64], char about[160]);

/* A recipe that is built in ("cdo") or a file's: the defaults of the method that it names, then its values.
 */
enum fm_status fm_recipe_read(struct fm_context *ctx, const char *name, struct fm_recipe *recipe);

/* Values that do not fit together or are not there: FM_USAGE. */
enum fm_status fm_recipe_check(struct fm_context *ctx, const struct fm_recipe *recipe);

/* The method's fields as metadata "recipe.KEY"; and back. One that is missing has the value from before it
 * was there, in a file that is as old; else, and where a value is impossible or a key unknown, FM_FORMAT. */
enum fm_status fm_recipe_save(const struct fm_recipe *recipe, struct fm_safetensors_out *out);
enum fm_status fm_recipe_load(struct fm_context *ctx, const struct fm_safetensors *file,
                              struct fm_recipe *recipe);

/* Ends the message of a file that cannot be used (FM_FORMAT) with the version that wrote it; returns status.
 */
#define FM_RECIPE_PROGRAM "flawmap.program"
enum fm_status fm_recipe_name_version(struct fm_context *ctx, const struct fm_safetensors *file,
                                      enum fm_status status);

/* What other parts need of it. */
enum fm_status fm_recipe_preprocess(struct fm_context *ctx, const struct fm_recipe *recipe,
                                    struct fm_preprocess *out); /* without the standard: method.h, model.h */
struct fm_standard_wish fm_recipe_wish(const struct fm_recipe *recipe);
struct fm_synthetic fm_recipe_synthetic(const struct fm_recipe *recipe, const char *category);
/* Passes over so many pictures: the epochs, or more where `steps` takes them. */
long fm_recipe_epochs(const struct fm_recipe *recipe, size_t pictures);
bool fm_recipe_2025(const struct fm_recipe *recipe); /* CDO's variant */
struct fm_adam fm_recipe_adam(const struct fm_recipe *recipe);

#endif
