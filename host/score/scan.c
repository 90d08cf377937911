#include "score/scan.h"

#include "base/memory.h"
#include "base/thread.h"
#include "score/region.h"

/* ---- pictures in memory ---- */

static enum fm_status open_listed(void *user, size_t i, bool mask, struct fm_scored *picture) {
  (void)mask;
  *picture = ((const struct fm_scored *)user)[i];
  return FM_OK;
}

struct fm_source fm_source_of(const struct fm_scored *pictures, size_t count) {
  return (struct fm_source){.count = count, .open = open_listed, .user = (void *)(uintptr_t)pictures};
}

/* ---- lanes ---- */

struct work {
  struct fm_scan *scan;
  atomic_size_t next;
  atomic_bool failed;
  enum fm_status (*body)(void *user, int lane, size_t i);
  void *user;
};

static enum fm_status run_lane(void *user, size_t lane) {
  struct work *w = user;
  for (size_t i; !w->failed && (i = atomic_fetch_add(&w->next, 1)) < w->scan->source->count;) {
    enum fm_status status = fm_stop_check(w->scan->ctx, "ranking the pixels");
    if (status == FM_OK) status = w->body(w->user, (int)lane, i);
    if (status == FM_OK) continue;
    w->failed = true;
    return status;
  }
  return FM_OK;
}

enum fm_status fm_scan_pictures(struct fm_scan *s, enum fm_status (*body)(void *user, int lane, size_t i),
                                void *user) {
  struct work w = {.scan = s, .body = body, .user = user};
  return fm_parallel(s->ctx, (size_t)s->lanes, run_lane, &w);
}

int fm_scan_lanes(struct fm_context *ctx, const struct fm_source *source) {
  int lanes = fm_threads(ctx);
  if (source->at_once && lanes > source->at_once) lanes = source->at_once;
  return (size_t)lanes < source->count ? lanes : (int)source->count;
}

/* ---- a picture ---- */

static enum fm_status add_run(struct fm_context *ctx, struct fm_scan_picture *p, size_t *capacity,
                              struct fm_run run) {
  FM_TRY(fm_grow(ctx, (void **)&p->run, capacity, p->runs, sizeof *p->run));
  p->run[p->runs++] = run;
  return FM_OK;
}

/* The runs of the regions of a mask. */
static enum fm_status find_runs(struct fm_context *ctx, const struct fm_scored *from,
                                struct fm_scan_picture *p) {
  struct fm_regions regions;
  size_t capacity = 0;
  enum fm_status status = fm_regions_find(ctx, from->width, from->height, from->mask, &regions);
  const uint32_t *label = regions.label;
  p->regions = regions.count;
  for (int y = 0; y < from->height && status == FM_OK; y++, label += from->width)
    for (int x = 0, end; x < from->width && status == FM_OK; x = end) {
      for (end = x + 1; end < from->width && label[end] == label[x];) end++;
      if (!label[x]) continue;
      p->flaws += (size_t)(end - x);
      status = add_run(ctx, p, &capacity, (struct fm_run){y, x, end, regions.region[label[x] - 1].area});
    }
  fm_regions_free(ctx, &regions);
  return status;
}

static void drop_runs(struct fm_scan *s, struct fm_scan_picture *p) {
  fm_free(s->ctx, p->run);
  p->run = NULL;
  p->runs = 0;
}

/* A row's pieces, split where a run begins or ends. */
static const struct fm_run *visit_row(const struct fm_visitor *v, int lane, const float *row, int width,
                                      int y, const struct fm_run *run, const struct fm_run *end) {
  int x = 0;
  for (; run < end && run->y == y; run++) {
    if (run->x0 > x) v->visit(v->user, lane, row + x, (size_t)(run->x0 - x), 0);
    v->visit(v->user, lane, row + run->x0, (size_t)(run->x1 - run->x0), run->area);
    x = run->x1;
  }
  if (x < width) v->visit(v->user, lane, row + x, (size_t)(width - x), 0);
  return run;
}

/* Widens low and high; false where a score is not finite. */
static bool look_at_row(const float *row, int width, float *low, float *high) {
  float sum = 0;
  for (int x = 0; x < width; x++) {
    *low = row[x] < *low ? row[x] : *low;
    *high = row[x] > *high ? row[x] : *high;
    sum += row[x] * 0; /* NaN as soon as one value is not finite */
  }
  return sum == 0;
}

struct pass {
  struct fm_scan *scan;
  const struct fm_visitor *visitor;
  bool first;
  atomic_size_t run_bytes;
};

static enum fm_status visit_rows(const struct pass *pass, int lane, const struct fm_scored *from,
                                 struct fm_scan_picture *p, size_t index) {
  struct fm_context *ctx = pass->scan->ctx;
  float *room = fm_alloc(ctx, (size_t)from->width, sizeof *room);
  if (!room) return FM_MEMORY;
  const struct fm_run *run = p->run, *end = run ? run + p->runs : NULL;
  enum fm_status status = FM_OK;
  for (int y = 0; y < from->height && status == FM_OK; y++) {
    const float *row = fm_scored_row(from, y, room);
    if (pass->first && !y) p->low = p->high = row[0];
    if (pass->first && !look_at_row(row, from->width, &p->low, &p->high))
      status = fm_error(ctx, FM_NUMERIC, "the map of picture %zu has a value that is not finite", index + 1);
    else if (p->pixels)
      run = visit_row(pass->visitor, lane, row, from->width, y, run, end);
  }
  fm_free(ctx, room);
  return status;
}

static enum fm_status meet(const struct pass *pass, const struct fm_scored *from, struct fm_scan_picture *p,
                           size_t index) {
  struct fm_context *ctx = pass->scan->ctx;
  if (from->width < 1 || from->height < 1)
    return fm_error(ctx, FM_USAGE, "the map of picture %zu has no pixels", index + 1);
  *p = (struct fm_scan_picture){.width = from->width,
                                .height = from->height,
                                .flawed = from->flawed || from->unmarked,
                                .unmarked = from->unmarked};
  if (!from->unmarked) p->pixels = (size_t)from->width * (size_t)from->height;
  return FM_OK;
}

static enum fm_status visit_open(struct pass *pass, int lane, size_t i, const struct fm_scored *from) {
  struct fm_scan *s = pass->scan;
  struct fm_scan_picture *p = &s->picture[i], again;
  if (pass->first) {
    FM_TRY(meet(pass, from, p, i));
  } else if (from->width != p->width || from->height != p->height) {
    return fm_error(s->ctx, FM_IO, "the map of picture %zu changed while it was being read", i + 1);
  }
  if (!pass->first && p->kept) return visit_rows(pass, lane, from, p, i);
  if (pass->first) {
    if (p->pixels && from->mask) FM_TRY(find_runs(s->ctx, from, p));
    p->flawed |= p->flaws > 0;
    FM_TRY(visit_rows(pass, lane, from, p, i));
    size_t bytes = p->runs * sizeof *p->run;
    p->kept = atomic_fetch_add(&pass->run_bytes, bytes) + bytes <= s->runs_limit;
    if (!p->kept) drop_runs(s, p);
    return FM_OK;
  }
  again = *p;
  again.flaws = again.regions = 0;
  enum fm_status status = p->pixels && from->mask ? find_runs(s->ctx, from, &again) : FM_OK;
  if (status == FM_OK) status = visit_rows(pass, lane, from, &again, i);
  drop_runs(s, &again);
  return status;
}

static enum fm_status visit_picture(void *user, int lane, size_t i) {
  struct pass *pass = user;
  const struct fm_source *source = pass->scan->source;
  struct fm_scored from = {0};
  enum fm_status status = source->open(source->user, i, pass->first || !pass->scan->picture[i].kept, &from);
  if (status == FM_OK) status = visit_open(pass, lane, i, &from);
  if (source->close) source->close(source->user, i, &from);
  return status;
}

/* ---- passes ---- */

enum fm_status fm_scan_open(struct fm_context *ctx, const struct fm_source *source, size_t runs_limit,
                            const struct fm_visitor *visitor, struct fm_scan *s) {
  *s = (struct fm_scan){.ctx = ctx, .source = source, .runs_limit = runs_limit};
  s->lanes = fm_scan_lanes(ctx, source);
  if (!(s->picture = fm_alloc(ctx, source->count, sizeof *s->picture))) return FM_MEMORY;
  struct pass pass = {.scan = s, .visitor = visitor, .first = true};
  FM_TRY(fm_scan_pictures(s, visit_picture, &pass));
  for (size_t i = 0; i < source->count; i++) {
    s->normals += s->picture[i].pixels - s->picture[i].flaws;
    s->flaws += s->picture[i].flaws;
    s->regions += s->picture[i].regions;
  }
  return FM_OK;
}

enum fm_status fm_scan_again(struct fm_scan *s, const struct fm_visitor *visitor) {
  struct pass pass = {.scan = s, .visitor = visitor};
  return fm_scan_pictures(s, visit_picture, &pass);
}

void fm_scan_close(struct fm_scan *s) {
  for (size_t i = 0; s->picture && i < s->source->count; i++) drop_runs(s, &s->picture[i]);
  fm_free(s->ctx, s->picture);
  *s = (struct fm_scan){0};
}
