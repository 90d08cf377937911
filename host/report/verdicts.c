/* What came out at the model's threshold. The elements with data-live are what the page's script writes anew
 * when the reader moves the threshold. */
#include "report/record.h"

#include "base/memory.h"
#include "report/html.h"
#include "score/beta.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *plural(size_t n) {
  return n == 1 ? "" : "s";
}

/* ---- the counts ---- */

static void put_part(struct fm_text *page, const char *style, const char *live, size_t n, const char *name) {
  fm_text_printf(
      page, "<span class=\"%s\" data-part=\"%s\" style=\"flex:%zu\"%s><b data-live=\"%s\">%zu</b> %s</span>",
      style, live, n, n ? "" : " hidden", live, n, name);
}

/* A share of mistakes, and what it can be in the long run. */
static void put_rate(struct fm_text *page, const char *live, size_t wrong, size_t all) {
  double low, high;
  fm_rate_interval(wrong, all, 0.95, &low, &high);
  fm_text_printf(
      page,
      "<p class=\"small soft\"><span data-live=\"%s-rate\">%.3g %%</span>; with 95 %% confidence between "
      "<span data-live=\"%s-low\">%.2g %%</span> and <span data-live=\"%s-high\">%.3g %%</span> of all "
      "such pictures</p>",
      live, 100 * (double)wrong / (double)all, live, 100 * low, live, 100 * high);
}

static void put_group(struct fm_text *page, const char *name, size_t right, const char *right_live,
                      const char *right_name, size_t wrong, const char *wrong_live, const char *wrong_name) {
  if (!right && !wrong) return;
  fm_text_printf(page, "<div class=\"group\"><h3>%zu %s picture%s</h3>\n<div class=\"bar\">", right + wrong,
                 name, plural(right + wrong));
  put_part(page, "ok", right_live, right, right_name);
  put_part(page, "bad", wrong_live, wrong, wrong_name);
  fm_text_printf(page, "</div>\n<p><b>%s</b>: <b data-live=\"%s\">%zu</b> of %zu</p>\n", wrong_name,
                 wrong_live, wrong, right + wrong);
  put_rate(page, wrong_live, wrong, right + wrong);
  fm_text_append(page, "</div>\n");
}

static void put_counts(struct fm_text *page, const struct fm_section *s) {
  const struct fm_report_tally *t = &s->tally;
  fm_text_append(page, "<div class=\"groups\">\n");
  if (s->blind) {
    fm_text_printf(page, "<div class=\"group\"><h3>%zu picture%s</h3>\n<div class=\"bar\">", s->count,
                   plural(s->count));
    put_part(page, "ok", "passed", t->passed, "passed");
    put_part(page, "bad", "alarms", t->alarms, "flagged as flawed");
    fm_text_append(page, "</div>\n</div>\n");
  } else {
    put_group(page, "flawed", t->found, "found", "found", t->missed, "missed", "missed");
    put_group(page, "good", t->passed, "passed", "passed", t->alarms, "alarms", "false alarms");
  }
  fm_text_append(page, "</div>\n");
}

static void put_sentence(struct fm_text *page, const struct fm_section *s) {
  const struct fm_report_tally *t = &s->tally;
  size_t flawed = t->found + t->missed, good = t->passed + t->alarms;
  fm_text_append(page, "<p class=\"lead\">");
  if (s->blind) {
    fm_text_printf(page, "<b data-live=\"alarms\">%zu</b> of %zu pictures flagged as flawed.", t->alarms,
                   s->count);
  } else {
    if (flawed)
      fm_text_printf(page,
                     "<b><span data-live=\"found\">%zu</span> of %zu</b> flawed pictures found, "
                     "<b data-live=\"missed\">%zu</b> missed. ",
                     t->found, flawed, t->missed);
    if (good)
      fm_text_printf(
          page, "<b><span data-live=\"alarms\">%zu</span> of %zu</b> good pictures raised a false alarm.",
          t->alarms, good);
  }
  fm_text_append(page, "</p>\n");
}

/* ---- the threshold ---- */

static void put_origin(struct fm_text *page, const struct fm_section *s) {
  const struct fm_threshold *t = &s->image;
  bool by_hand = fm_threshold_is_by_hand(t);
  if (!isfinite(t->value)) {
    fm_text_append(page,
                   "<p class=\"note\">The model has no threshold, so nothing is flagged. Let it choose one: "
                   "flawmap calibrate.</p>\n");
    return;
  }
  fm_text_printf(
      page,
      "<p>A picture counts as flawed where its score is over <b class=\"num\">%.5g</b>. This threshold %s: ",
      t->value, by_hand ? "was set by hand" : "was chosen without any flawed picture");
  fm_html_wrap(page, "", t->origin, ".");
  if (isfinite(t->low))
    fm_text_printf(page,
                   " They say that of all good pictures between %.2g %% and %.3g %% will be flagged (95 %% "
                   "confidence).",
                   100 * t->low, 100 * t->high);
  fm_text_append(page, "</p>\n");
  if (!t->kept && !by_hand)
    fm_text_printf(page,
                   "<p class=\"note\">%zu score%s of good pictures are too few to promise %.4g %% false "
                   "alarms; %zu would be enough. More good pictures make this threshold trustworthy.</p>\n",
                   t->n, plural(t->n), 100 * t->alpha, fm_threshold_needs(t->alpha));
  if (s->pixel.value == t->value) {
    fm_text_append(
        page, "<p class=\"small soft\">Outlines: pixels over the same score, in flagged pictures.</p>\n");
  } else {
    fm_text_printf(page, "<p class=\"small soft\">Outlines, in flagged pictures: pixels over %.5g (",
                   s->pixel.value);
    fm_html_wrap(page, "", s->pixel.origin, ").</p>\n");
  }
}

struct dot_place {
  const struct fm_record *record;
  size_t card;
};

static int by_kind(const void *a, const void *b) {
  const struct dot_place *p = a, *q = b;
  if (p->record->flawed != q->record->flawed) return p->record->flawed ? -1 : 1;
  int kind = strcmp(p->record->kind, q->record->kind);
  return kind ? kind : p->card < q->card ? -1 : p->card > q->card;
}

/* Cards by kind, good ones last. */
static struct dot_place *sorted_by_kind(const struct fm_section *s, struct fm_record *const *order) {
  struct dot_place *p = fm_alloc(s->ctx, s->count, sizeof *p);
  for (size_t i = 0; p && i < s->count; i++) p[i] = (struct dot_place){order[i], i};
  if (p && s->count) qsort(p, s->count, sizeof *p, by_kind);
  return p;
}

static void put_dots(struct fm_text *page, const struct fm_section *s, struct fm_record *const *order) {
  struct dot_place *p = sorted_by_kind(s, order);
  struct fm_plot_dot *dot = fm_alloc(s->ctx, s->count, sizeof *dot);
  if (!p || !dot) page->status = FM_MEMORY;
  for (size_t i = 0; p && dot && i < s->count; i++)
    dot[i] = (struct fm_plot_dot){p[i].record->kind, p[i].record->name, p[i].record->score,
                                  p[i].record->flawed, p[i].card};
  if (p && dot) fm_plot_pictures(page, s->count, dot, s->image.value, s->official.image_f1_threshold);
  fm_free(s->ctx, dot);
  fm_free(s->ctx, p);
}

void fm_verdicts_put(struct fm_text *page, const struct fm_section *s, struct fm_record *const *order,
                     size_t number) {
  put_sentence(page, s);
  put_counts(page, s);
  fm_text_printf(page, "<h3 id=\"t%zu\">Where the scores lie</h3>\n", number);
  fm_text_append(page, "<figure class=\"scores\">\n");
  put_dots(page, s, order);
  fm_html_part(page, "slider.html");
  fm_text_append(page,
                 s->blind ? "<figcaption>Every picture a dot, by its score.</figcaption></figure>\n"
                          : "<figcaption>Every picture a dot, by its score: <span class=\"good\">good</span> "
                            "ones and <span class=\"flaw\">flawed</span> ones. What lies to the right of "
                            "the threshold is flagged.</figcaption></figure>\n");
  put_origin(page, s);
}

/* ---- by kind ---- */

static void put_kind(struct fm_text *page, const struct dot_place *p, size_t n) {
  size_t flagged = 0;
  double low = INFINITY, high = -INFINITY;
  const bool flawed = p->record->flawed;
  for (size_t i = 0; i < n; i++) {
    flagged += p[i].record->flagged;
    low = fmin(low, p[i].record->score);
    high = fmax(high, p[i].record->score);
  }
  fm_html_wrap(page, "<tr data-kind=\"", p->record->kind, "\"");
  fm_text_printf(page, " data-flawed=\"%d\">", flawed);
  fm_html_wrap(page, "<th scope=\"row\">", p->record->kind, "</th>");
  fm_text_printf(page,
                 "<td class=\"n\">%zu</td><td class=\"n\" data-live=\"right\">%zu</td><td class=\"n%s\" "
                 "data-live=\"wrong\">%zu</td><td class=\"n\">%.4g</td></tr>\n",
                 n, flawed ? flagged : n - flagged, (flawed ? n - flagged : flagged) ? " bad" : "",
                 flawed ? n - flagged : flagged, flawed ? low : high);
}

void fm_verdicts_kinds(struct fm_text *page, const struct fm_section *s, struct fm_record *const *order) {
  struct dot_place *p = sorted_by_kind(s, order);
  if (!p) page->status = FM_MEMORY;
  if (!p || s->blind || !s->count) {
    fm_free(s->ctx, p);
    return;
  }
  fm_text_append(
      page, "<h3>Kind by kind</h3>\n<table class=\"kinds\">\n<thead><tr><th scope=\"col\">kind</th><th "
            "scope=\"col\" "
            "class=\"n\">pictures</th><th scope=\"col\" class=\"n\">right</th><th scope=\"col\" "
            "class=\"n\">wrong</th><th scope=\"col\" class=\"n\">closest score</th></tr></thead>\n<tbody>\n");
  for (size_t i = 0; i < s->count;) {
    size_t n = 1;
    while (i + n < s->count && p[i].record->flawed == p[i + n].record->flawed &&
           !strcmp(p[i].record->kind, p[i + n].record->kind))
      n++;
    put_kind(page, p + i, n);
    i += n;
  }
  fm_text_append(
      page, "</tbody></table>\n<p class=\"small soft\">Right: a flawed picture that was found, a good one "
            "that passed. Closest score: the lowest of the flawed ones, the highest of the good "
            "ones.</p>\n");
  fm_free(s->ctx, p);
}
