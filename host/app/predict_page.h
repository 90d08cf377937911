/* `flawmap predict --report`: the page of pictures nobody has looked at (report/report.h, blind). */
#ifndef FM_APP_PREDICT_PAGE_H
#define FM_APP_PREDICT_PAGE_H

#include "device/device.h"
#include "report/report.h"
#include "report/results.h"

struct fm_predict_page {
  struct fm_context *ctx;
  const struct fm_results *results;
  struct fm_report *report; /* NULL: no page is wanted, and everything below does nothing */
  struct fm_record **drawn; /* [count] */
  struct fm_heat base_heat;
  size_t count;
};

/* The page in the results' folder, for so many pictures. single: with its small pictures inside. */
enum fm_status fm_predict_page_open(struct fm_device *d, const struct fm_model *model,
                                    const struct fm_results *results, size_t count, bool single,
                                    struct fm_predict_page *page);
/* Memory that drawing takes: bytes a pixel of the picture. */
enum { FM_PREDICT_PAGE_BYTES = 24 };
/* By several threads at once; errors into ctx. */
enum fm_status fm_predict_page_draw(struct fm_predict_page *page, struct fm_context *ctx,
                                    const struct fm_score_item *item);
/* In the order of the page, of a picture that was drawn. */
enum fm_status fm_predict_page_take(struct fm_predict_page *page, size_t index);
/* Writes it; unread: how many pictures are not on it because they could not be read. */
enum fm_status fm_predict_page_close(struct fm_predict_page *page, size_t unread);
void fm_predict_page_free(struct fm_predict_page *page); /* always, also after a failure */

#endif
