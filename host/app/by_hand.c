#include "app/by_hand.h"

enum fm_status fm_by_hand_apply(const struct fm_by_hand *h, const char *path, struct fm_model *m) {
  if (!h->image_given && !h->pixel_given) return FM_OK;
  if (!h->image_given && !m->has_thresholds)
    return fm_error(m->ctx, FM_USAGE,
                    "'%s' has no thresholds, so --pixel-threshold is not enough; give --threshold too", path);
  bool one = !m->has_thresholds || m->image.value == m->pixel.value;
  double alpha = m->recipe.false_alarms;
  if (h->pixel_given || one) fm_threshold_by_hand(h->pixel_given ? h->pixel : h->image, alpha, &m->pixel);
  if (h->image_given) fm_threshold_by_hand(h->image, alpha, &m->image);
  if (h->image_given) m->refinement.image = m->image;
  if (h->pixel_given && m->refinement.there) m->refinement.threshold = m->pixel;
  m->has_thresholds = true;
  return FM_OK;
}

const char *fm_by_hand_mark(const struct fm_threshold *t) {
  return fm_threshold_is_by_hand(t) ? " (set by hand)" : "";
}

enum fm_status fm_ignore_more(const char *path, struct fm_model *m) {
  struct fm_ignore more;
  if (!path) return FM_OK;
  FM_TRY(fm_ignore_read(m->ctx, path, &more));
  enum fm_status status = fm_ignore_join(m->ctx, &m->standard.ignore, &more);
  fm_ignore_free(m->ctx, &more);
  return status;
}
