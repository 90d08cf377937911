/* Text in pictures: a fixed font of 5x7 dots for the printable ASCII characters. */
#ifndef FM_REPORT_FONT_H
#define FM_REPORT_FONT_H

#include "file/image.h"

enum { FM_FONT_WIDTH = 6, FM_FONT_HEIGHT = 8 }; /* a character's cell with its gap, at scale 1 */

/* Draws into an RGB image, clipped at its edges; x, y is the upper left corner. Other bytes show as '?', one
 * for each UTF-8 character. */
void fm_font_draw(struct fm_image *image, int x, int y, int scale, const unsigned char rgb[3],
                  const char *text);

/* The number of characters that fm_font_draw shows. */
size_t fm_font_length(const char *text);

#endif
