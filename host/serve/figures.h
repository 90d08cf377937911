/* What the service counts, in Prometheus' text format. */
#ifndef FM_SERVE_FIGURES_H
#define FM_SERVE_FIGURES_H

#include "base/text.h"
#include "serve/queue.h"

enum fm_refused { /* requests that did not become a job */
                  FM_REFUSED_FULL,
                  FM_REFUSED_SIZE,
                  FM_REFUSED_TOKEN,
                  FM_REFUSED_SLOW,
                  FM_REFUSED_OTHER,
                  FM_REFUSALS
};

struct fm_figures;

enum fm_status fm_figures_make(struct fm_context *ctx, struct fm_figures **figures);
void fm_figures_free(struct fm_figures *figures); /* NULL: nothing */

/* Each by any thread. */
void fm_figures_job(struct fm_figures *figures, const struct fm_job *job);       /* it is done */
void fm_figures_batch(struct fm_figures *figures, int pictures, double seconds); /* it was scored */
void fm_figures_refused(struct fm_figures *figures, enum fm_refused why);

/* Appends all of them. */
void fm_figures_write(struct fm_figures *figures, struct fm_queue *queue, struct fm_models *models,
                      struct fm_text *text);

#endif
