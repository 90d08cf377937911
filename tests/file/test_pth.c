#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "file/pth.h"
#include "pth_sample.h"
#include "zip.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Pieces of pickles: a string with its length in front, a storage of 6 floats, the end of a tensor's
 * arguments. */
#define STRING(length, text) "\x8c" length text
#define STORAGE                                                                                              \
  "(" STRING("\7", "storage") "ctorch\nFloatStorage\n" STRING("\1", "0") STRING("\3", "cpu") "K\6"           \
                                                                                             "tQ"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n("
#define REST "\x89)tR"
#define TENSOR                                                                                               \
  REBUILD STORAGE "K\0"                                                                                      \
                  "K\2K\3\x86"                                                                               \
                  "K\3K\1\x86" REST /* offset 0, shape (2, 3), strides (3, 1) */
#define A STRING("\1", "a")

/* The old format: the magic number, the version, the facts, and what begins the state dict and the list. */
#define OLD_MAGIC "\x80\2\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define OLD_VERSION "\x80\2M\xe9\3."
#define OLD_HEAD OLD_MAGIC OLD_VERSION "\x80\2}.\x80\2"
#define OLD_LIST "\x80\2"

static const float values[6] = {1, 2, 3, 4, 5, 6};

/* A .pth file of this pickle; storage 0 holds values. */
static enum fm_status parse(struct fm_context *ctx, const char *pickle, size_t size,
                            struct fm_safetensors **file) {
  struct zip *z = calloc(1, sizeof *z);
  zip_add(z, "x/data.pkl", pickle, size);
  zip_add(z, "x/byteorder", "little", 6);
  zip_add(z, "x/data/0", values, sizeof values);
  zip_finish(z);
  enum fm_status status = fm_pth_parse(ctx, "x.pth", z->bytes, z->size, file);
  free(z);
  return status;
}

static void check_sample(struct fm_context *ctx, const unsigned char *sample, size_t size) {
  struct fm_safetensors *file;
  char path[] = "/tmp/fm-pth-XXXXXX";
  close(mkstemp(path));
  ASSERT_OK(ctx, fm_file_write(ctx, path, sample, size));
  ASSERT_OK(ctx, fm_pth_read(ctx, path, &file));
  unlink(path);
  assert_int_equal(fm_safetensors_count(file), 2);
  float w[6];
  const float transposed[6] = {0, 3, 1, 4, 2, 5};
  ASSERT_OK(ctx, fm_safetensors_floats(ctx, file, "w", 2, (size_t[]){3, 2}, w));
  assert_memory_equal(w, transposed, sizeof w);
  const struct fm_tensor *n = fm_safetensors_find(file, "n");
  assert_int_equal(n->type, FM_I64);
  assert_int_equal(n->dims, 0);
  assert_memory_equal(n->bytes, "\5\0\0\0\0\0\0\0", 8);
  assert_string_equal(fm_safetensors_path(file), path);
  fm_safetensors_free(ctx, file);
}

static void as_torch_wrote_it(void **state) {
  check_sample(*state, pth_sample, sizeof pth_sample);
  check_sample(*state, pth_old_sample, sizeof pth_old_sample);
}

static void state_dicts_are_found(void **state) {
#define GOOD(pickle)                                                                                         \
  { pickle ".", sizeof pickle }
  static const struct {
    const char *pickle;
    size_t size;
  } cases[] = {
      GOOD("\x80\2}" A TENSOR "s"),
      GOOD("\x80\5\x95\0\0\0\0\0\0\0\0}(" A TENSOR STRING("\5", "epoch") "K\7u"),  /* a number beside it */
      GOOD("\x80\2}(" A "ctorch._utils\n_rebuild_parameter\n(" TENSOR "\x88)tRu"), /* a parameter */
      GOOD("\x80\2}(" STRING("\5", "epoch") "K\7" STRING("\x0a", "state_dict") "}" A TENSOR "su"),
      GOOD("\x80\2}" STRING("\5", "model") "}" STRING("\x0a", "state_dict") "}" A TENSOR "sss"),
      GOOD("\x80\2}" STRING("\x08", "module.a") TENSOR "s"),
      GOOD("\x80\4" STRING("\x0b", "collections") STRING("\x0b", "OrderedDict") "\x93)R" A TENSOR "s}b"),
      GOOD("\x80\2}q\0" A "q\1" TENSOR "q\2s"
           "0"
           "h\0"), /* memos */
      GOOD(
          "\x80\2](N\x88\x8a\0G\0\0\0\0\0\0\0\0\x8a\x09\1\2\3\4\5\6\7\x08\x09J\xff\xff\xff\xffX\1\0\0\0xe0}" A
              TENSOR "s"),
  };
  struct fm_context *ctx = *state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fm_safetensors *file;
    enum fm_status status = parse(ctx, cases[i].pickle, cases[i].size, &file);
    if (status != FM_OK) fail_msg("case %zu: %s", i, ctx->message);
    float got[6];
    assert_int_equal(fm_safetensors_count(file), 1);
    ASSERT_OK(ctx, fm_safetensors_floats(ctx, file, "a", 2, (size_t[]){2, 3}, got));
    assert_memory_equal(got, values, sizeof got);
    fm_safetensors_free(ctx, file);
  }
}

static void hostile_pickles_are_refused(void **state) {
#define BAD(pickle, status, says)                                                                            \
  { pickle, sizeof pickle - 1, status, says }
  static const struct {
    const char *pickle;
    size_t size;
    enum fm_status status;
    const char *says;
  } cases[] = {
      BAD("\x80\2cposix\nsystem\n" STRING("\4", "true") "\x85R.", FM_FORMAT, "posix.system"),
      BAD("\x80\4" STRING("\2", "os") STRING("\6", "system") "\x93.", FM_FORMAT, "os.system"),
      BAD("\x80\2cbuiltins\neval\n.", FM_FORMAT, "builtins.eval"),
      BAD("\x80\2c\x1b[2J\nx\n.", FM_FORMAT, "?[2J.x"),
      BAD("\x80\2}\x81.", FM_FORMAT, "0x81"),           /* NEWOBJ */
      BAD("\x80\2(i__main__\nX\n.", FM_FORMAT, "0x69"), /* INST */
      BAD("\x80\2\x82\1.", FM_FORMAT, "0x82"),          /* EXT1 */
      BAD("\x80\2P0\n.", FM_FORMAT, "0x50"),            /* PERSID as text */
      BAD("\x80\2ctorch\nFloatStorage\n)R.", FM_FORMAT, "not a function"),
      BAD("\x80\2K\1)R.", FM_FORMAT, "not a function"),
      BAD("\x80\2ccollections\nOrderedDict\nK\1R.", FM_FORMAT, "not a function"),
      BAD("\x80\2ccollections\nOrderedDict\nK\1\x85R.", FM_FORMAT, "OrderedDict"),
      BAD("\x80\2ctorch._utils\n_rebuild_parameter\n)R.", FM_FORMAT, "no data"),
      BAD("\x80\7.", FM_FORMAT, "protocol"),
      BAD("\x80\2", FM_FORMAT, "no end"),
      BAD("", FM_FORMAT, "no end"),
      BAD("\x80\2.", FM_FORMAT, "result is missing"),
      BAD("\x80\2K", FM_FORMAT, "cut off"),
      BAD("\x80\2X\xff\xff\xff\xff", FM_FORMAT, "cut off"),
      BAD("\x80\2\x8d\xff\xff\xff\xff\xff\xff\xff\xff", FM_FORMAT, "cut off"),
      BAD("\x80\2\x8a\xff", FM_FORMAT, "cut off"),
      BAD("\x80\2\x95\0", FM_FORMAT, "cut off"),
      BAD("\x80\2cabc", FM_FORMAT, "cut off"),
      BAD("\x80\2t.", FM_FORMAT, "mark is missing"),
      BAD("\x80\2\x87.", FM_FORMAT, "stack is empty"),
      BAD("\x80\2"
          "0.",
          FM_FORMAT, "stack is empty"),
      BAD("\x80\2"
          "2.",
          FM_FORMAT, "stack is empty"),
      BAD("\x80\2Q.", FM_FORMAT, "stack is empty"),
      BAD("\x80\2R.", FM_FORMAT, "stack is empty"),
      BAD("\x80\2}b.", FM_FORMAT, "stack is empty"),
      BAD("\x80\2K\1}b.", FM_FORMAT, "attributes"),
      BAD("\x80\2K\1K\2K\3s.", FM_FORMAT, "cannot hold"),
      BAD("\x80\2}K\1a.", FM_FORMAT, "cannot hold"),
      BAD("\x80\2}(K\1u.", FM_FORMAT, "no value"),
      BAD("\x80\2(u.", FM_FORMAT, "stack is empty"),
      BAD("\x80\2}K\1(K\2s.", FM_FORMAT, "stack is empty"), /* reaches below the mark */
      BAD("\x80\2h\1.", FM_FORMAT, "memo is empty"),
      BAD("\x80\2}q\5h\1.", FM_FORMAT, "memo is empty"),
      BAD("\x80\2}r\xff\xff\xff\xff.", FM_FORMAT, "too high"),
      BAD("\x80\2q\1.", FM_FORMAT, "stack is empty"),
      BAD("\x80\2}.", FM_FORMAT, "a dictionary of tensors"),
      BAD("\x80\2" TENSOR ".", FM_FORMAT, "a dictionary of tensors"),
      BAD("\x80\2]q\0h\0a.", FM_FORMAT, "a dictionary of tensors"), /* holds itself */
      BAD("\x80\2}q\0" STRING("\5", "model") "h\0s.", FM_FORMAT,
          "a dictionary of tensors"), /* so does this */
      BAD("\x80\2}" A TENSOR "s" A TENSOR "s.", FM_FORMAT, "'a' is there twice"),
      BAD("\x80\2}K\1" TENSOR "s.", FM_FORMAT, "proper name"),
      BAD("\x80\2}" STRING("\0", "") TENSOR "s.", FM_FORMAT, "proper name"),
      BAD("\x80\2}" STRING("\2", "\0a") TENSOR "s.", FM_FORMAT, "proper name"),
      BAD("\x80\2}" STRING("\1", "\n") TENSOR "s.", FM_FORMAT, "control characters"),
      BAD("\x80\2}" A REBUILD "tRs.", FM_FORMAT, "'a' has no storage"),
      BAD("\x80\2}" A REBUILD "K\1Q"
          "K\0)))tRs.",
          FM_FORMAT, "'a' has no storage"),
      BAD("\x80\2}" A REBUILD STORAGE "K\0K\2K\3" REST "s.", FM_FORMAT, "no shape"),
      BAD("\x80\2}" A REBUILD STORAGE "K\0K\2\x85)" REST "s.", FM_FORMAT, "no shape"),
      BAD("\x80\2}" A REBUILD STORAGE "K\0" A "\x85" A "\x85" REST "s.", FM_FORMAT, "whole numbers"),
      BAD("\x80\2}" A REBUILD STORAGE "K\0J\xff\xff\xff\xff\x85K\1\x85" REST "s.", FM_FORMAT,
          "whole numbers"),
      BAD("\x80\2}" A REBUILD STORAGE "K\0K\6\x85J\xff\xff\xff\xff\x85" REST "s.", FM_FORMAT,
          "whole numbers"),
      BAD("\x80\2}" A REBUILD STORAGE "J\xff\xff\xff\xffK\6\x85K\1\x85" REST "s.", FM_FORMAT, "past the end"),
      BAD("\x80\2}" A REBUILD STORAGE "K\1K\6\x85K\1\x85" REST "s.", FM_FORMAT, "past the end"),
      BAD("\x80\2}" A REBUILD STORAGE "K\0K\7\x85K\1\x85" REST "s.", FM_FORMAT, "past the end"),
      BAD("\x80\2}" A REBUILD STORAGE "K\0K\2\x85K\6\x85" REST "s.", FM_FORMAT, "past the end"),
      BAD("\x80\2}" A REBUILD STORAGE "K\6))" REST "s.", FM_FORMAT, "past the end"),
      BAD("\x80\2}" A REBUILD STORAGE "K\0\x8a\4\0\0\0\x40\x85K\0\x85" REST "s.", FM_LIMIT, "far larger"),
      BAD("\x80\2}" A REBUILD STORAGE "K\0(K\1K\1K\1K\1K\1K\1K\1K\1K\1t(K\1K\1K\1K\1K\1K\1K\1K\1K\1t" REST
          "s.",
          FM_FORMAT, "8 dimensions"),
      BAD("\x80\2}" A REBUILD STORAGE
          "K\0\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"
          "\x86K\0K\0\x86" REST "s.",
          FM_FORMAT, "too large a shape"),
      BAD("\x80\2}" A REBUILD "(" STRING("\7", "storage") "ctorch\nFloatStorage\n" STRING("\1", "1") A
          "K\6tQ"
          "K\0))" REST "s.",
          FM_FORMAT, "not in the file"),
      BAD("\x80\2}" A REBUILD "(" STRING("\7", "storage") "ctorch\nFloatStorage\n" STRING("\1", "0") A
          "K\7tQ"
          "K\0))" REST "s.",
          FM_FORMAT, "shorter"),
      BAD("\x80\2}" A REBUILD "(" STRING("\7", "storage") "ctorch._utils\n_rebuild_parameter\n" STRING(
              "\1", "0") A "K\6tQ"
                           "K\0))" REST "s.",
          FM_FORMAT, "unknown type"),
  };
  struct fm_context *ctx = *state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fm_safetensors *file = NULL;
    fm_error_clear(ctx);
    enum fm_status status = parse(ctx, cases[i].pickle, cases[i].size, &file);
    if (status != cases[i].status || !strstr(ctx->message, cases[i].says) || !strstr(ctx->message, "x.pth"))
      fail_msg("case %zu (%s): %s %s", i, cases[i].says, fm_status_name(status), ctx->message);
    assert_null(file);
  }
}

static void views_are_copied_in_order(void **state) {
#define VIEW(pickle) "\x80\2}" A REBUILD STORAGE pickle REST "s."
  static const struct {
    const char *pickle;
    size_t size;
    int dims;
    size_t shape[3], count;
    float values[12];
  } cases[] = {
      {VIEW("K\1K\2\x85K\3\x85"), sizeof VIEW("K\1K\2\x85K\3\x85") - 1, 1, {2}, 2, {2, 5}},
      {VIEW("K\0K\3K\2\x86K\1K\3\x86"),
       sizeof VIEW("K\0K\3K\2\x86K\1K\3\x86") - 1,
       2,
       {3, 2},
       6,
       {1, 4, 2, 5, 3, 6}},
      {VIEW("K\4K\2K\1K\2\x87K\0K\7K\1\x87"),
       sizeof VIEW("K\4K\2K\1K\2\x87K\0K\7K\1\x87") - 1,
       3,
       {2, 1, 2},
       4,
       {5, 6, 5, 6}},
      {VIEW("K\5))"), sizeof VIEW("K\5))") - 1, 0, {0}, 1, {6}},
      {VIEW("K\0K\0\x85K\1\x85"), sizeof VIEW("K\0K\0\x85K\1\x85") - 1, 1, {0}, 0, {0}},
  };
  struct fm_context *ctx = *state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fm_safetensors *file;
    float got[12];
    ASSERT_OK(ctx, parse(ctx, cases[i].pickle, cases[i].size, &file));
    ASSERT_OK(ctx, fm_safetensors_floats(ctx, file, "a", cases[i].dims, cases[i].shape, got));
    for (size_t k = 0; k < cases[i].count; k++) assert_true(got[k] == cases[i].values[k]);
    fm_safetensors_free(ctx, file);
  }
}

static void other_files_are_refused(void **state) {
#define OTHER(text, says)                                                                                    \
  { text, sizeof text - 1, says }
  struct fm_context *ctx = *state;
  struct fm_safetensors *file;
  static const struct {
    const char *bytes;
    size_t size;
    const char *says;
  } cases[] = {
      OTHER("hello", "not a PyTorch file"),
      OTHER("", "not a PyTorch file"),
      OTHER(OLD_MAGIC, "no end"),
      OTHER(OLD_MAGIC "\x80\2K\1.", "version is unknown"),
      OTHER(OLD_MAGIC OLD_VERSION "\x80\2N.", "big-endian"),
      OTHER(OLD_MAGIC OLD_VERSION "\x80\2}" STRING("\x0d", "little_endian") "\x89s.", "big-endian"),
      OTHER(OLD_HEAD "}." OLD_LIST "K\1.", "list of storages is missing"),
      OTHER(OLD_HEAD "}." OLD_LIST "](" STRING("\1", "0") "e.", "no tensor uses"),
      OTHER(OLD_HEAD STORAGE "." OLD_LIST "](" STRING("\1", "0") "e.\6\0\0\0\0\0\0", "values are cut off"),
      OTHER(OLD_HEAD STORAGE "." OLD_LIST "](" STRING("\1", "0") "e.\6\0\0\0\0\0\0\0abc",
            "values are cut off"),
      OTHER(OLD_HEAD STORAGE "." OLD_LIST "](" STRING("\1", "0") "e.\xff\xff\xff\xff\xff\xff\xff\xff"
                                                                 "abc",
            "values are cut off"),
      OTHER(OLD_HEAD "N\x85Q." OLD_LIST "].", "storage has no key"),
      OTHER("PK\3\4", "damaged or truncated"),
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fm_error_clear(ctx);
    assert_int_equal(fm_pth_parse(ctx, "x.pth", (const unsigned char *)cases[i].bytes, cases[i].size, &file),
                     FM_FORMAT);
    if (!strstr(ctx->message, cases[i].says)) fail_msg("%s", ctx->message);
  }
  struct zip *z = calloc(1, sizeof *z);
  zip_add(z, "x/readme", "hi", 2);
  zip_finish(z);
  fm_error_clear(ctx);
  assert_int_equal(fm_pth_parse(ctx, "x.pth", z->bytes, z->size, &file), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "no data.pkl"));
  memset(z, 0, sizeof *z);
  zip_add(z, "x/data.pkl", "\x80\2}.", 4);
  zip_add(z, "x/byteorder", "big", 3);
  zip_finish(z);
  fm_error_clear(ctx);
  assert_int_equal(fm_pth_parse(ctx, "x.pth", z->bytes, z->size, &file), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "big-endian"));
  free(z);
}

/* Cut anywhere it is an error, with bits flipped anything but a crash. */
static void damage(struct fm_context *ctx, const unsigned char *sample, size_t size) {
  struct fm_safetensors *file;
  struct fm_rng rng = fm_rng_stream(3, "damage");
  unsigned char *copy = malloc(size);
  for (size_t n = 0; n < size; n++) {
    unsigned char *cut = malloc(n ? n : 1);
    memcpy(cut, sample, n);
    fm_error_clear(ctx);
    assert_int_equal(fm_pth_parse(ctx, "x.pth", cut, n, &file), FM_FORMAT);
    free(cut);
  }
  for (int round = 0; round < 1000; round++) {
    memcpy(copy, sample, size);
    copy[fm_rng_integer(&rng, 0, (int64_t)size)] ^= (unsigned char)(1 << fm_rng_integer(&rng, 0, 8));
    fm_error_clear(ctx);
    if (fm_pth_parse(ctx, "x.pth", copy, size, &file) == FM_OK) fm_safetensors_free(ctx, file);
  }
  free(copy);
}

static void damage_does_no_harm(void **state) {
  damage(*state, pth_sample, sizeof pth_sample);
  damage(*state, pth_old_sample, sizeof pth_old_sample);
}

static void fail_allocations(struct fm_context *ctx, const unsigned char *sample, size_t size) {
  enum fm_status status = FM_MEMORY;
  for (long n = 1; status != FM_OK; n++) {
    struct fm_safetensors *file;
    ctx->fault[FM_FAULT_ALLOC] = (struct fm_fault){.fail_at = n};
    status = fm_pth_parse(ctx, "x.pth", sample, size, &file);
    if (status == FM_OK)
      fm_safetensors_free(ctx, file);
    else
      assert_int_equal(status, FM_MEMORY);
  }
  ctx->fault[FM_FAULT_ALLOC].fail_at = 0;
}

static void allocations_may_fail(void **state) {
  fail_allocations(*state, pth_sample, sizeof pth_sample);
  fail_allocations(*state, pth_old_sample, sizeof pth_old_sample);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(as_torch_wrote_it),           TEST(state_dicts_are_found),
                                     TEST(hostile_pickles_are_refused), TEST(views_are_copied_in_order),
                                     TEST(other_files_are_refused),     TEST(damage_does_no_harm),
                                     TEST(allocations_may_fail)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
