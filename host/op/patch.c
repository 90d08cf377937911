#include "op/patch.h"

#include "base/memory.h"
#include "op/simple.h"

#include <limits.h>

enum { AROUND = 9 }; /* places of a neighbourhood, row by row; 4 is the middle */

/* Entries of all lists, output by output, on the host. channel and place (0..8) on the tap's own grid. */
struct entry {
  int output, channel, place;
  float weight;
};
struct list {
  struct fm_context *ctx;
  struct entry *entry;
  size_t count, capacity;
};

static enum fm_status add(struct list *l, int output, int channel, int place, double weight) {
  FM_TRY(fm_grow(l->ctx, (void **)&l->entry, &l->capacity, l->count, sizeof *l->entry));
  l->entry[l->count++] = (struct entry){output, channel, place, (float)weight};
  return FM_OK;
}

int fm_patch_dimensions(bool official, int dimensions, int c1, int c2) {
  return official ? dimensions : c1 + c2;
}

/* ---- what a feature is made of ---- */

static enum fm_status concat(struct list *l, int channels, int first, double weight) {
  for (int c = 0; c < channels; c++)
    for (int k = 0; k < AROUND; k++) FM_TRY(add(l, first + c, c, k, weight / AROUND));
  return FM_OK;
}

/* Average pooling of n numbers to m: bin i is [floor(i n / m), ceil((i + 1) n / m)). */
static int bin_begin(int i, int n, int m) {
  return (int)((int64_t)i * n / m);
}
static int bin_end(int i, int n, int m) {
  return (int)(((int64_t)(i + 1) * n + m - 1) / m);
}

/* Both poolings of one tap's part of one output: the second bin takes mapped numbers of both taps, one
 * behind the other; each of those is the mean of a bin of the unfolded numbers (channel * 9 + place). */
static enum fm_status official_output(struct list *l, int tap, int channels, int output, int dimensions,
                                      double weight[]) {
  const int all = FM_PATCH_TAPS * FM_PATCH_MAPPED, unfolded = channels * AROUND;
  int from = bin_begin(output, all, dimensions), to = bin_end(output, all, dimensions), low = unfolded,
      high = 0;
  for (int m = from; m < to; m++) {
    if (m / FM_PATCH_MAPPED != tap) continue;
    int a = bin_begin(m % FM_PATCH_MAPPED, unfolded, FM_PATCH_MAPPED),
        b = bin_end(m % FM_PATCH_MAPPED, unfolded, FM_PATCH_MAPPED);
    for (int u = a; u < b; u++) weight[u] += 1.0 / (to - from) / (b - a);
    if (a < low) low = a;
    if (b > high) high = b;
  }
  for (int u = low; u < high; u++) { /* bins overlap: each number once */
    if (weight[u] > 0) FM_TRY(add(l, output, u / AROUND, u % AROUND, weight[u]));
    weight[u] = 0;
  }
  return FM_OK;
}

static enum fm_status official_tap(struct list *l, int tap, int channels, int dimensions) {
  double *weight = fm_alloc(l->ctx, (size_t)channels * AROUND, sizeof *weight);
  enum fm_status status = weight ? FM_OK : FM_MEMORY;
  for (int o = 0; o < dimensions && status == FM_OK; o++)
    status = official_output(l, tap, channels, o, dimensions, weight);
  fm_free(l->ctx, weight);
  return status;
}

/* ---- tables on the device ---- */

/* forward: output o of the tap's sums channels; else: channel c sums outputs, the places mirrored. */
static enum fm_status make_table(struct fm_device *d, const struct list *l, const struct fm_patches *p,
                                 int tap, bool forward, struct fm_patch_table *t) {
  struct fm_context *ctx = l->ctx;
  int first = p->tap[tap].first, row = p->tap[tap].row, plane = p->tap[tap].plane;
  t->outputs = forward ? p->tap[tap].outputs : p->tap[tap].c;
  size_t outputs = (size_t)t->outputs, room = l->count ? l->count : 1;
  int *begin = fm_alloc(ctx, outputs + 2, sizeof *begin), *from = fm_alloc(ctx, room, sizeof *from);
  float *weight = fm_alloc(ctx, room, sizeof *weight);
  enum fm_status status = begin && from && weight ? FM_OK : FM_MEMORY;
  if (status == FM_OK) {
    /* A counting sort by output: begin[o + 2] counts, then begin[o + 1] runs from the list's begin to its
     * end. */
    for (size_t i = 0; i < l->count; i++) {
      const struct entry *e = &l->entry[i];
      begin[(forward ? e->output - first : e->channel) + 2]++;
    }
    for (size_t o = 2; o < outputs + 2; o++) begin[o] += begin[o - 1];
    for (size_t i = 0; i < l->count; i++) {
      const struct entry *e = &l->entry[i];
      int shift = (e->place / 3 - 1) * row + e->place % 3 - 1,
          at = begin[(forward ? e->output - first : e->channel) + 1]++;
      from[at] = forward ? e->channel * plane + shift : (e->output - first) * plane - shift;
      weight[at] = e->weight;
    }
    status = fm_buffer_make(d, (outputs + 1) * sizeof *begin, &t->begin);
  }
  if (status == FM_OK) status = fm_buffer_write(d, &t->begin, 0, begin, (outputs + 1) * sizeof *begin);
  if (status == FM_OK) status = fm_buffer_make(d, room * sizeof *from, &t->from);
  if (status == FM_OK) status = fm_buffer_write(d, &t->from, 0, from, room * sizeof *from);
  if (status == FM_OK) status = fm_buffer_make(d, room * sizeof *weight, &t->weight);
  if (status == FM_OK) status = fm_buffer_write(d, &t->weight, 0, weight, room * sizeof *weight);
  fm_free(ctx, begin);
  fm_free(ctx, from);
  fm_free(ctx, weight);
  return status;
}

static void free_table(struct fm_device *d, struct fm_patch_table *t) {
  fm_buffer_free(d, &t->begin);
  fm_buffer_free(d, &t->from);
  fm_buffer_free(d, &t->weight);
}

static enum fm_status zero_planes(struct fm_device *d, size_t planes, size_t plane, struct fm_buffer *b) {
  size_t numbers, bytes;
  if (!fm_mul(planes, plane, &numbers) || !fm_mul(numbers, sizeof(float), &bytes))
    return fm_error(fm_device_context(d), FM_LIMIT, "features of %zu planes are too many", planes);
  FM_TRY(fm_buffer_make(d, bytes ? bytes : sizeof(float), b));
  return fm_buffer_fill(d, b, 0);
}

/* The part of outputs that read this tap: one after the other, as the bins are. */
static void find_outputs(const struct list *l, struct fm_patches *p, int tap) {
  int low = INT_MAX, high = 0;
  for (size_t i = 0; i < l->count; i++) {
    if (l->entry[i].output < low) low = l->entry[i].output;
    if (l->entry[i].output >= high) high = l->entry[i].output + 1;
  }
  p->tap[tap].first = low < high ? low : p->dimensions;
  p->tap[tap].outputs = low < high ? high - low : 0;
}

static enum fm_status make_tap(struct fm_device *d, const struct list *l, struct fm_patches *p, int tap,
                               const struct fm_acts *a, bool gradient) {
  int chunk = 4 * fm_device_facts(d)->block, row = a->w + 2;
  p->tap[tap].c = a->c;
  p->tap[tap].h = a->h;
  p->tap[tap].w = a->w;
  p->tap[tap].row = row;
  p->tap[tap].place = row + 1;
  p->tap[tap].places = (a->h * row + chunk - 1) / chunk * chunk;
  p->tap[tap].plane = 2 * (row + 1) + p->tap[tap].places;
  find_outputs(l, p, tap);
  size_t n = (size_t)p->n, plane = (size_t)p->tap[tap].plane, in = n * (size_t)a->c,
         out = n * (size_t)p->tap[tap].outputs;
  if (plane > INT_MAX / 4 / (size_t)(a->c > p->dimensions ? a->c : p->dimensions))
    return fm_error(fm_device_context(d), FM_LIMIT, "features of %d x %d cells of %d channels are too many",
                    a->h, a->w, a->c);
  FM_TRY(make_table(d, l, p, tap, true, &p->tap[tap].forward));
  FM_TRY(zero_planes(d, in, plane, &p->tap[tap].in));
  FM_TRY(zero_planes(d, out, plane, &p->tap[tap].out));
  if (!gradient) return FM_OK;
  FM_TRY(make_table(d, l, p, tap, false, &p->tap[tap].backward));
  FM_TRY(zero_planes(d, out, plane, &p->tap[tap].slope));
  return zero_planes(d, in, plane, &p->tap[tap].back);
}

enum fm_status fm_patches_make(struct fm_device *d, const struct fm_acts *fine, const struct fm_acts *coarse,
                               const struct fm_patch_kind *kind, bool gradient, struct fm_patches *p) {
  const struct fm_acts *tap[FM_PATCH_TAPS] = {fine, coarse};
  const double weight[FM_PATCH_TAPS] = {kind->fine_weight > 0 ? kind->fine_weight : 1, 1};
  int block = fm_device_facts(d)->block;
  *p = (struct fm_patches){.n = fine->n, .h = fine->h, .w = fine->w};
  p->dimensions = fm_patch_dimensions(kind->official, kind->dimensions, fine->c, coarse->c);
  p->width = (p->dimensions + block - 1) / block * block;
  enum fm_status status = FM_OK;
  for (int i = 0; i < FM_PATCH_TAPS && status == FM_OK; i++) {
    struct list l = {.ctx = fm_device_context(d)};
    status = kind->official ? official_tap(&l, i, tap[i]->c, p->dimensions)
                            : concat(&l, tap[i]->c, i ? fine->c : 0, weight[i]);
    if (status == FM_OK) status = make_tap(d, &l, p, i, tap[i], gradient);
    fm_free(l.ctx, l.entry);
  }
  if (status != FM_OK) fm_patches_free(d, p);
  return status;
}

void fm_patches_free(struct fm_device *d, struct fm_patches *p) {
  for (int i = 0; i < FM_PATCH_TAPS; i++) {
    free_table(d, &p->tap[i].forward);
    free_table(d, &p->tap[i].backward);
    fm_buffer_free(d, &p->tap[i].in);
    fm_buffer_free(d, &p->tap[i].out);
    fm_buffer_free(d, &p->tap[i].slope);
    fm_buffer_free(d, &p->tap[i].back);
  }
}

/* ---- running ---- */

static void move(struct fm_device *d, const struct fm_patches *p, int tap, const struct fm_acts *a,
                 const struct fm_buffer *planes, bool to_planes) {
  FM_LAUNCH(d, fm_kernel_get(d, "patch.cl", to_planes ? "to_planes" : "from_planes", ""), fm_acts_gx(d, a->w),
            (size_t)a->h, (size_t)a->n * (size_t)fm_acts_blocks(a),
            fm_arg_buffer(to_planes ? &a->buffer : planes), fm_arg_buffer(to_planes ? planes : &a->buffer),
            fm_acts_arg(a), fm_arg_int4(a->w, a->c, p->tap[tap].row, p->tap[tap].plane));
}

static void sum_lists(struct fm_device *d, const struct fm_patches *p, int tap, int n,
                      const struct fm_patch_table *t, const struct fm_buffer *x, int planes,
                      const struct fm_buffer *y) {
  size_t items = fm_device_facts(d)->group == 1 ? 1 : (size_t)p->tap[tap].places;
  FM_LAUNCH(d, fm_kernel_get(d, "patch.cl", "sum_lists", ""), items, (size_t)t->outputs, (size_t)n,
            fm_arg_buffer(x), fm_arg_buffer(y), fm_arg_buffer(&t->begin), fm_arg_buffer(&t->from),
            fm_arg_buffer(&t->weight),
            fm_arg_int4(p->tap[tap].place, p->tap[tap].places, p->tap[tap].plane, planes));
}

static struct fm_arg step_of(const struct fm_patches *p, int tap) {
  return fm_arg_float2(fm_resize_step(p->tap[tap].h, p->h, false),
                       fm_resize_step(p->tap[tap].w, p->w, false));
}

static struct fm_arg tap_arg(const struct fm_patches *p, int tap) {
  return fm_arg_int4(p->tap[tap].h, p->tap[tap].w, p->tap[tap].row, p->tap[tap].plane);
}

void fm_patches_run(struct fm_device *d, const struct fm_patches *p, const struct fm_acts *fine,
                    const struct fm_acts *coarse, const struct fm_buffer *feature) {
  const struct fm_acts *tap[FM_PATCH_TAPS] = {fine, coarse};
  for (int i = 0; i < FM_PATCH_TAPS; i++) {
    move(d, p, i, tap[i], &p->tap[i].in, true);
    sum_lists(d, p, i, fine->n, &p->tap[i].forward, &p->tap[i].in, p->tap[i].c, &p->tap[i].out);
  }
  FM_LAUNCH(d, fm_kernel_get(d, "patch.cl", "to_features", ""), fm_acts_gx(d, p->w), (size_t)p->h,
            (size_t)fine->n, fm_arg_buffer(&p->tap[0].out), fm_arg_buffer(&p->tap[1].out),
            fm_arg_buffer(feature), tap_arg(p, 0), tap_arg(p, 1),
            fm_arg_int4(p->tap[0].outputs, p->tap[1].first, p->dimensions, p->width), step_of(p, 1));
}

void fm_patches_back(struct fm_device *d, const struct fm_patches *p, const struct fm_buffer *slope,
                     const struct fm_acts *fine, const struct fm_acts *coarse) {
  const struct fm_acts *tap[FM_PATCH_TAPS] = {fine, coarse};
  for (int i = 0; i < FM_PATCH_TAPS; i++) {
    FM_LAUNCH(d, fm_kernel_get(d, "patch.cl", "from_features", ""), fm_acts_gx(d, p->tap[i].w),
              (size_t)p->tap[i].h, (size_t)fine->n, fm_arg_buffer(slope), fm_arg_buffer(&p->tap[i].slope),
              fm_arg_int4(p->h, p->w, p->width, 0), tap_arg(p, i),
              fm_arg_int2(p->tap[i].first, p->tap[i].outputs), step_of(p, i));
    sum_lists(d, p, i, fine->n, &p->tap[i].backward, &p->tap[i].slope, p->tap[i].outputs, &p->tap[i].back);
    move(d, p, i, tap[i], &p->tap[i].back, false);
  }
}
