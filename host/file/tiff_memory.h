/* Inside the file layer: libtiff on memory, or through a writer into a file; silent, with its first message
 * kept. */
#ifndef FM_FILE_TIFF_MEMORY_H
#define FM_FILE_TIFF_MEMORY_H

#include "base/file.h"

#include <tiffio.h>

struct fm_tiff_memory {
  struct fm_context *ctx;
  const unsigned char *bytes; /* reading */
  size_t size, at;
  struct fm_writer *writer; /* writing; size is the file's so far */
  enum fm_status status;    /* the writer's */
  char message[200];        /* libtiff's first complaint, or "no reason given" */
};

/* Opens bytes for reading, or the writer for writing. NULL: see message. Closed with TIFFClose before memory
 * goes out of scope. */
TIFF *fm_tiff_open(struct fm_tiff_memory *memory, struct fm_context *ctx, const unsigned char *bytes,
                   size_t size);
TIFF *fm_tiff_create(struct fm_tiff_memory *memory, struct fm_context *ctx, struct fm_writer *writer);

#endif
