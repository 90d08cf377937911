/* The service's HTTP (libmicrohttpd): docs/serve.md and openapi.json say what is asked and answered. One
 * thread reads and writes all connections; a request that waits for its pictures is set aside. */
#ifndef FM_SERVE_HTTP_H
#define FM_SERVE_HTTP_H

#include "serve/figures.h"
#include "serve/recent.h"

struct fm_http_options {
  const char *listen; /* ADDRESS:PORT, [ADDRESS]:PORT or PORT; port 0: a free one */
  const char *token;  /* NULL: none; then only loopback is listened on */
  size_t most_body;   /* bytes of a request */
  size_t most_bodies; /* of all requests together */
  int connections;
  double patience; /* seconds for a whole request to arrive, and for a whole answer to leave */
  struct fm_queue *queue;
  struct fm_models *models;
  struct fm_figures *figures;
  struct fm_recent *recent;
};

struct fm_http;

/* FM_USAGE for an address that is none, or not this machine's loopback without a token; FM_IO where it cannot
 * be listened on. */
enum fm_status fm_http_start(struct fm_context *ctx, const struct fm_http_options *options,
                             struct fm_http **http);
const char *fm_http_address(const struct fm_http *http); /* "http://127.0.0.1:8471" */

/* To be called a few times a second: cuts off who is too slow, keeps event streams awake. */
void fm_http_tick(struct fm_http *http);

/* No new connections; requests for pictures are answered with 503 from here on, those at hand as before. */
void fm_http_quiesce(struct fm_http *http);

/* Once no job is left. Lets answers leave, then ends. */
void fm_http_end(struct fm_http *http); /* NULL: nothing */

#endif
