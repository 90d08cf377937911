/* Inside the file layer: libtiff on memory instead of files, silent, with its last message kept. */
#ifndef FM_FILE_TIFF_MEMORY_H
#define FM_FILE_TIFF_MEMORY_H

#include "base/text.h"

#include <tiffio.h>

struct fm_tiff_memory {
  struct fm_context *ctx;
  const unsigned char *bytes; /* reading */
  size_t size, at;
  struct fm_text out; /* writing: the file so far, the caller's to take or free */
  bool writing;
  char message[200]; /* libtiff's first complaint, or "no reason given" */
};

/* Opens bytes for reading, or with bytes NULL memory->out for writing. NULL: see message. Closed with
 * TIFFClose before memory goes out of scope. */
TIFF *fm_tiff_open(struct fm_tiff_memory *memory, struct fm_context *ctx, const unsigned char *bytes,
                   size_t size);

#endif
