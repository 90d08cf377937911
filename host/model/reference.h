/* What a normal reference is put together from (refine/reference.h): some good pictures and their features,
 * held as small as they are in a model's file: pictures as JPEG, features in 256 levels for each channel. */
#ifndef FM_MODEL_REFERENCE_H
#define FM_MODEL_REFERENCE_H

#include "base/size.h"
#include "file/safetensors.h"

enum fm_reference_kind { FM_REFERENCE_BLEND, FM_REFERENCE_QUILT, FM_REFERENCE_KINDS };
extern const char *const fm_reference_names[FM_REFERENCE_KINDS];

struct fm_reference {
  enum fm_reference_kind kind;
  struct fm_size size; /* of the pictures */
  size_t count;        /* good pictures */
  unsigned char *jpeg; /* their files one behind another */
  int *length;         /* [count] bytes of each */
  unsigned char
      *good; /* in place of jpeg in models of older versions: [count][height][width][3]; else NULL */
  /* Blend: a row is a picture, [channels][cells of the tap]; quilt: a good cell, of one number a channel. */
  size_t rows, columns, channels;
  unsigned char *level; /* [rows][columns] */
  float *low, *step;    /* [channels]: a value is low + level * step */
  int *origin;          /* quilt: [rows][2]: good picture, cell; else NULL */
};
void fm_reference_free(struct fm_context *ctx, struct fm_reference *r);

/* Packs pictures [count][height][width][3]. What is measured with a reference must be measured with what
 * comes out of it again, so this comes first. */
enum fm_status fm_reference_pack(struct fm_context *ctx, const unsigned char *rgb, struct fm_reference *r);

/* The pictures with a fourth byte, 0: [count][height][width][4], the caller's. FM_FORMAT where one is
 * damaged.
 */
enum fm_status fm_reference_pictures(struct fm_context *ctx, const struct fm_reference *r,
                                     unsigned char **rgba);

/* rows, columns, channels are set. FM_NUMERIC where a value is not finite. */
enum fm_status fm_reference_pack_features(struct fm_context *ctx, const float *values,
                                          struct fm_reference *r);
enum fm_status fm_reference_features(struct fm_context *ctx, const struct fm_reference *r, float **values);

enum fm_status fm_reference_save(const struct fm_reference *r, struct fm_safetensors_out *out);

/* kind and size are set. FM_FORMAT names the tensor that is wrong. */
enum fm_status fm_reference_load(struct fm_context *ctx, const struct fm_safetensors *file,
                                 struct fm_reference *r);

#endif
