/* Notes and progress, all to stderr; results go to stdout and are not the log's business. */
#ifndef FM_BASE_LOG_H
#define FM_BASE_LOG_H

#include "base/status.h"

#include <time.h>

/* One line to the context's listener, else to stderr unless ctx->quiet. */
void fm_note(struct fm_context *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* True where FLAWMAP_VERBOSE (a comma-separated list: build,cache,choose,memory,launch,profile,graph) names
 * topic. */
bool fm_verbose(const char *topic);

/* Seconds of a clock that never goes back. */
double fm_seconds(void);

/* "3.2 s", "4 min 10 s", "2 h 5 min" into out. */
void fm_duration(double seconds, char out[32]);

/* "2026-01-31T17:05:09Z" into out. */
void fm_utc(time_t when, char out[24]);

/* Progress of work of `total` equal steps: a bar redrawn on a terminal, a line every ten seconds elsewhere,
 * nothing for work under two seconds; every step to a listener. Text names the work ("training bottle"). */
struct fm_progress {
  struct fm_context *ctx;
  const char *text;
  double begin, shown, stepped; /* the last one: when the last step ended */
  long total, done;
  double seconds; /* of the steps that tell how long the others will take */
  long steps;     /* how many those were */
  long firsts;    /* of the context, at the last step */
  bool bar, visible;
  char detail[96]; /* put by the owner before a step: "loss 0.0123" */
};
/* first: steps already done before the start (a resumed run); they do not count for the time left. */
void fm_progress_begin(struct fm_progress *p, struct fm_context *ctx, const char *text, long first,
                       long total);
/* Steps in which the context's count of firsts grew (kernels were compiled) take far longer than those to
 * come, and do not count for the time left. */
void fm_progress_step(struct fm_progress *p, long steps);
/* Seconds that the remaining steps will take; below 0: nothing is known yet. */
double fm_progress_left(const struct fm_progress *p);
/* Something slow is done for the first time in ctx: the step that is going on tells nothing about the others.
 */
void fm_slow_first(struct fm_context *ctx);
void fm_progress_end(struct fm_progress *p); /* clears the bar */

#endif
