/* The models of the service, by name. A model's file that changed is loaded and tried on every device first;
 * then it takes the old one's place between two batches, and pictures that were accepted before are still
 * scored by the old one. A bad file is refused, and the old model stays. */
#ifndef FM_SERVE_MODELS_H
#define FM_SERVE_MODELS_H

#include "report/results.h"

#include <time.h>

enum { FM_SERVE_WORKERS = 16, FM_SERVE_MODELS = 64, FM_SERVE_NAME = 64 };

struct fm_queue;

struct fm_served { /* a version of a model */
  struct fm_context ctx;
  const char *name;
  struct fm_model model;
  bool refine;
  struct fm_results results; /* its thresholds and colours */
  struct fm_preprocess preprocess;
  int at_once;  /* pictures in a batch; 1: of those it sees in tiles */
  long version; /* 1, 2, ... */
  time_t since;
  struct fm_score_batch *scorer[FM_SERVE_WORKERS]; /* of each worker, used on its thread only */
  atomic_long holders;
};

void fm_served_release(struct fm_served *served); /* NULL: nothing */

struct fm_models_options {
  const char *const *given; /* [count] FILE or NAME=FILE */
  int count;
  const char *weights; /* of thin models */
  bool untrained;      /* models with an untrained expert are accepted */
  enum fm_switch refine;
  int batch;       /* pictures at a time at most */
  size_t min_area; /* pixels of a region that counts */
};

struct fm_models;

/* Only names and files are looked at: FM_USAGE for a name twice, or one with other characters than letters,
 * digits, dot, dash and underscore. A file without a name has its own, without the extension. */
enum fm_status fm_models_make(struct fm_context *ctx, const struct fm_models_options *options,
                              struct fm_models **models);
/* Once the workers have ended. */
void fm_models_free(struct fm_models *models); /* NULL: nothing */

/* From here on they are loaded by fm_models_look; devices [workers] are those of the queue's workers. */
void fm_models_begin(struct fm_models *models, struct fm_queue *queue, struct fm_device *const *devices,
                     int workers);

/* Loads what is not loaded yet, what was asked for and what changed on the disk and has not changed since the
 * last look; frees what nobody holds any more. A model that cannot be loaded is FM_OK, with a note, where
 * there is an older version; else the failure. */
enum fm_status fm_models_look(struct fm_models *models);

/* The model of that name, NULL: the only one. It is held until fm_served_release. NULL where there is none
 * (yet). */
struct fm_served *fm_models_hold(struct fm_models *models, const char *name);

/* At the next look its file is loaded, changed or not; false: there is no such model. */
bool fm_models_reload(struct fm_models *models, const char *name);

/* Their names in the order given; returns how many. */
int fm_models_names(const struct fm_models *models, const char *names[FM_SERVE_MODELS]);

bool fm_models_ready(struct fm_models *models); /* all are loaded */

/* Calls it for every model that is loaded, in the order given; error: why its file's last change was refused,
 * or "". */
void fm_models_each(struct fm_models *models,
                    void (*each)(void *user, const struct fm_served *served, const char *error), void *user);

#endif
