#include "file/fuzz/container.h"
#include "file/fuzz/fuzz.h"

#include "model/checkpoint.h"
#include "model/model.h"

/* A model's and a checkpoint's metadata and tensors. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  struct fm_context ctx;
  struct fm_model model;
  struct fm_checkpoint checkpoint;
  size_t n;
  fuzz_begin(&ctx);
  unsigned char *all = fuzz_container(&ctx, bytes, size, &n);
  const char *path = fuzz_file(&ctx, "m.flawmap", all, n);
  fm_free(&ctx, all);
  enum fm_status status = fm_model_load(&ctx, path, NULL, &model);
  if (status == FM_OK) fm_model_free(&model);
  if ((status == FM_OK) != (ctx.errors == 0)) abort();
  fm_error_clear(&ctx);
  status = fm_checkpoint_read(&ctx, path, &checkpoint);
  if (status == FM_OK) fm_checkpoint_free(&ctx, &checkpoint);
  return fuzz_end(&ctx, status);
}
