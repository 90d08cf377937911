/* The figures of an evaluation: metrics with what they say in words, and the curves that they come from. */
#include "report/record.h"

#include "base/memory.h"
#include "report/html.h"
#include "report/table.h"

#include <math.h>
#include <stdlib.h>

/* ---- the table ---- */

void fm_figures_percent(struct fm_text *page, const char *label, double value) {
  char percent[16];
  fm_metrics_percent(percent, value);
  fm_text_printf(page, "<td role=\"cell\" class=\"n\" data-label=\"%s\">%s</td>", label,
                 isnan(value) ? "&ndash;" : percent);
}

struct metric_row {
  const char *name, *word, *says; /* word: its entry among the words */
  size_t offset;
  bool number, dishonest;
};

#define ROW(field, name, word, says, number, dishonest)                                                      \
  { name, word, says, offsetof(struct fm_metrics, field), number, dishonest }
static const struct metric_row rows[] = {
    ROW(image_auroc, "picture AUROC", "auroc", "how often a flawed picture scores higher than a good one",
        false, false),
    ROW(image_ap, "picture AP", "ap",
        "how few good pictures stand among the flawed ones when all are sorted by score", false, false),
    ROW(pixel_auroc, "pixel AUROC", "auroc", "how often a flawed pixel scores higher than a normal one",
        false, false),
    ROW(pixel_ap, "pixel AP", "ap", "the same for pixels; hard, because few of them are flawed", false,
        false),
    ROW(aupro_30, "AUPRO up to 30 %", "aupro",
        "how much of each flaw is covered; small flaws count as much as large", false, false),
    ROW(aupro_05, "AUPRO up to 5 %", "aupro", "the same with at most 5 % of the normal pixels flagged", false,
        false),
    ROW(aupro_cdo1, "AUPRO, CDO 2023", "aupro", "as the script of the 2023 paper computed it", false, false),
    ROW(image_f1, "best picture F1 (not honest)", "bestf1",
        "with the threshold that the answers would choose", false, true),
    ROW(image_f1_threshold, "its threshold", "bestf1", "a score", true, true),
    ROW(pixel_f1, "best pixel F1 (not honest)", "bestf1", "with the threshold that the masks would choose",
        false, true),
    ROW(pixel_f1_threshold, "its threshold", "bestf1", "a score", true, true),
    ROW(pixel_iou, "IoU there (not honest)", "iou", "overlap of found and true pixels", false, true),
};
#undef ROW

static void put_value(struct fm_text *page, const struct metric_row *row, const struct fm_metrics *m) {
  double value = *(const double *)(const void *)((const char *)m + row->offset);
  if (row->number && isfinite(value))
    fm_text_printf(page, "<td class=\"n\">%.4g</td>", value);
  else
    fm_figures_percent(page, "", value);
}

static void put_metrics(struct fm_text *page, const struct fm_section *s) {
  fm_text_append(page, "<table class=\"figures\">\n<thead><tr><th scope=\"col\">percent</th>");
  fm_html_wrap(page, "<th scope=\"col\" class=\"n\">", s->size_official ? s->size_official : "own size",
               "</th>");
  if (s->has_cdo1)
    fm_html_wrap(page, "<th scope=\"col\" class=\"n\">", s->size_cdo1 ? s->size_cdo1 : "training size",
                 "</th>");
  fm_text_append(page, "</tr></thead>\n<tbody>\n");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const struct metric_row *row = &rows[i];
    fm_text_printf(
        page, "<tr%s><th scope=\"row\"><a href=\"#w-%s\">%s</a><span class=\"small soft\">%s</span></th>",
        row->dishonest ? " class=\"aside\"" : "", row->word, row->name, row->says);
    put_value(page, row, &s->official);
    if (s->has_cdo1) put_value(page, row, &s->cdo1);
    fm_text_append(page, "</tr>\n");
  }
  char why[240];
  fm_metrics_missing(&s->official, why);
  fm_text_append(page, "</tbody></table>\n");
  if (*why) fm_html_wrap(page, "<p class=\"small\">", why, "</p>\n");
  fm_text_append(page,
                 "<p class=\"small soft\">Not honest as a promise: such a threshold was chosen on the test "
                 "pictures with their answers. In use nobody knows them.</p>\n");
}

/* ---- the curves ---- */

static int descending(const void *a, const void *b) {
  const double p = (*(const struct fm_record *const *)a)->score,
               q = (*(const struct fm_record *const *)b)->score;
  return p > q ? -1 : p < q;
}

/* The ROC curve of pictures, a point a score; its corners. */
static void put_roc(struct fm_text *page, const struct fm_section *s) {
  const struct fm_report_tally *t = &s->tally;
  const double flawed = (double)(t->found + t->missed), good = (double)(t->passed + t->alarms);
  if (!(flawed > 0) || !(good > 0)) return;
  struct fm_record **sorted = fm_alloc(s->ctx, s->count, sizeof *sorted);
  double *x = fm_alloc(s->ctx, s->count + 1, sizeof *x), *y = fm_alloc(s->ctx, s->count + 1, sizeof *y);
  if (!sorted || !x || !y) page->status = FM_MEMORY;
  if (sorted && x && y) {
    size_t n = 1, hits = 0, alarms = 0;
    for (size_t i = 0; i < s->count; i++) sorted[i] = s->record[i];
    qsort(sorted, s->count, sizeof *sorted, descending);
    for (size_t i = 0; i < s->count; i++) {
      hits += sorted[i]->flawed;
      alarms += !sorted[i]->flawed;
      if (i + 1 < s->count && sorted[i + 1]->score == sorted[i]->score) continue;
      x[n] = (double)alarms / good;
      y[n] = (double)hits / flawed;
      /* The middle one of three in a row says nothing. */
      if (n > 1 && ((x[n] == x[n - 1] && x[n] == x[n - 2]) || (y[n] == y[n - 1] && y[n] == y[n - 2]))) {
        x[n - 1] = x[n];
        y[n - 1] = y[n];
      } else {
        n++;
      }
    }
    fm_text_append(page, "<figure class=\"roc\">\n<h4>Flaws found against false alarms (ROC)</h4>\n");
    fm_plot_curve(
        page, &(struct fm_curve){.label = "ROC curve: the share of flawed pictures that are found, for every "
                                          "share of good pictures that raise a false alarm",
                                 .x_name = "good pictures that raise a false alarm",
                                 .y_name = "flawed pictures found, at every threshold; the dot is the one "
                                           "that is set",
                                 .percent = true,
                                 .x_high = 1,
                                 .count = n,
                                 .x = x,
                                 .y = y,
                                 .filled = true,
                                 .mark_x = (double)t->alarms / good,
                                 .mark_y = (double)t->found / flawed,
                                 .line_x = NAN});
    fm_text_append(page, "</figure>\n");
  }
  fm_free(s->ctx, sorted);
  fm_free(s->ctx, x);
  fm_free(s->ctx, y);
}

static void put_pro(struct fm_text *page, const struct fm_section *s) {
  double x[FM_PRO_POINTS];
  if (!isfinite(s->official.aupro_30)) return;
  for (int i = 0; i < FM_PRO_POINTS; i++) x[i] = fm_pro_rate(i);
  fm_text_append(page, "<figure>\n<h4>Flaws covered against normal pixels flagged (PRO)</h4>\n");
  fm_plot_curve(
      page, &(struct fm_curve){.label = "PRO curve: the part of each flaw that is covered, on average, for "
                                        "every share of normal pixels that are flagged, up to 30 percent",
                               .x_name = "normal pixels that are flagged; dashed: 5 %",
                               .y_name = "the part of each flaw that is covered, on average",
                               .percent = true,
                               .x_high = 0.3,
                               .count = FM_PRO_POINTS,
                               .x = x,
                               .y = s->official.pro,
                               .filled = true,
                               .mark_x = NAN,
                               .mark_y = NAN,
                               .line_x = 0.05});
  fm_text_append(page, "</figure>\n");
}

static void put_pixels(struct fm_text *page, const struct fm_section *s, const struct fm_histogram *pixels) {
  if (!pixels->total[0] && !pixels->total[1]) return;
  fm_text_append(page, "<figure>\n<h4>Scores of the pixels</h4>\n");
  fm_plot_pixels(page, pixels, s->pixel.value, s->official.pixel_f1_threshold);
  fm_text_append(
      page, "<figcaption>How many <span class=\"good\">normal</span> and <span class=\"flaw\">flawed</span> "
            "pixels have a score; each line of the grid is ten times more.</figcaption></figure>\n");
}

void fm_figures_put(struct fm_text *page, const struct fm_section *s, const struct fm_histogram *pixels) {
  put_metrics(page, s);
  fm_text_append(page, "<div class=\"plots\">\n");
  put_roc(page, s);
  put_pro(page, s);
  put_pixels(page, s, pixels);
  fm_text_append(page, "</div>\n");
}
