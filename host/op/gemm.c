#include "op/gemm.h"

#include "device/blas.h"
#include "op/tile.h"
#include "op/variant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 8 }; /* a work-item computes ROWS x 2 blocks */

/* FLAWMAP_GEMM overrides, for tests and for measuring. */
static bool takes_clblast(const struct fm_device *d) {
  const char *wanted = getenv("FLAWMAP_GEMM");
  if (wanted && (strcmp(wanted, "own") == 0 || strcmp(wanted, "clblast") == 0)) return *wanted == 'c';
  return fm_device_facts(d)->kind == FM_CLASS_GPU && fm_blas_available();
}

enum fm_status fm_gemm(struct fm_device *d, int m, int n, int k, const struct fm_buffer *a,
                       const struct fm_buffer *b, const struct fm_buffer *c) {
  if (takes_clblast(d)) return fm_blas_gemm(d, m, n, k, a, b, c);
  struct fm_product p = {.m = m, .n = n, .k = k, .a = {a, 0, k, 0}, .b = {b, 0, n, 0}, .c = {c, 0, n, 0}};
  fm_product_run(d, &p);
  return fm_device_status(d);
}

static void launch(struct fm_device *d, const struct fm_product *p, const char *kernel, const char *options,
                   const size_t global[3], size_t local) {
  /* Where a kernel does not look at extra or place, it gets some buffer. */
  const struct fm_buffer *extra = p->extra.buffer ? p->extra.buffer : p->c.buffer;
  const struct fm_buffer *place = p->place ? p->place : p->c.buffer;
  FM_LAUNCH_GROUPS(d, fm_kernel_get(d, "gemm.cl", kernel, options), global, ((size_t[3]){local, 1, 1}),
                   fm_arg_buffer(p->a.buffer), fm_arg_buffer(p->b.buffer), fm_arg_buffer(p->c.buffer),
                   fm_arg_buffer(extra), fm_arg_buffer(place), fm_arg_int4(p->m, p->n, p->k, p->first),
                   fm_arg_int4(p->a.row, p->b.row, p->c.row, p->extra.row),
                   fm_arg_int4(p->a.start, p->b.start, p->c.start, p->extra.start),
                   fm_arg_int4(p->a.step, p->b.step, p->c.step, p->extra.step),
                   fm_arg_int4(p->side, p->width, p->height, p->lane));
}

static size_t whole(int count, int part) {
  return ((size_t)count + (size_t)part - 1) / (size_t)part;
}

static size_t batch_of(const struct fm_product *p) {
  return p->batch ? (size_t)p->batch : 1;
}

/* ---- gemm_tiled ---- */

/* Read and written as whole float4, the last of a row with what lies behind it, by offsets of 32 bits. */
static bool in_fours(const struct fm_product *p, const struct fm_matrix *m, int rows, int columns) {
  const size_t four = (whole(columns, 4)) * 4, row = (size_t)m->row, step = (size_t)m->step;
  const size_t one = ((size_t)rows - 1) * row + four;
  return m->start % 4 == 0 && row % 4 == 0 && step % 4 == 0 && four <= row && one < (size_t)1 << 30 &&
         ((size_t)m->start + (batch_of(p) - 1) * step + one) * sizeof(float) <= m->buffer->bytes;
}

static bool tiled_fits(const struct fm_facts *f, const struct fm_product *p) {
  struct fm_product_tile t;
  const bool extra = p->finish == FM_FINISH_HIDDEN || p->finish == FM_FINISH_GATED;
  return fm_product_tile(f, &t) && p->n % 4 == 0 &&
         in_fours(p, &p->a, p->turned ? p->k : p->m, p->turned ? p->m : p->k) &&
         in_fours(p, &p->b, p->k, p->n) && in_fours(p, &p->c, p->m, p->n) &&
         (!extra || (p->extra.start % 4 == 0 && p->extra.row % 4 == 0 && p->extra.step % 4 == 0));
}

/* Half a tile at least, and a step. A CPU's local memory is but more of the same memory. */
static bool tiled_pays(const struct fm_facts *f, const struct fm_product *p) {
  struct fm_product_tile t;
  fm_product_tile(f, &t);
  return f->local_memory_real && p->m >= t.rows / 2 && p->n >= t.columns / 2 && p->k >= 16;
}

static void tiled_run(struct fm_device *d, const struct fm_product *p) {
  struct fm_product_tile t;
  char options[120];
  fm_product_tile(fm_device_facts(d), &t);
  snprintf(options, sizeof options, "%s -D TURNED=%d -D FINISH=%d", t.options, p->turned, (int)p->finish);
  launch(d, p, "gemm_tiled", options,
         (size_t[3]){whole(p->n, t.columns) * t.items, whole(p->m, t.rows), batch_of(p)}, t.items);
}

/* ---- gemm ---- */

static bool always(const struct fm_facts *f, const struct fm_product *p) {
  return true;
}

static void plain_run(struct fm_device *d, const struct fm_product *p) {
  const struct fm_facts *f = fm_device_facts(d);
  const size_t group = (size_t)f->group;
  char options[64];
  snprintf(options, sizeof options, "-D MR=%d -D TURNED=%d -D FINISH=%d", ROWS, p->turned, (int)p->finish);
  launch(d, p, "gemm", options,
         (size_t[3]){(whole(p->n, 2 * f->block) + group - 1) / group * group, whole(p->m, ROWS), batch_of(p)},
         group);
}

static const struct fm_product_row rows[] = {{"gemm_tiled", tiled_fits, tiled_pays, tiled_run},
                                             {"gemm", always, always, plain_run}};

const struct fm_product_row *fm_product_row_at(int i) {
  return i < (int)(sizeof rows / sizeof *rows) ? &rows[i] : NULL;
}

void fm_product_run(struct fm_device *d, const struct fm_product *p) {
  const struct fm_facts *f = fm_device_facts(d);
  const struct fm_product_row *row = rows;
  while (!row->fits(f, p) || !(row->pays(f, p) || fm_variant_wished(row->name))) row++;
  row->run(d, p);
}
