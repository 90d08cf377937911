#include "report/record.h"

#include "base/memory.h"
#include "report/html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- order ---- */

struct place {
  struct fm_record *record;
  double margin; /* how far on the right side of the threshold; negative: a mistake */
};

static int by_margin(const void *a, const void *b) {
  const struct place *p = a, *q = b;
  if (p->margin != q->margin) return p->margin < q->margin ? -1 : 1;
  int kind = strcmp(p->record->kind, q->record->kind);
  return kind ? kind : strcmp(p->record->name, q->record->name);
}

/* Of a blind category: the highest scores first. Without a threshold nothing is flagged, and a high score of
 * a flawed picture is still the better one. */
static double margin(const struct fm_section *s, const struct fm_record *r) {
  double over = isfinite(s->image.value) ? r->score - s->image.value : r->score;
  return s->blind ? -over : r->flawed ? over : -over;
}

enum fm_status fm_cards_order(const struct fm_section *s, struct fm_record ***order) {
  struct place *place = fm_alloc(s->ctx, s->count, sizeof *place);
  *order = place ? fm_alloc(s->ctx, s->count, sizeof **order) : NULL;
  for (size_t i = 0; *order && i < s->count; i++)
    place[i] = (struct place){s->record[i], margin(s, s->record[i])};
  if (*order && s->count) qsort(place, s->count, sizeof *place, by_margin);
  for (size_t i = 0; *order && i < s->count; i++) (*order)[i] = place[i].record;
  fm_free(s->ctx, place);
  return *order ? FM_OK : FM_MEMORY;
}

/* ---- mistakes ---- */

/* KIND/NAME, or NAME where there is no kind. */
static void put_name(struct fm_text *page, const struct fm_record *r) {
  if (*r->kind) fm_html_wrap(page, "", r->kind, "/");
  fm_html_escape(page, r->name);
}

void fm_cards_mistakes(struct fm_text *page, const struct fm_section *s, struct fm_record *const *order,
                       size_t number) {
  if (s->blind || (!s->tally.missed && !s->tally.alarms)) return;
  fm_text_printf(page, "<h3 id=\"m%zu\">Mistakes</h3>\n<ul class=\"mistakes\">\n", number);
  for (size_t i = 0; i < s->count; i++) {
    if (!fm_record_wrong(order[i])) continue;
    fm_text_printf(page, "<li><a href=\"#p%zu-%zu\">", number, i);
    put_name(page, order[i]);
    fm_text_printf(page, "</a> %s, score <span class=\"num\">%.4g</span></li>\n", fm_record_verdict(order[i]),
                   order[i]->score);
  }
  fm_text_append(page, "</ul>\n");
}

/* ---- cards ---- */

/* The colours of the maps as a band, with the threshold in its middle. */
static void put_legend(struct fm_text *page, const struct fm_section *s) {
  fm_text_printf(page,
                 "<div class=\"legend\"><span>map: score <span class=\"num\">%.3g</span><span class=\"ramp\" "
                 "style=\"background:linear-gradient(90deg",
                 s->heat.low);
  for (int i = 0; i <= 16; i++) {
    unsigned char rgb[3];
    fm_heat_colour(i / 16.0, rgb);
    fm_text_printf(page, ",#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
  }
  fm_text_printf(
      page,
      ")\"></span><span class=\"num\">%.3g</span>; middle: threshold of pixels <span class=\"num\">%.3g"
      "</span></span>\n<span><span class=\"key found\"></span>outlined by flawmap</span>\n",
      s->heat.high, s->heat.middle);
  if (!s->blind) fm_text_append(page, "<span><span class=\"key truth\"></span>marked by hand</span>");
  fm_text_append(page, "</div>\n");
}

/* "the upper left", "the middle": where in a picture, by thirds. */
static const char *where(const struct fm_point *spot) {
  static const char *const name[3][3] = {{"the upper left", "the top", "the upper right"},
                                         {"the left", "the middle", "the right"},
                                         {"the lower left", "the bottom", "the lower right"}};
  int column = (int)(spot->x * 3), row = (int)(spot->y * 3);
  return name[row > 2 ? 2 : row][column > 2 ? 2 : column];
}

/* What a small picture shows, in words. */
static void put_alt(struct fm_text *page, const struct fm_section *s, const struct fm_record *r,
                    enum fm_tile tile) {
  switch (tile) {
  case FM_TILE_PICTURE:
    put_name(page, r);
    fm_text_append(page, " as it was taken");
    break;
  case FM_TILE_MAP:
    fm_text_printf(page, "Map of scores: highest, %.3g, at %s; the threshold of pixels is %.3g", r->peak,
                   where(&r->peak_at), s->pixel.value);
    break;
  case FM_TILE_FOUND:
    if (r->share > 0)
      fm_text_printf(page, "Outlined as flawed: %zu region%s, %.2g percent of the picture, strongest at %s",
                     r->found.spots.count, r->found.spots.count == 1 ? "" : "s", 100 * r->share,
                     where(&r->peak_at));
    else
      fm_text_printf(page, "Nothing is outlined; the highest score lies at %s", where(&r->peak_at));
    break;
  case FM_TILE_TRUTH:
    fm_text_printf(page, "Marked as flawed by hand: %.2g percent of the picture, around %s",
                   100 * r->true_share, where(&r->truth_at));
    break;
  case FM_TILE_BASE:
    fm_text_append(page, "The detector's own map, before it was sharpened");
    break;
  case FM_TILE_REPAIRED:
    fm_text_append(page, "The picture repaired: as it should have looked");
    break;
  case FM_TILES:
    break;
  }
}

static void put_source(struct fm_text *page, const struct fm_section *s, const struct fm_record *r,
                       enum fm_tile tile) {
  if (r->jpeg[tile]) {
    fm_text_append(page, "data:image/jpeg;base64,");
    fm_text_append(page, r->jpeg[tile]);
    return;
  }
  fm_html_path(page, s->base);
  fm_text_printf(page, "report/%s/", fm_tile_names[tile]);
  fm_html_path(page, r->kind);
  if (*r->kind) fm_text_append(page, "/");
  fm_html_path(page, r->name);
  fm_text_append(page, ".jpg");
}

static void put_tile(struct fm_text *page, const struct fm_section *s, const struct fm_record *r,
                     enum fm_tile tile) {
  static const char *const caption[FM_TILES] = {"picture",        "map",     "found",
                                                "marked by hand", "own map", "repaired"};
  fm_text_printf(page, "<figure class=\"%s\">", fm_tile_names[tile]);
  if (r->tile[tile]) {
    fm_text_printf(page, "<img loading=\"lazy\" width=\"%d\" height=\"%d\" alt=\"", r->width, r->height);
    put_alt(page, s, r, tile);
    fm_text_append(page, "\" src=\"");
    put_source(page, s, r, tile);
    fm_text_append(page, "\">");
  } else {
    fm_text_printf(page, "<span class=\"none\" style=\"aspect-ratio:%d/%d\">%s</span>", r->width, r->height,
                   r->flawed ? "no mask" : "no flaw");
  }
  fm_text_printf(page, "<figcaption>%s</figcaption></figure>", caption[tile]);
}

static void put_tiles(struct fm_text *page, const struct fm_section *s, const struct fm_record *r) {
  static const enum fm_tile order[FM_TILES] = {FM_TILE_PICTURE, FM_TILE_BASE,     FM_TILE_MAP,
                                               FM_TILE_FOUND,   FM_TILE_REPAIRED, FM_TILE_TRUTH};
  for (int t = 0; t < FM_TILES; t++) {
    const bool wanted = order[t] == FM_TILE_TRUTH ? !r->blind : r->tile[order[t]];
    if (wanted) put_tile(page, s, r, order[t]);
  }
}

/* The address of the picture at its own size; the script takes it apart for the others. */
static void put_whole(struct fm_text *page, const struct fm_section *s, const struct fm_record *r) {
  if (!s->has_overlays) return;
  fm_html_path(page, s->base);
  fm_text_append(page, "overlays/");
  fm_html_path(page, r->kind);
  if (*r->kind) fm_text_append(page, "/");
  fm_html_path(page, r->name);
  fm_text_append(page, ".png");
}

static void put_numbers(struct fm_text *page, const struct fm_section *s, const struct fm_record *r) {
  fm_text_printf(page, "<p class=\"line\"><span class=\"num\">score %.4g</span>", r->score);
  if (s->image.value > 0 && isfinite(s->image.value) && r->score > 0)
    fm_text_printf(page, "<span class=\"soft num\">%.2f &times; threshold</span>", r->score / s->image.value);
  const size_t regions = r->found.spots.count;
  if (r->share > 0)
    fm_text_printf(page, "<span class=\"soft num\">%zu region%s, %.2g %% of it</span>", regions,
                   regions == 1 ? "" : "s", 100 * r->share);
  fm_text_append(page, "</p>\n");
}

static void put_card(struct fm_text *page, const struct fm_section *s, const struct fm_record *r,
                     size_t number, size_t index, bool pictures) {
  const bool wrong = fm_record_wrong(r);
  fm_text_printf(page, "<article class=\"card%s\" id=\"p%zu-%zu\" data-score=\"", wrong ? " wrong" : "",
                 number, index);
  fm_text_number(page, r->score);
  /* With a smallest area: over the threshold, but no region is large enough. */
  const bool small = r->score > s->image.value && !r->flagged;
  fm_text_printf(page, "\" data-size=\"%d %d\"%s%s%s", r->own_width, r->own_height,
                 r->flawed ? " data-flawed" : "", small ? " data-small" : "",
                 r->tile[FM_TILE_REPAIRED] ? " data-repaired" : "");
  fm_html_wrap(page, " data-kind=\"", r->kind, "\">\n<h4><span class=\"name\">");
  put_name(page, r);
  fm_text_printf(page, "</span> <span class=\"badge %s\">%s</span></h4>\n",
                 wrong || (r->blind && r->flagged) ? "bad" : "ok", fm_record_verdict(r));
  put_numbers(page, s, r);
  if (pictures) {
    fm_text_append(page, "<a class=\"tiles\" href=\"");
    if (s->has_overlays)
      put_whole(page, s, r);
    else
      fm_text_printf(page, "#p%zu-%zu", number, index);
    fm_text_append(page, "\">");
    put_tiles(page, s, r);
    fm_text_append(page, "</a>");
  } else {
    fm_text_append(page, "<p class=\"small soft\">Its pictures are in the folder overlays.</p>");
  }
  fm_text_append(page, "</article>\n");
}

void fm_cards_put(struct fm_text *page, const struct fm_section *s, struct fm_record *const *order,
                  size_t number) {
  fm_text_printf(page, "<h3 id=\"g%zu\">Pictures</h3>\n", number);
  if (!s->count) return;
  put_legend(page, s);
  fm_html_part(page, "tools.html");
  fm_text_append(page, "<div class=\"cards\">\n");
  for (size_t i = 0; i < s->count; i++)
    put_card(page, s, order[i], number, i, i < s->shown || fm_record_wrong(order[i]));
  fm_text_append(page, "</div>\n");
}
