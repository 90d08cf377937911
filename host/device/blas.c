#include "device/blas.h"

#include "device/internal.h"
#include "device/turn.h"

#include <dlfcn.h>
#include <stdio.h>

/* CLBlast's C interface (clblast_c.h): layout, transpositions, sizes, alpha, three matrices, the queue, an
 * event. */
typedef int clblast_sgemm(int layout, int a_transpose, int b_transpose, size_t m, size_t n, size_t k,
                          float alpha, cl_mem a, size_t a_offset, size_t a_ld, cl_mem b, size_t b_offset,
                          size_t b_ld, float beta, cl_mem c, size_t c_offset, size_t c_ld,
                          cl_command_queue *queue, cl_event *event);
enum { CLBLAST_ROW_MAJOR = 101, CLBLAST_NO_TRANSPOSE = 111 };

static void *open_library(void) {
  void *library = dlopen("libclblast.so.1", RTLD_NOW | RTLD_LOCAL);
  return library ? library : dlopen("libclblast.so", RTLD_NOW | RTLD_LOCAL);
}

bool fm_blas_available(void) {
  void *library = open_library();
  if (library) dlclose(library);
  return library != NULL;
}

enum fm_status fm_blas_gemm(struct fm_device *d, int m, int n, int k, const struct fm_buffer *a,
                            const struct fm_buffer *b, const struct fm_buffer *c) {
  if (!fm_device_may(d, "CLBlastSgemm")) return d->status;
  if (!d->blas) d->blas = open_library();
  clblast_sgemm *gemm = NULL;
  if (d->blas) *(void **)&gemm = dlsym(d->blas, "CLBlastSgemm");
  if (!gemm)
    return d->status = fm_error(d->ctx, FM_DEVICE,
                                "FLAWMAP_GEMM asks for CLBlast, which is not installed; install it (Debian "
                                "and Ubuntu: apt-get install libclblast1) or unset FLAWMAP_GEMM");
  fm_turn_begin(d);
  int code =
      gemm(CLBLAST_ROW_MAJOR, CLBLAST_NO_TRANSPOSE, CLBLAST_NO_TRANSPOSE, (size_t)m, (size_t)n, (size_t)k,
           1.0f, a->mem, 0, (size_t)k, b->mem, 0, (size_t)n, 0.0f, c->mem, 0, (size_t)n, &d->queue, NULL);
  fm_turn_end(d);
  if (code == 0) return FM_OK;
  char detail[64];
  snprintf(detail, sizeof detail, "status %d", code);
  return fm_device_fail(d, "CLBlastSgemm", code, detail);
}

void fm_blas_free(struct fm_device *d) {
  if (!d->blas) return;
  int (*clear)(void) = NULL;
  *(void **)&clear = dlsym(d->blas, "CLBlastClearCache");
  if (clear) clear();
  dlclose(d->blas);
  d->blas = NULL;
}
