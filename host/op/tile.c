#include "op/tile.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const char *name;
  size_t at;
} fields[] = {{"blocks", offsetof(struct fm_tile, blocks)}, {"pixels", offsetof(struct fm_tile, pixels)},
              {"rows", offsetof(struct fm_tile, rows)},     {"inputs", offsetof(struct fm_tile, inputs)},
              {"lanes", offsetof(struct fm_tile, lanes)},   {"order", offsetof(struct fm_tile, order)},
              {"waves", offsetof(struct fm_tile, waves)},   {"across", offsetof(struct fm_tile, across)},
              {"down", offsetof(struct fm_tile, down)},     {"depth", offsetof(struct fm_tile, depth)}};
enum { FIELDS = (int)(sizeof fields / sizeof *fields) };

static int get(const struct fm_tile *tile, int field) {
  int value;
  memcpy(&value, (const char *)tile + fields[field].at, sizeof value);
  return value;
}

bool fm_tile_same(const struct fm_tile *a, const struct fm_tile *b) {
  for (int i = 0; i < FIELDS; i++)
    if (get(a, i) != get(b, i)) return false;
  return true;
}

void fm_tile_add(struct fm_tile list[FM_TILES], int *count, struct fm_tile tile) {
  for (int i = 0; i < *count; i++)
    if (fm_tile_same(&list[i], &tile)) return;
  if (*count < FM_TILES) list[(*count)++] = tile;
}

void fm_tile_print(const struct fm_tile *tile, char text[FM_TILE_TEXT]) {
  size_t used = 0;
  snprintf(text, FM_TILE_TEXT, "-");
  for (int i = 0; i < FIELDS; i++) {
    if (!get(tile, i)) continue;
    int n =
        snprintf(text + used, FM_TILE_TEXT - used, "%s%s %d", used ? " " : "", fields[i].name, get(tile, i));
    if (n > 0) used += (size_t)n < FM_TILE_TEXT - used ? (size_t)n : FM_TILE_TEXT - 1 - used;
  }
}

/* A whole number of 1 to 1024 at *text, moved behind it; 0 where there is none. */
static int number(const char **text) {
  enum { MOST = 1024 };
  int n = 0;
  if (**text == '0') return 0;
  for (; **text >= '0' && **text <= '9' && n <= MOST; (*text)++) n = 10 * n + (**text - '0');
  return n <= MOST ? n : 0;
}

bool fm_tile_read(const char *text, struct fm_tile *tile) {
  *tile = (struct fm_tile){0};
  if (strcmp(text, "-") == 0) return true;
  for (;; text++) {
    size_t n = strcspn(text, " ");
    int i = 0, value;
    while (i < FIELDS && (strlen(fields[i].name) != n || memcmp(fields[i].name, text, n) != 0)) i++;
    if (i == FIELDS || get(tile, i) || text[n] != ' ') return false;
    text += n + 1;
    if ((value = number(&text)) == 0 || (*text && *text != ' ')) return false;
    memcpy((char *)tile + fields[i].at, &value, sizeof value);
    if (!*text) return true;
  }
}

/* Two buffers of steps of both matrices; 64 sums an item, half of that where it has few registers. */
bool fm_product_tile(const struct fm_facts *f, struct fm_product_tile *tile) {
  enum { ACROSS = 8, DOWN = 8, BYTES = 24 << 10 };
  const bool few = f->registers <= 128;
  const int rows = 8, columns = few ? 4 : 8, deep = few ? 8 : 16;
  *tile = (struct fm_product_tile){
      .rows = ACROSS * rows, .columns = DOWN * columns, .items = (size_t)(ACROSS * DOWN)};
  snprintf(tile->options, sizeof tile->options, "-D TX=%d -D TY=%d -D RM=%d -D RN=%d -D BK=%d", ACROSS, DOWN,
           rows, columns, deep);
  return f->block == 4 && f->group >= 64 && f->max_group >= tile->items && f->local_memory >= BYTES;
}
