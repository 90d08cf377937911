/* What a model keeps for sharpening its maps: a normal reference's pictures and features, and limits from
 * held-out good pictures. Part of a model's file, under refine.*. */
#ifndef FM_MODEL_REFINEMENT_H
#define FM_MODEL_REFINEMENT_H

#include "model/reference.h"
#include "score/threshold.h"

enum { FM_REFINEMENT_BLUR = 8 };

/* What it is worth on flaws drawn on held-out good pictures: of the detector's own map, of the sharpened one.
 * recall: of flawed pixels, with as many false ones as the sharpened map has at its threshold; auroc: of
 * pictures, by the detector's own score and by the largest value of the sharpened map. */
struct fm_worth {
  bool known; /* false: the model is of an older version */
  double ap[2], recall[2], auroc[2];
};

struct fm_refinement {
  bool there;
  bool off;    /* it was learned and found not to pay: nothing else but worth is there then */
  bool scores; /* a picture's score is the largest value of its sharpened map */
  struct fm_worth worth;
  struct fm_reference reference;
  int height, width; /* of the detector's grid */
  float *limit;      /* [height][width] tau: e up to here is normal at this cell */
  float *usual;      /* [picture] rho at each pixel: how far good pictures are from their references */
  /* Quantiles of e over all cells of the held-out pictures; the 99 % quantile of blur |Y - R|. */
  double q99, q995, q9995, rho;
  double blur;                   /* sigma of 256 pixels, for maps and residuals; at most FM_REFINEMENT_BLUR */
  struct fm_threshold threshold; /* of the sharpened map */
  struct fm_threshold image;     /* of pictures, where scores */
  double base; /* what 0.1 % of the held-out pictures' pixels are over in the detector's own map */
};

/* "sharpened maps show flaws drawn on good pictures better: ..." */
void fm_refinement_sentence(const struct fm_refinement *r, char out[400]);

void fm_refinement_free(struct fm_context *ctx, struct fm_refinement *r);
enum fm_status fm_refinement_save(const struct fm_refinement *r, struct fm_safetensors_out *out);

/* size: of the model's pictures. A file without one is FM_OK and r->there false; a damaged one FM_FORMAT.
 * Thresholds are the caller's (model.c). */
enum fm_status fm_refinement_load(struct fm_context *ctx, const struct fm_safetensors *file,
                                  struct fm_size size, struct fm_refinement *r);

#endif
