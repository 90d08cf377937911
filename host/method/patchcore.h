/* PatchCore (Roth et al., CVPR 2022): a bank of features of good cells, thinned out by a coreset, and the
 * distance of a picture's cells to the nearest of them. What is learned, under "patchcore.": bank
 * [rows][dimensions], in the order of the choice; picture [rows] and cell [rows], where each row comes from:
 * number among the pictures learned from (those of an update behind the others), and y * width + x on tap 2's
 * grid (stride 8). Equations and what others do: docs/math/patchcore.md. */
#ifndef FM_METHOD_PATCHCORE_H
#define FM_METHOD_PATCHCORE_H

#include "model/method.h"
#include "op/patch.h"

/* Index of the finer one of the two taps that features are made of: taps 2 and 3, strides 8 and 16. */
enum { FM_PATCHCORE_TAP = 1 };

/* Rows of the bank that lie nearest to each of the n * height * width cells, as the last search found them;
 * the recipe's `neighbours` of each, the nearest first. Waits. */
enum fm_status fm_patchcore_neighbours(struct fm_scorer *s, int *index);

/* The method's fit and its memory (method.h). */
enum fm_status fm_patchcore_fit(struct fm_device *d, const struct fm_train *t, struct fm_weights *learned);
enum fm_status fm_patchcore_memory(struct fm_device *d, const struct fm_train *t, size_t *bytes);

/* The fit, with features of all cells kept in the host's memory up to `keep` bytes; beyond that the pictures
 * are looked at a second time. The result is the same. */
enum fm_status fm_patchcore_learn(struct fm_device *d, const struct fm_train *t, size_t keep,
                                  struct fm_weights *learned);

bool fm_patchcore_official(const struct fm_recipe *recipe);
struct fm_patch_kind fm_patchcore_kind(const struct fm_recipe *recipe);

#endif
