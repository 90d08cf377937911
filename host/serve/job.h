/* A picture on its way through the service: accepted by a source (HTTP, a folder), decoded by a preparing
 * thread, scored in a batch by a device's worker, and given back to its source. */
#ifndef FM_SERVE_JOB_H
#define FM_SERVE_JOB_H

#include "report/results.h"
#include "serve/models.h"

struct fm_job_file { /* a result as bytes; NULL: not wanted, or not there */
  unsigned char *bytes;
  size_t size;
};

struct fm_job {
  struct fm_context ctx;   /* its own: what goes wrong with one picture is no other's matter */
  struct fm_served *model; /* held; NULL: it is only drawn */
  const char *source;      /* "http", "folder" */
  char *name;              /* what whoever sent it calls it; the job's */
  unsigned char *bytes;    /* of its file, the job's */
  size_t size;
  bool wanted[FM_RESULTS];   /* as bytes, in file */
  double received, deadline; /* of fm_seconds; deadline 0: none */

  /* Instead of being scored it is only decoded, and this is called with it; NULL: scored. */
  enum fm_status (*draw)(struct fm_job *job);

  /* When it is decoded: */
  struct fm_image image; /* RGB */
  unsigned char *rgb;    /* as the network sees it; NULL where that comes in tiles */
  struct fm_adjusted adjusted;
  double ready;

  /* When it is done: ctx.status and ctx.message where it failed. */
  bool late; /* its deadline passed before its turn */
  char id[40];
  char *json; /* an object: what predict says of it, its model and its id */
  bool flagged;
  struct fm_job_file file[FM_RESULTS];

  /* Called while the maps are there, by several threads at once; NULL: nothing. */
  enum fm_status (*work)(struct fm_job *job, const struct fm_score_item *item,
                         const struct fm_verdict *found);
  /* Called once, whatever became of it, by any thread; the job is the source's again. */
  void (*done)(struct fm_job *job);
  void *user;

  struct fm_job *next; /* the queue's */
  size_t held;         /* bytes of decoded pictures, as the queue counts them */
};

/* bytes become the job's in any case. *job NULL: no memory. */
struct fm_job *fm_job_make(struct fm_context *root, struct fm_served *model, const char *name,
                           unsigned char *bytes, size_t size);
void fm_job_free(struct fm_job *job); /* NULL: nothing; gives the model back */

/* What a preparing thread does: decodes within most_pixels, and fits it for the network. The status is the
 * job's. */
enum fm_status fm_job_prepare(struct fm_job *job, size_t most_pixels);

#endif
