/* CDO as a row of the table of detectors: its map and the way back from it to the picture. */
#include "detect/cdo.h"
#include "detect/methods.h"
#include "detect/train.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static enum fm_status check(struct fm_context *ctx, const struct fm_recipe *r) {
  if (r->patch_smallest < r->patch_largest)
    return fm_error(ctx, FM_USAGE,
                    "patch-smallest and patch-largest divide the picture's side: %ld should not be below %ld",
                    r->patch_smallest, r->patch_largest);
  return FM_OK;
}

static enum fm_status shape(struct fm_context *ctx, const struct fm_recipe *recipe, struct fm_weights *w) {
  const struct fm_backbone *backbone;
  FM_TRY(fm_backbone_find(ctx, recipe->backbone, &backbone));
  return fm_backbone_weights(ctx, backbone, (int)recipe->size, w);
}

static enum fm_status begin(struct fm_scorer *s) {
  FM_TRY(fm_scorer_net(s, 0, &s->model->expert.weights));
  FM_TRY(fm_scorer_net(s, 1, &s->model->learned));
  if (!s->gradient) return FM_OK;
  struct fm_loss_scratch *scratch = s->own = fm_alloc(fm_device_context(s->d), 1, sizeof *scratch);
  return scratch ? fm_loss_scratch_make(s->d, s->batch, s->height, s->width, scratch) : FM_MEMORY;
}

static void end(struct fm_scorer *s) {
  if (s->own) fm_loss_scratch_free(s->d, s->own);
  fm_free(fm_device_context(s->d), s->own);
}

/* The taps' discrepancies live on tap 1's grid, so they are added there and enlarged once. */
static void cells(struct fm_scorer *s) {
  for (int i = 0; i < FM_TAPS; i++)
    fm_discrepancy(s->d, fm_net_tap(s->net[0], i), fm_net_tap(s->net[1], i), s->height, s->width, i > 0,
                   &s->cells, NULL, NULL);
}

static void back(struct fm_scorer *s) {
  for (int i = 0; i < FM_TAPS; i++)
    fm_discrepancy_back(s->d, fm_net_tap(s->net[0], i), fm_net_tap(s->net[1], i), s->height, s->width,
                        &s->slope, s->own, fm_net_tap_gradient(s->net[0], i),
                        fm_net_tap_gradient(s->net[1], i));
}

const struct fm_method fm_method_cdo = {.name = "cdo",
                                        .about =
                                            "a network learns to agree with a pretrained one on good pixels",
                                        .prefix = "apprentice.",
                                        .bit = FM_CDO,
                                        .resumes = true,
                                        .check = check,
                                        .fit = fm_train_run,
                                        .shape = shape,
                                        .begin = begin,
                                        .end = end,
                                        .cells = cells,
                                        .back = back};
