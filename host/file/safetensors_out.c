#include "file/safetensors.h"

#include "base/file.h"
#include "base/memory.h"
#include "file/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row { /* a tensor, or an entry of the metadata */
  char *name, *value;
  struct fm_tensor tensor;
};

struct rows {
  struct row *row;
  size_t count, capacity;
};

struct fm_safetensors_out {
  struct fm_context *ctx;
  struct rows meta, tensors;
  size_t size; /* of all values */
};

enum fm_status fm_safetensors_out_open(struct fm_context *ctx, struct fm_safetensors_out **out) {
  *out = fm_alloc(ctx, 1, sizeof **out);
  if (!*out) return FM_MEMORY;
  (*out)->ctx = ctx;
  return FM_OK;
}

static void rows_free(struct fm_context *ctx, struct rows *rows) {
  for (size_t i = 0; i < rows->count; i++) {
    fm_free(ctx, rows->row[i].name);
    fm_free(ctx, rows->row[i].value);
  }
  fm_free(ctx, rows->row);
}

void fm_safetensors_out_free(struct fm_safetensors_out *out) {
  if (!out) return;
  rows_free(out->ctx, &out->meta);
  rows_free(out->ctx, &out->tensors);
  fm_free(out->ctx, out);
}

static enum fm_status add_row(struct fm_context *ctx, struct rows *rows, const char *name, struct row **row) {
  FM_TRY(fm_grow(ctx, (void **)&rows->row, &rows->capacity, rows->count, sizeof *rows->row));
  struct row *r = rows->row + rows->count;
  *r = (struct row){.name = fm_strdup(ctx, name)};
  if (!r->name) return FM_MEMORY;
  rows->count++;
  *row = r;
  return FM_OK;
}

enum fm_status fm_safetensors_out_meta(struct fm_safetensors_out *out, const char *key, const char *value) {
  struct row *row;
  FM_TRY(add_row(out->ctx, &out->meta, key, &row));
  row->value = fm_strdup(out->ctx, value);
  return row->value ? FM_OK : FM_MEMORY;
}

enum fm_status fm_safetensors_out_tensor(struct fm_safetensors_out *out, const char *name, enum fm_dtype type,
                                         int dims, const size_t *shape, const void *values) {
  struct fm_tensor t = {.type = type, .dims = dims, .count = 1, .bytes = values};
  if (dims < 0 || dims > FM_MAX_DIMS || (unsigned)type >= FM_DTYPES || strcmp(name, "__metadata__") == 0 ||
      !*name)
    return fm_error(out->ctx, FM_INTERNAL,
                    "tensor '%s' of %d dimensions cannot be written to a safetensors file", name, dims);
  size_t bytes;
  bool fits = true;
  for (int i = 0; i < dims; i++) {
    t.shape[i] = shape[i];
    fits = fits && fm_mul(t.count, shape[i], &t.count);
  }
  if (!fits || !fm_mul(t.count, fm_dtype_size(type), &bytes) || !fm_add(out->size, bytes, &out->size) ||
      out->size > FM_SAFETENSORS_MAX)
    return fm_error(out->ctx, FM_LIMIT, "tensor '%s' makes the file larger than %zu bytes, the limit", name,
                    FM_SAFETENSORS_MAX);
  struct row *row;
  FM_TRY(add_row(out->ctx, &out->tensors, name, &row));
  t.name = row->name;
  row->tensor = t;
  return FM_OK;
}

static int by_string(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum fm_status refuse_duplicates(struct fm_context *ctx, const struct rows *rows) {
  const char **names = fm_alloc(ctx, rows->count, sizeof *names);
  if (!names) return FM_MEMORY;
  for (size_t i = 0; i < rows->count; i++) names[i] = rows->row[i].name;
  qsort(names, rows->count, sizeof *names, by_string);
  enum fm_status status = FM_OK;
  for (size_t i = 1; i < rows->count && status == FM_OK; i++)
    if (strcmp(names[i - 1], names[i]) == 0)
      status = fm_error(ctx, FM_INTERNAL, "'%s' was added twice to a safetensors file", names[i]);
  fm_free(ctx, names);
  return status;
}

/* The eight bytes of the length and the JSON, padded so that the data begin at a multiple of 64. */
static enum fm_status make_header(const struct fm_safetensors_out *out, char **header, size_t *size) {
  FM_TRY(refuse_duplicates(out->ctx, &out->meta));
  FM_TRY(refuse_duplicates(out->ctx, &out->tensors));
  struct fm_text text;
  struct fm_json json;
  fm_text_begin(&text, out->ctx);
  fm_text_append_bytes(&text, "\0\0\0\0\0\0\0", 8);
  fm_json_begin(&json, &text, false);
  fm_json_object(&json, NULL);
  if (out->meta.count) {
    fm_json_object(&json, "__metadata__");
    for (size_t i = 0; i < out->meta.count; i++)
      fm_json_string(&json, out->meta.row[i].name, out->meta.row[i].value);
    fm_json_end(&json);
  }
  size_t at = 0;
  for (size_t i = 0; i < out->tensors.count; i++) {
    const struct fm_tensor *t = &out->tensors.row[i].tensor;
    fm_json_object(&json, t->name);
    fm_json_string(&json, "dtype", fm_dtype_name(t->type));
    fm_json_array(&json, "shape");
    for (int d = 0; d < t->dims; d++) fm_json_integer(&json, NULL, (int64_t)t->shape[d]);
    fm_json_end(&json);
    fm_json_array(&json, "data_offsets");
    fm_json_integer(&json, NULL, (int64_t)at);
    at += t->count * fm_dtype_size(t->type);
    fm_json_integer(&json, NULL, (int64_t)at);
    fm_json_end(&json);
    fm_json_end(&json);
  }
  fm_json_end(&json);
  fm_text_printf(&text, "%*s", (int)((64 - text.size % 64) % 64), "");
  FM_TRY(fm_text_take(&text, header, size));
  for (int i = 0; i < 8; i++) (*header)[i] = (char)((uint64_t)(*size - 8) >> 8 * i & 255);
  return FM_OK;
}

enum fm_status fm_safetensors_out_write(struct fm_safetensors_out *out, const char *path) {
  char *header;
  size_t size;
  FM_TRY(make_header(out, &header, &size));
  struct fm_writer w;
  enum fm_status status = fm_writer_open(&w, out->ctx, path);
  if (status == FM_OK) status = fm_writer_write(&w, header, size);
  for (size_t i = 0; status == FM_OK && i < out->tensors.count; i++) {
    const struct fm_tensor *t = &out->tensors.row[i].tensor;
    if (t->count) status = fm_writer_write(&w, t->bytes, t->count * fm_dtype_size(t->type));
  }
  if (status == FM_OK) status = fm_writer_commit(&w);
  fm_writer_discard(&w);
  fm_free(out->ctx, header);
  return status;
}

enum fm_status fm_safetensors_out_encode(struct fm_safetensors_out *out, unsigned char **bytes,
                                         size_t *size) {
  char *header;
  size_t at;
  *bytes = NULL;
  FM_TRY(make_header(out, &header, &at));
  *size = at + out->size; /* both far below any overflow: see the limits */
  unsigned char *all = fm_alloc(out->ctx, *size, 1);
  if (all) {
    memcpy(all, header, at);
    for (size_t i = 0; i < out->tensors.count; i++) {
      const struct fm_tensor *t = &out->tensors.row[i].tensor;
      size_t n = t->count * fm_dtype_size(t->type);
      if (n) memcpy(all + at, t->bytes, n);
      at += n;
    }
  }
  fm_free(out->ctx, header);
  *bytes = all;
  return all ? FM_OK : FM_MEMORY;
}
