#include "op/mahalanobis.h"

#include "base/memory.h"

#include <limits.h>
#include <string.h>

/* Bytes of the largest buffer: enough work for a device's launch; small parts keep the learner's second copy
 * of one small. */
enum { PART_CPU = 64 << 20, PART_GPU = 512 << 20 };

static struct fm_kernel *kernel(struct fm_device *d, const char *name) {
  return fm_kernel_get(d, "mahalanobis.cl", name, fm_device_facts(d)->fp64 ? "" : "-DPAIRS");
}

bool fm_gauss_by_rows(size_t pictures, size_t channels) {
  size_t products, all;
  return fm_mul(pictures, channels, &products) && fm_add(products, fm_triangle(pictures), &all) &&
         all < fm_triangle(channels);
}

/* ---- making ---- */

static int four(int n) {
  return (n + 3) / 4 * 4;
}

static bool by_rows(const struct fm_gauss *g) {
  return g->pictures > 0;
}

/* Rows of the triangle. */
static size_t side(const struct fm_gauss *g) {
  return (size_t)(by_rows(g) ? g->rows : g->d);
}

static enum fm_status write_ints(struct fm_device *d, size_t count, const int *values,
                                 struct fm_buffer *buffer) {
  FM_TRY(fm_buffer_make(d, count * sizeof *values, buffer));
  return fm_buffer_write(d, buffer, 0, values, count * sizeof *values);
}

static enum fm_status write_list(struct fm_device *d, const struct fm_acts *const tap[3], const int *channel,
                                 struct fm_gauss *g) {
  struct fm_context *ctx = fm_device_context(d);
  size_t all = (size_t)tap[0]->c + (size_t)tap[1]->c + (size_t)tap[2]->c;
  int *list = fm_alloc(ctx, (size_t)g->count, sizeof *list), *place = fm_alloc(ctx, all, sizeof *place);
  enum fm_status status = list && place ? FM_OK : FM_MEMORY;
  if (status == FM_OK) memset(place, 0xff, all * sizeof *place); /* -1 */
  for (int i = 0; i < g->count && status == FM_OK; i++) {
    int t = 0, c = channel[i];
    while (c >= tap[t]->c) c -= tap[t++]->c;
    list[i] = c;
    place[channel[i]] = i;
    g->from[t]++;
  }
  if (status == FM_OK) status = write_ints(d, (size_t)g->count, list, &g->channel);
  for (int t = 0, first = 0; t < 3 && status == FM_OK; first += tap[t++]->c)
    status = write_ints(d, (size_t)tap[t]->c, place + first, &g->place[t]);
  fm_free(ctx, list);
  fm_free(ctx, place);
  return status;
}

/* A buffer of groups * numbers * size bytes, zero also where new buffers are NaN. */
static enum fm_status make_zero(struct fm_device *d, int groups, size_t numbers, size_t size,
                                struct fm_buffer *buffer) {
  size_t bytes;
  if (!fm_mul((size_t)groups * (size_t)fm_device_facts(d)->block, numbers, &bytes) ||
      !fm_mul(bytes, size, &bytes))
    return fm_error(fm_device_context(d), FM_LIMIT, "Gaussians of %zu numbers per cell are too large",
                    numbers);
  FM_TRY(fm_buffer_make(d, bytes, buffer));
  return fm_buffer_fill(d, buffer, 0);
}

static enum fm_status make_part(struct fm_device *d, const struct fm_gauss *g, struct fm_gauss_part *p) {
  size_t triangle = fm_triangle(side(g));
  if (by_rows(g)) FM_TRY(make_zero(d, p->groups, (size_t)g->rows * (size_t)g->d, sizeof(float), &p->rows));
  if (g->use != FM_GAUSS_LEARN) return make_zero(d, p->groups, triangle, sizeof(float), &p->factor);
  if (by_rows(g)) return FM_OK; /* its triangle is made at the end of learning */
  return make_zero(d, p->groups, triangle, 2 * sizeof(float), &p->triangle);
}

static enum fm_status make_parts(struct fm_device *d, struct fm_gauss *g) {
  const struct fm_facts *f = fm_device_facts(d);
  size_t limit = f->group == 1 ? PART_CPU : PART_GPU, numbers = 2 * fm_triangle(side(g)), most;
  if (by_rows(g) && numbers < (size_t)g->rows * (size_t)g->d) numbers = (size_t)g->rows * (size_t)g->d;
  if (limit > f->max_allocation) limit = f->max_allocation;
  most = limit / (numbers * (size_t)f->block * sizeof(float));
  int groups = most < 1 ? 1 : most < (size_t)g->groups ? (int)most : g->groups;
  int parts = (g->groups + groups - 1) / groups;
  g->part = fm_alloc(fm_device_context(d), (size_t)parts, sizeof *g->part);
  if (!g->part) return FM_MEMORY;
  g->parts = parts;
  for (int i = 0; i < parts; i++) {
    int first = i * groups, now = g->groups - first < groups ? g->groups - first : groups;
    g->part[i] = (struct fm_gauss_part){.first = first, .groups = now};
    FM_TRY(make_part(d, g, &g->part[i]));
  }
  return FM_OK;
}

static enum fm_status make(struct fm_device *d, const struct fm_acts *const tap[3], const int *channel,
                           struct fm_gauss *g) {
  size_t width = (size_t)g->d, batch;
  FM_TRY(write_list(d, tap, channel, g));
  if (!fm_mul((size_t)g->batch, width, &batch) || (size_t)g->groups > INT_MAX / width ||
      (size_t)g->rows > INT_MAX / width)
    return fm_error(fm_device_context(d), FM_LIMIT, "%d features of %d cells are too many", g->count,
                    g->h * g->w);
  FM_TRY(make_zero(d, g->groups, width, sizeof(float), &g->mean));
  if (g->use != FM_GAUSS_LEARN || !by_rows(g)) FM_TRY(make_zero(d, g->groups, batch, sizeof(float), &g->x));
  if (g->use == FM_GAUSS_GRADIENT) FM_TRY(make_zero(d, g->groups, batch, sizeof(float), &g->dx));
  if (g->use == FM_GAUSS_LEARN) FM_TRY(make_zero(d, g->groups, width, 2 * sizeof(float), &g->sum));
  FM_TRY(make_parts(d, g));
  if (g->use == FM_GAUSS_LEARN)
    return make_zero(d, g->part[0].groups, fm_triangle(side(g)), sizeof(float), &g->scratch);
  if (!by_rows(g)) return FM_OK;
  return make_zero(d, g->part[0].groups, 8 * (size_t)g->rows, 2 * sizeof(float), &g->scratch);
}

enum fm_status fm_gauss_make(struct fm_device *d, const struct fm_acts *const tap[3], int count,
                             const int *channel, size_t pictures, int batch, enum fm_gauss_use use,
                             struct fm_gauss *g) {
  int block = fm_device_facts(d)->block, cells = tap[0]->h * tap[0]->w;
  *g = (struct fm_gauss){.h = tap[0]->h,
                         .w = tap[0]->w,
                         .groups = (cells + block - 1) / block,
                         .count = count,
                         .d = four(count),
                         .batch = batch,
                         .use = use};
  if (pictures > 1 << 20)
    return fm_error(fm_device_context(d), FM_LIMIT, "%zu pictures are too many to keep", pictures);
  g->pictures = (int)pictures;
  g->rows = four(g->pictures);
  enum fm_status status = make(d, tap, channel, g);
  if (status != FM_OK) fm_gauss_free(d, g);
  return status;
}

static void free_part(struct fm_device *d, struct fm_gauss_part *p) {
  fm_buffer_free(d, &p->rows);
  fm_buffer_free(d, &p->factor);
  fm_buffer_free(d, &p->triangle);
}

void fm_gauss_free(struct fm_device *d, struct fm_gauss *g) {
  struct fm_buffer *const own[] = {&g->channel, &g->place[0], &g->place[1], &g->place[2], &g->x,
                                   &g->dx,      &g->mean,     &g->sum,      &g->scratch};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_buffer_free(d, own[i]);
  for (int i = 0; i < g->parts; i++) free_part(d, &g->part[i]);
  fm_free(fm_device_context(d), g->part);
  *g = (struct fm_gauss){0};
}

/* ---- where numbers lie: vectors from picture to picture, from group to group, to the first one ---- */

struct place {
  const struct fm_buffer *buffer;
  int picture, group, first;
};

static struct place in_batch(const struct fm_gauss *g, const struct fm_gauss_part *p) {
  return (struct place){&g->x, g->groups * g->d, g->d, p->first * g->d};
}

static struct place in_rows(const struct fm_gauss *g, const struct fm_gauss_part *p, int picture) {
  return (struct place){&p->rows, g->d, g->rows * g->d, picture * g->d};
}

static struct fm_arg strides(const struct place *x) {
  return fm_arg_int4(x->picture, x->group, x->first, 0);
}

/* Work-items for `groups` groups of which several may share one. */
static size_t items(struct fm_device *d, int groups, bool wide) {
  int block = fm_device_facts(d)->block;
  return (size_t)groups * (size_t)(wide && block > 8 ? block / 8 : 1);
}

/* On a CPU a work-item goes through everything of a group, which stays in its cache. */
static size_t spread(struct fm_device *d, int n) {
  return fm_device_facts(d)->group == 1 ? 1 : (size_t)(n + 3) / 4;
}

static struct fm_arg pair_of(double v) {
  float high = (float)v;
  return fm_arg_float2(high, (float)(v - (double)high));
}

static void choose(struct fm_device *d, const struct fm_gauss *g, const struct fm_gauss_part *p,
                   const struct fm_acts *const tap[3], int n, const struct place *x) {
  FM_LAUNCH(d, kernel(d, "choose"), items(d, p->groups, false), (size_t)n, 1, fm_arg_buffer(&tap[0]->buffer),
            fm_arg_buffer(&tap[1]->buffer), fm_arg_buffer(&tap[2]->buffer), fm_arg_buffer(&g->channel),
            fm_arg_buffer(&g->mean), fm_arg_buffer(x->buffer), fm_acts_arg(tap[0]), fm_acts_arg(tap[1]),
            fm_acts_arg(tap[2]), fm_arg_int4(g->h, g->w, g->d, p->groups),
            fm_arg_int4(g->from[0], g->from[1], g->from[2], p->first), strides(x));
}

/* ---- learning ---- */

/* Adds x_r x_c of `terms` terms to a part's triangle. row, term: vectors from one to the next. */
static void products(struct fm_device *d, const struct fm_gauss *g, const struct fm_gauss_part *p,
                     const struct place *x, const struct fm_buffer *triangle, int terms, int row, int term) {
  FM_LAUNCH(d, kernel(d, "products"), items(d, p->groups, true), spread(d, (int)side(g)), 1,
            fm_arg_buffer(x->buffer), fm_arg_buffer(triangle), fm_arg_int4(terms, (int)side(g), p->groups, 0),
            fm_arg_int4(row, x->group, x->first, term));
}

/* n pictures at x join the sums. */
static void join(struct fm_device *d, const struct fm_gauss *g, const struct fm_gauss_part *p,
                 const struct place *x, int n) {
  FM_LAUNCH(d, kernel(d, "total"), items(d, p->groups, true), 1, 1, fm_arg_buffer(x->buffer),
            fm_arg_buffer(&g->sum), fm_arg_int4(n, g->d, p->groups, p->first), strides(x));
  if (!by_rows(g)) products(d, g, p, x, &p->triangle, n, 1, x->picture);
}

void fm_gauss_learn(struct fm_device *d, struct fm_gauss *g, const struct fm_acts *const tap[3], int n) {
  for (int i = 0; i < g->parts; i++) {
    const struct fm_gauss_part *p = &g->part[i];
    struct place x = by_rows(g) ? in_rows(g, p, g->learned) : in_batch(g, p);
    choose(d, g, p, tap, n, &x);
    if (!g->learned)
      FM_LAUNCH(d, kernel(d, "shift"), items(d, p->groups, false), 1, 1, fm_arg_buffer(x.buffer),
                fm_arg_buffer(&g->mean), fm_arg_int4(n, g->d, p->groups, p->first), strides(&x));
    join(d, g, p, &x, n);
  }
  g->learned += n;
}

/* The part's means, its centred rows, its factor into g->scratch. */
static enum fm_status settle(struct fm_device *d, const struct fm_gauss *g, struct fm_gauss_part *p,
                             double regulariser) {
  struct place x = by_rows(g) ? in_rows(g, p, 0) : in_batch(g, p);
  float count = (float)g->learned;
  FM_LAUNCH(d, kernel(d, "settle"), items(d, p->groups, true), 1, 1, fm_arg_buffer(&g->sum),
            fm_arg_buffer(&g->mean), fm_arg_buffer(x.buffer),
            fm_arg_int4(by_rows(g) ? g->pictures : 0, g->d, p->groups, p->first), strides(&x),
            fm_arg_float(count));
  if (by_rows(g)) {
    FM_TRY(make_zero(d, p->groups, fm_triangle(side(g)), 2 * sizeof(float), &p->triangle));
    products(d, g, p, &x, &p->triangle, g->d, g->d, 1);
    regulariser *= g->learned - 1;
  }
  FM_LAUNCH(d, kernel(d, "factor"), items(d, p->groups, true), 1, 1, fm_arg_buffer(&g->sum),
            fm_arg_buffer(&p->triangle), fm_arg_buffer(&g->scratch),
            fm_arg_int4((int)side(g), p->groups, p->first, !by_rows(g)), fm_arg_float(count),
            pair_of(regulariser));
  return fm_device_status(d);
}

static enum fm_status sum_variances(struct fm_device *d, const struct fm_gauss *g,
                                    const struct fm_buffer *out, float *values, double *mean) {
  size_t cells = (size_t)g->h * (size_t)g->w;
  for (int i = 0; i < g->parts; i++) {
    const struct fm_gauss_part *p = &g->part[i];
    struct place x = by_rows(g) ? in_rows(g, p, 0) : in_batch(g, p);
    FM_LAUNCH(d, kernel(d, "variances"), items(d, p->groups, true), 1, 1, fm_arg_buffer(&g->sum),
              fm_arg_buffer(by_rows(g) ? &g->sum : &p->triangle), fm_arg_buffer(x.buffer), fm_arg_buffer(out),
              fm_arg_int4(by_rows(g) ? g->pictures : 0, g->d, p->groups, p->first), strides(&x),
              fm_arg_float((float)g->learned));
  }
  FM_TRY(fm_buffer_read(d, out, 0, values, out->bytes));
  *mean = 0;
  for (size_t i = 0; i < cells; i++)
    *mean += (double)values[i] / ((double)cells * g->count * (g->learned - 1));
  return FM_OK;
}

enum fm_status fm_gauss_variance(struct fm_device *d, const struct fm_gauss *g, double *mean) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_buffer out;
  FM_TRY(make_zero(d, g->groups, 1, sizeof(float), &out));
  float *values = fm_alloc(ctx, out.bytes, 1);
  enum fm_status status = values ? sum_variances(d, g, &out, values, mean) : FM_MEMORY;
  fm_free(ctx, values);
  fm_buffer_free(d, &out);
  return status;
}

/* ---- to the host and back ---- */

/* Numbers of a cell: [outer][inner], and on the device the outer ones `step` apart. */
struct numbers {
  size_t outer, inner, step, group; /* group: of a cell on the device in all */
  size_t begin;                     /* numbers of the buffer before the first */
};

static struct numbers of_mean(const struct fm_gauss *g) {
  return (struct numbers){1, (size_t)g->count, 0, (size_t)g->d, 0};
}

/* Of the first `pictures`. */
static struct numbers of_rows(const struct fm_gauss *g, size_t pictures) {
  return (struct numbers){pictures, (size_t)g->count, (size_t)g->d, (size_t)g->rows * (size_t)g->d, 0};
}

static struct numbers of_factor(const struct fm_gauss *g) {
  return (struct numbers){1, fm_triangle((size_t)(by_rows(g) ? g->pictures : g->count)), 0,
                          fm_triangle(side(g)), 0};
}

/* Groups at a time: their runs of numbers are as many streams as a processor follows. */
enum { SLAB = 16 };

/* Between lanes [groups][numbers][block], `groups` of them from `first` on, and plain [numbers][cells]. */
static void transpose(const struct fm_gauss *g, size_t block, const struct numbers *k, size_t first,
                      size_t groups, float *lanes, float *plain, bool write) {
  size_t cells = (size_t)g->h * (size_t)g->w;
  for (size_t i = 0; i < k->outer * k->inner; i++) {
    float *row = plain + i * cells, *vector = lanes + (i / k->inner * k->step + i % k->inner) * block;
    for (size_t q = 0; q < groups; q++, vector += k->group * block)
      for (size_t lane = 0, cell = (first + q) * block; lane < block; lane++, cell++) {
        if (write)
          vector[lane] = row[cell < cells ? cell : cells - 1];
        else if (cell < cells)
          row[cell] = vector[lane];
      }
  }
}

/* `first`: the group that the buffer begins with. */
static enum fm_status exchange(struct fm_device *d, const struct fm_gauss *g, const struct fm_buffer *buffer,
                               const struct numbers *k, int first, int groups, float *plain, bool write) {
  struct fm_context *ctx = fm_device_context(d);
  size_t block = (size_t)fm_device_facts(d)->block, one = k->group * block, all = (size_t)groups;
  float *lanes = fm_alloc_aligned(ctx, one * SLAB, sizeof *lanes);
  enum fm_status status = lanes ? FM_OK : FM_MEMORY;
  for (size_t at = 0; at < all && status == FM_OK; at += SLAB) {
    size_t now = all - at < SLAB ? all - at : SLAB, bytes = now * one * sizeof *lanes;
    if (!write) status = fm_buffer_read(d, buffer, (k->begin + at * one) * sizeof *lanes, lanes, bytes);
    if (status == FM_OK) transpose(g, block, k, (size_t)first + at, now, lanes, plain, write);
    if (write) status = fm_buffer_write(d, buffer, (k->begin + at * one) * sizeof *lanes, lanes, bytes);
  }
  fm_free(ctx, lanes);
  return status;
}

enum fm_status fm_gauss_finish(struct fm_device *d, struct fm_gauss *g, double regulariser, float *mean,
                               float *rows, float *factor) {
  struct numbers m = of_mean(g), r = of_rows(g, (size_t)g->pictures), f = of_factor(g);
  for (int i = 0; i < g->parts; i++) {
    struct fm_gauss_part *p = &g->part[i];
    FM_TRY(settle(d, g, p, regulariser));
    FM_TRY(exchange(d, g, &g->scratch, &f, p->first, p->groups, factor, false));
    if (by_rows(g)) FM_TRY(exchange(d, g, &p->rows, &r, p->first, p->groups, rows, false));
    free_part(d, p);
  }
  return exchange(d, g, &g->mean, &m, 0, g->groups, mean, false);
}

enum fm_status fm_gauss_write(struct fm_device *d, const struct fm_gauss *g, const float *mean,
                              const float *rows, const float *factor) {
  struct numbers m = of_mean(g), r = of_rows(g, (size_t)g->pictures), f = of_factor(g);
  FM_TRY(exchange(d, g, &g->mean, &m, 0, g->groups, (float *)mean, true));
  for (int i = 0; i < g->parts; i++) {
    const struct fm_gauss_part *p = &g->part[i];
    FM_TRY(exchange(d, g, &p->factor, &f, p->first, p->groups, (float *)factor, true));
    if (by_rows(g)) FM_TRY(exchange(d, g, &p->rows, &r, p->first, p->groups, (float *)rows, true));
  }
  return FM_OK;
}

/* ---- learning on ---- */

/* Centred rows [pictures][count][cells] of the host as terms of the sums, a batch after the other. */
static enum fm_status join_rows(struct fm_device *d, const struct fm_gauss *g, size_t pictures,
                                const float *rows) {
  size_t one = (size_t)g->groups * (size_t)g->d * (size_t)fm_device_facts(d)->block,
         plain = (size_t)g->count * (size_t)g->h * (size_t)g->w;
  for (size_t first = 0; first < pictures; first += (size_t)g->batch) {
    size_t left = pictures - first, n = left < (size_t)g->batch ? left : (size_t)g->batch;
    for (size_t k = 0; k < n; k++) {
      struct numbers x = {1, (size_t)g->count, 0, (size_t)g->d, k * one};
      FM_TRY(exchange(d, g, &g->x, &x, 0, g->groups, (float *)rows + (first + k) * plain, true));
    }
    for (int i = 0; i < g->parts; i++) {
      struct place x = in_batch(g, &g->part[i]);
      join(d, g, &g->part[i], &x, (int)n);
    }
    FM_TRY(fm_device_finish(d));
  }
  return FM_OK;
}

/* The products about the mean that a part's factor was made of. */
static enum fm_status restore(struct fm_device *d, const struct fm_gauss *g, const struct fm_gauss_part *p,
                              double regulariser, const float *factor) {
  struct numbers f = of_factor(g);
  FM_TRY(exchange(d, g, &g->scratch, &f, p->first, p->groups, (float *)factor, true));
  FM_LAUNCH(d, kernel(d, "restore"), items(d, p->groups, true), 1, 1, fm_arg_buffer(&g->scratch),
            fm_arg_buffer(&p->triangle), fm_arg_int4((int)side(g), p->groups, g->count, 0),
            fm_arg_float((float)(g->learned - 1)), pair_of(regulariser));
  return fm_device_finish(d);
}

enum fm_status fm_gauss_resume(struct fm_device *d, struct fm_gauss *g, size_t learned, double regulariser,
                               const float *mean, const float *rows, const float *factor) {
  struct numbers m = of_mean(g), r = of_rows(g, learned);
  g->learned = (int)learned;
  FM_TRY(exchange(d, g, &g->mean, &m, 0, g->groups, (float *)mean, true));
  if (rows && !by_rows(g)) return join_rows(d, g, learned, rows);
  for (int i = 0; i < g->parts; i++) {
    const struct fm_gauss_part *p = &g->part[i];
    if (rows)
      FM_TRY(exchange(d, g, &p->rows, &r, p->first, p->groups, (float *)rows, true));
    else
      FM_TRY(restore(d, g, p, regulariser, factor));
  }
  return FM_OK;
}

/* ---- scores ---- */

/* Where there is none, kernels do not touch it. */
static const struct fm_buffer *slope_of(const struct fm_gauss *g) {
  return g->use == FM_GAUSS_GRADIENT ? &g->dx : &g->x;
}

static void score_by_rows(struct fm_device *d, const struct fm_gauss *g, const struct fm_gauss_part *p,
                          double regulariser, struct fm_arg size, struct fm_arg use, int n,
                          const struct fm_buffer *e) {
  for (int first = 0; first < n; first += 4)
    FM_LAUNCH(d, kernel(d, "by_rows"), items(d, p->groups, true), 1, 1, fm_arg_buffer(&g->x),
              fm_arg_buffer(&p->rows), fm_arg_buffer(&p->factor), fm_arg_buffer(&g->scratch),
              fm_arg_buffer(e), fm_arg_buffer(slope_of(g)), size, use, fm_arg_int2(g->rows, first),
              fm_arg_float((float)(g->pictures - 1)), pair_of(regulariser));
}

void fm_gauss_score(struct fm_device *d, const struct fm_gauss *g, double regulariser,
                    const struct fm_acts *const tap[3], int n, const struct fm_buffer *e) {
  for (int i = 0; i < g->parts; i++) {
    const struct fm_gauss_part *p = &g->part[i];
    struct place x = in_batch(g, p);
    struct fm_arg size = fm_arg_int4(n, g->d, g->groups, g->h * g->w);
    struct fm_arg use = fm_arg_int4(p->groups, p->first, g->use == FM_GAUSS_GRADIENT, g->count);
    choose(d, g, p, tap, n, &x);
    if (by_rows(g))
      score_by_rows(d, g, p, regulariser, size, use, n, e);
    else
      FM_LAUNCH(d, kernel(d, "by_factor"), items(d, p->groups, false), spread(d, n), 1, fm_arg_buffer(&g->x),
                fm_arg_buffer(&p->factor), fm_arg_buffer(e), fm_arg_buffer(slope_of(g)), size, use);
  }
}

void fm_gauss_back(struct fm_device *d, const struct fm_gauss *g, const struct fm_buffer *slope,
                   const struct fm_acts *const tap_gradient[3]) {
  for (int t = 0; t < 3; t++) {
    const struct fm_acts *y = tap_gradient[t];
    FM_LAUNCH(d, kernel(d, "return_to"), fm_acts_gx(d, y->w), (size_t)y->h,
              (size_t)y->n * (size_t)fm_acts_blocks(y), fm_arg_buffer(&g->dx), fm_arg_buffer(slope),
              fm_arg_buffer(&g->place[t]), fm_arg_buffer(&y->buffer), fm_acts_arg(y),
              fm_arg_int4(g->w, t, g->d, g->groups), fm_arg_int4(y->w, y->c, g->h * g->w, 0));
  }
}
