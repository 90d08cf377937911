/* safetensors files: a JSON header of names, types, shapes and offsets, then the values.
 *
 * Everything is checked before it is believed: header length against the file, types, shapes (overflow),
 * offsets (order, overlap, holes, end of file), duplicate names. Messages name the file and the tensor. */
#ifndef FM_FILE_SAFETENSORS_H
#define FM_FILE_SAFETENSORS_H

#include "base/status.h"

#include <stdint.h>

enum fm_dtype { FM_F32, FM_F16, FM_BF16, FM_F64, FM_I64, FM_I32, FM_I16, FM_I8, FM_U8, FM_BOOL, FM_DTYPES };
enum { FM_MAX_DIMS = 8 };

struct fm_tensor {
  const char *name;
  enum fm_dtype type;
  int dims;
  size_t shape[FM_MAX_DIMS];
  size_t count;               /* elements */
  const unsigned char *bytes; /* little-endian, not aligned: memcpy */
};

struct fm_safetensors; /* owns everything its tensors point at */

/* size limit of a file */
#define FM_SAFETENSORS_MAX ((size_t)1 << 34)

enum fm_status fm_safetensors_read(struct fm_context *ctx, const char *path, struct fm_safetensors **file);
enum fm_status
fm_safetensors_parse(struct fm_context *ctx, const char *name, unsigned char *bytes, size_t size,
                     struct fm_safetensors **file); /* takes bytes (fm_alloc), also on failure */
void fm_safetensors_free(struct fm_context *ctx, struct fm_safetensors *file);

size_t fm_safetensors_count(const struct fm_safetensors *file);
const struct fm_tensor *fm_safetensors_at(const struct fm_safetensors *file,
                                          size_t index); /* in file order */
const struct fm_tensor *fm_safetensors_find(const struct fm_safetensors *file,
                                            const char *name);                       /* or NULL; fast */
const char *fm_safetensors_meta(const struct fm_safetensors *file, const char *key); /* or NULL */
const char *fm_safetensors_meta_key(const struct fm_safetensors *file,
                                    size_t index); /* the keys in file order; NULL: no more */
const char *fm_safetensors_path(const struct fm_safetensors *file);

/* A required tensor of a known shape as float32 (F32, F16, BF16, F64 are converted) into out[count]. Missing
 * or of another shape: FM_FORMAT with both shapes in the message. */
enum fm_status fm_safetensors_floats(struct fm_context *ctx, const struct fm_safetensors *file,
                                     const char *name, int dims, const size_t *shape, float *out);

/* Writing: add everything, then write (atomic; metadata and tensors in the order they were added; the header
 * padded with spaces so that the data begin at a multiple of 64). Names are copied, values are not: they must
 * live until write. The same content always gives the same bytes. */
struct fm_safetensors_out;
enum fm_status fm_safetensors_out_open(struct fm_context *ctx, struct fm_safetensors_out **out);
enum fm_status fm_safetensors_out_meta(struct fm_safetensors_out *out, const char *key, const char *value);
enum fm_status fm_safetensors_out_tensor(struct fm_safetensors_out *out, const char *name, enum fm_dtype type,
                                         int dims, const size_t *shape, const void *values);
enum fm_status fm_safetensors_out_write(struct fm_safetensors_out *out, const char *path);
enum fm_status fm_safetensors_out_encode(struct fm_safetensors_out *out, unsigned char **bytes,
                                         size_t *size); /* the same into memory: the caller's, fm_free */
void fm_safetensors_out_free(struct fm_safetensors_out *out);

size_t fm_dtype_size(enum fm_dtype type);
const char *fm_dtype_name(enum fm_dtype type); /* "F32" */

#endif
