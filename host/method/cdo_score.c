/* CDO as a row of the table of detectors: its map and the way back from it to the picture. */
#include "method/cdo.h"
#include "method/cdo_train.h"
#include "method/methods.h"

#include "base/memory.h"
#include "op/planes.h"
#include "score/radix.h"

#include <math.h>
#include <string.h>

static enum fm_status check(struct fm_context *ctx, const struct fm_recipe *r) {
  if (r->patch_smallest < r->patch_largest)
    return fm_error(ctx, FM_USAGE,
                    "patches have sides from size / patch-smallest to size / patch-largest, so "
                    "patch-smallest (%ld) must be at least patch-largest (%ld)",
                    r->patch_smallest, r->patch_largest);
  if (strcmp(r->variant, "2023") != 0 && !fm_recipe_2025(r))
    return fm_error(ctx, FM_USAGE, "--variant %s is not known; there are 2023 and 2025", r->variant);
  long larger = r->size.width > r->size.height ? r->size.width : r->size.height;
  if (r->patch_canvas && r->patch_canvas < larger)
    return fm_error(ctx, FM_USAGE,
                    "--patch-canvas %ld is smaller than --size %ld; make it larger, or 0 to draw patches on "
                    "the picture itself",
                    r->patch_canvas, larger);
  return FM_OK;
}

static enum fm_status shape(struct fm_context *ctx, const struct fm_recipe *recipe, struct fm_weights *w) {
  const struct fm_backbone *backbone;
  FM_TRY(fm_backbone_find(ctx, recipe->backbone, &backbone));
  return fm_backbone_weights(ctx, backbone, w);
}

/* Small sets get as many steps as those of some 150 pictures have in the published epochs. */
static void defaults(struct fm_recipe *r) {
  r->steps = 500;
}

/* The rate that the training ended with, for some 30 steps: it is a touch, not a training. */
static void go_on(struct fm_recipe *r, size_t pictures) {
  enum { STEPS = 30 };
  r->lr *= pow(r->lr_decay, (double)(r->epochs - 1));
  if (r->lr_drop && r->epochs > r->lr_drop) r->lr /= 10;
  r->lr_drop = r->steps = 0;
  long batches = ((long)pictures + r->batch - 1) / r->batch;
  r->epochs = (STEPS + batches - 1) / batches;
}

struct own {
  struct fm_loss_scratch scratch;            /* of the way back */
  struct fm_buffer distance[FM_TAPS], slope; /* 2025: every tap's at its own size */
};

static bool is_2025(const struct fm_scorer *s) {
  return fm_recipe_2025(&s->model->recipe);
}

static enum fm_status begin(struct fm_scorer *s) {
  FM_TRY(fm_scorer_net(s, 0, &s->model->expert.weights));
  FM_TRY(fm_scorer_net(s, 1, &s->model->learned));
  struct own *own = s->own = fm_alloc(fm_device_context(s->d), 1, sizeof *own);
  if (!own) return FM_MEMORY;
  if (s->gradient) FM_TRY(fm_loss_scratch_make(s->d, s->batch, s->height, s->width, &own->scratch));
  for (int i = 0; i < FM_TAPS && is_2025(s); i++) {
    const struct fm_acts *tap = fm_net_tap(s->net[0], i);
    size_t bytes = (size_t)s->batch * (size_t)tap->h * (size_t)tap->w * sizeof(float);
    FM_TRY(fm_buffer_make(s->d, bytes, &own->distance[i]));
    if (i == 0 && s->gradient) FM_TRY(fm_buffer_make(s->d, bytes, &own->slope)); /* tap 1's is the largest */
  }
  return FM_OK;
}

static void end(struct fm_scorer *s) {
  struct own *own = s->own;
  if (!own) return;
  fm_loss_scratch_free(s->d, &own->scratch);
  for (int i = 0; i < FM_TAPS; i++) fm_buffer_free(s->d, &own->distance[i]);
  fm_buffer_free(s->d, &own->slope);
  fm_free(fm_device_context(s->d), own);
}

/* 2023: the taps' discrepancies live on tap 1's grid, so they are added there and enlarged once.
 * 2025: each tap has 1 - cos = d / 2 at its own size; the cells are their sum on tap 1's grid. */
static void cells(struct fm_scorer *s) {
  struct own *own = s->own;
  for (int i = 0; i < FM_TAPS; i++) {
    const struct fm_acts *e = fm_net_tap(s->net[0], i), *a = fm_net_tap(s->net[1], i);
    if (!is_2025(s)) {
      fm_discrepancy(s->d, e, a, s->height, s->width, i > 0, &s->cells, NULL, NULL);
      continue;
    }
    fm_discrepancy(s->d, e, a, e->h, e->w, false, &own->distance[i], NULL, NULL);
    fm_planes_add(s->d, &own->distance[i], s->n, e->h, e->w, 0.5f, i > 0, &s->cells, s->height, s->width);
  }
}

static void back(struct fm_scorer *s) {
  struct own *own = s->own;
  for (int i = 0; i < FM_TAPS; i++) {
    const struct fm_acts *e = fm_net_tap(s->net[0], i), *a = fm_net_tap(s->net[1], i);
    const struct fm_buffer *slope = &s->slope;
    int h = s->height, w = s->width;
    if (is_2025(s)) {
      fm_planes_add_back(s->d, &s->slope, s->n, h, w, 0.5f, &own->slope, e->h, e->w);
      slope = &own->slope;
      h = e->h;
      w = e->w;
    }
    fm_discrepancy_back(s->d, e, a, h, w, slope, &own->scratch, fm_net_tap_gradient(s->net[0], i),
                        fm_net_tap_gradient(s->net[1], i));
  }
}

/* 2025: the mean over the taps of what `cells` left at their own sizes, each enlarged with aligned corners.
 */
static void map(struct fm_scorer *s) {
  struct own *own = s->own;
  if (!is_2025(s)) {
    fm_scorer_enlarge(s);
    return;
  }
  for (int i = 0; i < FM_TAPS; i++) {
    const struct fm_acts *tap = fm_net_tap(s->net[0], i);
    fm_planes_add(s->d, &own->distance[i], s->n, tap->h, tap->w, 0.5f / FM_TAPS, i > 0, &s->map,
                  s->size.height, s->size.width);
  }
  fm_gaussian_run(s->d, &s->gaussian, &s->map, &s->scratch, s->n, s->size.height, s->size.width);
}

/* 2025: the mean of the largest 1 % of the map, of the pixels that count; 0 where none does. */
static enum fm_status picture(struct fm_scorer *s, int n, const float *maps, float *scores) {
  struct fm_context *ctx = fm_device_context(s->d);
  size_t pixels = fm_size_pixels(s->size);
  for (int i = 0; i < n; i++) scores[i] = NAN;
  if (!is_2025(s)) return FM_OK;
  uint32_t *keys = fm_alloc(ctx, pixels, sizeof *keys);
  unsigned char *covered = fm_alloc(ctx, pixels, 1);
  enum fm_status status = keys && covered ? FM_OK : FM_MEMORY;
  for (int i = 0; i < n && status == FM_OK; i++) {
    size_t count = 0;
    double sum = 0;
    bool some = fm_scorer_covered(s, i, s->size, covered);
    for (size_t k = 0; k < pixels; k++)
      if (!some || covered[k]) keys[count++] = fm_score_key(maps[(size_t)i * pixels + k]);
    status = fm_sort_u32(ctx, keys, count);
    size_t most = count < 100 ? count : count / 100;
    for (size_t k = count - most; k < count; k++) sum += (double)fm_score_of_key(keys[k]);
    scores[i] = most ? (float)(sum / (double)most) : 0;
  }
  fm_free(ctx, keys);
  fm_free(ctx, covered);
  return status;
}

const struct fm_method fm_method_cdo = {.name = "cdo",
                                        .about =
                                            "a network learns to agree with a pretrained one on good pixels",
                                        .prefix = "apprentice.",
                                        .bit = FM_CDO,
                                        .resumes = true,
                                        .defaults = defaults,
                                        .check = check,
                                        .go_on = go_on,
                                        .fit = fm_train_run,
                                        .shape = shape,
                                        .begin = begin,
                                        .end = end,
                                        .cells = cells,
                                        .back = back,
                                        .map = map,
                                        .picture = picture};
