#include "device/memo.h"

#include "base/embedded.h"
#include "base/file.h"
#include "base/memory.h"
#include "device/internal.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

/* FOLDER/WHAT-HASH.memo; NULL without a cache or memory. */
static char *memo_path(struct fm_device *d, const char *what) {
  const struct fm_facts *f = &d->facts;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  char hex[33];
  if (!d->cache_folder) return NULL;
  size_t total = 0;
  for (const struct fm_embedded *e = fm_embedded_cl; e->name; e++) total += e->size;
  char *head = fm_format(d->ctx, "%s\n%s\n%s\n%s\n%s\n%s\n%d %d\n", fm_version(), f->name, f->version,
                         f->driver, f->platform, f->platform_version, f->block, f->group);
  char *all = head ? fm_alloc(d->ctx, strlen(head) + total + 1, 1) : NULL;
  char *path = NULL;
  if (all) {
    size_t used = strlen(head);
    memcpy(all, head, used);
    for (const struct fm_embedded *e = fm_embedded_cl; e->name; e++) {
      memcpy(all + used, e->bytes, e->size);
      used += e->size;
    }
    SHA256((const unsigned char *)all, used, digest);
    for (int i = 0; i < 16; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    path = fm_format(d->ctx, "%s/%s-%s.memo", d->cache_folder, what, hex);
  }
  fm_free(d->ctx, all);
  fm_free(d->ctx, head);
  return path;
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
