/* What a model keeps for sharpening its maps: a normal reference's pictures and features, and limits from
 * held-out good pictures. Part of a model's file, under refine.*. */
#ifndef FM_MODEL_REFINEMENT_H
#define FM_MODEL_REFINEMENT_H

#include "base/size.h"
#include "file/safetensors.h"
#include "score/threshold.h"

enum fm_reference_kind { FM_REFERENCE_BLEND, FM_REFERENCE_QUILT, FM_REFERENCE_KINDS };
extern const char *const fm_reference_names[FM_REFERENCE_KINDS];

struct fm_reference {
  enum fm_reference_kind kind;
  struct fm_size size;  /* of the pictures */
  size_t count;         /* good pictures */
  unsigned char *good;  /* [count][height][width][3] */
  size_t rows, columns; /* blend: pictures, numbers of the tap; quilt: good cells, numbers of a feature */
  float *feature;       /* [rows][columns] */
  int *origin;          /* quilt: [rows][2]: good picture, cell; else NULL */
};
void fm_reference_free(struct fm_context *ctx, struct fm_reference *r);

enum { FM_REFINEMENT_BLUR = 8 };

struct fm_refinement {
  bool there;
  struct fm_reference reference;
  int height, width; /* of the detector's grid */
  float *limit;      /* [height][width] tau: e up to here is normal at this cell */
  float *usual;      /* [picture] rho at each pixel: how far good pictures are from their references */
  /* Quantiles of e over all cells of the held-out pictures; the 99 % quantile of blur |Y - R|. */
  double q99, q995, q9995, rho;
  double blur;                   /* sigma of 256 pixels, for maps and residuals; at most FM_REFINEMENT_BLUR */
  struct fm_threshold threshold; /* of the sharpened map */
  double base; /* what 0.1 % of the held-out pictures' pixels are over in the detector's own map */
};

void fm_refinement_free(struct fm_context *ctx, struct fm_refinement *r);
enum fm_status fm_refinement_save(const struct fm_refinement *r, struct fm_safetensors_out *out);

/* size: of the model's pictures. A file without one is FM_OK and r->there false; a damaged one FM_FORMAT. */
enum fm_status fm_refinement_load(struct fm_context *ctx, const struct fm_safetensors *file,
                                  struct fm_size size, struct fm_refinement *r);

#endif
