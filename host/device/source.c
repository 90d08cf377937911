#include "base/embedded.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "device/internal.h"
#include "device/program.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *fm_program_source(struct fm_device *d, const char *file) {
  const char *folder = getenv("FLAWMAP_CL_DIR");
  if (folder) {
    char *path = fm_path_join(d->ctx, folder, file);
    unsigned char *bytes = NULL;
    size_t size;
    if (path && fm_file_read(d->ctx, path, (size_t)1 << 24, &bytes, &size) != FM_OK)
      d->status = d->ctx->status;
    fm_free(d->ctx, path);
    return (char *)bytes;
  }
  const struct fm_embedded *found = fm_embedded_find(fm_embedded_cl, file);
  if (found) return fm_strdup(d->ctx, (const char *)found->bytes);
  d->status = fm_error(d->ctx, FM_INTERNAL,
                       "there is no OpenCL source '%s' in this program; please report this", file);
  return NULL;
}

static void hex_of(const char *bytes, size_t size, char hex[65]) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256((const unsigned char *)bytes, size, digest);
  for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) snprintf(hex + (size_t)2 * (size_t)i, 3, "%02x", digest[i]);
}

enum fm_status fm_program_sources_hash(struct fm_device *d, char hex[65]) {
  struct fm_text all; /* a line a file: its hash and its name, as sha256sum has them */
  fm_text_begin(&all, d->ctx);
  for (const struct fm_embedded *e = fm_embedded_cl; e->name; e++) {
    char *source = fm_program_source(d, e->name);
    if (!source) {
      fm_text_free(&all);
      return d->ctx->status;
    }
    hex_of(source, strlen(source), hex);
    fm_free(d->ctx, source);
    fm_text_printf(&all, "%s  %s\n", hex, e->name);
  }
  char *text;
  size_t size;
  FM_TRY(fm_text_take(&all, &text, &size));
  hex_of(text, size, hex);
  fm_free(d->ctx, text);
  return FM_OK;
}
