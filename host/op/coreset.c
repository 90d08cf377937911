#include "op/coreset.h"

#include "base/log.h"
#include "base/memory.h"
#include "op/acts.h"
#include "op/lanes.h"
#include "op/order.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Tiles, groups of lanes, that are looked at together first: 256 points on a CPU; a GPU has a work-group for
 * each tile. */
static int family_of(const struct fm_facts *f) {
  return f->group == 1 ? 256 / f->block : 1;
}
enum { PX = 8, POOL = 4096, MOST_PICKS = 1024, FEWEST_PICKS = 16 };
static const size_t SLAB_BYTES = (size_t)32 << 20; /* of points that are ordered among themselves */

static size_t families_of(const struct fm_device *d, const struct fm_coreset *c) {
  size_t family = (size_t)family_of(fm_device_facts(d));
  return ((size_t)c->groups + family - 1) / family;
}

static size_t places_of(const struct fm_device *d, const struct fm_coreset *c) {
  return (size_t)c->groups * (size_t)fm_lanes(d);
}

enum fm_status fm_coreset_make(struct fm_device *d, size_t count, int width, struct fm_coreset *c) {
  *c = (struct fm_coreset){.width = width};
  FM_TRY(fm_lanes_make(d, count, width, 1, &c->points, &c->groups));
  c->count = (int)count;
  enum fm_status status = fm_buffer_make(d, places_of(d, c) * sizeof(float), &c->distance);
  if (status != FM_OK) fm_coreset_free(d, c);
  return status;
}

void fm_coreset_free(struct fm_device *d, struct fm_coreset *c) {
  struct fm_buffer *const own[] = {&c->points, &c->distance, &c->tile_box, &c->family_box};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_buffer_free(d, own[i]);
  fm_shadow_free(d, &c->shadow);
  fm_free(fm_device_context(d), c->point);
  fm_free(fm_device_context(d), c->place);
  c->point = c->place = NULL;
}

void fm_coreset_add(struct fm_device *d, const struct fm_coreset *c, const struct fm_buffer *rows, int count,
                    int first) {
  fm_lanes_pack(d, rows, count, c->width, first, &c->points);
}

void fm_coreset_trim(struct fm_device *d, struct fm_coreset *c, size_t count) {
  size_t lanes = (size_t)fm_lanes(d);
  c->count = (int)count;
  c->groups = (int)((count + lanes - 1) / lanes);
}

/* ---- the order: tiles of points that lie close together ---- */

struct slab { /* of whole tiles */
  size_t groups;
  float *lanes, *rows; /* as on the device; row-major */
  uint32_t *order;
};

/* Whole families. */
static size_t slab_groups(const struct fm_device *d, const struct fm_coreset *c) {
  size_t family = (size_t)family_of(fm_device_facts(d)),
         bytes = family * (size_t)fm_lanes(d) * (size_t)c->width * sizeof(float),
         families = SLAB_BYTES / bytes;
  if (families < 1) families = 1;
  return families * family < (size_t)c->groups ? families * family : (size_t)c->groups;
}

static void turn(const struct slab *s, size_t lanes, size_t width, bool back) {
  for (size_t place = 0; place < s->groups * lanes; place++) {
    float *at = s->lanes + place / lanes * lanes * width + place % lanes,
          *row = s->rows + (size_t)(back ? s->order[place] : place) * width;
    for (size_t k = 0; k < width; k++)
      if (back)
        at[k * lanes] = row[k];
      else
        row[k] = at[k * lanes];
  }
}

/* Of the rows |x|^2. */
static float largest_of(const struct slab *s, size_t count, size_t width) {
  float most = 0;
  for (size_t i = 0; i < count; i++) {
    float sum = 0;
    for (size_t k = 0; k < width; k++) sum += s->rows[i * width + k] * s->rows[i * width + k];
    if (sum > most) most = sum;
  }
  return most;
}

/* Groups first, first + 1, ...: places of points become those of neighbours. */
static enum fm_status order_slab(struct fm_device *d, struct fm_coreset *c, const struct slab *s,
                                 size_t first) {
  size_t lanes = (size_t)fm_lanes(d), width = (size_t)c->width, group = lanes * width * sizeof(float),
         begin = first * lanes,
         count = (size_t)c->count > begin ? (size_t)c->count - begin : 0; /* the rest are no points */
  if (count > s->groups * lanes) count = s->groups * lanes;
  FM_TRY(fm_buffer_read(d, &c->points, first * group, s->lanes, s->groups * group));
  turn(s, lanes, width, false);
  FM_TRY(fm_order_rows(fm_device_context(d), s->rows, count, width, lanes, s->order));
  for (size_t i = count; i < s->groups * lanes; i++) s->order[i] = (uint32_t)i;
  turn(s, lanes, width, true);
  for (size_t i = 0; i < s->groups * lanes; i++) {
    size_t point = begin + s->order[i];
    c->point[begin + i] = point < (size_t)c->count ? (int)point : -1;
    if (point < (size_t)c->count) c->place[point] = (int)(begin + i);
  }
  c->largest = fmaxf(c->largest, largest_of(s, count, width));
  return fm_buffer_write(d, &c->points, first * group, s->lanes, s->groups * group);
}

static enum fm_status order_slabs(struct fm_device *d, struct fm_coreset *c) {
  struct fm_context *ctx = fm_device_context(d);
  size_t lanes = (size_t)fm_lanes(d), width = (size_t)c->width, most = slab_groups(d, c);
  struct slab s = {most, fm_alloc(ctx, most * lanes, width * sizeof(float)),
                   fm_alloc(ctx, most * lanes, width * sizeof(float)),
                   fm_alloc(ctx, most * lanes, sizeof(uint32_t))};
  enum fm_status status = s.lanes && s.rows && s.order ? FM_OK : FM_MEMORY;
  for (size_t first = 0; first < (size_t)c->groups && status == FM_OK; first += most) {
    s.groups = (size_t)c->groups - first < most ? (size_t)c->groups - first : most;
    status = order_slab(d, c, &s, first);
  }
  void *const own[] = {s.lanes, s.rows, s.order};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_free(ctx, own[i]);
  return status;
}

static enum fm_status order(struct fm_device *d, struct fm_coreset *c) {
  struct fm_context *ctx = fm_device_context(d);
  const struct fm_facts *f = fm_device_facts(d);
  if (c->point) return FM_OK;
  c->point = fm_alloc(ctx, places_of(d, c), sizeof *c->point);
  c->place = fm_alloc(ctx, (size_t)c->count, sizeof *c->place);
  if (!c->point || !c->place) return FM_MEMORY;
  FM_TRY(order_slabs(d, c));
  FM_TRY(fm_shadow_make(d, &c->points, c->groups, c->count, c->width, &c->shadow));
  FM_TRY(fm_shadow_boxes(d, &c->shadow, 1, 1, &c->tile_box));
  return fm_shadow_boxes(d, &c->shadow, family_of(f), 1, &c->family_box);
}

static enum fm_status read_by_point(struct fm_device *d, const struct fm_coreset *c, float *by_place,
                                    float *distance) {
  size_t places = places_of(d, c);
  FM_TRY(fm_buffer_read(d, &c->distance, 0, by_place, places * sizeof *by_place));
  for (size_t i = 0; i < places; i++)
    if (c->point[i] >= 0) distance[c->point[i]] = by_place[i];
  return FM_OK;
}

enum fm_status fm_coreset_distances(struct fm_device *d, const struct fm_coreset *c, float *distance) {
  struct fm_context *ctx = fm_device_context(d);
  float *by_place = fm_alloc(ctx, places_of(d, c), sizeof *by_place);
  enum fm_status status = by_place ? read_by_point(d, c, by_place, distance) : FM_MEMORY;
  fm_free(ctx, by_place);
  return status;
}

/* ---- one choice ---- */

struct choice {
  struct fm_device *d;
  struct fm_context *ctx;
  const struct fm_coreset *c;
  const struct fm_coreset_options *o;
  int slots, groups, each,
      parts; /* of the pool: points, groups of lanes, those of a work-group, work-groups */
  struct fm_buffer pool, near, which, value[2], slot[2], picks, centre, centre_shadow;
  float *by_place, *distance; /* of all points, on the host; [count] */
  int *index, *places;        /* [slots] of the pool: points, and where they are */
  uint32_t *histogram;
  /* Outside of the pool: the largest distance, and how many slots have an index below the first that has it.
   */
  float limit;
  int low;
};

static int slots_of(const struct fm_device *d, const struct fm_coreset *c,
                    const struct fm_coreset_options *o) {
  int lanes = fm_lanes(d), wanted = o->pool > 0 ? o->pool : POOL;
  if (wanted > c->count) wanted = c->count;
  return (wanted + lanes - 1) / lanes * lanes;
}

size_t fm_coreset_bytes(const struct fm_device *d, const struct fm_coreset *c,
                        const struct fm_coreset_options *o) {
  size_t slots = (size_t)slots_of(d, c, o), width = (size_t)c->width * sizeof(float);
  size_t slab = slab_groups(d, c) * (size_t)fm_lanes(d) * (2 * width + sizeof(uint32_t)),
         boxes = ((size_t)c->groups + families_of(d, c)) * 2 * FM_SHADOW * sizeof(float);
  return slots * (width + 32) + MOST_PICKS * (width + FM_SHADOW * sizeof(float) + sizeof(int)) +
         fm_shadow_bytes(d, c->groups, c->width) + boxes +
         (size_t)c->count * (2 * sizeof(float) + 2 * sizeof(int)) + slab + 65536 * sizeof(uint32_t);
}

static enum fm_status begin(struct choice *r) {
  struct fm_device *d = r->d;
  size_t width = (size_t)r->c->width * sizeof(float);
  int lanes = fm_lanes(d);
  r->slots = slots_of(d, r->c, r->o);
  r->groups = r->slots / lanes;
  /* 16 groups of lanes are enough for a core to be busy, 1 for a work-group of a GPU. */
  r->each = fm_device_facts(d)->group == 1 ? 256 / lanes : 1;
  r->parts = (r->groups + r->each - 1) / r->each;
  r->distance = fm_alloc(r->ctx, (size_t)r->c->count, sizeof *r->distance);
  r->by_place = fm_alloc(r->ctx, places_of(d, r->c), sizeof *r->by_place);
  r->index = fm_alloc(r->ctx, (size_t)r->slots, sizeof *r->index);
  r->places = fm_alloc(r->ctx, (size_t)r->slots, sizeof *r->places);
  r->histogram = fm_alloc(r->ctx, 65536, sizeof *r->histogram);
  if (!r->distance || !r->by_place || !r->index || !r->places || !r->histogram) return FM_MEMORY;
  FM_TRY(fm_buffer_make(d, (size_t)r->slots * width, &r->pool));
  FM_TRY(fm_buffer_make(d, (size_t)r->slots * sizeof(float), &r->near));
  FM_TRY(fm_buffer_make(d, (size_t)r->slots * sizeof(int), &r->which));
  for (int i = 0; i < 2; i++) {
    FM_TRY(fm_buffer_make(d, (size_t)r->parts * sizeof(float), &r->value[i]));
    FM_TRY(fm_buffer_make(d, (size_t)r->parts * sizeof(int), &r->slot[i]));
  }
  FM_TRY(fm_buffer_make(d, MOST_PICKS * sizeof(int), &r->picks));
  FM_TRY(fm_buffer_make(d, MOST_PICKS * width, &r->centre));
  return fm_buffer_make(d, MOST_PICKS * FM_SHADOW * sizeof(float), &r->centre_shadow);
}

static void end(struct choice *r) {
  struct fm_buffer *const own[] = {&r->pool,    &r->near,    &r->which, &r->value[0], &r->value[1],
                                   &r->slot[0], &r->slot[1], &r->picks, &r->centre,   &r->centre_shadow};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_buffer_free(r->d, own[i]);
  fm_free(r->ctx, r->distance);
  fm_free(r->ctx, r->by_place);
  fm_free(r->ctx, r->index);
  fm_free(r->ctx, r->places);
  fm_free(r->ctx, r->histogram);
}

static enum fm_status start(struct choice *r) {
  struct fm_device *d = r->d;
  int which[FM_CORESET_STARTS], width = r->c->width;
  for (int i = 0; i < r->o->starts; i++) which[i] = r->c->place[r->o->start[i]];
  FM_TRY(fm_buffer_write(d, &r->picks, 0, which, (size_t)r->o->starts * sizeof *which));
  FM_LAUNCH(d, fm_kernel_get(d, "coreset.cl", "rows_of", ""), fm_acts_gx(d, width), (size_t)r->o->starts, 1,
            fm_arg_buffer(&r->c->points), fm_arg_buffer(&r->picks), fm_arg_buffer(&r->centre),
            fm_arg_int(width));
  FM_LAUNCH(d, fm_kernel_get(d, "coreset.cl", "spread", ""),
            (size_t)r->c->groups * (size_t)fm_device_facts(d)->group, 1, 1, fm_arg_buffer(&r->c->points),
            fm_arg_buffer(&r->centre), fm_arg_buffer(&r->c->distance),
            fm_arg_int4(width, r->c->groups, r->o->starts, 0));
  return fm_device_status(d);
}

/* ---- the pool: the farthest points ---- */

/* The bits of floats >= 0 are in the order of their values. */
static uint32_t key_of(float v) {
  uint32_t key;
  memcpy(&key, &v, sizeof key);
  return key;
}

/* How many keys have which 16 bits at the top (shift 16, of all keys) or below (of those with that top). */
static void count_keys(struct choice *r, bool below, uint32_t top) {
  memset(r->histogram, 0, 65536 * sizeof *r->histogram);
  for (int i = 0; i < r->c->count; i++) {
    uint32_t key = key_of(r->distance[i]);
    if (!below)
      r->histogram[key >> 16]++;
    else if (key >> 16 == top)
      r->histogram[key & 65535]++;
  }
}

/* The bin in which the `want`-th largest lies; *want becomes its number within the bin. */
static uint32_t find_bin(const struct choice *r, int *want) {
  uint32_t bin = 65535;
  while (bin > 0 && (int64_t)r->histogram[bin] < *want) *want -= (int)r->histogram[bin--];
  return bin;
}

/* The farthest points become the pool, in the order of their indices; at its edge the lowest of those that
 * are as far. What is known about the others: limit and low. */
static enum fm_status choose_pool(struct choice *r) {
  int want = r->slots < r->c->count ? r->slots : r->c->count, used = 0;
  count_keys(r, false, 0);
  uint32_t top = find_bin(r, &want);
  count_keys(r, true, top);
  uint32_t edge = top << 16 | find_bin(r, &want),
           most = 0; /* `want` points of the edge's distance belong to it */
  bool outside = false;
  r->low = 0;
  for (int i = 0; i < r->c->count; i++) {
    uint32_t key = key_of(r->distance[i]);
    if (key >= 0x7f800000)
      return fm_error(
          r->ctx, FM_NUMERIC,
          "feature %d is not finite, so no coreset can be chosen; check the device with 'flawmap verify'", i);
    if (key > edge || (key == edge && want-- > 0)) {
      r->index[used++] = i;
    } else if (!outside || key > most) {
      outside = true;
      most = key;
      r->low = used;
    }
  }
  memcpy(&r->limit, &most, sizeof most);
  if (!outside) r->limit = -1;
  for (int i = used; i < r->slots; i++) r->index[i] = -1;
  return FM_OK;
}

/* ---- a round ---- */

static void load_pool(struct choice *r) {
  for (int i = 0; i < r->slots; i++) r->places[i] = r->index[i] < 0 ? -1 : r->c->place[r->index[i]];
  fm_buffer_write(r->d, &r->which, 0, r->places, (size_t)r->slots * sizeof *r->places);
  FM_LAUNCH(r->d, fm_kernel_get(r->d, "coreset.cl", "gather", ""), (size_t)r->slots, 1, 1,
            fm_arg_buffer(&r->c->points), fm_arg_buffer(&r->c->distance), fm_arg_buffer(&r->which),
            fm_arg_buffer(&r->pool), fm_arg_buffer(&r->near), fm_arg_int2(r->c->width, r->slots));
}

static void launch_pick(struct choice *r, int at) {
  const int from = (at + 1) & 1, to = at & 1;
  FM_LAUNCH(r->d, fm_kernel_get(r->d, "coreset.cl", "pick", ""),
            (size_t)r->parts * (size_t)fm_device_facts(r->d)->group, 1, 1, fm_arg_buffer(&r->pool),
            fm_arg_buffer(&r->near), fm_arg_buffer(&r->value[from]), fm_arg_buffer(&r->slot[from]),
            fm_arg_buffer(&r->value[to]), fm_arg_buffer(&r->slot[to]), fm_arg_buffer(&r->picks),
            fm_arg_int4(r->c->width, r->groups, r->each, r->parts), fm_arg_int2(at, r->low),
            fm_arg_float(r->limit));
}

/* The distances of all points to the picks of `launches` launches. */
static void cover(struct choice *r, int launches) {
  const struct fm_facts *f = fm_device_facts(r->d);
  char options[80];
  snprintf(options, sizeof options, "-D PX=%d -D ROOM=%d -D FAMILY=%d", PX, MOST_PICKS, family_of(f));
  FM_LAUNCH(r->d, fm_kernel_get(r->d, "coreset.cl", "centres", ""), (size_t)launches, 1, 1,
            fm_arg_buffer(&r->pool), fm_arg_buffer(&r->c->shadow.rows), fm_arg_buffer(&r->which),
            fm_arg_buffer(&r->picks), fm_arg_buffer(&r->centre), fm_arg_buffer(&r->centre_shadow),
            fm_arg_int2(r->c->width, launches));
  FM_LAUNCH(r->d, fm_kernel_get(r->d, "coreset.cl", "cover", options),
            families_of(r->d, r->c) * (size_t)f->group, 1, 1, fm_arg_buffer(&r->c->points),
            fm_arg_buffer(&r->c->shadow.rows), fm_arg_buffer(&r->c->tile_box),
            fm_arg_buffer(&r->c->family_box), fm_arg_buffer(&r->centre), fm_arg_buffer(&r->centre_shadow),
            fm_arg_buffer(&r->picks), fm_arg_buffer(&r->c->distance),
            fm_arg_int4(r->c->width, r->c->groups, launches, 0),
            fm_arg_float(2 * r->c->shadow.loss * sqrtf(r->c->largest)));
}

/* The choice goes on: all points are far from the members that there are, until they are covered by them. */
static enum fm_status go_on(struct choice *r) {
  size_t places = places_of(r->d, r->c);
  int most = r->slots < MOST_PICKS ? r->slots : MOST_PICKS, picks[MOST_PICKS];
  for (size_t i = 0; i < places; i++) r->by_place[i] = FLT_MAX;
  for (int i = 0; i < MOST_PICKS; i++) picks[i] = i;
  FM_TRY(fm_buffer_write(r->d, &r->c->distance, 0, r->by_place, places * sizeof *r->by_place));
  for (size_t at = 0; at < r->o->before; at += (size_t)most) {
    size_t left = r->o->before - at;
    int n = left < (size_t)most ? (int)left : most;
    for (int i = 0; i < r->slots; i++) r->index[i] = i < n ? (int)at + i : -1;
    load_pool(r);
    FM_TRY(fm_buffer_write(r->d, &r->picks, 0, picks, (size_t)n * sizeof *picks));
    cover(r, n);
    FM_TRY(fm_device_finish(r->d));
    FM_TRY(fm_stop_check(r->ctx, "looking at what the features that there are cover"));
  }
  return FM_OK;
}

static bool all_covered(const struct choice *r) {
  for (int i = 0; i < r->c->count; i++)
    if (!(r->distance[i] <= 0)) return false;
  return true;
}

/* Picks while the pool holds the farthest point, at most `launches`; *picked of them. */
static enum fm_status round_of_picks(struct choice *r, int launches, uint32_t *member, int *picked) {
  int slot[MOST_PICKS];
  FM_TRY(choose_pool(r));
  load_pool(r);
  for (int at = -1; at < launches; at++) launch_pick(r, at);
  cover(r, launches);
  FM_TRY(fm_buffer_read(r->d, &r->picks, 0, slot, (size_t)launches * sizeof *slot));
  for (*picked = 0; *picked < launches && slot[*picked] >= 0; ++*picked) {
    int index = slot[*picked] < r->slots ? r->index[slot[*picked]] : -1;
    if (index < 0) break;
    member[*picked] = (uint32_t)index;
  }
  FM_TRY(read_by_point(r->d, r->c, r->by_place, r->distance));
  if (*picked) return FM_OK;
  return fm_error(
      r->ctx, FM_NUMERIC,
      "the coreset found no farthest point: the device computes wrong (check with 'flawmap verify')");
}

static enum fm_status choose(struct choice *r, uint32_t *member, size_t *count,
                             struct fm_progress *progress) {
  int launches = FEWEST_PICKS;
  FM_TRY(begin(r));
  FM_TRY(r->o->starts ? start(r) : go_on(r));
  FM_TRY(read_by_point(r->d, r->c, r->by_place, r->distance));
  while (*count < r->o->want && !all_covered(r)) {
    int picked, left = r->o->want - *count < MOST_PICKS ? (int)(r->o->want - *count) : MOST_PICKS;
    if (launches > left) launches = left;
    FM_TRY(round_of_picks(r, launches, member + *count, &picked));
    *count += (size_t)picked;
    launches = picked == launches ? 2 * launches : picked + picked / 4 + FEWEST_PICKS / 2;
    snprintf(progress->detail, sizeof progress->detail, "%zu of %zu", *count, r->o->want);
    fm_progress_step(progress, picked);
    if (r->ctx->stop)
      return fm_error(r->ctx, FM_STOPPED, "stopped after choosing %zu of %zu features", *count, r->o->want);
  }
  return FM_OK;
}

enum fm_status fm_coreset_run(struct fm_device *d, struct fm_coreset *c, const struct fm_coreset_options *o,
                              uint32_t *member, size_t *count) {
  struct choice r = {.d = d, .ctx = fm_device_context(d), .c = c, .o = o};
  struct fm_progress progress;
  *count = 0;
  bool begins = o->starts ? o->starts > 0 && o->starts <= FM_CORESET_STARTS
                          : o->before > 0 && o->before <= (size_t)c->count;
  if (!begins || o->want > (size_t)c->count)
    return fm_error(r.ctx, FM_USAGE, "a coreset of %zu of %d points cannot be chosen from %d starting points",
                    o->want, c->count, o->starts);
  fm_progress_begin(&progress, r.ctx, o->text, 0, (long)o->want);
  enum fm_status status = order(d, c);
  if (status == FM_OK) status = choose(&r, member, count, &progress);
  fm_progress_end(&progress);
  end(&r);
  return status;
}
