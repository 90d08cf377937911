/* Batches of pictures, made by worker threads ahead of whoever trains or scores.
 *
 * Workers decode, resize and keep the 8-bit result in a cache; then they copy it into a batch and draw the
 * synthetic anomalies there. With a canvas they keep the stretched picture (3 MB at 1024), draw on a copy and
 * reduce that into the batch. What a batch holds depends on the options, epoch and batch only: never on
 * threads, timing, cache, or where a run was resumed. */
#ifndef FM_DATA_LOADER_H
#define FM_DATA_LOADER_H

#include "data/dataset.h"
#include "data/picture.h"
#include "data/synthetic.h"

/* Zeros are the defaults where one is named. */
struct fm_loader_options {
  const struct fm_sample *samples; /* must live as long as the loader */
  size_t count;
  struct fm_preprocess preprocess;
  int batch;                     /* pictures a batch; the last one of an epoch has what is left */
  bool shuffle;                  /* a permutation of (seed, epoch); else in the order of samples */
  struct fm_synthetic synthetic; /* kind NONE: no synthetic anomalies */
  bool pieces; /* draw a piece (piece.h) on every picture at its own size; its mask as of flawed samples. The
                * epoch is the round. Such pictures are not cached */
  bool masks; /* flawed samples bring their own masks, reduced as the synthetic ones (flawed samples never get
               * synthetic anomalies) */
  uint64_t seed;
  int first_epoch, epochs; /* epochs first_epoch to epochs - 1; 0 epochs: 1 */
  size_t first_batch;      /* of the first epoch; at most the number of batches in it */
  int workers;             /* 0: fm_threads, at most 2 */
  int depth;               /* batches ahead; 0: 3 */
  size_t cache_limit; /* bytes of decoded pictures to keep; pictures beyond it are decoded anew. 0: 2 GiB,
                       * with a canvas 512 MiB: its pictures are large, and decoding costs little beside
                       * drawing on them */
  bool tolerant; /* a picture that cannot be read is named in the batch and left out of it; else it ends the
                  * run */
  bool images;   /* hand the pictures on at their own size, too */
  size_t image_limit; /* bytes of those to hold; what is beyond comes without pixels */
};

struct fm_unread { /* a picture that could not be read */
  uint32_t picture;
  enum fm_status status;
  char message[1024];
};

struct fm_batch {
  int epoch;
  size_t index;             /* of the batch in its epoch */
  size_t count;             /* pictures; 0, and nothing unread: there are no more batches */
  bool last;                /* the epoch ends with this batch */
  const uint32_t *pictures; /* [count] indices in samples */
  const unsigned char
      *rgb; /* [count][height][width][3], aligned to 128 bytes; room for options.batch pictures */
  const unsigned char
      *mask; /* [count][height][width], 1 where flawed; all 0 without synthetic, pieces and masks */
  const int *width, *height;          /* [count] the pictures' own sizes */
  const struct fm_adjusted *adjusted; /* [count] what the standard did to them */
  const struct fm_image *image; /* [count] with options.images: RGB; its pixels may be NULL: read it again */
  unsigned char *const *own_mask; /* [count] with options.pieces: [height][width], 1 where the piece shows */
  const struct fm_unread *unread; /* [unread_count] with options.tolerant */
  size_t unread_count;
};

struct fm_loader;

enum fm_status fm_loader_open(struct fm_context *ctx, const struct fm_loader_options *options,
                              struct fm_loader **loader);

/* The next batch, in order; valid until the next call or close. Waits where it is not ready yet. A worker's
 * error (a damaged file, out of memory) comes from here, and again from every later call. */
enum fm_status fm_loader_next(struct fm_loader *loader, struct fm_batch *batch);

/* Batches of a whole epoch: ceil(count / batch). */
size_t fm_loader_batches(const struct fm_loader *loader);

/* At any moment; NULL is fine. Ends the workers after the picture each is at. */
void fm_loader_close(struct fm_loader *loader);

#endif
