/* fuzz_seeds FOLDER: writes a few small inputs for each fuzzer into FOLDER/NAME. */
#include "base/file.h"
#include "base/memory.h"
#include "file/pth_sample.h"
#include "file/samples.h"

#include <stdio.h>
#include <string.h>

static const char *const headers[] = {
    "{}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},\"__metadata__\":{\"k\":\"v\"}}",
    "{\"a\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"BOOL\",\"shape\":[0],"
    "\"data_offsets\":"
    "[2,2]},\"c\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[2,10]}}  ",
};

static const char *const inis[] = {"a = 1\n[s]\n; note\nb = 2 # note\n", "[x.y]\r\nkey_1 =\r\n"};

static enum fm_status put(struct fm_context *ctx, const char *folder, const char *kind, size_t number,
                          const void *bytes, size_t size) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, kind);
  FM_TRY(fm_folder_make(ctx, path));
  snprintf(path, sizeof path, "%s/%s/%zu", folder, kind, number);
  return fm_file_write(ctx, path, bytes, size);
}

static enum fm_status put_all(struct fm_context *ctx, const char *folder) {
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
    FM_TRY(put(ctx, folder, "image", i, samples[i].bytes, samples[i].size));
  for (size_t i = 0; i < sizeof inis / sizeof *inis; i++)
    FM_TRY(put(ctx, folder, "ini", i, inis[i], strlen(inis[i])));
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    char bytes[512] = {0};
    size_t n = strlen(headers[i]), data = i == 0 ? 0 : i == 1 ? 8 : 10;
    memcpy(bytes, headers[i], n);
    FM_TRY(put(ctx, folder, "safetensors", i, bytes, n + (data ? 1 + data : 0)));
  }
  /* the pickle of the sample lies stored in its archive: from the protocol mark to the final point */
  const unsigned char *pickle = memchr(pth_sample, 0x80, sizeof pth_sample);
  FM_TRY(put(ctx, folder, "pth", 0, pth_sample, sizeof pth_sample));
  FM_TRY(put(ctx, folder, "pth", 2, pth_old_sample, sizeof pth_old_sample));
  return pickle ? put(ctx, folder, "pth", 1, pickle, 252) : FM_OK;
}

int main(int count, char **arguments) {
  struct fm_context ctx;
  fm_context_init(&ctx);
  enum fm_status status =
      count == 2 ? put_all(&ctx, arguments[1]) : fm_error(&ctx, FM_USAGE, "fuzz_seeds FOLDER");
  if (status != FM_OK) fprintf(stderr, "%s\n", ctx.message);
  return status != FM_OK;
}
