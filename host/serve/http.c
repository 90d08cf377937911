#define _GNU_SOURCE
#include "serve/http_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "serve/page.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- connections ---- */

static void on_connection(void *user, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code) {
  struct fm_http *h = user;
  struct fm_connection *who = *socket_context;
  pthread_mutex_lock(&h->lock);
  if (code == MHD_CONNECTION_NOTIFY_STARTED && (who = fm_alloc(h->ctx, 1, sizeof *who))) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    who->fd = info ? info->connect_fd : -1;
    who->until = fm_seconds() + h->o.patience;
    who->at = &h->connections;
    who->next = h->connections;
    if (who->next) who->next->at = &who->next;
    h->connections = who;
    *socket_context = who;
  } else if (code == MHD_CONNECTION_NOTIFY_CLOSED && who) {
    *who->at = who->next;
    if (who->next) who->next->at = who->at;
    fm_free(h->ctx, who);
    *socket_context = NULL;
  }
  pthread_mutex_unlock(&h->lock);
}

void fm_http_tick(struct fm_http *h) {
  double now = fm_seconds();
  int slow = 0;
  pthread_mutex_lock(&h->lock);
  for (struct fm_connection *who = h->connections; who; who = who->next) {
    if (who->until == 0 || now < who->until || who->cut || who->fd < 0) continue;
    shutdown(who->fd, SHUT_RDWR);
    who->cut = true;
    slow++;
  }
  bool nudge = now > h->nudged + 15;
  if (nudge) h->nudged = now;
  for (int i = 0; nudge && i < FM_HTTP_READERS; i++) h->reader[i].nudge = h->reader[i].used;
  pthread_mutex_unlock(&h->lock);
  for (; slow; slow--) fm_figures_refused(h->o.figures, FM_REFUSED_SLOW);
  if (nudge) fm_http_events_wake(h);
}

/* ---- requests ---- */

static struct fm_exchange *open_exchange(struct fm_http *h, struct MHD_Connection *connection) {
  struct fm_exchange *e = fm_alloc(h->ctx, 1, sizeof *e);
  if (!e) return NULL;
  e->http = h;
  e->connection = connection;
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  e->who = info ? info->socket_context : NULL;
  fm_context_branch(&e->ctx, h->ctx);
  return e;
}

static void close_exchange(void *user, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode code) {
  struct fm_exchange *e = *state;
  (void)user, (void)connection, (void)code;
  if (!e) return;
  fm_http_patience(e, e->http->o.patience); /* for the next request to come */
  for (int i = 0; i < e->jobs; i++) fm_job_free(e->job[i]);
  fm_http_body_free(e);
  fm_free(&e->ctx, e->answer);
  fm_context_free(&e->ctx);
  fm_free(e->http->ctx, e);
  *state = NULL;
}

/* Also tells apart a path that is not known from a method that is not. */
static const struct fm_route *find_route(struct fm_exchange *e, const char *method, const char *path,
                                         bool *known) {
  *known = false;
  if (strcmp(method, "HEAD") == 0) method = "GET";
  for (const struct fm_route *r = fm_http_routes; r->method; r++) {
    if (!fm_guard_path(path, r->path, e->word)) continue;
    *known = true;
    if (strcmp(method, r->method) == 0) return r;
  }
  return NULL;
}

/* 0, or the status of the refusal with its sentence in why. */
static unsigned judge(struct fm_exchange *e, const char *method, const char *path, const char **why) {
  const char *host = fm_http_header(e, "Host"), *origin = fm_http_header(e, "Origin");
  const char *token = e->http->o.token;
  bool known;
  e->route = find_route(e, method, path, &known);
  if (token ? fm_guard_foreign(host, origin) : !fm_guard_local(host, origin)) {
    *why = "only this machine may ask, and no page of another site: give the service a token (--token-file) "
           "for others";
    return 403;
  }
  if (token && !(e->route && e->route->open) && !fm_guard_token(fm_http_header(e, "Authorization"), token)) {
    *why = "the token is missing or wrong: send 'Authorization: Bearer TOKEN'";
    return 401;
  }
  if (e->route) return 0;
  *why = known ? "this cannot be done with it: /openapi.json says what can"
               : "there is nothing of that name: /openapi.json says what there is";
  return known ? 405 : 404;
}

static enum MHD_Result first_look(struct fm_exchange *e, const char *method, const char *path) {
  const char *why;
  unsigned status = judge(e, method, path, &why);
  if (status) return fm_http_refuse(e, status, "%s", why);
  if (e->route->body) fm_http_body_begin(e);
  /* Before its body is sent: whoever waits for 100 Continue need not send it. */
  if (e->refused) return fm_http_refuse(e, e->refused, "%s", e->why);
  return MHD_YES;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *bytes, size_t *size,
                                  void **state) {
  struct fm_http *h = user;
  struct fm_exchange *e = *state;
  (void)version;
  if (!e) {
    if (!(e = open_exchange(h, connection))) return MHD_NO;
    *state = e;
    return first_look(e, method, path);
  }
  if (*size) {
    if (e->route->body) fm_http_body_more(e, bytes, *size);
    *size = 0;
    return MHD_YES;
  }
  if (!e->given) {
    fm_http_body_end(e);
    if (e->refused) return fm_http_refuse(e, e->refused, "%s", e->why);
  }
  return e->route->answer(e);
}

/* ---- the service ---- */

struct address {
  char host[64], port[8];
  struct sockaddr_storage socket;
  socklen_t size;
  bool loopback;
};

static bool split(const char *listen, struct address *a) {
  const char *colon = strrchr(listen, ':');
  const char *host = colon ? listen : "127.0.0.1", *port = colon ? colon + 1 : listen;
  size_t n = colon ? (size_t)(colon - listen) : strlen(host);
  if (n >= 2 && host[0] == '[' && host[n - 1] == ']') host++, n -= 2;
  if (n == 0 || n >= sizeof a->host || fm_guard_number(port, 0, 65535) < 0) return false;
  memcpy(a->host, host, n);
  a->host[n] = 0;
  snprintf(a->port, sizeof a->port, "%s", port);
  return true;
}

static bool is_loopback(const struct sockaddr *socket) {
  if (socket->sa_family == AF_INET)
    return ntohl(((const struct sockaddr_in *)(const void *)socket)->sin_addr.s_addr) >> 24 == 127;
  return socket->sa_family == AF_INET6 &&
         IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)socket)->sin6_addr);
}

static enum fm_status find_address(struct fm_context *ctx, const char *listen, struct address *a) {
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
  struct addrinfo *found = NULL;
  if (!split(listen, a) || getaddrinfo(a->host, a->port, &hints, &found) != 0 || !found)
    return fm_error(ctx, FM_USAGE,
                    "'%s' cannot be listened on: give ADDRESS:PORT, as in 127.0.0.1:8471 or 0.0.0.0:8471",
                    listen);
  memcpy(&a->socket, found->ai_addr, found->ai_addrlen);
  a->size = found->ai_addrlen;
  a->loopback = is_loopback(found->ai_addr);
  freeaddrinfo(found);
  return FM_OK;
}

static enum fm_status start_daemon(struct fm_http *h, struct address *a) {
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
  if (a->socket.ss_family == AF_INET6) flags |= MHD_USE_IPv6;
  h->daemon = MHD_start_daemon(
      flags, 0, NULL, NULL, on_request, h, MHD_OPTION_SOCK_ADDR, &a->socket, MHD_OPTION_CONNECTION_LIMIT,
      (unsigned)h->o.connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(h->o.patience + 1),
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32768, MHD_OPTION_NOTIFY_COMPLETED, close_exchange, NULL,
      MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
  if (!h->daemon)
    return fm_error(h->ctx, FM_IO, "'%s' cannot be listened on: another program does, or you may not",
                    h->o.listen);
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT);
  bool six = a->socket.ss_family == AF_INET6;
  snprintf(h->address, sizeof h->address, "http://%s%s%s:%u", six ? "[" : "", a->host, six ? "]" : "",
           info ? (unsigned)info->port : 0);
  return FM_OK;
}

enum fm_status fm_http_start(struct fm_context *ctx, const struct fm_http_options *o, struct fm_http **http) {
  struct fm_http *h = *http = fm_alloc(ctx, 1, sizeof *h);
  struct address a = {0};
  if (!h) return FM_MEMORY;
  h->ctx = ctx;
  h->o = *o;
  pthread_mutex_init(&h->lock, NULL);
  FM_TRY(fm_page_hash(ctx, h->script_hash));
  FM_TRY(find_address(ctx, o->listen, &a));
  if (!a.loopback && !o->token)
    return fm_error(
        ctx, FM_USAGE,
        "'%s' can be reached by other machines: give a token that they have to bring (--token-file FILE)",
        o->listen);
  FM_TRY(start_daemon(h, &a));
  fm_recent_listen(o->recent, fm_http_events_wake, h);
  return FM_OK;
}

const char *fm_http_address(const struct fm_http *h) {
  return h->address;
}

void fm_http_quiesce(struct fm_http *h) {
  if (!h->daemon) return;
  pthread_mutex_lock(&h->lock);
  h->ending = true;
  pthread_mutex_unlock(&h->lock);
  fm_http_events_wake(h);
}

/* Answers that are on their way have as long as their readers are allowed to take. */
static bool is_busy(struct fm_http *h) {
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
  return info && info->num_connections > 0;
}

void fm_http_end(struct fm_http *h) {
  if (!h) return;
  if (h->daemon) {
    MHD_socket listening = MHD_quiesce_daemon(h->daemon);
    double until = fm_seconds() + 2;
    while (is_busy(h) && fm_seconds() < until) {
      const struct timespec moment = {.tv_nsec = 10000000};
      nanosleep(&moment, NULL);
    }
    MHD_stop_daemon(h->daemon);
    if (listening != MHD_INVALID_SOCKET) shutdown(listening, SHUT_RDWR);
  }
  pthread_mutex_destroy(&h->lock);
  fm_free(h->ctx, h);
}
