#include "task/hint.h"

#include "base/log.h"

#include <math.h>

/* Own pixels for one of the network's: beyond it a hint is worth a line. */
static const double WORTH = 2.5;

/* The size of the middle one of a few pictures by their pixels: most sets are of one size. */
static struct fm_size usual_size(struct fm_context *ctx, const struct fm_sample *samples, size_t count) {
  enum { FEW = 5 };
  struct fm_size size[FEW] = {{0}};
  size_t n = 0;
  for (size_t i = 0; i < FEW && i < count; i++) {
    struct fm_context branch;
    struct fm_size s;
    size_t bytes, at = n;
    fm_context_branch(&branch, ctx);
    if (fm_image_size(&branch, samples[i * count / (count < FEW ? count : FEW)].path, &s.width, &s.height,
                      &bytes) == FM_OK) {
      for (; at > 0 && fm_size_pixels(size[at - 1]) > fm_size_pixels(s); at--) size[at] = size[at - 1];
      size[at] = s;
      n++;
    }
    fm_context_free(&branch);
  }
  return size[n / 2];
}

/* The smallest size of the network's shape that is seen two of the own pixels to one. */
static struct fm_size larger_size(struct fm_size seen, double pixels) {
  double by = fmin(pixels / 2, 4);
  struct fm_size s = {(int)ceil(seen.width * by / 32) * 32, (int)ceil(seen.height * by / 32) * 32};
  return s;
}

void fm_size_hint(struct fm_context *ctx, const struct fm_recipe *recipe, const struct fm_sample *samples,
                  size_t count) {
  const struct fm_size seen = recipe->size, own = usual_size(ctx, samples, count);
  int longer = seen.width > seen.height ? seen.width : seen.height;
  double pixels = recipe->tile ? (double)recipe->tile / longer
                               : fmax((double)own.width / seen.width, (double)own.height / seen.height);
  char size[FM_SIZE_TEXT];
  if (!own.width || pixels < WORTH) return;
  struct fm_size larger = larger_size(seen, pixels);
  if (larger.width > 4096 || larger.height > 4096) larger = seen;
  int tile = 2 * longer;
  bool sized = pixels <= 8 && !fm_size_same(larger, seen); /* beyond it a network would take too much */
  fm_note(
      ctx,
      "note: a flaw of fewer than %d pixels of your %dx%d pictures is less than 2 pixels for the network; "
      "%s%s%s--tile %d sees it",
      (int)ceil(2 * pixels), own.width, own.height, sized ? "--size " : "",
      sized ? fm_size_text(larger, size) : "", sized ? " or " : "", tile);
}
