#include "file/sha256.h"

#include "base/file.h"
#include "base/memory.h"

#include <openssl/evp.h>

static enum fm_status failed(struct fm_context *ctx) {
  return fm_error(ctx, FM_INTERNAL,
                  "the cryptography library cannot compute a SHA-256 checksum; repair its installation "
                  "(libcrypto)");
}

enum fm_status fm_sha256_begin(struct fm_sha256 *sha, struct fm_context *ctx) {
  EVP_MD_CTX *state = EVP_MD_CTX_new();
  *sha = (struct fm_sha256){.ctx = ctx, .state = state};
  return state && EVP_DigestInit_ex(state, EVP_sha256(), NULL) == 1 ? FM_OK : failed(ctx);
}

enum fm_status fm_sha256_update(struct fm_sha256 *sha, const void *bytes, size_t size) {
  return EVP_DigestUpdate(sha->state, bytes, size) == 1 ? FM_OK : failed(sha->ctx);
}

enum fm_status fm_sha256_end(struct fm_sha256 *sha, char hex[65]) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (EVP_DigestFinal_ex(sha->state, digest, &length) != 1 || length != 32) return failed(sha->ctx);
  for (size_t i = 0; i < 32; i++) {
    hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
    hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
  }
  hex[64] = 0;
  return FM_OK;
}

void fm_sha256_free(struct fm_sha256 *sha) {
  EVP_MD_CTX_free(sha->state);
  sha->state = NULL;
}

enum fm_status fm_sha256_bytes(struct fm_context *ctx, const void *bytes, size_t size, char hex[65]) {
  struct fm_sha256 sha;
  enum fm_status status = fm_sha256_begin(&sha, ctx);
  if (status == FM_OK) status = fm_sha256_update(&sha, bytes, size);
  if (status == FM_OK) status = fm_sha256_end(&sha, hex);
  fm_sha256_free(&sha);
  return status;
}

enum fm_status fm_sha256_file(struct fm_context *ctx, const char *path, char hex[65]) {
  unsigned char *bytes;
  size_t size;
  FM_TRY(fm_file_read(ctx, path, FM_SHA256_MAX_FILE, &bytes, &size));
  enum fm_status status = fm_sha256_bytes(ctx, bytes, size, hex);
  fm_free(ctx, bytes);
  return status;
}
