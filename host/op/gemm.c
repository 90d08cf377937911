#include "op/gemm.h"

#include "device/blas.h"

#include <stdlib.h>
#include <string.h>

const char *fm_gemm_choice(const struct fm_device *d) {
  const char *wanted = getenv("FLAWMAP_GEMM");
  if (wanted && strcmp(wanted, "own") == 0) return "own";
  if (wanted && strcmp(wanted, "clblast") == 0) return "clblast";
  return fm_device_facts(d)->kind == FM_CLASS_GPU && fm_blas_available() ? "clblast" : "own";
}

enum fm_status fm_gemm(struct fm_device *d, int m, int n, int k, const struct fm_buffer *a,
                       const struct fm_buffer *b, const struct fm_buffer *c) {
  if (strcmp(fm_gemm_choice(d), "clblast") == 0) return fm_blas_gemm(d, m, n, k, a, b, c);
  enum { ROWS = 8 };
  size_t tile = 2 * (size_t)fm_device_facts(d)->block;
  FM_LAUNCH(d, fm_kernel_get(d, "gemm.cl", "gemm", "-D MR=8"), ((size_t)n + tile - 1) / tile,
            ((size_t)m + ROWS - 1) / ROWS, 1, fm_arg_buffer(a), fm_arg_buffer(b), fm_arg_buffer(c),
            fm_arg_int4(m, n, k, 0));
  return fm_device_status(d);
}
