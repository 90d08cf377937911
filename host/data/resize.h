/* Resizing as the libraries do it that the published recipes used, to the last bit.
 *
 * Pictures are 8 bits, rows from the top, channels (1 to 4) interleaved, without padding. Equal sizes copy.
 */
#ifndef FM_DATA_RESIZE_H
#define FM_DATA_RESIZE_H

#include "base/status.h"

enum fm_resize { FM_RESIZE_CV2, FM_RESIZE_PIL, FM_RESIZE_LANCZOS };

const char *fm_resize_name(enum fm_resize kind); /* "cv2", "pil", "lanczos" */
enum fm_status fm_resize_parse(struct fm_context *ctx, const char *text, enum fm_resize *kind);

/* cv2.resize(..., INTER_LINEAR) as OpenCV (checked: 4.14 and 5.0) computes it: half-pixel centres, no
 * antialiasing, 11-bit weights.
 */
enum fm_status fm_resize_cv2(struct fm_context *ctx, const unsigned char *in, int width, int height,
                             int channels, unsigned char *out, int out_width, int out_height);

/* Image.resize(..., BILINEAR) of Pillow: a triangle filter as wide as the reduction, rows first, 8 bits
 * between. */
enum fm_status fm_resize_pil(struct fm_context *ctx, const unsigned char *in, int width, int height,
                             int channels, unsigned char *out, int out_width, int out_height);

/* Image.resize(..., LANCZOS): a sinc that ends after three of its waves, as much wider as the reduction. */
enum fm_status fm_resize_lanczos(struct fm_context *ctx, const unsigned char *in, int width, int height,
                                 int channels, unsigned char *out, int out_width, int out_height);

/* One of the three. */
enum fm_status fm_resize_picture(struct fm_context *ctx, enum fm_resize kind, const unsigned char *in,
                                 int width, int height, int channels, unsigned char *out, int out_width,
                                 int out_height);

/* cv2.resize(..., INTER_NEAREST) of one channel: out(y, x) = in(floor(y * height / out_height), ...). For
 * masks. */
void fm_resize_nearest(const unsigned char *in, int width, int height, unsigned char *out, int out_width,
                       int out_height);

/* Bilinear with half-pixel centres, edges repeated: a map of scores to the picture's own size, row by row, so
 * that nobody need hold all of it. in must live as long; rows may be made by several threads at once. */
struct fm_map_rows {
  const float *in;
  int width, height, out_width, out_height;
  int *at;       /* [out_width][2]: the neighbours of a column */
  float *weight; /* [out_width]: of the second */
};
enum fm_status fm_map_rows_open(struct fm_context *ctx, struct fm_map_rows *rows, const float *in, int width,
                                int height, int out_width, int out_height);
void fm_map_rows_get(const struct fm_map_rows *m, int y, float *out); /* [out_width] */
void fm_map_rows_close(struct fm_context *ctx, struct fm_map_rows *rows);

/* The same rows for one thread that asks for them in order: what neighbouring rows have in common is computed
 * once. rows must live as long. */
struct fm_map_cursor {
  const struct fm_map_rows *rows;
  int at[2];      /* the map's rows that line holds, at the width of the output */
  float *line[2]; /* [out_width] */
};
enum fm_status fm_map_cursor_open(struct fm_context *ctx, struct fm_map_cursor *cursor,
                                  const struct fm_map_rows *rows);
void fm_map_cursor_get(struct fm_map_cursor *cursor, int y, float *out);
void fm_map_cursor_close(struct fm_context *ctx, struct fm_map_cursor *cursor);

/* All of its rows. */
enum fm_status fm_resize_map(struct fm_context *ctx, const float *in, int width, int height, float *out,
                             int out_width, int out_height);

/* The middle crop_width x crop_height of a picture; (size - crop) / 2 rounded half to even, as torchvision
 * does it. The crop may not be larger than the picture. */
void fm_crop_centre(const unsigned char *in, int width, int height, int channels, unsigned char *out,
                    int crop_width, int crop_height);

#endif
