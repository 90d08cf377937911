/* Inside the service's HTTP: a connection, a request on it, and how it is answered. */
#ifndef FM_SERVE_HTTP_INTERNAL_H
#define FM_SERVE_HTTP_INTERNAL_H

#include "serve/guard.h"
#include "serve/http.h"

#include <microhttpd.h>

enum { FM_HTTP_PARTS = 64, FM_HTTP_READERS = 16 };

struct fm_connection { /* who is on the other side, and until when they may take */
  struct fm_connection *next, **at;
  int fd;
  double until; /* of fm_seconds; 0: as long as it takes */
  bool cut;
};

struct fm_reader { /* of the stream of events */
  struct fm_http *http;
  struct MHD_Connection *connection;
  unsigned long after; /* the last event that it got */
  bool asleep;         /* set aside until there is something to say */
  bool used, nudge;    /* nudge: a line that says nothing is due */
  char *chars;         /* what is to be sent */
  size_t size, at;
};

struct fm_http {
  struct fm_context *ctx;
  struct fm_http_options o;
  struct MHD_Daemon *daemon;
  char address[80];
  char script_hash[64]; /* for the page's Content-Security-Policy */
  pthread_mutex_t lock; /* of what follows */
  struct fm_connection *connections;
  size_t bodies; /* bytes that requests hold */
  struct fm_reader reader[FM_HTTP_READERS];
  bool ending;
  double nudged;
};

struct fm_sent { /* a picture that was sent */
  char *name;
  unsigned char *bytes;
  size_t size, capacity;
};

struct fm_exchange { /* a request and its answer */
  struct fm_http *http;
  struct MHD_Connection *connection;
  struct fm_connection *who;
  struct fm_context ctx;
  const struct fm_route *route;
  char word[2][FM_GUARD_WORD + 1]; /* that stand for the ? of its path */
  struct fm_sent part[FM_HTTP_PARTS];
  int parts;
  size_t held; /* bytes of bodies that it holds */
  struct MHD_PostProcessor *post;
  unsigned refused; /* a status; 0: nothing was wrong so far */
  char why[1100];
  struct fm_job *job[FM_HTTP_PARTS];
  int jobs;
  bool given;      /* the jobs were */
  atomic_int open; /* of the jobs, and one while they are given */
  char *answer;    /* lives until it is sent */
};

struct fm_route {
  const char *method, *path;
  bool open;                                        /* no token is asked for */
  bool body;                                        /* it has one */
  enum MHD_Result (*answer)(struct fm_exchange *e); /* the request has arrived */
};

/* The last one has no method. */
extern const struct fm_route fm_http_routes[];

/* http_reply.c. text: the exchange's from here on (fm_free). */
enum MHD_Result fm_http_reply(struct fm_exchange *e, unsigned status, const char *type, char *text,
                              size_t size);
enum MHD_Result fm_http_reply_static(struct fm_exchange *e, unsigned status, const char *type,
                                     const char *text);
enum MHD_Result fm_http_reply_text(struct fm_exchange *e, unsigned status, const char *type,
                                   struct fm_text *text);
/* {"error": ...}, one sentence. */
enum MHD_Result fm_http_refuse(struct fm_exchange *e, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
unsigned fm_http_status_of(const struct fm_job *job);         /* of one that failed */
void fm_http_patience(struct fm_exchange *e, double seconds); /* 0: as long as it takes */
const char *fm_http_header(const struct fm_exchange *e, const char *name);
const char *fm_http_query(const struct fm_exchange *e, const char *name);

/* http_body.c: what a request brings, within the limits. */
void fm_http_body_begin(struct fm_exchange *e);
void fm_http_body_more(struct fm_exchange *e, const char *bytes, size_t size);
void fm_http_body_end(struct fm_exchange *e);
void fm_http_body_free(struct fm_exchange *e);

/* http_score.c and http_pictures.c: the request is set aside until its jobs are done; then the route is asked
 * again with given set and open 0. */
enum MHD_Result fm_http_give(struct fm_exchange *e);
enum MHD_Result fm_http_score(struct fm_exchange *e);
enum MHD_Result fm_http_pictures(struct fm_exchange *e);
enum MHD_Result fm_http_picture(struct fm_exchange *e);

/* http_events.c */
enum MHD_Result fm_http_events(struct fm_exchange *e);
void fm_http_events_wake(void *http); /* somebody has something to say */

#endif
