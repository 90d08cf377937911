/* The resident service: models stay on the devices, pictures come over HTTP and out of a folder, and are
 * scored in batches. */
#ifndef FM_SERVE_SERVE_H
#define FM_SERVE_SERVE_H

#include "serve/http.h"
#include "serve/watch.h"

struct fm_serve_options {
  struct fm_models_options models;
  struct fm_http_options http;   /* its queue, models, figures and recent pictures are set by the service */
  struct fm_watch_options watch; /* the same; folder NULL: none is watched */
  struct fm_device *const *devices;
  int workers;          /* devices */
  size_t most_pixels;   /* of a picture */
  size_t queue;         /* pictures that are accepted and not done */
  size_t decoded_bytes; /* of pictures waiting to be scored */
  size_t recent_bytes;  /* of pictures for the page */
  double wait;          /* seconds that a batch waits to be filled */
};

/* Until ctx->stop: then nothing more is accepted, what was accepted is finished, and it is FM_OK. FM_DEVICE
 * where a device failed. */
enum fm_status fm_serve(struct fm_context *ctx, const struct fm_serve_options *options);

#endif
