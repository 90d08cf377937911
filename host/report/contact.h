/* The contact sheet: one picture that shows many: rows of picture, map, overlay and truth with a label each.
 */
#ifndef FM_REPORT_CONTACT_H
#define FM_REPORT_CONTACT_H

#include "file/image.h"

enum { FM_CONTACT_TILES = 4, FM_CONTACT_SIDE = 128, FM_CONTACT_MOST = 150 };

struct fm_contact {
  struct fm_context *ctx;
  int tiles;         /* of a row; fewer than FM_CONTACT_TILES: the last ones are not wanted on this sheet */
  size_t seen, step; /* every step-th picture goes on the sheet, so that it holds at most FM_CONTACT_MOST */
  size_t count, capacity;
  struct fm_contact_row {
    char *label;
    struct fm_image strip; /* the tiles side by side */
    bool mistake;
  } * row;
};

/* expected: how many pictures will come. */
void fm_contact_begin(struct fm_contact *contact, struct fm_context *ctx, size_t expected);

/* tile: RGB images of any size, drawn at most FM_CONTACT_SIDE wide and high; without pixels: left empty. A
 * mistake's label is red. */
enum fm_status fm_contact_add(struct fm_contact *contact, const struct fm_image tile[FM_CONTACT_TILES],
                              const char *label, bool mistake);

/* Draws the sheet as an RGB image. */
enum fm_status fm_contact_draw(const struct fm_contact *contact, const char *title, struct fm_image *sheet);

void fm_contact_free(struct fm_contact *contact);

#endif
