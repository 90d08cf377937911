#include "task/judge.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

/* A picture's map and mask as they are judged, and its score. */
struct seen {
  struct fm_scored scored;
  float *map;
  unsigned char *mask;
};

struct run {
  struct fm_context *ctx;
  struct fm_preprocess preprocess;
  struct seen *seen; /* [count] good ones, then those with pieces */
  float *score;
  size_t first; /* of the list at hand */
};

/* Nearest pixels: pieces are many pixels wide. What is too small to show in any is no flaw. */
static void shrink_mask(const unsigned char *in, int width, int height, struct seen *s) {
  int w = s->scored.width, h = s->scored.height;
  for (int y = 0; y < h; y++)
    for (int x = 0; x < w; x++) {
      size_t from_y = (size_t)(2 * y + 1) * (size_t)height / (2 * (size_t)h);
      size_t from_x = (size_t)(2 * x + 1) * (size_t)width / (2 * (size_t)w);
      unsigned char flawed = in[from_y * (size_t)width + from_x];
      s->mask[(size_t)y * (size_t)w + (size_t)x] = flawed;
      s->scored.flawed |= flawed;
    }
}

static void judged_size(int width, int height, struct fm_scored *s) {
  int longer = width > height ? width : height;
  double by = longer > FM_JUDGE_SIDE ? (double)FM_JUDGE_SIDE / longer : 1;
  s->width = (int)fmax(1, round(width * by));
  s->height = (int)fmax(1, round(height * by));
}

static enum fm_status take_map(struct run *r, const struct fm_score_one *one, struct seen *s) {
  struct fm_score_map map;
  struct fm_map_cursor cursor = {0};
  FM_TRY(fm_score_map_open(r->ctx, &map, one->small, one->size, &r->preprocess, s->scored.width,
                           s->scored.height));
  enum fm_status status = fm_map_cursor_open(r->ctx, &cursor, &map.rows);
  for (int y = 0; status == FM_OK && y < s->scored.height; y++)
    fm_map_cursor_get(&cursor, y, s->map + (size_t)y * (size_t)s->scored.width);
  fm_map_cursor_close(r->ctx, &cursor);
  fm_score_map_close(r->ctx, &map);
  return status;
}

/* By several threads at once, each for a picture of its own. */
static enum fm_status keep(void *user, const struct fm_score_item *item) {
  struct run *r = user;
  size_t at = r->first + item->index;
  struct seen *s = &r->seen[at];
  judged_size(item->one.width, item->one.height, &s->scored);
  size_t pixels = (size_t)s->scored.width * (size_t)s->scored.height;
  s->map = fm_alloc(r->ctx, pixels, sizeof *s->map);
  s->mask = item->piece ? fm_alloc(r->ctx, pixels, 1) : NULL;
  if (!s->map || (item->piece && !s->mask)) return FM_MEMORY;
  s->scored.map = s->map;
  s->scored.mask = s->mask;
  if (item->piece) shrink_mask(item->piece, item->one.width, item->one.height, s);
  r->score[at] = item->one.score;
  return take_map(r, &item->one, s);
}

static enum fm_status summarise(struct run *r, size_t all, struct fm_judgement *out) {
  struct fm_scored *scored = fm_alloc(r->ctx, all, sizeof *scored);
  if (!scored) return FM_MEMORY;
  for (size_t i = 0; i < all; i++) scored[i] = r->seen[i].scored;
  struct fm_source source = fm_source_of(scored, all);
  enum fm_status status = fm_metrics_compute(r->ctx, &source, r->score, 0, &out->metrics);
  fm_free(r->ctx, scored);
  return status;
}

enum fm_status fm_judge(struct fm_device *d, const struct fm_model *model, const struct fm_sample *held,
                        size_t count, int rounds, const char *text, struct fm_judgement *out) {
  struct run r = {.ctx = fm_device_context(d)};
  size_t all = count * (size_t)(1 + rounds);
  *out = (struct fm_judgement){0};
  if (!count || rounds < 1)
    return fm_error(r.ctx, FM_USAGE, "there are no held-out good pictures to judge with");
  FM_TRY(fm_model_preprocess(model, &r.preprocess));
  r.seen = fm_alloc(r.ctx, all, sizeof *r.seen);
  r.score = fm_alloc(r.ctx, all, sizeof *r.score);
  enum fm_status status = r.seen && r.score ? FM_OK : FM_MEMORY;
  for (int round = -1; status == FM_OK && round < rounds; round++) {
    struct fm_score_list list = {.samples = held,
                                 .count = count,
                                 .text = text,
                                 .pieces = round >= 0,
                                 .round = round < 0 ? 0 : round,
                                 .work = keep,
                                 .user = &r};
    r.first = count * (size_t)(round + 1);
    status = fm_score_set(d, model, &list);
  }
  if (status == FM_OK) status = summarise(&r, all, out);
  for (size_t i = 0; r.seen && i < all; i++) {
    fm_free(r.ctx, r.seen[i].map);
    fm_free(r.ctx, r.seen[i].mask);
  }
  fm_free(r.ctx, r.seen);
  fm_free(r.ctx, r.score);
  return status;
}
