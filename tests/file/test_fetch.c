#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "base/file.h"
#include "base/memory.h"
#include "file/archive.h"
#include "file/fetch.h"
#include "file/sha256.h"
#include "zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct places {
  char folder[64], from[96], to[96], url[128], hex[65];
  unsigned char content[100000];
};

/* A folder with a file to download, without a network: file:// */
static struct places *open_places(struct fm_context *ctx) {
  struct places *p = calloc(1, sizeof *p);
  snprintf(p->folder, sizeof p->folder, "/tmp/fm-fetch-XXXXXX");
  assert_non_null(mkdtemp(p->folder));
  snprintf(p->from, sizeof p->from, "%s/from", p->folder);
  snprintf(p->to, sizeof p->to, "%s/to", p->folder);
  snprintf(p->url, sizeof p->url, "file://%s", p->from);
  for (size_t i = 0; i < sizeof p->content; i++) p->content[i] = (unsigned char)(i * i >> 7);
  ASSERT_OK(ctx, fm_file_write(ctx, p->from, p->content, sizeof p->content));
  ASSERT_OK(ctx, fm_sha256_bytes(ctx, p->content, sizeof p->content, p->hex));
  return p;
}

/* Removes everything; the folder can only be removed when no temporary file was left. */
static void close_places(struct places *p) {
  unlink(p->from);
  unlink(p->to);
  assert_int_equal(rmdir(p->folder), 0);
  free(p);
}

static void expect_content(struct fm_context *ctx, const struct places *p) {
  unsigned char *bytes;
  size_t size;
  ASSERT_OK(ctx, fm_file_read(ctx, p->to, 1 << 20, &bytes, &size));
  assert_int_equal(size, sizeof p->content);
  assert_memory_equal(bytes, p->content, size);
  fm_free(ctx, bytes);
}

static void downloads(void **state) {
  struct fm_context *ctx = *state;
  struct places *p = open_places(ctx);
  struct fm_fetch f = {
      .url = p->url, .path = p->to, .sha256 = p->hex, .limit = sizeof p->content, .any_protocol = true};
  ASSERT_OK(ctx, fm_fetch(ctx, &f));
  expect_content(ctx, p);
  f.sha256 = NULL;
  ASSERT_OK(ctx, fm_fetch(ctx, &f));
  char hex[65];
  ASSERT_OK(ctx, fm_sha256_file(ctx, p->to, hex));
  assert_string_equal(hex, p->hex);
  close_places(p);
}

static void what_is_wrong_is_not_kept(void **state) {
  struct fm_context *ctx = *state;
  struct places *p = open_places(ctx);
  char other[65];
  memset(other, 'a', 64);
  other[64] = 0;
  char missing[160];
  snprintf(missing, sizeof missing, "%s-missing", p->url);
  const struct {
    struct fm_fetch fetch;
    bool stop;
    enum fm_status status;
    const char *says;
  } cases[] = {
      {{p->url, p->to, other, 1 << 20, NULL, true}, false, FM_FORMAT, "checksum"},
      {{p->url, p->to, p->hex, sizeof p->content - 1, NULL, true},
       false,
       FM_LIMIT,
       "larger than 99999 bytes"},
      {{p->url, p->to, p->hex, 1 << 20, NULL, false}, false, FM_IO, "rotocol"}, /* only https */
      {{missing, p->to, NULL, 1 << 20, NULL, true}, false, FM_IO, "missing"},
      {{"nonsense://x", p->to, NULL, 1 << 20, NULL, true}, false, FM_IO, "nonsense"},
      {{"http://", p->to, NULL, 1 << 20, NULL, true}, false, FM_IO, "http://"},
      {{p->url, "/nonexistent/folder/x", NULL, 1 << 20, NULL, true}, false, FM_IO, "/nonexistent/folder/x"},
      {{p->url, p->to, NULL, 1 << 20, NULL, true}, true, FM_STOPPED, "stopped"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fm_error_clear(ctx);
    ctx->stop = cases[i].stop;
    enum fm_status status = fm_fetch(ctx, &cases[i].fetch);
    if (status != cases[i].status || !strstr(ctx->message, cases[i].says))
      fail_msg("case %zu: %s %s", i, fm_status_name(status), ctx->message);
    assert_false(fm_file_exists(p->to));
  }
  ctx->stop = false;
  close_places(p);
}

static void faults_leave_nothing(void **state) {
  struct fm_context *ctx = *state;
  struct places *p = open_places(ctx);
  struct fm_fetch f = {
      .url = p->url, .path = p->to, .sha256 = p->hex, .limit = 1 << 20, .any_protocol = true};
  for (int kind = FM_FAULT_ALLOC; kind <= FM_FAULT_FILE; kind++) {
    enum fm_status status = FM_IO;
    for (long n = 1; status != FM_OK; n++) {
      ctx->fault[kind] = (struct fm_fault){.fail_at = n};
      status = fm_fetch(ctx, &f);
      ctx->fault[kind] = (struct fm_fault){0};
      if (status != FM_OK) assert_int_equal(status, kind == FM_FAULT_ALLOC ? FM_MEMORY : FM_IO);
      if (status != FM_OK) assert_false(fm_file_exists(p->to));
    }
    expect_content(ctx, p);
    unlink(p->to);
  }
  close_places(p);
}

static bool take_all(const char *member) {
  return strcmp(member, "skip") != 0;
}

static void zip_members(void **state) {
  struct fm_context *ctx = *state;
  struct places *p = open_places(ctx);
  struct zip *z = calloc(1, sizeof *z);
  zip_add(z, "a/first", "one", 3);
  zip_add(z, "skip", p->content, 1000);
  zip_add(z, "../evil", "", 0); /* a name is only a name here */
  zip_add(z, "a/second", p->content, 40000);
  zip_finish(z);
  struct fm_archive_members members;
  ASSERT_OK(ctx, fm_zip_read(ctx, "x.zip", z->bytes, z->size, 40003, take_all, &members));
  assert_int_equal(members.count, 3);
  assert_string_equal(members.member[0].name, "a/first");
  assert_memory_equal(members.member[0].bytes, "one", 3);
  assert_int_equal(members.member[1].size, 0);
  assert_int_equal(members.member[2].size, 40000);
  assert_memory_equal(members.member[2].bytes, p->content, 40000);
  fm_archive_free(ctx, &members);
  assert_int_equal(fm_zip_read(ctx, "x.zip", z->bytes, z->size, 40002, take_all, &members), FM_LIMIT);
  assert_non_null(strstr(ctx->message, "x.zip"));
  fm_error_clear(ctx);
  unsigned char *last =
      z->bytes + z->size - 22 - z->directory_size - 1; /* of a/second: its checksum is wrong now */
  *last ^= 1;
  assert_int_equal(fm_zip_read(ctx, "x.zip", z->bytes, z->size, 40003, take_all, &members), FM_FORMAT);
  *last ^= 1;

  fm_error_clear(ctx);
  unsigned char *bytes;
  size_t size;
  ASSERT_OK(ctx, fm_zip_member(ctx, "x.zip", z->bytes, z->size, "a/first", 3, &bytes, &size));
  assert_int_equal(size, 3);
  assert_memory_equal(bytes, "one", 3);
  fm_free(ctx, bytes);
  static const struct {
    const char *member;
    size_t limit;
    enum fm_status status;
  } cases[] = {{"a/second", 39999, FM_LIMIT}, {"a/first", 2, FM_LIMIT}, {"a", 100, FM_FORMAT}};
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(
        fm_zip_member(ctx, "x.zip", z->bytes, z->size, cases[i].member, cases[i].limit, &bytes, &size),
        cases[i].status);
    assert_non_null(strstr(ctx->message, "x.zip"));
    fm_error_clear(ctx);
  }
  assert_int_equal(fm_zip_member(ctx, "no zip", (const unsigned char *)"text", 4, "a", 100, &bytes, &size),
                   FM_FORMAT);
  free(z);
  close_places(p);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(downloads), TEST(what_is_wrong_is_not_kept),
                                     TEST(faults_leave_nothing), TEST(zip_members)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
