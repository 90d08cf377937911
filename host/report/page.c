/* The page: its top, a section a category, its end. */
#include "report/record.h"

#include "base/memory.h"
#include "report/html.h"

#include <math.h>
#include <stdio.h>
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

/* address: where the first cell leads. */
static void begin_overview_row(struct fm_text *page, const char *address, const char *name) {
  fm_text_append(page, "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\"><a href=\"");
  fm_text_append(page, address);
  fm_html_wrap(page, "\">", name, "</a></th>");
}

static void begin_overview(struct fm_text *page, const char *first) {
  static const char *const heading[] = {"flaws found", "false alarms", "picture AUROC",
                                        "pixel AUROC", "pixel AP",     "AUPRO 30 %"};
  fm_text_printf(page,
                 "<table class=\"stack\" role=\"table\">\n<thead role=\"rowgroup\"><tr role=\"row\"><th "
                 "role=\"columnheader\" scope=\"col\">%s</th>",
                 first);
  for (size_t i = 0; i < sizeof heading / sizeof *heading; i++)
    fm_text_printf(page, "<th role=\"columnheader\" scope=\"col\" class=\"n\">%s</th>", heading[i]);
  fm_text_append(page, "</tr></thead>\n<tbody role=\"rowgroup\">\n");
}

static void end_overview(struct fm_text *page) {
  fm_text_append(
      page, "</tbody></table>\n<p class=\"small soft\">AUROC, AP and AUPRO in percent, at the pictures' own "
            "size; the best possible is 100. <a href=\"#words\">What the words mean</a>.</p>\n");
}

void fm_page_overview(struct fm_text *page, const struct fm_section *section, size_t count,
                      const struct fm_metrics *mean) {
  struct fm_report_tally all = {0};
  begin_overview(page, "category");
  for (size_t i = 0; i < count; i++) {
    const struct fm_report_tally *t = &section[i].tally;
    char address[32];
    snprintf(address, sizeof address, "#c%zu", i + 1);
    begin_overview_row(page, address, section[i].name);
    put_overview_row(page, &section[i].official, t);
    all = (struct fm_report_tally){all.found + t->found, all.missed + t->missed, all.passed + t->passed,
                                   all.alarms + t->alarms};
  }
  fm_text_append(page, "<tr role=\"row\" class=\"mean\"><th role=\"rowheader\" scope=\"row\">mean, sum</th>");
  put_overview_row(page, mean, &all);
  end_overview(page);
}

void fm_report_models(struct fm_text *page, const struct fm_report_model *model, size_t count) {
  fm_html_begin(page, "flawmap comparison");
  fm_text_append(
      page, "<h1>flawmap comparison</h1>\n<p>The same pictures, seen by several models. A name leads to that "
            "model's own page.</p>\n");
  begin_overview(page, "model");
  for (size_t i = 0; i < count; i++) {
    struct fm_text address;
    fm_text_begin(&address, page->ctx);
    fm_html_path(&address, model[i].name);
    fm_text_append(&address, "/report.html");
    if (address.status == FM_OK)
      begin_overview_row(page, address.chars, model[i].name);
    else
      page->status = address.status;
    fm_text_free(&address);
    put_overview_row(page, &model[i].metrics, &model[i].tally);
  }
  end_overview(page);
  fm_page_end(page, &(struct fm_fact_list){0});
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
