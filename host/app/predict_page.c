#include "app/predict_page.h"

#include "app/evaluate.h"
#include "base/memory.h"
#include "refine/f2pad.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static enum fm_status begin(struct fm_device *d, const struct fm_model *model,
                            const struct fm_results *results, bool single, struct fm_predict_page *page) {
  const struct fm_fact facts[] = {{"scored on", fm_device_facts(d)->name}, {"flawmap", fm_version()}};
  const struct fm_report_head head = {.folder = results->folder,
                                      .title = "flawmap prediction",
                                      .facts = facts,
                                      .fact_count = sizeof facts / sizeof *facts,
                                      .single_file = single,
                                      .no_overlays = !results->wanted[FM_RESULT_OVERLAY],
                                      .page_only = true};
  struct fm_model_facts known;
  fm_model_facts(model, &known);
  const struct fm_report_category category = {.name =
                                                  *model->data.category ? model->data.category : "pictures",
                                              .warning = model->expert.trained ? NULL : FM_UNTRAINED,
                                              .pictures = page->count,
                                              .blind = true,
                                              .rule = results->rule,
                                              .heat = results->heat,
                                              .facts = known.fact,
                                              .fact_count = known.count};
  FM_TRY(fm_report_open(page->ctx, &head, &page->report));
  return fm_report_category_begin(page->report, &category);
}

enum fm_status fm_predict_page_open(struct fm_device *d, const struct fm_model *model,
                                    const struct fm_results *results, size_t count, bool single,
                                    struct fm_predict_page *page) {
  const double own = model->has_thresholds ? model->pixel.value : NAN;
  *page = (struct fm_predict_page){.ctx = fm_device_context(d),
                                   .results = results,
                                   .count = count,
                                   .base_heat = fm_heat_make(model->has_thresholds ? 0 : NAN, own, 2 * own)};
  page->drawn = fm_alloc(page->ctx, count, sizeof(void *));
  return page->drawn ? begin(d, model, results, single, page) : FM_MEMORY;
}

/* A picture's folder is its kind on the page. What is drawn of it needs its map and its repaired self as a
 * whole. */
static enum fm_status draw(struct fm_predict_page *page, struct fm_context *ctx,
                           const struct fm_score_item *item, const struct fm_image *image, char *name,
                           float *map, struct fm_image *repaired) {
  const struct fm_score_one *one = &item->one;
  char *slash = strrchr(name, '/');
  if (slash) *slash = 0;
  struct fm_report_picture p = {.kind = slash ? name : "",
                                .name = slash ? slash + 1 : name,
                                .image = image,
                                .map = map,
                                .score = (double)one->score,
                                .adjusted = item->adjusted};
  for (int y = 0; y < one->height; y++) fm_score_map_row(&one->map, y, map + (size_t)y * (size_t)one->width);
  if (repaired->pixels) {
    FM_TRY(fm_repaired_enlarge(ctx, &page->results->preprocess, one->rgb, one->repaired, image->pixels,
                               one->width, one->height, repaired->pixels));
    p.repaired = repaired;
    p.base = one->base;
    p.base_width = one->size.width;
    p.base_height = one->size.height;
    p.base_heat = &page->base_heat;
  }
  return fm_report_draw(page->report, ctx, &p, &page->drawn[item->index]);
}

enum fm_status fm_predict_page_draw(struct fm_predict_page *page, struct fm_context *ctx,
                                    const struct fm_score_item *item) {
  if (!page->report) return FM_OK;
  const struct fm_score_one *one = &item->one;
  const size_t pixels = (size_t)one->width * (size_t)one->height;
  const bool mend = one->repaired && page->results->wanted[FM_RESULT_REPAIRED];
  struct fm_image room = {0}, repaired = {.width = one->width, .height = one->height, .channels = 3};
  const struct fm_image *image;
  char *name = fm_strdup(ctx, item->sample->name);
  float *map = fm_alloc(ctx, pixels, sizeof *map);
  if (mend) repaired.pixels = fm_alloc(ctx, pixels, 3);
  enum fm_status status = name && map && (repaired.pixels || !mend) ? FM_OK : FM_MEMORY;
  if (status == FM_OK) status = fm_score_image(ctx, item, &room, &image);
  if (status == FM_OK) status = draw(page, ctx, item, image, name, map, &repaired);
  fm_image_free(ctx, &room);
  fm_free(ctx, repaired.pixels);
  fm_free(ctx, map);
  fm_free(ctx, name);
  return status;
}

enum fm_status fm_predict_page_take(struct fm_predict_page *page, size_t index) {
  if (!page->report || !page->drawn[index]) return FM_OK;
  struct fm_record *drawn = page->drawn[index];
  page->drawn[index] = NULL;
  return fm_report_take(page->report, drawn);
}

enum fm_status fm_predict_page_close(struct fm_predict_page *page, size_t unread) {
  if (!page->report) return FM_OK;
  if (unread) {
    char text[120];
    snprintf(text, sizeof text, "%zu picture%s could not be read or written and %s not here", unread,
             unread == 1 ? "" : "s", unread == 1 ? "is" : "are");
    FM_TRY(fm_report_warn(page->report, text));
  }
  FM_TRY(fm_report_category_end(page->report, NULL, NULL));
  return fm_report_close(page->report);
}

void fm_predict_page_free(struct fm_predict_page *page) {
  if (!page->ctx) return;
  for (size_t i = 0; page->drawn && i < page->count; i++) fm_record_free(page->ctx, page->drawn[i]);
  fm_free(page->ctx, page->drawn);
  fm_report_free(page->report);
}
