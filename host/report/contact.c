#include "report/contact.h"

#include "base/memory.h"
#include "report/canvas.h"
#include "report/font.h"

#include <stdio.h>
#include <string.h>

enum {
  SIDE = FM_CONTACT_SIDE,
  TILE_GAP = 4,
  LABEL = 14, /* height of the line under a strip */
  ROW = SIDE + LABEL + 6,
  MARGIN = 16,
  COLUMN_GAP = 24,
  HEAD = 58, /* title and the names of the tiles */
};

static const unsigned char paper[3] = {250, 250, 250}, ink[3] = {40, 40, 40}, faint[3] = {120, 120, 120},
                           red[3] = {200, 30, 30}, empty[3] = {232, 232, 232};

static int strip_width(const struct fm_contact *c) {
  return c->tiles * SIDE + (c->tiles - 1) * TILE_GAP;
}

void fm_contact_begin(struct fm_contact *contact, struct fm_context *ctx, size_t expected) {
  *contact = (struct fm_contact){
      .ctx = ctx, .tiles = FM_CONTACT_TILES, .step = 1 + (expected ? expected - 1 : 0) / FM_CONTACT_MOST};
}

/* One tile, shrunk and put into the middle of its square. */
static enum fm_status put_tile(struct fm_context *ctx, const struct fm_image *tile, struct fm_image *strip,
                               int x) {
  if (!tile->pixels) return FM_OK;
  struct fm_image small;
  int width, height;
  fm_canvas_fit(tile->width, tile->height, SIDE, &width, &height);
  enum fm_status status = fm_canvas_shrink(ctx, tile, width, height, &small);
  if (status == FM_OK) fm_canvas_put(strip, x + (SIDE - width) / 2, (SIDE - height) / 2, &small);
  fm_image_free(ctx, &small);
  return status;
}

enum fm_status fm_contact_add(struct fm_contact *c, const struct fm_image tile[FM_CONTACT_TILES],
                              const char *label, bool mistake) {
  if (c->seen++ % c->step || c->count == FM_CONTACT_MOST) return FM_OK;
  FM_TRY(fm_grow(c->ctx, (void **)&c->row, &c->capacity, c->count, sizeof *c->row));
  struct fm_contact_row *row = &c->row[c->count++];
  *row = (struct fm_contact_row){.label = fm_strdup(c->ctx, label), .mistake = mistake};
  if (!row->label) return FM_MEMORY;
  FM_TRY(fm_canvas_make(c->ctx, strip_width(c), SIDE, empty, &row->strip));
  for (int t = 0; t < c->tiles; t++) FM_TRY(put_tile(c->ctx, &tile[t], &row->strip, t * (SIDE + TILE_GAP)));
  return FM_OK;
}

/* Columns of strips: as many as give a sheet about as wide as high, at most three. */
static int columns_for(size_t count) {
  return count <= 6 ? 1 : count <= 24 ? 2 : 3;
}

static void clip_label(char out[96], const char *label, int width) {
  size_t most = (size_t)(width / FM_FONT_WIDTH);
  snprintf(out, most + 1 < 96 ? most + 1 : 96, "%s", label);
}

static void draw_head(const struct fm_contact *c, struct fm_image *sheet, const char *title, int columns) {
  static const char *const names[FM_CONTACT_TILES] = {"picture", "map", "found", "truth"};
  fm_font_draw(sheet, MARGIN, MARGIN, 2, ink, title);
  for (int column = 0; column < columns; column++)
    for (int t = 0; t < c->tiles; t++)
      fm_font_draw(sheet, MARGIN + column * (strip_width(c) + COLUMN_GAP) + t * (SIDE + TILE_GAP), HEAD - 12,
                   1, faint, names[t]);
}

enum fm_status fm_contact_draw(const struct fm_contact *c, const char *title, struct fm_image *sheet) {
  int columns = columns_for(c->count), rows = ((int)c->count + columns - 1) / columns, strip = strip_width(c);
  int width = 2 * MARGIN + columns * strip + (columns - 1) * COLUMN_GAP, height = HEAD + rows * ROW + MARGIN;
  char line[160];
  if (c->step > 1)
    snprintf(line, sizeof line, "%.100s (every %zuth of %zu)", title, c->step, c->seen);
  else
    snprintf(line, sizeof line, "%.150s", title);
  FM_TRY(fm_canvas_make(c->ctx, width, height, paper, sheet));
  draw_head(c, sheet, line, columns);
  for (size_t i = 0; i < c->count; i++) {
    /* down the first column, then the next one */
    int x = MARGIN + ((int)i / rows) * (strip + COLUMN_GAP), y = HEAD + ((int)i % rows) * ROW;
    fm_canvas_put(sheet, x, y, &c->row[i].strip);
    char label[96];
    clip_label(label, c->row[i].label, strip);
    fm_font_draw(sheet, x, y + SIDE + 4, 1, c->row[i].mistake ? red : ink, label);
  }
  return FM_OK;
}

void fm_contact_free(struct fm_contact *c) {
  for (size_t i = 0; i < c->count; i++) {
    fm_free(c->ctx, c->row[i].label);
    fm_image_free(c->ctx, &c->row[i].strip);
  }
  fm_free(c->ctx, c->row);
  *c = (struct fm_contact){0};
}
