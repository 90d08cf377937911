#include "device/memo.h"

#include "base/file.h"
#include "base/memory.h"
#include "device/internal.h"
#include "device/program.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

/* What the verdict is about, as text: this program, the device and its driver, the kernels' sources as they
 * are used (FLAWMAP_CL_DIR has others). The caller's; NULL without memory or where a source cannot be read.
 */
static char *subject(struct fm_device *d) {
  const struct fm_facts *f = &d->facts;
  char sources[65];
  if (fm_program_sources_hash(d, sources) != FM_OK) return NULL;
  return fm_format(d->ctx, "%s\n%s\n%s\n%s\n%s\n%s\n%d %d\n%s\n", fm_version(), f->name, f->version,
                   f->driver, f->platform, f->platform_version, f->block, f->group, sources);
}

/* FOLDER/WHAT-HASH.memo; NULL without a cache or memory. */
static char *memo_path(struct fm_device *d, const char *what) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  char hex[33], *text = d->cache_folder ? subject(d) : NULL;
  if (!text) return NULL;
  SHA256((const unsigned char *)text, strlen(text), digest);
  for (int i = 0; i < 16; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
  fm_free(d->ctx, text);
  return fm_format(d->ctx, "%s/%s-%s.memo", d->cache_folder, what, hex);
}

bool fm_memo_has(struct fm_device *d, const char *what) {
  char *path = memo_path(d, what);
  bool has = path && fm_file_exists(path);
  fm_free(d->ctx, path);
  return has;
}

void fm_memo_keep(struct fm_device *d, const char *what) {
  if (d->ctx->status != FM_OK) return;
  char *path = memo_path(d, what);
  if (path && fm_folder_make(d->ctx, d->cache_folder) == FM_OK) fm_file_write(d->ctx, path, "ok\n", 3);
  fm_free(d->ctx, path);
  fm_error_clear(d->ctx);
}
