/* The page: its top, a section a category, its end. */
#include "report/record.h"

#include "base/memory.h"
#include "report/html.h"

#include <math.h>
#include <string.h>

static void put_facts(struct fm_text *page, const char *title, const struct fm_fact_list *facts) {
  if (!facts->count) return;
  fm_html_wrap(page, "<details class=\"facts\"><summary>", title, "</summary>\n<dl>\n");
  for (size_t i = 0; i < facts->count; i++) {
    fm_html_wrap(page, "<div><dt>", facts->name[i], "</dt>");
    fm_html_wrap(page, "<dd>", facts->value[i], "</dd></div>\n");
  }
  fm_text_append(page, "</dl>\n</details>\n");
}

static void put_count(struct fm_text *page, const char *label, size_t n, size_t of) {
  fm_text_printf(page, "<td role=\"cell\" class=\"n\" data-label=\"%s\">%zu of %zu</td>", label, n, of);
}

static void put_overview_row(struct fm_text *page, const struct fm_metrics *m,
                             const struct fm_report_tally *t) {
  put_count(page, "flaws found", t->found, t->found + t->missed);
  put_count(page, "false alarms", t->alarms, t->alarms + t->passed);
  fm_figures_percent(page, "picture AUROC", m->image_auroc);
  fm_figures_percent(page, "pixel AUROC", m->pixel_auroc);
  fm_figures_percent(page, "pixel AP", m->pixel_ap);
  fm_figures_percent(page, "AUPRO 30 %", m->aupro_30);
  fm_text_append(page, "</tr>\n");
}

void fm_page_overview(struct fm_text *page, const struct fm_section *section, size_t count,
                      const struct fm_metrics *mean) {
  static const char *const heading[] = {"flaws found", "false alarms", "picture AUROC",
                                        "pixel AUROC", "pixel AP",     "AUPRO 30 %"};
  fm_text_append(page, "<table class=\"stack\" role=\"table\">\n<thead role=\"rowgroup\"><tr "
                       "role=\"row\"><th role=\"columnheader\" "
                       "scope=\"col\">category</th>");
  for (size_t i = 0; i < sizeof heading / sizeof *heading; i++)
    fm_text_printf(page, "<th role=\"columnheader\" scope=\"col\" class=\"n\">%s</th>", heading[i]);
  fm_text_append(page, "</tr></thead>\n<tbody role=\"rowgroup\">\n");
  struct fm_report_tally all = {0};
  for (size_t i = 0; i < count; i++) {
    const struct fm_report_tally *t = &section[i].tally;
    fm_text_printf(page, "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\"><a href=\"#c%zu\">", i + 1);
    fm_html_wrap(page, "", section[i].name, "</a></th>");
    put_overview_row(page, &section[i].official, t);
    all = (struct fm_report_tally){all.found + t->found, all.missed + t->missed, all.passed + t->passed,
                                   all.alarms + t->alarms};
  }
  fm_text_append(page, "<tr role=\"row\" class=\"mean\"><th role=\"rowheader\" scope=\"row\">mean, sum</th>");
  put_overview_row(page, mean, &all);
  fm_text_append(
      page, "</tbody></table>\n<p class=\"small soft\">AUROC, AP and AUPRO in percent, at the pictures' own "
            "size; the best possible is 100. <a href=\"#words\">What the words mean</a>.</p>\n");
}

static void put_menu(struct fm_text *page, const struct fm_section *s, size_t number) {
  fm_text_printf(
      page, "<nav class=\"menu\" aria-label=\"Parts of this page\"><a href=\"#t%zu\">Threshold</a>", number);
  if (s->tally.missed || (s->tally.alarms && !s->blind))
    fm_text_printf(page, "<a href=\"#m%zu\">Mistakes</a>", number);
  if (!s->blind) fm_text_printf(page, "<a href=\"#f%zu\">Figures</a>", number);
  fm_text_printf(page, "<a href=\"#g%zu\">Pictures</a><a href=\"#words\">Words</a></nav>\n", number);
}

/* What the script reads of a section: its threshold, whether anybody knows the truth, where its files are. */
static void begin_section(struct fm_text *page, const struct fm_section *s, size_t number) {
  fm_text_printf(page, "<section id=\"c%zu\" data-number=\"%zu\" data-threshold=\"", number, number);
  if (isfinite(s->image.value)) fm_text_number(page, s->image.value);
  fm_text_append(page, "\" data-base=\"");
  fm_html_path(page, s->base);
  fm_text_printf(page, "\"%s%s%s>\n", s->blind ? " data-blind" : "", s->has_overlays ? " data-overlays" : "",
                 s->has_whole ? " data-whole" : "");
}

enum fm_status fm_page_section(struct fm_text *page, const struct fm_section *s, size_t number,
                               const struct fm_histogram *pixels) {
  struct fm_record **order;
  FM_TRY(fm_cards_order(s, &order));
  begin_section(page, s, number);
  fm_html_wrap(page, "<h2>", s->name, "</h2>\n");
  if (s->warning) fm_html_wrap(page, "<p class=\"note\"><b>", s->warning, "</b></p>\n");
  put_facts(page, "The model", &s->facts);
  put_menu(page, s, number);
  fm_verdicts_put(page, s, order, number);
  fm_verdicts_kinds(page, s, order);
  fm_cards_mistakes(page, s, order, number);
  if (!s->blind) {
    fm_text_printf(page, "<h3 id=\"f%zu\">Figures</h3>\n", number);
    fm_figures_put(page, s, pixels);
  }
  fm_cards_put(page, s, order, number);
  fm_text_append(page, "</section>\n");
  fm_free(s->ctx, order);
  return page->status;
}

void fm_page_end(struct fm_text *page, const struct fm_fact_list *facts) {
  fm_html_part(page, "words.html");
  put_facts(page, "How this was made", facts);
  fm_html_part(page, "viewer.html");
  fm_html_end(page);
}
