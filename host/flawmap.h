/* flawmap as a library: learn from pictures of good parts, score others.
 *
 *   struct fm_session *s;
 *   struct fm_detector *d = NULL;
 *   if (fm_session_open(NULL, &s) == 0 && fm_detector_open(s, "bottle.flawmap", NULL, &d) == 0) {
 *     struct fm_picture p = {.size = sizeof p, .width = w, .height = h, .pixels = rgb};
 *     if (fm_detector_score(d, 1, &p) == 0 && p.flagged) reject();
 *   }
 *   if (fm_session_failed(s)) puts(fm_session_message(s));
 *   fm_detector_close(d);
 *   fm_session_close(s);
 *
 * Functions that can fail return 0 or an error (enum fm_error_kind); the first failure's message, one
 * sentence, stays in the session until it is cleared. Nothing is printed and nothing ends the program. Models
 * and pictures are not trusted: what is wrong with them is an error, never a crash.
 *
 * Threads: a process may have several sessions, each used by one thread at a time; only fm_session_cancel may
 * be called by others. Sessions share nothing but the driver, and where that is PoCL before 6.0 their kernels
 * run one session after another.
 *
 * Structs begin with their size, so that they can grow: set size to sizeof the struct and what you do not
 * name to zero, which always means the default. docs/examples has whole programs. */
#ifndef FLAWMAP_H
#define FLAWMAP_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FLAWMAP_API 1 /* grows with every addition */

const char *fm_version(void); /* "0.1.0" */

enum fm_error_kind {
  FLAWMAP_OK,
  FLAWMAP_USAGE,   /* what was asked for cannot be */
  FLAWMAP_IO,      /* a file could not be read or written */
  FLAWMAP_FORMAT,  /* a file's content is not what it should be */
  FLAWMAP_LIMIT,   /* a size is over its limit */
  FLAWMAP_MEMORY,  /* out of memory */
  FLAWMAP_DEVICE,  /* the OpenCL device failed */
  FLAWMAP_NUMERIC, /* a computation left the range of numbers */
  FLAWMAP_STOPPED, /* fm_session_cancel, or a progress function that said so */
  FLAWMAP_INTERNAL /* a fault in flawmap itself */
};

/* ---- sessions ---- */

/* An OpenCL device and what is said about failures. device: NULL (the GPU with the most compute units, else
 * the CPU), an index or a part of a name, as `flawmap devices` lists them. *session is to be closed also
 * after a failure; NULL only where there is no memory for it. */
struct fm_session;
int fm_session_open(const char *device, struct fm_session **session);
void fm_session_close(struct fm_session *session); /* after its detectors; NULL: nothing */

const char *fm_session_device(const struct fm_session *session); /* the device's name; "" without one */
int fm_session_failed(const struct fm_session *session);         /* the error since the last clear; 0: none */
const char *fm_session_message(const struct fm_session *session);
/* Forgets the message and a wish to stop; a device that failed stays failed. */
void fm_session_clear(struct fm_session *session);

/* What is worth knowing (notes, warnings, results of training), a line each, without its end. NULL: nobody
 * listens. The functions below may be called by threads of the library's own, one at a time, and must call
 * nothing of the session's but fm_session_cancel. */
void fm_session_log(struct fm_session *session, void (*line)(void *user, const char *text), void *user);

/* How far long work is: `done` of `total` equal steps of what `text` names. Not 0: it shall stop. */
void fm_session_progress(struct fm_session *session,
                         int (*progress)(void *user, const char *text, long done, long total), void *user);

/* What is at work ends soon with FLAWMAP_STOPPED, with nothing half-written; training by steps leaves a
 * checkpoint to go on from (the option resume). From any thread, and from a signal handler. */
void fm_session_cancel(struct fm_session *session);

/* ---- detectors ---- */

/* A model on the device. */
struct fm_detector;

struct fm_detector_options {
  size_t size;         /* sizeof this struct */
  int at_once;         /* pictures that are scored together at most, 1 to 64: more is faster and takes more
                        * memory; 0: 1 */
  int sharpen;         /* maps sharpened to the flaws' outlines, and repaired pictures: 0 where the model
                        * learned to, 1 yes (an error where it cannot), -1 no */
  int untrained;       /* not 0: a model whose expert is untrained (random weights) may be opened */
  const char *weights; /* the expert's file, for a thin model; NULL: where `flawmap fetch` puts it */
  int has_threshold, has_pixel_threshold; /* not 0: these take the place of the model's */
  double threshold, pixel_threshold;
  long min_area; /* regions of fewer pixels are none; a picture that has no other passes */
};

/* options NULL: defaults. *detector is NULL after a failure. */
int fm_detector_open(struct fm_session *session, const char *model, const struct fm_detector_options *options,
                     struct fm_detector **detector);
/* The same of a model file's bytes, which are copied; name: for messages. */
int fm_detector_open_bytes(struct fm_session *session, const void *bytes, size_t count, const char *name,
                           const struct fm_detector_options *options, struct fm_detector **detector);
void fm_detector_close(struct fm_detector *detector); /* NULL: nothing */

/* A picture is flawed where its score is greater than the threshold, a pixel where its map is greater than
 * the pixels' threshold. NaN: the model has none. */
double fm_detector_threshold(const struct fm_detector *detector);
double fm_detector_pixel_threshold(const struct fm_detector *detector);
/* Where it comes from and what it promises, a sentence. */
const char *fm_detector_threshold_origin(const struct fm_detector *detector);

int fm_detector_sharpens(const struct fm_detector *detector); /* not 0: maps are sharpened */

/* What is known about the model: "method", "backbone", "learned from", ... 0 behind the last one. */
int fm_detector_fact(const struct fm_detector *detector, int index, const char **name, const char **value);

/* ---- pictures ---- */

enum fm_pixel_order { FLAWMAP_RGB, FLAWMAP_BGR, FLAWMAP_GREY, FLAWMAP_RGBA, FLAWMAP_BGRA };

/* A connected part of what is over the threshold. Never grows. */
struct fm_picture_region {
  int x, y, width, height; /* its box */
  long area;               /* pixels */
  double share;            /* of the picture's pixels */
  double peak, mean;       /* of the map in it */
  double centre_x, centre_y;
};

struct fm_picture {
  size_t size; /* sizeof this struct; in an array that of the first holds for all */
  int width, height;
  const unsigned char *pixels; /* 8 bits a channel, rows from the top; alpha is ignored */
  size_t stride;               /* bytes from a row to the next; 0: without a gap */
  int order;                   /* enum fm_pixel_order */

  /* Out, where not NULL, without gaps: */
  float *map;              /* [height][width] */
  unsigned char *mask;     /* [height][width]: 255 in regions, else 0 */
  unsigned char *repaired; /* [height][width][3] RGB: what the part should have looked like; only where
                            * maps are sharpened */
  struct fm_picture_region *regions; /* [region_room], the highest peak first */
  long region_room;

  /* Out: */
  long region_count; /* that there are, whatever the room for them */
  float score;
  int flagged; /* 1: flawed; 0: good, or the model has no threshold */
};

/* Any number of pictures of any sizes. */
int fm_detector_score(struct fm_detector *detector, int count, struct fm_picture *pictures);

/* ---- learning ---- */

/* Options have the names and values of the command line, without dashes, in pairs with NULL at the end:
 *
 *   const char *options[] = {"method", "padim", "size", "384x256", "false-alarms", "2%", NULL};
 *
 * Flags have the values "yes" and "no". `flawmap train --help` and the manual list them; those of the device
 * and of where results go are arguments here. NULL: none. */

/* Learns a model from a data set (a folder, as `flawmap train` takes it) and writes it to the file `model`.
 * The category "all" writes one for each into the folder `model`. */
int fm_train(struct fm_session *session, const char *data, const char *model, const char *const *options);

/* New thresholds from a folder of good pictures; NULL: from the options threshold, pixel-threshold. out:
 * NULL: in place. */
int fm_calibrate(struct fm_session *session, const char *model, const char *good, const char *out,
                 const char *const *options);

/* New good pictures join a model. */
int fm_update(struct fm_session *session, const char *model, const char *good, const char *out,
              const char *const *options);

#ifdef __cplusplus
}
#endif

#endif
