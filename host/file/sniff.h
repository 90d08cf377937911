/* What looks like a picture, by name and by first bytes: also kinds that flawmap does not read, so that it
 * can say so. Two tables; a new reader is a row of the second and one of image.c. */
#ifndef FM_FILE_SNIFF_H
#define FM_FILE_SNIFF_H

#include <stdbool.h>
#include <stddef.h>

enum fm_looks {
  FM_LOOKS_NONE,  /* like no picture */
  FM_LOOKS_READ,  /* like a picture that is read */
  FM_LOOKS_UNREAD /* like one of a kind that is not: GIF, HEIC, camera raw data, ... */
};

/* By the name's extension, in any case. */
enum fm_looks fm_looks_by_name(const char *path);

/* By the first bytes of a file (FM_SNIFF_BYTES of them are enough). *kind: "PNG", "GIF", ..., NULL for no
 * picture. */
enum { FM_SNIFF_BYTES = 132 };
enum fm_looks fm_looks_by_bytes(const unsigned char *bytes, size_t size, const char **kind);

/* The kinds that are read, for sentences: "PNG, JPEG, TIFF, BMP or WebP", ".png .jpg ...". */
#define FM_PICTURE_KINDS "PNG, JPEG, TIFF, BMP or WebP"
#define FM_PICTURE_NAMES ".png .jpg .tif .bmp .webp"

#endif
