#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "base/file.h"
#include "base/memory.h"
#include "device/device.h"
#include "device/queue.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *self; /* this program's path */

static void test_list(void **state) {
  struct fm_context *ctx = *state;
  struct fm_facts *facts;
  int count;
  ASSERT_OK(ctx, fm_device_list(ctx, &facts, &count));
  assert_true(count > 0);
  for (int i = 0; i < count; i++) {
    const struct fm_facts *f = &facts[i];
    assert_true(f->name[0] && f->platform[0] && f->version[0]);
    assert_true(f->block == 4 || f->block == 8 || f->block == 16);
    assert_true(f->group >= 1 && (size_t)f->group <= f->max_group);
    assert_true(f->compute_units > 0 && f->max_allocation > 0 && f->global_memory > 0);
    assert_true(f->base_alignment >= 128 && f->base_alignment % 128 == 0);
  }
  fm_free(ctx, facts);
}

static void expect_choice(struct fm_context *ctx, const struct fm_facts *facts, const char *wanted,
                          int expected) {
  int index = -1;
  ASSERT_OK(ctx, fm_device_choose(ctx, facts, 4, wanted, &index));
  assert_int_equal(index, expected);
}

static void expect_refusal(struct fm_context *ctx, const struct fm_facts *facts, const char *wanted,
                           const char *says) {
  int index;
  assert_int_equal(fm_device_choose(ctx, facts, 4, wanted, &index), FM_USAGE);
  if (!strstr(ctx->message, says)) fail_msg("'%s' does not say '%s'", ctx->message, says);
  fm_error_clear(ctx);
}

static void test_choose(void **state) {
  struct fm_context *ctx = *state;
  const struct fm_facts facts[4] = {
      {.name = "llvmpipe", .platform = "rusticl", .kind = FM_CLASS_CPU, .compute_units = 64},
      {.name = "EPYC", .platform = "Portable", .kind = FM_CLASS_CPU, .compute_units = 8, .fast_fma = true},
      {.name = "Iris",
       .platform = "Intel(R) OpenCL",
       .kind = FM_CLASS_GPU,
       .compute_units = 128, /* another vendor's units; it shares the host's memory */
       .unified_memory = true,
       .fast_fma = true},
      {.name = "RX 7900", .platform = "AMD", .kind = FM_CLASS_GPU, .compute_units = 96, .fast_fma = true}};
  unsetenv("FLAWMAP_DEVICE");
  expect_choice(ctx, facts, NULL, 3);
  expect_choice(ctx, facts, "", 3);
  int index;
  ASSERT_OK(ctx, fm_device_choose(ctx, facts, 2, NULL, &index));
  assert_int_equal(index, 1); /* of two CPUs the one with a real fma */
  expect_choice(ctx, facts, "0", 0);
  expect_choice(ctx, facts, "3", 3);
  expect_choice(ctx, facts, "rx", 3);
  expect_choice(ctx, facts, "intel(r)", 2);
  expect_refusal(ctx, facts, "4", "there is no device 4: the devices are 0 to 3");
  expect_refusal(ctx, facts, "-1", "there is no device -1");
  expect_refusal(ctx, facts, "99999999999999999999", "there is no device");
  expect_refusal(ctx, facts, "GeForce", "no device has 'GeForce' in its name");
  setenv("FLAWMAP_DEVICE", "iris", 1);
  expect_choice(ctx, facts, NULL, 2);
  expect_choice(ctx, facts, "1", 1);
  unsetenv("FLAWMAP_DEVICE");
}

static void test_buffers(void **state) {
  struct fm_context *ctx = *state;
  struct fm_device *d;
  struct fm_buffer a, b, view, empty;
  float v[64], back[64];
  setenv("FLAWMAP_CACHE", "off", 1);
  ASSERT_OK(ctx, fm_device_open(ctx, NULL, &d));
  size_t align = fm_device_facts(d)->base_alignment;
  for (int i = 0; i < 64; i++) v[i] = (float)i;
  ASSERT_OK(ctx, fm_buffer_make(d, 4 * align, &a));
  ASSERT_OK(ctx, fm_buffer_make(d, 4 * align, &b));
  ASSERT_OK(ctx, fm_buffer_make(d, 0, &empty));
  ASSERT_OK(ctx, fm_buffer_read(d, &a, 0, back, 256));
  for (int i = 0; i < 64; i++) assert_true(back[i] == 0);
  ASSERT_OK(ctx, fm_buffer_write(d, &a, align + 4, v, 64)); /* an odd place */
  ASSERT_OK(ctx, fm_buffer_view(d, &a, align, 2 * align, &view));
  ASSERT_OK(ctx, fm_buffer_read(d, &view, 0, back, 72));
  assert_true(back[0] == 0 && back[2] == 1 && back[16] == 15 && back[17] == 0);
  ASSERT_OK(ctx, fm_buffer_fill(d, &view, 2.5f));
  ASSERT_OK(ctx, fm_buffer_copy(d, &view, 4, &b, 8, 12));
  ASSERT_OK(ctx, fm_buffer_read(d, &b, 0, back, 24));
  assert_true(back[1] == 0 && back[2] == 2.5f && back[4] == 2.5f && back[5] == 0);
  ASSERT_OK(ctx, fm_buffer_read(d, &a, align - 4, back, 8));
  assert_true(back[0] == 0 && back[1] == 2.5f);
  struct fm_transfer to = {0}, from = {0};
  ASSERT_OK(ctx, fm_buffer_write_later(d, &b, 16, v, 64, &to)); /* in the queue's order, as everything */
  ASSERT_OK(ctx, fm_buffer_read_later(d, &b, 12, back, 72, &from));
  assert_int_equal(fm_device_live(d).events, 2);
  for (int i = 0; i < 2; i++) ASSERT_OK(ctx, fm_transfer_wait(d, &from));
  ASSERT_OK(ctx, fm_transfer_wait(d, &to));
  assert_true(back[0] == 2.5f && back[1] == 0 && back[2] == 1 && back[16] == 15 && back[17] == 0);
  struct fm_device_live live = fm_device_live(d);
  assert_int_equal(live.events, 0);
  assert_int_equal(live.buffers, 4);
  assert_int_equal(live.bytes, 8 * align + 128);
  fm_buffer_free(d, &view);
  fm_buffer_free(d, &view);
  fm_buffer_free(d, &a);
  fm_buffer_free(d, &b);
  fm_buffer_free(d, &empty);
  live = fm_device_live(d);
  assert_int_equal(live.buffers, 0);
  assert_int_equal(live.bytes, 0);
  assert_int_equal(live.peak_bytes, 8 * align + 128);
  setenv("FLAWMAP_POISON", "1", 1);
  ASSERT_OK(ctx, fm_buffer_make(d, 128, &a));
  unsetenv("FLAWMAP_POISON");
  ASSERT_OK(ctx, fm_buffer_read(d, &a, 0, back, 128));
  assert_true(back[0] != back[0] && back[31] != back[31]);
  fm_buffer_free(d, &a);
  ASSERT_OK(ctx, fm_device_close(d));
}

/* What a caller can do wrong is one sentence each, and nothing is left behind. */
static void test_misuse(void **state) {
  struct fm_context *ctx = *state;
  for (int kind = 0; kind < 7; kind++) {
    struct fm_device *d;
    struct fm_buffer a, b = {0};
    enum fm_status status = FM_OK, expected = FM_INTERNAL;
    float v[64] = {0};
    ASSERT_OK(ctx, fm_device_open(ctx, NULL, &d));
    ASSERT_OK(ctx, fm_buffer_make(d, 256, &a));
    if (kind == 0) status = fm_buffer_write(d, &a, 4, v, 256);
    if (kind == 1) status = fm_buffer_read(d, &a, SIZE_MAX - 3, v, 8);
    if (kind == 2) status = fm_buffer_copy(d, &a, 0, &a, 300, 8);
    if (kind == 3) status = fm_buffer_view(d, &a, 4, 8, &b);
    if (kind == 4) status = fm_buffer_view(d, &a, 0, SIZE_MAX, &b);
    if (kind == 5) {
      status = fm_buffer_make(d, (size_t)1 << 60, &b);
      expected = FM_MEMORY;
    }
    if (kind == 6) {
      assert_null(fm_kernel_get(d, "no such file.cl", "halo", ""));
      status = fm_device_status(d);
    }
    assert_int_equal(status, expected);
    assert_true(ctx->message[0]);
    assert_null(b.mem);
    fm_buffer_free(d, &a);
    fm_device_close(d);
    fm_error_clear(ctx);
  }
  struct fm_device *d;
  struct fm_buffer a;
  ASSERT_OK(ctx, fm_device_open(ctx, NULL, &d));
  ASSERT_OK(ctx, fm_buffer_make(d, 256, &a));
  assert_int_equal(fm_device_close(d), FM_INTERNAL); /* a is still alive */
  fm_error_clear(ctx);
  ASSERT_OK(ctx, fm_device_close(NULL));
}

/* A kernel that does not compile, and one that is not there. */
static void test_build_failure(void **state) {
  struct fm_context *ctx = *state;
  for (int kind = 0; kind < 2; kind++) {
    struct fm_device *d;
    ASSERT_OK(ctx, fm_device_open(ctx, NULL, &d));
    assert_null(fm_kernel_get(d, "simple.cl", kind ? "nobody" : "halo", kind ? "" : "-D halo=1+"));
    assert_int_equal(fm_device_status(d), FM_DEVICE);
    assert_non_null(strstr(ctx->message, kind ? "nobody" : "simple.cl"));
    assert_null(fm_kernel_get(d, "simple.cl", "halo", "")); /* it sticks */
    assert_int_equal(fm_device_close(d), FM_OK);
    fm_error_clear(ctx);
  }
}

/* Open, one buffer with a ring of ones, the halo kernel, read, close. */
static enum fm_status small_program(struct fm_context *ctx, struct fm_device_live *live) {
  struct fm_device *d;
  struct fm_buffer x = {0}, view = {0};
  float v[64], back[64];
  for (int i = 0; i < 64; i++) v[i] = 1;
  enum fm_status status = fm_device_open(ctx, NULL, &d);
  if (status != FM_OK) return status;
  status = fm_buffer_make(d, 4096, &x);
  if (status == FM_OK) status = fm_buffer_view(d, &x, 0, 4096, &view);
  if (status == FM_OK) {
    fm_buffer_write(d, &view, 0, v, sizeof v);
    struct fm_kernel *k = fm_kernel_get(d, "simple.cl", "halo", "");
    FM_LAUNCH(d, k, 1, 4, 1, fm_arg_buffer(&view), fm_arg_int4(2, 2, 1, 0),
              fm_arg_int(4)); /* 4 x 4 pixels of 4 */
    status = fm_buffer_read(d, &x, 0, back, sizeof back);
    if (status == FM_OK) status = fm_device_finish(d);
  }
  if (status == FM_OK)
    for (int i = 0; i < 64; i++) {
      int row = i / 16, column = i / 4 % 4;
      assert_true(back[i] == (row == 0 || row == 3 || column == 0 || column == 3 ? 0 : 1));
    }
  fm_buffer_free(d, &view);
  fm_buffer_free(d, &x);
  if (live) *live = fm_device_live(d);
  enum fm_status closed = fm_device_close(d);
  if (closed == FM_INTERNAL) fail_msg("%s", ctx->message);
  return status != FM_OK ? status : closed;
}

/* The n-th operation of a kind fails, once or for good. */
static void sweep(struct fm_context *ctx, enum fm_fault_kind kind, bool must_fail) {
  atomic_store(&ctx->fault[kind].count, 0);
  ASSERT_OK(ctx, small_program(ctx, NULL));
  long count = atomic_load(&ctx->fault[kind].count);
  assert_true(count > 3);
  for (long n = 1; n <= count; n++)
    for (int once = 0; once < 2; once++) {
      atomic_store(&ctx->fault[kind].count, 0);
      ctx->fault[kind].fail_at = n;
      ctx->fault[kind].once = once;
      enum fm_status status = small_program(ctx, NULL);
      ctx->fault[kind].fail_at = 0;
      if (must_fail && status == FM_OK) fail_msg("operation %ld of %ld failed and nobody noticed", n, count);
      if (status != FM_OK && !ctx->message[0]) fail_msg("operation %ld failed without a message", n);
      if (atomic_load(&ctx->live_allocations)) fail_msg("operation %ld of %ld: memory is lost", n, count);
      fm_error_clear(ctx);
    }
  print_message("%ld operations failed, each once and for good\n", count);
}

static void test_faults(void **state) {
  struct fm_context *ctx = *state;
  setenv("FLAWMAP_CACHE", "off", 1);
  sweep(ctx, FM_FAULT_DEVICE, true);
  sweep(ctx, FM_FAULT_ALLOC, true);
}

static char *temporary(struct fm_context *ctx) {
  char pattern[] = "/tmp/fm-device-XXXXXX";
  assert_non_null(mkdtemp(pattern));
  return fm_strdup(ctx, pattern);
}

static void expect_programs(struct fm_context *ctx, long compiled, long cached) {
  struct fm_device_live live;
  ASSERT_OK(ctx, small_program(ctx, &live));
  assert_int_equal(live.compiled, compiled);
  assert_int_equal(live.cached, cached);
}

/* The one file of the cache with byte `at` changed (from the end where negative), or cut to `cut` bytes. */
static void damage(struct fm_context *ctx, const char *path, long at, size_t cut) {
  unsigned char *bytes;
  size_t size;
  ASSERT_OK(ctx, fm_file_read(ctx, path, (size_t)1 << 26, &bytes, &size));
  if (cut)
    size = cut < size ? cut : size - 1;
  else
    bytes[at < 0 ? size - (size_t)-at : (size_t)at] ^= 1;
  ASSERT_OK(ctx, fm_file_write(ctx, path, bytes, size));
  fm_free(ctx, bytes);
}

static void test_cache(void **state) {
  struct fm_context *ctx = *state;
  char *folder = temporary(ctx);
  struct fm_device *d;
  setenv("FLAWMAP_CACHE", "off", 1);
  ASSERT_OK(ctx, fm_device_open(ctx, NULL, &d));
  bool binaries =
      !strstr(fm_device_facts(d)->platform, "rusticl") && !strstr(fm_device_facts(d)->platform, "Clover");
  fm_device_close(d);
  setenv("FLAWMAP_CACHE", folder, 1);
  expect_programs(ctx, 1, 0);
  if (!binaries) {
    fm_free(ctx, folder);
    skip(); /* a quirk: this platform's binaries are not used */
  }
  expect_programs(ctx, 0, 1);
  struct fm_names names;
  ASSERT_OK(ctx, fm_folder_list(ctx, folder, &names));
  assert_int_equal(names.count, 1);
  char *path = fm_path_join(ctx, folder, names.name[0]);
  static const struct {
    const char *what;
    long at;
    size_t cut;
  } damages[] = {{"magic", 0, 0},     {"version", 6, 0},        {"length", 8, 0},
                 {"checksum", 16, 0}, {"content", 2000, 0},     {"last byte", -1, 0},
                 {"one byte", 0, 1},  {"header only", 0, 1048}, {"truncated", 0, 5000}};
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    damage(ctx, path, damages[i].at, damages[i].cut);
    struct fm_device_live live;
    ASSERT_OK(ctx, small_program(ctx, &live));
    if (live.compiled != 1 || live.cached) fail_msg("damaged %s was used", damages[i].what);
    expect_programs(ctx, 0, 1); /* it was written anew */
  }
  /* The list of kernels is only a hint: without it the file is used, and written again. */
  damage(ctx, path, 48, 0);
  expect_programs(ctx, 0, 1);
  fm_names_free(ctx, &names);
  /* More than a thousand programs: emptied before the next one is kept; what is not a program stays. */
  for (int i = 0; i <= 1000; i++) {
    char *old = fm_format(ctx, "%s/%d.%s", folder, i, i ? "program" : "memo");
    FILE *f = fopen(old, "wb"); /* fm_file_write would wait for the disk a thousand times */
    assert_non_null(f);
    fclose(f);
    fm_free(ctx, old);
  }
  damage(ctx, path, 0, 0);
  expect_programs(ctx, 1, 0);
  ASSERT_OK(ctx, fm_folder_list(ctx, folder, &names));
  assert_int_equal(names.count, 2);
  for (size_t i = 0; i < names.count; i++) {
    char *kept = fm_path_join(ctx, folder, names.name[i]);
    ASSERT_OK(ctx, fm_file_remove(ctx, kept));
    fm_free(ctx, kept);
  }
  fm_free(ctx, path);
  fm_names_free(ctx, &names);
  rmdir(folder);
  fm_free(ctx, folder);
  /* A cache that cannot be written is no error. */
  setenv("FLAWMAP_CACHE", "/dev/null/flawmap", 1);
  expect_programs(ctx, 1, 0);
  setenv("FLAWMAP_CACHE", "off", 1);
  expect_programs(ctx, 1, 0);
}

/* This program again with an environment variable set: what fm_device_list says, "" where it finds a device.
 */
static void listed_with(const char *variable, const char *value, char out[1024]) {
  char command[1024];
  snprintf(command, sizeof command, "%s='%s' '%s' --list", variable, value, self);
  FILE *f = popen(command, "r");
  assert_non_null(f);
  size_t n = fread(out, 1, 1023, f);
  out[n] = 0;
  assert_int_equal(pclose(f), 0);
}

static void test_pocl_cache(void **state) {
  char text[1024];
  const char *given = getenv("POCL_CACHE_DIR"); /* where the home cannot be written */
  char *kept = given ? strdup(given) : NULL;
  listed_with("POCL_CACHE_DIR", "", text);
  assert_non_null(strstr(text, "POCL_CACHE_DIR is set but empty"));
  listed_with("POCL_CACHE_DIR", "/dev/null/pocl", text);
  if (!text[0]) skip(); /* another driver has a device here */
  assert_non_null(strstr(text, "cannot write its cache folder '/dev/null/pocl'"));
  unsetenv("POCL_CACHE_DIR");
  listed_with("XDG_CACHE_HOME", "/dev/null", text);
  assert_non_null(strstr(text, "/dev/null/pocl"));
  if (kept) setenv("POCL_CACHE_DIR", kept, 1);
  free(kept);
  listed_with("OCL_ICD_VENDORS", "/dev/null", text);
  if (text[0])
    assert_non_null(strstr(text, "no OpenCL device: install")); /* a loader may not know the variable */
}

static int list(void) {
  struct fm_context ctx;
  struct fm_facts *facts;
  int count;
  fm_context_init(&ctx);
  if (fm_device_list(&ctx, &facts, &count) != FM_OK) printf("%s\n", ctx.message);
  fm_free(&ctx, facts);
  fm_context_free(&ctx);
  return 0;
}

int main(int argc, char **argv) {
  self = argv[0];
  if (argc > 1 && strcmp(argv[1], "--list") == 0) return list();
  unsetenv("FLAWMAP_CL_DIR");
  const struct CMUnitTest tests[] = {TEST(test_list),   TEST(test_choose),        TEST(test_buffers),
                                     TEST(test_misuse), TEST(test_build_failure), TEST(test_faults),
                                     TEST(test_cache),  TEST(test_pocl_cache)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
