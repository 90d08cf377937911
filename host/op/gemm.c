#include "op/gemm.h"

#include "device/blas.h"

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

void fm_product_run(struct fm_device *d, const struct fm_product *p) {
  size_t tile = 2 * (size_t)fm_device_facts(d)->block;
  char options[64];
  snprintf(options, sizeof options, "-D MR=%d -D TURNED=%d -D FINISH=%d", ROWS, p->turned, (int)p->finish);
  /* Where a kernel does not look at extra or place, it gets some buffer. */
  const struct fm_buffer *extra = p->extra.buffer ? p->extra.buffer : p->c.buffer;
  const struct fm_buffer *place = p->place ? p->place : p->c.buffer;
  FM_LAUNCH(d, fm_kernel_get(d, "gemm.cl", "gemm", options), ((size_t)p->n + tile - 1) / tile,
            ((size_t)p->m + ROWS - 1) / ROWS, p->batch ? (size_t)p->batch : 1, fm_arg_buffer(p->a.buffer),
            fm_arg_buffer(p->b.buffer), fm_arg_buffer(p->c.buffer), fm_arg_buffer(extra),
            fm_arg_buffer(place), fm_arg_int4(p->m, p->n, p->k, p->first),
            fm_arg_int4(p->a.row, p->b.row, p->c.row, p->extra.row),
            fm_arg_int4(p->a.start, p->b.start, p->c.start, p->extra.start),
            fm_arg_int4(p->a.step, p->b.step, p->c.step, p->extra.step),
            fm_arg_int4(p->side, p->width, p->height, p->lane));
}
