/* flawmap as a library: load a trained model, score pictures.
 *
 *   struct fm_session *s;
 *   struct fm_detector *d = NULL;
 *   if (fm_session_open(NULL, &s) == 0 && fm_detector_open(s, "bottle.flawmap", 1, &d) == 0) {
 *     struct fm_picture p = {.width = w, .height = h, .rgb = pixels, .map = map};
 *     if (fm_detector_score(d, 1, &p) == 0 && p.score > fm_detector_threshold(d)) reject();
 *   }
 *   if (fm_session_failed(s)) puts(fm_session_message(s));
 *   fm_detector_close(d);
 *   fm_session_close(s);
 *
 * Functions that can fail return 0 or a code other than 0; the first failure's message stays in the session.
 * A process may have several sessions, each used by one thread at a time; they share nothing but the driver,
 * and where that is PoCL before 6.0 their kernels run one session after another. Nothing is printed. Models
 * and pictures are not trusted: what is wrong with them is an error, never a crash. */
#ifndef FLAWMAP_H
#define FLAWMAP_H

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0" */
const char *fm_version(void);

/* An OpenCL device and what is said about failures. device: NULL (the GPU with the most compute units, else
 * the CPU), an index or a part of a name, as `flawmap devices` lists them. *session is to be closed also
 * after a failure; NULL only where there is no memory for it. */
struct fm_session;
int fm_session_open(const char *device, struct fm_session **session);
void fm_session_close(struct fm_session *session); /* after its detectors; NULL: nothing */

const char *fm_session_device(const struct fm_session *session); /* the device's name; "" without one */
int fm_session_failed(const struct fm_session *session); /* not 0: something failed since the last clear */
const char *fm_session_message(const struct fm_session *session);
void fm_session_clear(
    struct fm_session *session); /* forgets the message; a device that failed stays failed */

/* Whether models whose expert is untrained (random weights: their verdicts mean little) may be opened; at
 * first they may not. */
void fm_session_accept_untrained(struct fm_session *session, int accept);

/* A model on the device. at_once: pictures that are scored together at most (1 to 64): more is faster and
 * takes more memory. */
struct fm_detector;
int fm_detector_open(struct fm_session *session, const char *model, int at_once,
                     struct fm_detector **detector);
void fm_detector_close(struct fm_detector *detector); /* NULL: nothing */

/* A picture is flawed where its score is greater than the threshold, a pixel where its map is greater than
 * the pixels' threshold. NaN: the model has none. */
double fm_detector_threshold(const struct fm_detector *detector);
double fm_detector_pixel_threshold(const struct fm_detector *detector);
const char *
fm_detector_threshold_origin(const struct fm_detector *detector); /* where it comes from, for people */

struct fm_picture {
  int width, height;
  const unsigned char *rgb; /* [height][width][3], rows from the top */
  float *map;               /* [height][width], filled; NULL: not wanted */
  float score;              /* out: of the picture; most methods: the largest value of the map */
};

/* Any number of pictures of any sizes. */
int fm_detector_score(struct fm_detector *detector, int count, struct fm_picture *pictures);

#ifdef __cplusplus
}
#endif

#endif
