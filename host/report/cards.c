#include "report/record.h"

#include "base/memory.h"
#include "report/html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct place {
  const struct fm_record *record;
  double margin; /* how far on the right side of the threshold; negative: a mistake */
  bool good;
};

static int by_kind_and_margin(const void *a, const void *b) {
  const struct place *p = a, *q = b;
  if (p->good != q->good) return p->good ? 1 : -1;
  int kind = strcmp(p->record->kind, q->record->kind);
  if (kind) return kind;
  if (p->margin < q->margin) return -1;
  if (p->margin > q->margin) return 1;
  return strcmp(p->record->name, q->record->name);
}

static bool wrong(const struct fm_record *r) {
  return r->flawed != r->flagged;
}

enum fm_status fm_cards_order(const struct fm_section *s, const struct fm_record ***order) {
  struct place *place = fm_alloc(s->ctx, s->count, sizeof *place);
  *order = place ? fm_alloc(s->ctx, s->count, sizeof **order) : NULL;
  for (size_t i = 0; *order && i < s->count; i++) {
    const struct fm_record *r = &s->record[i];
    double over = r->score - s->image.value;
    place[i] = (struct place){r, r->flawed ? over : -over, !r->flawed};
  }
  if (*order && s->count) qsort(place, s->count, sizeof *place, by_kind_and_margin);
  for (size_t i = 0; *order && i < s->count; i++) (*order)[i] = place[i].record;
  fm_free(s->ctx, place);
  return *order ? FM_OK : FM_MEMORY;
}

static const char *verdict(const struct fm_record *r) {
  if (r->flawed) return r->flagged ? "found" : "missed";
  return r->flagged ? "false alarm" : "passed";
}

void fm_cards_mistakes(struct fm_text *page, const struct fm_section *s, const struct fm_record **order,
                       size_t number) {
  if (!s->tally.missed && !s->tally.alarms) return;
  fm_text_append(page, "<h3>Mistakes</h3>\n<ul class=\"mistakes\">\n");
  for (size_t i = 0; i < s->count; i++) {
    if (!wrong(order[i])) continue;
    fm_text_printf(page, "<li><a href=\"#p%zu-%zu\">", number, i);
    fm_html_wrap(page, "", order[i]->kind, "/");
    fm_html_wrap(page, "", order[i]->name, "</a> ");
    fm_text_printf(page, "%s, score <span class=\"num\">%.4g</span></li>\n", verdict(order[i]),
                   order[i]->score);
  }
  fm_text_append(page, "</ul>\n");
}

/* The colours of the maps as a band, with the threshold in its middle. */
static void put_legend(struct fm_text *page, const struct fm_section *s) {
  fm_text_printf(page,
                 "<div class=\"legend\"><span>score <span class=\"num\">%.3g</span><span class=\"ramp\" "
                 "style=\"background:linear-gradient(90deg",
                 s->heat.low);
  for (int i = 0; i <= 16; i++) {
    unsigned char rgb[3];
    fm_heat_colour(i / 16.0, rgb);
    fm_text_printf(page, ",#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
  }
  fm_text_printf(
      page,
      ")\"></span><span class=\"num\">%.3g</span>; middle: pixel threshold <span class=\"num\">%.3g"
      "</span></span>\n",
      s->heat.high, s->heat.middle);
  fm_text_append(page, "<span><span class=\"key found\"></span>found by flawmap</span>\n"
                       "<span><span class=\"key truth\"></span>flawed in truth</span></div>\n");
}

static void put_tile(struct fm_text *page, const struct fm_record *r, enum fm_tile tile) {
  static const char *const caption[FM_TILES] = {"picture", "map", "found", "truth", "own map", "repaired"};
  fm_text_append(page, "<figure>");
  if (r->jpeg[tile]) {
    fm_text_printf(
        page, "<img loading=\"lazy\" width=\"%d\" height=\"%d\" alt=\"%s\" src=\"data:image/jpeg;base64,",
        r->width, r->height, caption[tile]);
    fm_text_append(page, r->jpeg[tile]);
    fm_text_append(page, "\">");
  } else {
    fm_text_printf(page, "<div style=\"aspect-ratio:%d/%d\">%s</div>", r->width, r->height,
                   r->flawed ? "no mask" : "no flaw");
  }
  fm_text_printf(page, "<figcaption>%s</figcaption></figure>", caption[tile]);
}

static void put_card(struct fm_text *page, const struct fm_section *s, const struct fm_record *r,
                     size_t number, size_t index) {
  fm_text_printf(page, "<div class=\"card%s\" id=\"p%zu-%zu\"><p class=\"line\"><b>",
                 wrong(r) ? " wrong" : "", number, index);
  fm_html_wrap(page, "", r->kind, "/");
  fm_html_wrap(page, "", r->name, "</b>");
  fm_text_printf(page, "<span class=\"badge %s\">%s</span>", wrong(r) ? "bad" : "ok", verdict(r));
  fm_text_printf(page, "<span class=\"num\">score %.4g</span>", r->score);
  if (s->image.value > 0 && r->score > 0)
    fm_text_printf(page, "<span class=\"soft num\">%.2f &times; threshold</span>", r->score / s->image.value);
  if (r->share > 0)
    fm_text_printf(page, "<span class=\"soft num\">%.2g %% of it flagged</span>", 100 * r->share);
  static const enum fm_tile plain[] = {FM_TILE_PICTURE, FM_TILE_MAP, FM_TILE_FOUND, FM_TILE_TRUTH},
                            refined[] = {FM_TILE_PICTURE, FM_TILE_BASE,     FM_TILE_MAP,
                                         FM_TILE_FOUND,   FM_TILE_REPAIRED, FM_TILE_TRUTH};
  bool wide = r->jpeg[FM_TILE_BASE] != NULL;
  const enum fm_tile *tile = wide ? refined : plain;
  fm_text_printf(page, "</p><div class=\"tiles%s\">", wide ? " wide" : "");
  for (int t = 0; t < (wide ? 6 : 4); t++) put_tile(page, r, tile[t]);
  fm_text_append(page, "</div></div>\n");
}

static size_t kinds_of(const struct fm_section *s, const struct fm_record **order) {
  size_t kinds = 0;
  for (size_t i = 0; i < s->count; i++) kinds += !i || strcmp(order[i]->kind, order[i - 1]->kind) != 0;
  return kinds;
}

void fm_cards_put(struct fm_text *page, const struct fm_section *s, const struct fm_record **order,
                  size_t number, size_t shown) {
  if (!s->count) return;
  size_t most = shown / kinds_of(s, order);
  if (!most) most = 1;
  put_legend(page, s);
  for (size_t i = 0; i < s->count;) {
    size_t n = 1, mistakes = wrong(order[i]);
    for (; i + n < s->count && !strcmp(order[i]->kind, order[i + n]->kind); n++)
      mistakes += wrong(order[i + n]);
    fm_html_wrap(page, "<h3>", order[i]->kind, "");
    fm_text_printf(
        page,
        " <span class=\"soft small\">%zu picture%s, %zu mistake%s%s</span></h3>\n<div class=\"cards\">\n", n,
        n == 1 ? "" : "s", mistakes, mistakes == 1 ? "" : "s",
        n > 1 ? "; mistakes and close calls first" : "");
    for (size_t k = 0; k < n && k < most; k++) put_card(page, s, order[i + k], number, i + k);
    fm_text_append(page, "</div>\n");
    if (n > most)
      fm_text_printf(page, "<p class=\"small soft\">%zu more in images.csv and overlays/.</p>\n", n - most);
    i += n;
  }
}
