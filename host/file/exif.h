/* Inside the file layer: which way up a picture is, as cameras note it. */
#ifndef FM_FILE_EXIF_H
#define FM_FILE_EXIF_H

#include <stddef.h>

/* The orientation in a block of EXIF data (with or without "Exif\0\0" in front), 1 to 8 as fm_image_upright
 * takes it; 1, as stored, also where nothing sensible is said. */
int fm_exif_orientation(const unsigned char *bytes, size_t size);

#endif
