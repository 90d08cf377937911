/* A trained detector: one safetensors file with everything that scoring needs.
 *
 * Metadata: flawmap.model (format version), recipe.* (every constant), what it was trained with (data set,
 * its list's hash, hashes of the pictures, device, the expert's name and hash) and the thresholds with their
 * origin. Tensors: expert.* and what the method learned under its own prefix (CDO: apprentice.*). A thin file
 * leaves the expert out and names it by its hash. No date and no path: the same training gives the same
 * bytes.
 *
 * Files are hostile: every value, shape and number is checked, and numbers that are not finite are refused.
 */
#ifndef FM_MODEL_MODEL_H
#define FM_MODEL_MODEL_H

#include "model/recipe.h"
#include "model/refinement.h"
#include "model/standard.h"
#include "net/weights.h"
#include "score/threshold.h"

#define FM_MODEL_VERSION "1"

/* The network that stays as it is. hash: SHA-256 over names and values (float32) in the graph's order, the
 * same for every file that holds these values. */
struct fm_expert {
  struct fm_weights weights;
  bool trained; /* false: random weights */
  char hash[65];
  char file[128]; /* the file's name without folder; "" where untrained */
};

/* What is said on top of every result of a model whose expert is untrained. */
#define FM_UNTRAINED "UNTRAINED: the expert has random weights; these results say nothing about the method"

/* From `path`; where that is NULL from where fm_expert_find finds them; FM_USAGE, naming fetch, where
 * nothing is there. untrained: random weights, whatever is there; a note says what that means. */
enum fm_status fm_expert_load(struct fm_context *ctx, const struct fm_backbone *backbone, const char *path,
                              bool untrained, struct fm_expert *expert);
void fm_expert_free(struct fm_expert *expert);

/* Where pretrained weights are put: $XDG_DATA_HOME/flawmap/BACKBONE.safetensors, else under ~/.local/share;
 * and where they are found: there, else in a folder of XDG_DATA_DIRS (/usr/local/share, /usr/share), which
 * packages fill; the former where there are none. New strings. */
char *fm_expert_path(struct fm_context *ctx, const struct fm_backbone *backbone);
char *fm_expert_find(struct fm_context *ctx, const struct fm_backbone *backbone);

/* Parameters of a backbone, zero; they are the same at every size. */
enum fm_status fm_backbone_weights(struct fm_context *ctx, const struct fm_backbone *backbone,
                                   struct fm_weights *weights);

/* FM_FORMAT, naming the tensor, where a value is not finite or a variance is negative. */
enum fm_status fm_weights_check(const struct fm_weights *weights, const char *path, const char *prefix);

/* What is known about the pictures it learned from. */
struct fm_model_data {
  char category[128], hash[17];
  size_t learned, held; /* good pictures */
  size_t joined;        /* of those learned from: later, by an update */
  size_t tiles;   /* that those learned from, and flawed ones, were cut into; 0: the network saw them whole */
  char *pictures; /* hashes of those it learned from (seen.h), or NULL; the model's */
  char *choice;   /* what was tried before the method was chosen (task/auto.h), or NULL; the model's */
  char *real;     /* names of the flawed ones it learned from, too (real.h), or NULL; the model's */
};

struct fm_model {
  struct fm_context *ctx;
  const struct fm_backbone *backbone;
  struct fm_recipe recipe;
  struct fm_expert expert;
  struct fm_weights learned; /* by the method; CDO: the apprentice */
  struct fm_model_data data;
  struct fm_standard standard; /* that pictures are brought to before they are looked at */
  char device[256];
  bool thin; /* the file it came from leaves the expert out */
  bool has_thresholds;
  struct fm_threshold image, pixel;
  struct fm_refinement refinement; /* for sharpening maps; may not be there */
};

/* How a picture is made fit for the network: with the model's standard, so the model must live as long. */
enum fm_status fm_model_preprocess(const struct fm_model *model, struct fm_preprocess *out);

/* How many pictures or tiles the network saw to learn from. */
size_t fm_model_samples(const struct fm_model *model);

/* weights: for thin models the expert's file (else looked for as fm_expert_load does); NULL otherwise. */
enum fm_status fm_model_load(struct fm_context *ctx, const char *path, const char *weights,
                             struct fm_model *model);
/* The same from a file's bytes; name: for messages. */
enum fm_status fm_model_parse(struct fm_context *ctx, const char *name, const void *bytes, size_t size,
                              const char *weights, struct fm_model *model);
void fm_model_free(struct fm_model *model);

/* FM_USAGE where the model's expert is untrained and the caller did not say that this is what they want: its
 * verdicts mean nothing. path: for the message. */
enum fm_status fm_model_check_trained(const struct fm_model *model, const char *path, bool untrained);
enum fm_status fm_model_save(const struct fm_model *model, const char *path, bool thin);

/* Whether maps are sharpened: with FM_AUTO where the model learned to; where that is wanted, unless the model
 * was found to do without (a note says why). */
bool fm_refine_pays(const struct fm_model *model, enum fm_switch wish);

/* The thresholds of a model; where it has none, values that nothing is over. */
void fm_model_thresholds(const struct fm_model *model, bool refine, struct fm_threshold *image,
                         struct fm_threshold *pixel);

/* A CDO model from two weight files with plain names (an expert and an apprentice trained elsewhere). The
 * recipe names method, backbone and size; the model has no thresholds. */
enum fm_status fm_model_join(struct fm_context *ctx, const struct fm_recipe *recipe, const char *expert,
                             const char *apprentice, struct fm_model *model);

#endif
