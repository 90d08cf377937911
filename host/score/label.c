#include "score/label.h"

#include "base/memory.h"

static uint32_t root_of(struct fm_labels *l, uint32_t label) {
  while (l->parent[label] != label) {
    l->parent[label] = l->parent[l->parent[label]];
    label = l->parent[label];
  }
  return label;
}

static uint32_t join(struct fm_labels *l, uint32_t a, uint32_t b) {
  a = root_of(l, a);
  b = root_of(l, b);
  /* The smaller label wins: a root is then the label of the part's first pixel. */
  if (a < b) return l->parent[b] = a;
  return l->parent[a] = b;
}

static enum fm_status new_label(struct fm_context *ctx, struct fm_labels *l, uint32_t *label) {
  FM_TRY(fm_grow(ctx, (void **)&l->parent, &l->capacity, l->count, sizeof *l->parent));
  *label = (uint32_t)l->count;
  l->parent[l->count++] = *label;
  return FM_OK;
}

enum fm_status fm_labels_begin(struct fm_context *ctx, struct fm_labels *l) {
  uint32_t none;
  *l = (struct fm_labels){0};
  return new_label(ctx, l, &none);
}

void fm_labels_free(struct fm_context *ctx, struct fm_labels *l) {
  fm_free(ctx, l->parent);
  *l = (struct fm_labels){0};
}

/* Every pixel takes the label of its neighbours to the left and above. */
enum fm_status fm_labels_row(struct fm_context *ctx, struct fm_labels *l, const unsigned char *mask,
                             const uint32_t *above, uint32_t *row, int width) {
  for (int x = 0; x < width; x++) {
    if (!mask[x]) continue;
    uint32_t label = x ? row[x - 1] : 0;
    if (above) {
      int from = x ? x - 1 : 0, to = x + 1 < width ? x + 1 : x;
      for (int k = from; k <= to; k++)
        if (above[k]) label = label ? join(l, label, above[k]) : above[k];
    }
    if (!label) FM_TRY(new_label(ctx, l, &label));
    row[x] = label;
  }
  return FM_OK;
}

size_t fm_labels_finish(struct fm_labels *l) {
  uint32_t next = 0;
  for (size_t i = 1; i < l->count; i++)
    l->parent[i] =
        l->parent[i] == i ? ++next : l->parent[l->parent[i]]; /* a parent is smaller: already final */
  return next;
}

/* A pixel without labelled neighbours got a new label the first time, too. */
void fm_labels_again(const struct fm_labels *l, uint32_t *seen, const unsigned char *mask,
                     const uint32_t *above, uint32_t *row, int width) {
  for (int x = 0; x < width; x++) {
    uint32_t label = 0;
    if (mask[x]) {
      label = x ? row[x - 1] : 0;
      int from = x ? x - 1 : 0, to = x + 1 < width ? x + 1 : x;
      for (int k = from; above && !label && k <= to; k++) label = above[k];
      if (!label) label = l->parent[++*seen];
    }
    row[x] = label;
  }
}
