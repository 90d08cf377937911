/* Features of cells, from two taps: a fine one, whose grid the cells are on, and a coarse one (PatchCore:
 * taps 2 and 3, strides 8 and 16); and the way back to the taps. Kernels: cl/patch.cl; equations:
 * docs/math/patchcore.md section 1.
 *
 * concat: the mean over the 3 x 3 neighbourhood of each place of each tap (places outside the picture count
 * as zeros), the coarse tap's enlarged bilinearly (half-pixel corners), one after the other: c_fine +
 * c_coarse numbers, the fine tap's times a weight. official: the 3 x 3 neighbourhoods, unfolded, averaged
 * over bins to FM_PATCH_MAPPED numbers a tap (the coarse one's enlarged), then both together to `dimensions`:
 * what the authors' code computes, without unfolding anything. */
#ifndef FM_OP_PATCH_H
#define FM_OP_PATCH_H

#include "op/acts.h"

enum { FM_PATCH_MAPPED = 1024, FM_PATCH_TAPS = 2 };

/* A list for each of `outputs` outputs: entries begin[o] .. begin[o + 1]. On the device. */
struct fm_patch_table {
  int outputs;
  struct fm_buffer begin, from, weight;
};

struct fm_patches {
  int n, h, w;           /* pictures at a time, cells */
  int dimensions, width; /* of a feature, and in whole blocks: the last ones zero */
  struct {
    int c, h, w, row, plane; /* the tap; floats from line to line and from plane to plane */
    int first, outputs;      /* of the feature */
    int place, places;       /* that are computed of a plane */
    struct fm_patch_table forward, backward;
    struct fm_buffer in, out, slope, back; /* planes; the last two where there is a way back */
  } tap[FM_PATCH_TAPS];
};

/* Numbers of a feature of two taps with c1 and c2 channels. */
int fm_patch_dimensions(bool official, int dimensions, int c1, int c2);

/* How features are made of taps; zeros are concat with the weight 1. */
struct fm_patch_kind {
  bool official;
  int dimensions;     /* of official ones */
  double fine_weight; /* of concat: of the fine tap's numbers; 0: 1 */
};

/* For taps of these shapes, n pictures or fewer. gradient: fm_patches_back will be called. */
enum fm_status fm_patches_make(struct fm_device *d, const struct fm_acts *fine, const struct fm_acts *coarse,
                               const struct fm_patch_kind *kind, bool gradient, struct fm_patches *p);
void fm_patches_free(struct fm_device *d, struct fm_patches *p);

/* feature [fine->n][h][w][width]. Enqueued. */
void fm_patches_run(struct fm_device *d, const struct fm_patches *p, const struct fm_acts *fine,
                    const struct fm_acts *coarse, const struct fm_buffer *feature);

/* slope: d loss / d feature, as feature; to d loss / d tap. Enqueued. */
void fm_patches_back(struct fm_device *d, const struct fm_patches *p, const struct fm_buffer *slope,
                     const struct fm_acts *fine, const struct fm_acts *coarse);

#endif
