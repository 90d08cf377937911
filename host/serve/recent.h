/* The pictures that were scored last, as long as there is room for them: what the page at / shows. Each keeps
 * its file's bytes and the network's map, from which its overlay is drawn when somebody asks for it; nothing
 * is drawn for nobody. */
#ifndef FM_SERVE_RECENT_H
#define FM_SERVE_RECENT_H

#include "base/text.h"
#include "serve/job.h"

struct fm_recent_picture {
  struct fm_context *ctx;
  atomic_long holders;
  char id[40];
  unsigned long number; /* 1, 2, ... in the order they were scored */
  char *name, *json;    /* json: an object */
  unsigned char *bytes; /* of its file */
  size_t size, all_bytes;
  char model[FM_SERVE_NAME + 1];
  struct fm_results results;
  struct fm_preprocess preprocess; /* without the standard */
  struct fm_size map_size;
  float *map;                    /* [map_size] */
  unsigned char *repaired, *rgb; /* [map_size][3]; NULL: it was not sharpened */
  float score, peak;
  int width, height;
};

struct fm_recent;

/* added: called whenever a picture was added, by any thread. */
enum fm_status fm_recent_make(struct fm_context *ctx, size_t most_bytes, struct fm_recent **recent);
void fm_recent_free(struct fm_recent *recent); /* NULL: nothing */
void fm_recent_listen(struct fm_recent *recent, void (*added)(void *user), void *user);

/* A new id: letters, digits and a dash; of no other picture, in no other run of the service. */
void fm_recent_name(struct fm_recent *recent, char id[40]);

/* Takes the bytes of a job that was scored. What there is no memory for is not kept. */
void fm_recent_add(struct fm_recent *recent, struct fm_job *job, const struct fm_score_item *item);

/* NULL: it is not there (any more). Held until fm_recent_release. */
struct fm_recent_picture *fm_recent_hold(struct fm_recent *recent, const char *id);
void fm_recent_release(struct fm_recent_picture *picture);

/* Appends at most `most` pictures after the one of that number, the oldest first, as events (id and data),
 * or as values of a JSON array. Returns the number of the last. */
enum fm_recent_form { FM_RECENT_EVENTS, FM_RECENT_ARRAY };
unsigned long fm_recent_write(struct fm_recent *recent, unsigned long after, size_t most,
                              enum fm_recent_form form, struct fm_text *text);
unsigned long fm_recent_last(struct fm_recent *recent); /* 0: none yet */

#endif
