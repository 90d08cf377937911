#include "score/ranges.h"

#include "base/memory.h"
#include "score/radix.h"

#include <string.h>

enum { COARSE = 16, BINS = 1 << 16, HELD = 2048 };

struct lane { /* what was found since the lists were last added to */
  uint32_t normal[HELD];
  uint64_t flawed[HELD];
  size_t normals, flaws;
};

enum held { AS_LIST, AS_COUNTS, KNOWN }; /* normal pixels; known: counted before */

/* Scores from low to last, which are walked together. */
struct range {
  uint32_t low, last;
  uint64_t normals, flaws; /* in it */
  enum held held;
};

struct tally { /* of one score: how many flawed pixels lie in regions of which area; by area */
  struct of_area {
    uint32_t area;
    uint64_t pixels;
  } * item;
  size_t count, capacity;
};

struct work {
  struct fm_scan *scan;
  size_t budget;
  struct fm_walk walk;
  uint64_t over; /* normal pixels since the last stop */
  struct range range;
  uint32_t *list;   /* [range.normals] of normal pixels, or */
  uint64_t *counts; /* [lanes][last - low + 1] how many have each score */
  uint64_t *flawed; /* [range.flaws] */
  struct lane *lane;
  atomic_size_t listed, flaws_listed;
  struct tally *tally; /* [lanes] of the single score range.low */
  atomic_bool out_of_memory;
};

/* ---- counting ---- */

static enum fm_status make_bins(struct fm_context *ctx, int lanes, uint32_t low, unsigned shift,
                                struct fm_bins *b) {
  *b = (struct fm_bins){.low = low, .shift = shift, .count = BINS};
  b->normal = fm_alloc(ctx, (size_t)lanes * BINS, sizeof *b->normal);
  b->flawed = fm_alloc(ctx, (size_t)lanes * BINS, sizeof *b->flawed);
  if (b->normal && b->flawed) return FM_OK;
  fm_bins_free(ctx, b);
  return FM_MEMORY;
}

enum fm_status fm_bins_make(struct fm_context *ctx, int lanes, struct fm_bins *b) {
  return make_bins(ctx, lanes, 0, COARSE, b);
}

void fm_bins_visit(void *user, int lane, const float *scores, size_t n, uint32_t area) {
  const struct fm_bins *b = user;
  uint64_t *count = (area ? b->flawed : b->normal) + (size_t)lane * BINS;
  for (size_t i = 0; i < n; i++) {
    uint32_t at = (fm_score_key(scores[i]) - b->low) >> b->shift; /* keys below low wrap around */
    if (at < BINS) count[at]++;
  }
}

void fm_bins_sum(struct fm_bins *b, int lanes) {
  for (size_t l = 1; l < (size_t)lanes; l++)
    for (size_t k = 0; k < BINS; k++) {
      b->normal[k] += b->normal[l * BINS + k];
      b->flawed[k] += b->flawed[l * BINS + k];
    }
}

void fm_bins_free(struct fm_context *ctx, struct fm_bins *b) {
  fm_free(ctx, b->normal);
  fm_free(ctx, b->flawed);
  *b = (struct fm_bins){0};
}

/* ---- collecting a range ---- */

static void flush(struct work *w, struct lane *l) {
  size_t at = atomic_fetch_add(&w->listed, l->normals);
  if (w->range.held == AS_LIST && at + l->normals <= w->range.normals)
    memcpy(w->list + at, l->normal, l->normals * sizeof *w->list);
  at = atomic_fetch_add(&w->flaws_listed, l->flaws);
  if (at + l->flaws <= w->range.flaws) memcpy(w->flawed + at, l->flawed, l->flaws * sizeof *w->flawed);
  l->normals = l->flaws = 0;
}

static void collect(void *user, int lane, const float *scores, size_t n, uint32_t area) {
  struct work *w = user;
  struct lane *l = &w->lane[lane];
  const uint32_t low = w->range.low, width = w->range.last - low;
  uint64_t *counts = w->counts ? w->counts + (size_t)lane * ((size_t)width + 1) : NULL;
  for (size_t i = 0; i < n; i++) {
    uint32_t key = fm_score_key(scores[i]), at = key - low;
    if (at > width) continue;
    if (area) {
      l->flawed[l->flaws++] = (uint64_t)key << 32 | area;
      if (l->flaws == HELD) flush(w, l);
    } else if (counts) {
      counts[at]++;
    } else if (w->range.held == AS_LIST) {
      l->normal[l->normals++] = key;
      if (l->normals == HELD) flush(w, l);
    }
  }
}

static uint64_t sum_counts(struct work *w) {
  size_t width = (size_t)(w->range.last - w->range.low) + 1;
  uint64_t all = 0;
  for (size_t l = 1; l < (size_t)w->scan->lanes; l++)
    for (size_t k = 0; k < width; k++) w->counts[k] += w->counts[l * width + k];
  for (size_t k = 0; k < width; k++) all += w->counts[k];
  return all;
}

static enum fm_status changed(struct work *w) {
  return fm_error(w->scan->ctx, FM_IO, "the maps or masks changed while they were being read");
}

static enum fm_status fill(struct work *w) {
  struct fm_context *ctx = w->scan->ctx;
  const struct range *r = &w->range;
  FM_TRY(fm_scan_again(w->scan, &(struct fm_visitor){collect, w}));
  for (int l = 0; l < w->scan->lanes; l++) flush(w, &w->lane[l]);
  uint64_t normals = r->held == AS_LIST ? w->listed : r->held == AS_COUNTS ? sum_counts(w) : r->normals;
  if (normals != r->normals || w->flaws_listed != r->flaws) return changed(w);
  if (r->held == AS_LIST) FM_TRY(fm_sort_u32(ctx, w->list, r->normals));
  return fm_sort_u64(ctx, w->flawed, r->flaws);
}

/* ---- walking a range ---- */

/* counts: of the range's normal pixels, score by score; NULL: they are in the list. */
static void walk_range(struct work *w, const uint64_t *counts) {
  const struct range *r = &w->range;
  uint64_t over = w->over, left = r->normals;
  uint64_t next = (uint64_t)r->last + 1; /* counted: scores from here on are done */
  for (size_t flaws = r->flaws; flaws;) {
    uint32_t key;
    double gain;
    uint64_t ties = 0, found = fm_rank_take(w->flawed, &flaws, &key, &gain);
    if (counts) {
      while (next > (uint64_t)key + 1) over += counts[--next - r->low];
      ties = counts[--next - r->low];
    } else {
      for (; left && w->list[left - 1] > key; left--) over++;
      for (; left && w->list[left - 1] == key; left--) ties++;
    }
    fm_walk_stop(&w->walk, key, over, ties, found, gain);
    over = 0;
  }
  if (counts)
    while (next > r->low) over += counts[--next - r->low];
  w->over = counts ? over : over + left;
}

static void release(struct work *w) {
  struct fm_context *ctx = w->scan->ctx;
  fm_free(ctx, w->list);
  fm_free(ctx, w->counts);
  fm_free(ctx, w->flawed);
  w->list = NULL;
  w->counts = w->flawed = NULL;
}

/* known: of its normal pixels, score by score, where they were counted before. */
static enum fm_status do_range(struct work *w, const struct range *range, const uint64_t *known) {
  struct fm_context *ctx = w->scan->ctx;
  size_t width = (size_t)(range->last - range->low) + 1;
  w->range = *range;
  w->listed = w->flaws_listed = 0;
  w->flawed = fm_alloc(ctx, range->flaws, sizeof *w->flawed);
  enum fm_status status = w->flawed ? FM_OK : FM_MEMORY;
  if (range->held == AS_COUNTS &&
      !(w->counts = fm_alloc(ctx, (size_t)w->scan->lanes * width, sizeof *w->counts)))
    status = FM_MEMORY;
  if (range->held == AS_LIST && !(w->list = fm_alloc(ctx, range->normals, sizeof *w->list)))
    status = FM_MEMORY;
  if (status == FM_OK) status = fill(w);
  if (status == FM_OK) walk_range(w, range->held == KNOWN ? known : w->counts);
  release(w);
  return status;
}

/* ---- a single score ---- */

static enum fm_status add_area(struct fm_context *ctx, struct tally *t, uint32_t area, uint64_t pixels) {
  size_t low = 0, high = t->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (t->item[middle].area < area)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == t->count || t->item[low].area != area) {
    FM_TRY(fm_grow(ctx, (void **)&t->item, &t->capacity, t->count, sizeof *t->item));
    memmove(t->item + low + 1, t->item + low, (t->count++ - low) * sizeof *t->item);
    t->item[low] = (struct of_area){.area = area};
  }
  t->item[low].pixels += pixels;
  return FM_OK;
}

static void count_areas(void *user, int lane, const float *scores, size_t n, uint32_t area) {
  struct work *w = user;
  uint64_t pixels = 0;
  for (size_t i = 0; area && i < n; i++) pixels += fm_score_key(scores[i]) == w->range.low;
  if (pixels && add_area(w->scan->ctx, &w->tally[lane], area, pixels) != FM_OK) w->out_of_memory = true;
}

static enum fm_status stop_at_tally(struct work *w, uint64_t ties, uint64_t flaws) {
  struct tally *all = &w->tally[0];
  uint64_t found = 0;
  struct fm_sum gain = {0};
  for (int l = 1; l < w->scan->lanes; l++)
    for (size_t i = 0; i < w->tally[l].count; i++)
      FM_TRY(add_area(w->scan->ctx, all, w->tally[l].item[i].area, w->tally[l].item[i].pixels));
  for (size_t i = all->count; i > 0; i--) {
    found += all->item[i - 1].pixels;
    for (uint64_t k = 0; k < all->item[i - 1].pixels; k++)
      fm_sum_add(&gain, 1 / (double)all->item[i - 1].area);
  }
  if (found != flaws) return changed(w);
  fm_walk_stop(&w->walk, w->range.low, w->over, ties, flaws, fm_sum_value(&gain));
  w->over = 0;
  return FM_OK;
}

/* The stop at a score that more flawed pixels have than fit into a list. */
static enum fm_status do_score(struct work *w, uint32_t key, uint64_t ties, uint64_t flaws) {
  struct fm_context *ctx = w->scan->ctx;
  w->range = (struct range){.low = key, .last = key};
  if (!(w->tally = fm_alloc(ctx, (size_t)w->scan->lanes, sizeof *w->tally))) return FM_MEMORY;
  enum fm_status status = fm_scan_again(w->scan, &(struct fm_visitor){count_areas, w});
  if (status == FM_OK && w->out_of_memory) status = FM_MEMORY;
  if (status == FM_OK) status = stop_at_tally(w, ties, flaws);
  for (int l = 0; l < w->scan->lanes; l++) fm_free(ctx, w->tally[l].item);
  fm_free(ctx, w->tally);
  w->tally = NULL;
  return status;
}

/* ---- which ranges ---- */

/* Adds lower bins to the range that ends with bin `end` as long as it fits; returns where it begins: `end`
 * where not even one bin fits. */
static size_t reach(const struct work *w, const struct fm_bins *b, size_t end, enum held held,
                    struct range *range) {
  size_t begin = end;
  *range = (struct range){.held = held};
  for (; begin > 0; begin--) {
    uint64_t normals = range->normals + b->normal[begin - 1], flaws = range->flaws + b->flawed[begin - 1];
    uint64_t bytes = 8 * flaws;
    if (held == AS_LIST) bytes += 4 * normals;
    if (held == AS_COUNTS) bytes += ((uint64_t)(end - begin + 1) << b->shift) * 8 * (uint64_t)w->scan->lanes;
    if (bytes > w->budget) break;
    range->normals = normals;
    range->flaws = flaws;
  }
  range->low = b->low + (uint32_t)(begin << b->shift);
  range->last = b->low + (uint32_t)((end << b->shift) - 1);
  return begin;
}

/* Two deep at most: the bins of split_bin are single scores. NOLINTBEGIN(misc-no-recursion) */
static enum fm_status walk_bins(struct work *w, const struct fm_bins *b);

/* A bin that does not fit, score by score. */
static enum fm_status split_bin(struct work *w, const struct fm_bins *coarse, size_t bin) {
  struct fm_bins fine;
  FM_TRY(make_bins(w->scan->ctx, w->scan->lanes, coarse->low + (uint32_t)(bin << coarse->shift), 0, &fine));
  enum fm_status status = fm_scan_again(w->scan, &(struct fm_visitor){fm_bins_visit, &fine});
  if (status == FM_OK) {
    uint64_t normals = 0, flaws = 0;
    fm_bins_sum(&fine, w->scan->lanes);
    for (size_t k = 0; k < BINS; k++) {
      normals += fine.normal[k];
      flaws += fine.flawed[k];
    }
    bool same = normals == coarse->normal[bin] && flaws == coarse->flawed[bin];
    status = same ? walk_bins(w, &fine) : changed(w);
  }
  fm_bins_free(w->scan->ctx, &fine);
  return status;
}

static enum fm_status walk_bins(struct work *w, const struct fm_bins *b) {
  for (size_t end = b->count; end > 0;) {
    if (!b->flawed[end - 1]) { /* nothing to stop at */
      w->over += b->normal[--end];
      continue;
    }
    struct range range, counted;
    size_t begin = reach(w, b, end, b->shift ? AS_LIST : KNOWN, &range);
    if (b->shift && begin) {
      size_t further = reach(w, b, end, AS_COUNTS, &counted);
      if (further < begin) {
        begin = further;
        range = counted;
      }
    }
    if (begin < end)
      FM_TRY(do_range(w, &range, b->normal + begin));
    else if (b->shift)
      FM_TRY(split_bin(w, b, end - 1));
    else
      FM_TRY(do_score(w, b->low + (uint32_t)(end - 1), b->normal[end - 1], b->flawed[end - 1]));
    end = begin < end ? begin : end - 1;
  }
  return FM_OK;
}
/* NOLINTEND(misc-no-recursion) */

enum fm_status fm_ranges_walk(struct fm_scan *scan, const struct fm_bins *bins, size_t budget,
                              struct fm_rank *rank) {
  struct work w = {.scan = scan, .budget = budget};
  if (!(w.lane = fm_alloc(scan->ctx, (size_t)scan->lanes, sizeof *w.lane))) return FM_MEMORY;
  fm_walk_begin(&w.walk, scan->normals, scan->flaws, scan->regions);
  enum fm_status status = walk_bins(&w, bins);
  if (status == FM_OK) *rank = fm_walk_end(&w.walk);
  fm_free(scan->ctx, w.lane);
  return status;
}

size_t fm_ranges_overhead(int lanes) {
  return (size_t)lanes * (4 * BINS * sizeof(uint64_t) + sizeof(struct lane));
}
