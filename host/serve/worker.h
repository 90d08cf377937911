/* The threads that do the work: some that decode pictures, and one for every device that scores them in
 * batches. A device is only ever used by its own thread. */
#ifndef FM_SERVE_WORKER_H
#define FM_SERVE_WORKER_H

#include "serve/figures.h"
#include "serve/queue.h"
#include "serve/recent.h"

struct fm_crew;

struct fm_crew_options {
  struct fm_queue *queue;
  struct fm_figures *figures;
  struct fm_recent *recent;
  struct fm_device *const *devices;
  int workers;        /* devices */
  int preparing;      /* threads that decode */
  size_t most_pixels; /* of a picture */
};

enum fm_status fm_crew_start(struct fm_context *ctx, const struct fm_crew_options *options,
                             struct fm_crew **crew);

/* FM_DEVICE once a device has failed, which no batch survives: the message is in the context. */
enum fm_status fm_crew_status(const struct fm_crew *crew);

/* Waits until all that was accepted is finished; the queue is closed before. */
void fm_crew_end(struct fm_crew *crew); /* NULL: nothing */

#endif
