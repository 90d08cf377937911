/* A model on the device, making maps of pictures: what is the same for every detector. The detector's own
 * part is a row of the table in method.h, which fills this struct's fields in. */
#ifndef FM_METHOD_SCORER_H
#define FM_METHOD_SCORER_H

#include "model/model.h"
#include "net/net.h"
#include "op/map.h"

struct fm_scorer {
  struct fm_device *d;
  const struct fm_model *model;
  const struct fm_method *method;
  int batch, n;        /* pictures it is made for, pictures at hand */
  struct fm_size size; /* of the pictures */
  struct fm_preprocess preprocess;
  const struct fm_adjusted *adjusted; /* [n] what the model's standard did to them; NULL: nothing */
  bool gradient;                      /* networks that go back to the picture, and slope, are there */
  struct fm_net *net[2]; /* what reads the pictures: the expert; CDO: and the apprentice; else NULL */
  int height, width;     /* the grid of cells */
  int without;           /* the picture learned from that it does without; -1: none */
  struct fm_buffer rgb, cells, slope; /* 8-bit pictures; e and d loss / d e, both [batch][height][width] */
  struct fm_buffer map, scratch;      /* [batch][size] */
  struct fm_gaussian gaussian;
  void *own; /* the detector's */
};

/* batch: pictures at a time. gradient: fm_scorer_back will be called. The model must live as long. */
enum fm_status fm_scorer_make(struct fm_device *d, const struct fm_model *model, int batch, bool gradient,
                              struct fm_scorer **scorer);
void fm_scorer_free(struct fm_scorer *s); /* NULL: nothing */

/* Maps [n][height][width] and scores [n] of n 8-bit pictures [n][height][width][3], any number: they go
 * through in batches. A score is NaN where the detector has none but the largest value of the map. adjusted
 * [n]: what the model's standard did to them; what came in by that counts for no score. It may be NULL, and
 * scores may be. */
enum fm_status fm_scorer_run(struct fm_scorer *s, int n, const unsigned char *rgb,
                             const struct fm_adjusted *adjusted, float *maps, float *scores);

/* The steps of it, all enqueued but the last. */
void fm_scorer_set_batch(struct fm_scorer *s, int n);
/* Into the networks' inputs. adjusted must live until fm_scorer_read. */
enum fm_status fm_scorer_load(struct fm_scorer *s, int n, const unsigned char *rgb,
                              const struct fm_adjusted *adjusted);
void fm_scorer_cells(struct fm_scorer *s); /* the inputs through the networks to s->cells */
void fm_scorer_map(struct fm_scorer *s);   /* s->cells to s->map */
enum fm_status fm_scorer_read(struct fm_scorer *s, int n, float *maps, float *scores);

/* For a method's picture: which cells of a grid over picture i at hand count for its score
 * (data/standard.h). false: all of them do, and covered [grid] is not written. */
bool fm_scorer_covered(const struct fm_scorer *s, int i, struct fm_size grid, unsigned char *covered);

/* The map where a method has none of its own: the cells (their roots) enlarged and smoothed. */
void fm_scorer_enlarge(struct fm_scorer *s);

/* From now on the pictures at hand change at `count` cells only (places in s->cells), -1: anywhere. For the
 * others a detector that searches keeps what it found in the last fm_scorer_cells. */
enum fm_status fm_scorer_attend(struct fm_scorer *s, int count, const int *cell);

/* From now on the pictures at hand are one that the model learned from, number `picture` of them, and their
 * cells are scored as if it had not; -1: no longer. FM_USAGE where the method cannot. */
enum fm_status fm_scorer_without(struct fm_scorer *s, int picture);

/* After fm_scorer_cells, with s->slope = d loss / d e: d loss / d input of every network, in
 * fm_net_input_gradient(s->net[i]), on the scale of normalised pictures. */
void fm_scorer_back(struct fm_scorer *s);

/* For begin: the expert (and CDO's apprentice) as a network of the right kind. */
enum fm_status fm_scorer_net(struct fm_scorer *s, int which, const struct fm_weights *weights);

#endif
