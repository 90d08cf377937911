#include "report/table.h"

#include "score/folder.h"

#include <math.h>
#include <stdio.h>

void fm_metrics_json(struct fm_json *json, const struct fm_metrics *metrics) {
#define MEMBER(field, key) fm_json_number(json, key, metrics->field);
  FM_METRICS_LIST(MEMBER)
#undef MEMBER
}

void fm_metrics_percent(char out[16], double value) {
  snprintf(out, 16, isnan(value) ? "-" : "%.2f", 100 * value);
}

static void row(struct fm_text *text, const char *name, double picture, double pixel) {
  char a[16], b[16];
  fm_metrics_percent(a, picture);
  fm_metrics_percent(b, pixel);
  fm_text_printf(text, "  %-30s %9s %9s\n", name, a, b);
}

static void row_pixel(struct fm_text *text, const char *name, double pixel) {
  char b[16];
  fm_metrics_percent(b, pixel);
  fm_text_printf(text, "  %-30s %9s %9s\n", name, "", b);
}

void fm_metrics_missing(const struct fm_metrics *m, char out[240]) {
  const char *why = "";
  if (!m->flawed && !m->good)
    why = "";
  else if (!m->flawed)
    why =
        "there is no flawed picture, so nothing could be found: figures of pictures and of pixels need some";
  else if (!m->good && !m->marked)
    why = "all pictures are flawed, and no masks show where: figures of pictures need good pictures, too, "
          "those of pixels need masks";
  else if (!m->good)
    why = "all pictures are flawed: figures of pictures need good ones, too";
  else if (!m->marked)
    why = "no masks show where the flaws are, so there are no figures of pixels";
  else if (m->sizes)
    why = "the pictures are of several sizes, which CDO's script of 2023 does not know";
  snprintf(out, 240, "%s%s", *why ? "-: " : "", why);
}

void fm_metrics_table(struct fm_text *text, const struct fm_metrics *m) {
  fm_text_printf(text, "  %-30s %9s %9s\n", "percent", "picture", "pixel");
  row(text, "AUROC", m->image_auroc, m->pixel_auroc);
  row(text, "average precision", m->image_ap, m->pixel_ap);
  row_pixel(text, "AUPRO up to 30 %", m->aupro_30);
  row_pixel(text, "AUPRO up to 5 %", m->aupro_05);
  row_pixel(text, "AUPRO as CDO's script of 2023", m->aupro_cdo1);
  row(text, "best F1 *", m->image_f1, m->pixel_f1);
  row_pixel(text, "IoU at the best F1 *", m->pixel_iou);
  if (isfinite(m->image_f1_threshold) || isfinite(m->pixel_f1_threshold)) {
    char a[16] = "-", b[16] = "-";
    if (isfinite(m->image_f1_threshold)) snprintf(a, sizeof a, "%.4g", m->image_f1_threshold);
    if (isfinite(m->pixel_f1_threshold)) snprintf(b, sizeof b, "%.4g", m->pixel_f1_threshold);
    fm_text_printf(text, "  %-30s %9s %9s\n", "its threshold (score) *", a, b);
  }
  char why[240];
  fm_metrics_missing(m, why);
  if (*why) fm_text_printf(text, "  %s\n", why);
  fm_text_append(text, "  * the threshold was chosen with the masks: a bound, not what to expect in use\n");
}

enum fm_status fm_metrics_command(struct fm_context *ctx, const char *maps, const char *data, bool json,
                                  char **printed) {
  *printed = NULL;
  struct fm_score_folder found;
  FM_TRY(fm_score_folder(ctx, maps, data, &found));
  struct fm_text text;
  fm_text_begin(&text, ctx);
  if (json) {
    struct fm_json j;
    fm_json_begin(&j, &text, true);
    fm_json_object(&j, NULL);
    fm_metrics_json(&j, &found.metrics);
    fm_json_end(&j);
  } else {
    fm_text_printf(&text, "%zu pictures of %zu kind%s, %zu of them flawed\n", found.pictures, found.kinds,
                   found.kinds == 1 ? "" : "s", found.flawed);
    fm_metrics_table(&text, &found.metrics);
  }
  return fm_text_take(&text, printed, NULL);
}
