#include "file/safetensors.h"

#include "base/file.h"
#include "base/memory.h"
#include "file/json_read.h"
#include "file/sniff.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors files are little-endian");

enum {
  MAX_HEADER = 100000000, /* the limit of the reference implementation */
  MAX_VALUES = 1 << 22,   /* JSON values in a header */
};

struct fm_safetensors {
  char *path;
  unsigned char *bytes;
  cJSON *header;              /* owns the names and the metadata */
  struct fm_tensor *tensors;  /* in the order of their data */
  struct fm_tensor **by_name; /* sorted */
  size_t count;
  const cJSON *meta; /* or NULL */
};

static const struct {
  const char *name;
  size_t size;
} dtype_table[FM_DTYPES] = {
    [FM_F32] = {"F32", 4}, [FM_F16] = {"F16", 2},   [FM_BF16] = {"BF16", 2}, [FM_F64] = {"F64", 8},
    [FM_I64] = {"I64", 8}, [FM_I32] = {"I32", 4},   [FM_I16] = {"I16", 2},   [FM_I8] = {"I8", 1},
    [FM_U8] = {"U8", 1},   [FM_BOOL] = {"BOOL", 1},
};

size_t fm_dtype_size(enum fm_dtype type) {
  return (unsigned)type < FM_DTYPES ? dtype_table[type].size : 0;
}

const char *fm_dtype_name(enum fm_dtype type) {
  return (unsigned)type < FM_DTYPES ? dtype_table[type].name : "?";
}

/* What every sentence about a damaged file ends with. */
#define AGAIN "; the file is damaged or was not written as safetensors: get or convert it again"

static enum fm_status broken(struct fm_context *ctx, const char *path, const char *what) {
  return fm_error(ctx, FM_FORMAT, "'%s': %s" AGAIN, path, what);
}

static enum fm_status broken_tensor(struct fm_context *ctx, const char *path, const char *tensor,
                                    const char *what) {
  return fm_error(ctx, FM_FORMAT, "'%s': tensor '%.200s' %s" AGAIN, path, tensor, what);
}

/* A whole number from 0 to 2^53: beyond that a double, which is what cJSON gives, is no exact integer. */
static bool whole(const cJSON *item, size_t *value) {
  if (!cJSON_IsNumber(item)) return false;
  double v = item->valuedouble;
  if (!(v >= 0 && v < 0x1p53) || v != floor(v)) return false;
  *value = (size_t)v;
  return true;
}

/* Names go into messages, onto terminals, and into other files. */
static bool printable(const char *name) {
  if (!*name) return false;
  for (const unsigned char *c = (const unsigned char *)name; *c; c++)
    if (*c < 0x20 || *c == 0x7F) return false;
  return true;
}

static enum fm_status parse_type(struct fm_context *ctx, const char *path, const cJSON *entry,
                                 struct fm_tensor *t) {
  const cJSON *type = fm_json_member(entry, "dtype");
  if (!cJSON_IsString(type)) return broken_tensor(ctx, path, t->name, "has no \"dtype\"");
  for (int i = 0; i < FM_DTYPES; i++) {
    if (strcmp(type->valuestring, dtype_table[i].name) != 0) continue;
    t->type = (enum fm_dtype)i;
    return FM_OK;
  }
  return fm_error(ctx, FM_FORMAT,
                  "'%s': tensor '%.200s' has values of type '%.20s', which flawmap does not read; save "
                  "it as F32, F16, BF16, F64, I64, I32, I16, I8, U8 or BOOL",
                  path, t->name, printable(type->valuestring) ? type->valuestring : "?");
}

static enum fm_status parse_shape(struct fm_context *ctx, const char *path, const cJSON *entry,
                                  struct fm_tensor *t) {
  const cJSON *shape = fm_json_member(entry, "shape"), *side;
  if (!cJSON_IsArray(shape)) return broken_tensor(ctx, path, t->name, "has no \"shape\"");
  t->count = 1;
  cJSON_ArrayForEach(side, shape) {
    if (t->dims == FM_MAX_DIMS)
      return fm_error(ctx, FM_LIMIT,
                      "'%s': tensor '%.200s' has more than %d dimensions, the limit; reshape it before "
                      "saving",
                      path, t->name, FM_MAX_DIMS);
    size_t n;
    if (!whole(side, &n)) return broken_tensor(ctx, path, t->name, "has a side that is not a whole number");
    if (!fm_mul(t->count, n, &t->count))
      return broken_tensor(ctx, path, t->name, "has a shape too large for any file");
    t->shape[t->dims++] = n;
  }
  return FM_OK;
}

/* One entry of the header; t->bytes points at its data, the span ends at *end. */
static enum fm_status parse_tensor(struct fm_context *ctx, const char *path, const cJSON *entry,
                                   const unsigned char *data, size_t size, struct fm_tensor *t) {
  if (!printable(entry->string))
    return broken(ctx, path, "a tensor's name is empty or has control characters");
  *t = (struct fm_tensor){.name = entry->string};
  if (!cJSON_IsObject(entry)) return broken_tensor(ctx, path, t->name, "is not described by a JSON object");
  FM_TRY(parse_type(ctx, path, entry, t));
  FM_TRY(parse_shape(ctx, path, entry, t));
  const cJSON *span = fm_json_member(entry, "data_offsets");
  size_t begin, end, needed;
  if (!cJSON_IsArray(span) || cJSON_GetArraySize(span) != 2 || !whole(span->child, &begin) ||
      !whole(span->child->next, &end) || end < begin)
    return broken_tensor(ctx, path, t->name, "has no valid \"data_offsets\"");
  if (end > size)
    return fm_error(ctx, FM_FORMAT,
                    "'%s': tensor '%.200s' ends at byte %zu of the data, of which there are %zu" AGAIN, path,
                    t->name, end, size);
  if (!fm_mul(t->count, fm_dtype_size(t->type), &needed) || needed != end - begin)
    return fm_error(ctx, FM_FORMAT,
                    "'%s': tensor '%.200s' has %zu bytes of data, which is not what its shape and type "
                    "need" AGAIN,
                    path, t->name, end - begin);
  t->bytes = data + begin;
  return FM_OK;
}

static int by_position(const void *a, const void *b) {
  const struct fm_tensor *s = a, *t = b;
  if (s->bytes != t->bytes) return s->bytes < t->bytes ? -1 : 1;
  if ((s->count == 0) != (t->count == 0))
    return s->count == 0 ? -1 : 1; /* an empty tensor is before what follows it */
  return strcmp(s->name, t->name);
}

static int by_name(const void *a, const void *b) {
  return strcmp((*(struct fm_tensor *const *)a)->name, (*(struct fm_tensor *const *)b)->name);
}

/* Every byte of the data belongs to exactly one tensor. */
static enum fm_status check_layout(struct fm_context *ctx, const struct fm_safetensors *f,
                                   const unsigned char *data, size_t size) {
  size_t at = 0;
  for (size_t i = 0; i < f->count; i++) {
    const struct fm_tensor *t = f->tensors + i;
    size_t begin = (size_t)(t->bytes - data);
    if (begin != at)
      return broken_tensor(ctx, f->path, t->name,
                           begin < at ? "overlaps another tensor's data" : "begins after a gap in the data");
    at += t->count * fm_dtype_size(t->type);
  }
  if (at == size) return FM_OK;
  return fm_error(ctx, FM_FORMAT, "'%s': %zu bytes after the last tensor belong to no tensor" AGAIN, f->path,
                  size - at);
}

static enum fm_status index_names(struct fm_context *ctx, struct fm_safetensors *f) {
  f->by_name = fm_alloc(ctx, f->count, sizeof *f->by_name);
  if (!f->by_name) return FM_MEMORY;
  for (size_t i = 0; i < f->count; i++) f->by_name[i] = f->tensors + i;
  qsort(f->by_name, f->count, sizeof *f->by_name, by_name);
  for (size_t i = 1; i < f->count; i++)
    if (strcmp(f->by_name[i - 1]->name, f->by_name[i]->name) == 0)
      return broken_tensor(ctx, f->path, f->by_name[i]->name, "is there twice");
  return FM_OK;
}

static enum fm_status check_meta(struct fm_context *ctx, struct fm_safetensors *f, const cJSON *meta) {
  if (f->meta) return broken(ctx, f->path, "__metadata__ is there twice");
  if (!cJSON_IsObject(meta)) return broken(ctx, f->path, "__metadata__ is not a JSON object");
  const cJSON *item;
  cJSON_ArrayForEach(item, meta) {
    if (!cJSON_IsString(item)) return broken(ctx, f->path, "a value of __metadata__ is not a string");
  }
  f->meta = meta;
  return FM_OK;
}

static enum fm_status parse_header(struct fm_context *ctx, struct fm_safetensors *f, const char *json,
                                   size_t size) {
  const struct fm_json_source source = {
      .path = f->path, .part = "the header", .advice = AGAIN, .most_values = MAX_VALUES};
  return fm_json_parse(ctx, &source, json, size, &f->header);
}

static enum fm_status parse(struct fm_context *ctx, struct fm_safetensors *f, size_t size) {
  uint64_t header = 0;
  const char *kind;
  if (fm_looks_by_bytes(f->bytes, size, &kind) != FM_LOOKS_NONE)
    return fm_error(
        ctx, FM_FORMAT,
        "'%s' is a %s picture, not a flawmap model or a file of weights; where a command takes a model and "
        "pictures, the model comes first",
        f->path, kind);
  if (size < 8)
    return broken(ctx, f->path, "it is shorter than the eight bytes that say how long the header is");
  for (int i = 0; i < 8; i++) header |= (uint64_t)f->bytes[i] << 8 * i;
  if (header > size - 8)
    return fm_error(ctx, FM_FORMAT, "'%s': the header would be %llu bytes long, but only %zu follow" AGAIN,
                    f->path, (unsigned long long)header, size - 8);
  if (header > MAX_HEADER)
    return fm_error(ctx, FM_LIMIT, "'%s': the header is %llu bytes long; the limit is %d" AGAIN, f->path,
                    (unsigned long long)header, MAX_HEADER);
  FM_TRY(parse_header(ctx, f, (const char *)f->bytes + 8, (size_t)header));

  const unsigned char *data = f->bytes + 8 + header;
  size -= 8 + (size_t)header;
  f->tensors = fm_alloc(ctx, (size_t)cJSON_GetArraySize(f->header), sizeof *f->tensors);
  if (!f->tensors) return FM_MEMORY;
  const cJSON *entry;
  cJSON_ArrayForEach(entry, f->header) {
    if (strcmp(entry->string, "__metadata__") == 0)
      FM_TRY(check_meta(ctx, f, entry));
    else
      FM_TRY(parse_tensor(ctx, f->path, entry, data, size, f->tensors + f->count++));
  }
  qsort(f->tensors, f->count, sizeof *f->tensors, by_position);
  FM_TRY(index_names(ctx, f));
  return check_layout(ctx, f, data, size);
}

enum fm_status fm_safetensors_parse(struct fm_context *ctx, const char *name, unsigned char *bytes,
                                    size_t size, struct fm_safetensors **file) {
  *file = NULL;
  struct fm_safetensors *f = fm_alloc(ctx, 1, sizeof *f);
  if (!f) {
    fm_free(ctx, bytes);
    return FM_MEMORY;
  }
  f->bytes = bytes;
  f->path = fm_strdup(ctx, name);
  enum fm_status status = f->path ? parse(ctx, f, size) : FM_MEMORY;
  if (status == FM_OK)
    *file = f;
  else
    fm_safetensors_free(ctx, f);
  return status;
}

enum fm_status fm_safetensors_read(struct fm_context *ctx, const char *path, struct fm_safetensors **file) {
  unsigned char *bytes;
  size_t size;
  *file = NULL;
  FM_TRY(fm_file_read(ctx, path, FM_SAFETENSORS_MAX, &bytes, &size));
  return fm_safetensors_parse(ctx, path, bytes, size, file);
}

void fm_safetensors_free(struct fm_context *ctx, struct fm_safetensors *f) {
  if (!f) return;
  cJSON_Delete(f->header);
  fm_free(ctx, f->by_name);
  fm_free(ctx, f->tensors);
  fm_free(ctx, f->bytes);
  fm_free(ctx, f->path);
  fm_free(ctx, f);
}

size_t fm_safetensors_count(const struct fm_safetensors *f) {
  return f->count;
}

const struct fm_tensor *fm_safetensors_at(const struct fm_safetensors *f, size_t index) {
  return index < f->count ? f->tensors + index : NULL;
}

const struct fm_tensor *fm_safetensors_find(const struct fm_safetensors *f, const char *name) {
  size_t low = 0, high = f->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = strcmp(name, f->by_name[middle]->name);
    if (order == 0) return f->by_name[middle];
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

const char *fm_safetensors_meta(const struct fm_safetensors *f, const char *key) {
  const cJSON *item;
  cJSON_ArrayForEach(item, f->meta) {
    if (strcmp(item->string, key) == 0) return item->valuestring;
  }
  return NULL;
}

const char *fm_safetensors_meta_key(const struct fm_safetensors *f, size_t index) {
  const cJSON *item;
  cJSON_ArrayForEach(item, f->meta) {
    if (index-- == 0) return item->string;
  }
  return NULL;
}

const char *fm_safetensors_path(const struct fm_safetensors *f) {
  return f->path;
}

static float from_half(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3FF;
  if (exponent == 0) { /* zero and subnormal numbers: fraction * 2^-24, exact */
    float small = (float)fraction * 0x1p-24f;
    return sign ? -small : small;
  }
  uint32_t bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* The values as float32 into out[t->count]; false where they are not floating-point numbers. */
static bool read_floats(const struct fm_tensor *t, float *out) {
  if (t->type > FM_F64) return false;
  if (t->type == FM_F32) {
    if (t->count) memcpy(out, t->bytes, t->count * sizeof *out);
    return true;
  }
  for (size_t i = 0; i < t->count; i++) {
    if (t->type == FM_F64) {
      double value;
      memcpy(&value, t->bytes + 8 * i, sizeof value);
      out[i] = (float)value;
    } else {
      uint16_t half;
      memcpy(&half, t->bytes + 2 * i, sizeof half);
      uint32_t bits = (uint32_t)half << 16; /* bfloat16 is the upper half of a float */
      if (t->type == FM_F16)
        out[i] = from_half(half);
      else
        memcpy(out + i, &bits, sizeof bits);
    }
  }
  return true;
}

/* "[64, 3, 7, 7]" into out. */
static void show_shape(int dims, const size_t *shape, char out[192]) {
  size_t at = 1;
  out[0] = '[';
  for (int i = 0; i < dims && at < 160; i++)
    at += (size_t)snprintf(out + at, 192 - at, i ? ", %zu" : "%zu", shape[i]);
  snprintf(out + at, 192 - at, "]");
}

enum fm_status fm_safetensors_floats(struct fm_context *ctx, const struct fm_safetensors *f, const char *name,
                                     int dims, const size_t *shape, float *out) {
  char expected[192], found[192];
  show_shape(dims, shape, expected);
  const struct fm_tensor *t = fm_safetensors_find(f, name);
  if (!t)
    return fm_error(ctx, FM_FORMAT,
                    "'%s' has no tensor '%s' (of shape %s): these are not the weights of the chosen "
                    "network; choose the right --backbone or another file",
                    f->path, name, expected);
  bool same = t->dims == dims;
  for (int i = 0; same && i < dims; i++) same = t->shape[i] == shape[i];
  show_shape(t->dims, t->shape, found);
  if (!same)
    return fm_error(ctx, FM_FORMAT,
                    "'%s': tensor '%s' has shape %s instead of %s: these are not the weights of the chosen "
                    "network; choose the right --backbone or another file",
                    f->path, name, found, expected);
  if (!read_floats(t, out))
    return fm_error(ctx, FM_FORMAT,
                    "'%s': tensor '%s' has values of type %s instead of floating-point numbers", f->path,
                    name, fm_dtype_name(t->type));
  return FM_OK;
}
