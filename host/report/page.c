/* The parts of report.html that do not need the pictures' pixels. */
#include "report/record.h"

#include "base/memory.h"
#include "report/html.h"
#include "report/table.h"
#include "score/beta.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void fm_page_facts(struct fm_text *page, const struct fm_fact_list *facts) {
  if (!facts->count) return;
  fm_text_append(page, "<dl class=\"facts\">\n");
  for (size_t i = 0; i < facts->count; i++) {
    fm_html_wrap(page, "<div><dt>", facts->name[i], "</dt>");
    fm_html_wrap(page, "<dd>", facts->value[i], "</dd></div>\n");
  }
  fm_text_append(page, "</dl>\n");
}

static void put_percent(struct fm_text *page, double value) {
  if (isnan(value))
    fm_text_append(page, "<td class=\"n\">&ndash;</td>");
  else
    fm_text_printf(page, "<td class=\"n\">%.2f</td>", 100 * value);
}

static void put_overview_row(struct fm_text *page, const struct fm_metrics *m,
                             const struct fm_report_tally *t) {
  put_percent(page, m->image_auroc);
  put_percent(page, m->pixel_auroc);
  put_percent(page, m->pixel_ap);
  put_percent(page, m->aupro_30);
  fm_text_printf(page, "<td class=\"n\">%zu of %zu</td><td class=\"n\">%zu of %zu</td></tr>\n", t->found,
                 t->found + t->missed, t->alarms, t->alarms + t->passed);
}

void fm_page_overview(struct fm_text *page, const struct fm_section *section, size_t count,
                      const struct fm_metrics *mean) {
  fm_text_append(
      page, "<div class=\"scroll\"><table>\n<tr><th>category</th><th class=\"n\">picture AUROC</th>"
            "<th class=\"n\">pixel AUROC</th><th class=\"n\">pixel AP</th><th class=\"n\">AUPRO 30 %</th>"
            "<th class=\"n\">flaws found</th><th class=\"n\">false alarms</th></tr>\n");
  struct fm_report_tally all = {0};
  for (size_t i = 0; i < count; i++) {
    const struct fm_report_tally *t = &section[i].tally;
    fm_text_printf(page, "<tr><td><a href=\"#c%zu\">", i + 1);
    fm_html_wrap(page, "", section[i].name, "</a></td>");
    put_overview_row(page, &section[i].official, t);
    all = (struct fm_report_tally){all.found + t->found, all.missed + t->missed, all.passed + t->passed,
                                   all.alarms + t->alarms};
  }
  fm_text_append(page, "<tr class=\"mean\"><td>mean, sum</td>");
  put_overview_row(page, mean, &all);
  fm_text_append(
      page, "</table></div>\n<p class=\"small soft\">Percent, at the pictures' own size; the best possible "
            "is 100.</p>\n");
}

static const char *plural(size_t n) {
  return n == 1 ? "" : "s";
}

static void put_bar(struct fm_text *page, const char *name, size_t right, const char *right_name,
                    size_t wrong, const char *wrong_name) {
  if (!right && !wrong) return;
  fm_text_printf(page, "<span class=\"soft\">%zu %s</span><div class=\"bar\">", right + wrong, name);
  if (right)
    fm_text_printf(page, "<span class=\"ok\" style=\"flex:%zu\">%zu %s</span>", right, right, right_name);
  if (wrong)
    fm_text_printf(page, "<span class=\"bad\" style=\"flex:%zu\">%zu %s</span>", wrong, wrong, wrong_name);
  fm_text_append(page, "</div>\n");
}

static void put_verdicts(struct fm_text *page, const struct fm_report_tally *t) {
  size_t flawed = t->found + t->missed, good = t->passed + t->alarms;
  fm_text_append(page, "<p class=\"lead\">");
  if (flawed)
    fm_text_printf(page, "<b>%zu of %zu</b> flawed pictures found, <b>%zu</b> missed. ", t->found, flawed,
                   t->missed);
  if (good) fm_text_printf(page, "<b>%zu of %zu</b> good pictures raised a false alarm.", t->alarms, good);
  fm_text_append(page, "</p>\n<div class=\"tally\">\n");
  put_bar(page, "flawed", t->found, "found", t->missed, "missed");
  put_bar(page, "good", t->passed, "passed", t->alarms, t->alarms == 1 ? "false alarm" : "false alarms");
  fm_text_append(page, "</div>\n");
  if (!good) return;
  double low, high;
  fm_rate_interval(t->alarms, good, 0.95, &low, &high);
  fm_text_printf(
      page,
      "<p class=\"small soft\">%zu good test picture%s can say only so much: a false-alarm rate between "
      "%.2g %% and %.3g %% goes with this count (95 %% confidence).</p>\n",
      good, plural(good), 100 * low, 100 * high);
}

static void put_threshold(struct fm_text *page, const struct fm_section *s) {
  const struct fm_threshold *t = &s->image;
  bool by_hand = fm_threshold_is_by_hand(t);
  fm_text_printf(
      page,
      "<p>A picture counts as flawed where its score is over <b class=\"num\">%.5g</b>. This threshold %s: ",
      t->value, by_hand ? "was set by hand" : "was chosen without any flawed picture");
  fm_html_wrap(page, "", t->origin, ".");
  if (isfinite(t->low))
    fm_text_printf(
        page, " From these the true false-alarm rate lies between %.2g %% and %.3g %% (95 %% confidence).",
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

struct metric_row {
  const char *name, *words;
  size_t offset;
  bool number, dishonest;
};

#define ROW(field, name, words, number, dishonest)                                                           \
  { name, words, offsetof(struct fm_metrics, field), number, dishonest }
static const struct metric_row rows[] = {
    ROW(image_auroc, "picture AUROC", "how often a flawed picture scores higher than a good one", false,
        false),
    ROW(image_ap, "picture AP", "precision over all recalls: flawed pictures first in the ranking", false,
        false),
    ROW(pixel_auroc, "pixel AUROC", "how often a flawed pixel scores higher than a normal one", false, false),
    ROW(pixel_ap, "pixel AP", "precision over all recalls; hard, because few pixels are flawed", false,
        false),
    ROW(aupro_30, "AUPRO up to 30 %", "share of each flawed region that is covered, small ones count as much",
        false, false),
    ROW(aupro_05, "AUPRO up to 5 %", "the same with at most 5 % of the normal pixels flagged", false, false),
    ROW(aupro_cdo1, "AUPRO, CDO 2023", "as the script of the 2023 paper computed it", false, false),
    ROW(image_f1, "best picture F1", "needs the answers to choose its threshold", false, true),
    ROW(image_f1_threshold, "at score", "", true, true),
    ROW(pixel_f1, "best pixel F1", "needs the masks to choose its threshold", false, true),
    ROW(pixel_f1_threshold, "at score", "", true, true),
    ROW(pixel_iou, "IoU there", "overlap of found and true pixels", false, true),
};
#undef ROW

static void put_value(struct fm_text *page, const struct metric_row *row, const struct fm_metrics *m) {
  double value;
  memcpy(&value, (const char *)m + row->offset, sizeof value);
  if (row->number && isfinite(value))
    fm_text_printf(page, "<td class=\"n\">%.4g</td>", value);
  else
    put_percent(page, value);
}

static void put_metrics(struct fm_text *page, const struct fm_section *s) {
  fm_text_append(page, "<div class=\"scroll\"><table>\n<tr><th>percent</th>");
  fm_html_wrap(page, "<th class=\"n\">", s->size_official ? s->size_official : "own size", "</th>");
  if (s->has_cdo1)
    fm_html_wrap(page, "<th class=\"n\">", s->size_cdo1 ? s->size_cdo1 : "training size", "</th>");
  fm_text_append(page, "<th>in words</th></tr>\n");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const struct metric_row *row = &rows[i];
    fm_text_printf(page, "<tr%s><td>%s%s</td>", row->dishonest ? " class=\"aside\"" : "", row->name,
                   row->dishonest && !row->number ? " &dagger;" : "");
    put_value(page, row, &s->official);
    if (s->has_cdo1) put_value(page, row, &s->cdo1);
    fm_text_printf(page, "<td class=\"small soft\">%s</td></tr>\n", row->words);
  }
  char why[240];
  fm_metrics_missing(&s->official, why);
  fm_text_append(page, "</table></div>\n");
  if (*why) fm_html_wrap(page, "<p class=\"small\">", why, "</p>\n");
  fm_text_append(page, "<p class=\"small soft\">&dagger; Not honest as a promise: the threshold was "
                       "chosen on the test pictures with their answers. In use nobody knows them.</p>\n");
}

static enum fm_status put_plots(struct fm_text *page, const struct fm_section *s,
                                const struct fm_record **order, const struct fm_histogram *pixels) {
  struct fm_plot_dot *dot = fm_alloc(s->ctx, s->count, sizeof *dot);
  if (!dot) return FM_MEMORY;
  for (size_t i = 0; i < s->count; i++)
    dot[i] = (struct fm_plot_dot){order[i]->kind, order[i]->name, order[i]->score, order[i]->flawed};
  fm_text_append(page, "<div class=\"plots\">\n<figure>\n");
  fm_plot_pictures(page, s->count, dot, s->image.value, s->official.image_f1_threshold);
  fm_text_append(page, "<figcaption>Every picture a dot, by its score.</figcaption></figure>\n<figure>\n");
  fm_plot_pixels(page, pixels, s->pixel.value, s->official.pixel_f1_threshold);
  fm_text_append(page, "<figcaption>How many <span style=\"color:var(--good)\">normal</span> and <span "
                       "style=\"color:var(--flaw)\">flawed</span> pixels have a score; each line of the grid "
                       "is ten times more.</figcaption></figure>\n</div>\n");
  fm_free(s->ctx, dot);
  return FM_OK;
}

enum fm_status fm_page_section(struct fm_text *page, const struct fm_section *s, size_t number,
                               const struct fm_histogram *pixels, size_t shown) {
  const struct fm_record **order;
  FM_TRY(fm_cards_order(s, &order));
  fm_text_printf(page, "<section id=\"c%zu\">\n", number);
  fm_html_wrap(page, "<h2>", s->name, "</h2>\n");
  if (s->warning) fm_html_wrap(page, "<p class=\"note\"><b>", s->warning, "</b></p>\n");
  fm_page_facts(page, &s->facts);
  put_verdicts(page, &s->tally);
  put_threshold(page, s);
  fm_cards_mistakes(page, s, order, number);
  fm_text_append(page, "<h3>Where the scores lie</h3>\n");
  enum fm_status status = put_plots(page, s, order, pixels);
  fm_text_append(page, "<h3>Metrics</h3>\n");
  put_metrics(page, s);
  fm_cards_put(page, s, order, number, shown);
  fm_text_append(page, "</section>\n");
  fm_free(s->ctx, order);
  return status == FM_OK ? page->status : status;
}
