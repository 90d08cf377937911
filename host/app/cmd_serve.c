/* flawmap serve: the resident service. */
#include "app/by_hand.h"
#include "app/commands.h"
#include "app/evaluate.h"
#include "app/trusted.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/print.h"
#include "serve/serve.h"

#include <string.h>

enum { MOST_BATCH = 8, MIB = 20 };

struct args {
  const char *listen, *token_file, *weights, *devices, *refine_text, *watch, *out, *move;
  enum fm_switch refine;
  bool untrained, force, files[FM_RESULTS];
  long batch, queue, max_request, max_pixels, connections, min_area;
  double wait_ms, patience;
};

/* One line of 16 printable characters or more. */
static enum fm_status read_token(struct fm_context *ctx, const char *path, char **token) {
  enum { LEAST = 16, MOST = 512 };
  unsigned char *bytes;
  size_t size;
  FM_TRY(fm_file_read(ctx, path, MOST, &bytes, &size));
  *token = (char *)bytes;
  while (size && (bytes[size - 1] == '\n' || bytes[size - 1] == '\r')) bytes[--size] = 0;
  bool fits = size >= LEAST;
  for (size_t i = 0; i < size; i++) fits &= bytes[i] > 32 && bytes[i] < 127;
  if (fits) return FM_OK;
  return fm_error(ctx, FM_USAGE,
                  "'%s' holds no token: one line of %d or more letters, digits and signs, without blanks, as "
                  "'openssl rand -hex 24' makes it",
                  path, LEAST);
}

#ifdef FM_HAVE_MICROHTTPD

/* ---- devices ---- */

struct crew { /* each device has a context of its own, as its own thread uses it */
  struct fm_context ctx[FM_SERVE_WORKERS];
  struct fm_device *device[FM_SERVE_WORKERS];
  int count, contexts;
};

static enum fm_status open_one(struct fm_context *ctx, struct crew *c, const char *wanted, bool force) {
  if (c->count == FM_SERVE_WORKERS)
    return fm_error(ctx, FM_USAGE, "a service uses at most %d devices", FM_SERVE_WORKERS);
  struct fm_context *own = &c->ctx[c->contexts++];
  fm_context_branch(own, ctx);
  enum fm_status status = fm_trusted_device(own, wanted, force, &c->device[c->count]);
  if (status != FM_OK) return fm_error(ctx, status, "%s", own->message);
  c->count++;
  return FM_OK;
}

/* list: of --device, joined by commas; NULL: the best one. */
static enum fm_status open_devices(struct fm_context *ctx, const char *list, bool force, struct crew *c) {
  if (!list) return open_one(ctx, c, NULL, force);
  char *names = fm_strdup(ctx, list), *rest = names;
  enum fm_status status = names ? FM_OK : FM_MEMORY;
  while (status == FM_OK && rest) {
    char *name = rest, *comma = strchr(rest, ',');
    if (comma) *comma = 0;
    rest = comma ? comma + 1 : NULL;
    status = open_one(ctx, c, name, force);
  }
  fm_free(ctx, names);
  return status;
}

static enum fm_status close_devices(struct crew *c) {
  enum fm_status status = FM_OK;
  for (int i = 0; i < c->count; i++) {
    enum fm_status closed = fm_device_close(c->device[i]);
    if (status == FM_OK) status = closed;
  }
  for (int i = 0; i < c->contexts; i++) fm_context_free(&c->ctx[i]);
  return status;
}

static enum fm_status serve(struct fm_context *ctx, const struct args *a, const char *token,
                            const char *const *models, int count) {
  struct crew crew = {.count = 0};
  enum fm_status status = open_devices(ctx, a->devices, a->force, &crew);
  const struct fm_serve_options o = {
      .models = {.given = models,
                 .count = count,
                 .weights = a->weights,
                 .untrained = a->untrained,
                 .refine = a->refine,
                 .batch = (int)a->batch,
                 .min_area = (size_t)a->min_area},
      .http = {.listen = a->listen,
               .token = token,
               .most_body = (size_t)a->max_request << MIB,
               .most_bodies = (size_t)a->max_request << MIB << 2,
               .connections = (int)a->connections,
               .patience = a->patience},
      .watch = {.folder = a->watch,
                .results = a->out,
                .moved = a->move,
                .wanted = {a->files[0], a->files[1], a->files[2], a->files[3]}},
      .devices = crew.device,
      .workers = crew.count,
      .most_pixels = (size_t)a->max_pixels * 1000000,
      .queue = (size_t)a->queue,
      .decoded_bytes = (size_t)256 << MIB,
      .recent_bytes = (size_t)128 << MIB,
      .wait = a->wait_ms / 1000};
  if (status == FM_OK) status = fm_serve(ctx, &o);
  enum fm_status closed = close_devices(&crew);
  return status != FM_OK ? status : closed;
}

#else

static enum fm_status serve(struct fm_context *ctx, const struct args *a, const char *token,
                            const char *const *models, int count) {
  (void)a, (void)token, (void)models, (void)count;
  return fm_error(
      ctx, FM_USAGE,
      "this flawmap was built without libmicrohttpd, which serve needs: install libmicrohttpd-dev "
      "and build it again (./run build does both)");
}

#endif

enum fm_status fm_cmd_serve(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  struct args a = {.listen = "127.0.0.1:8471",
                   .files = {true, true, true, true},
                   .batch = MOST_BATCH,
                   .min_area = 1,
                   .queue = 256,
                   .max_request = 64,
                   .max_pixels = 64,
                   .connections = 128,
                   .wait_ms = 5,
                   .patience = 30};
  struct fm_option options[] = {
      {"listen", FM_OPT_TEXT, &a.listen, "ADDR:PORT",
       "where it listens (port 0: a free one) [127.0.0.1:8471]", 0, 0, NULL},
      {"token-file", FM_OPT_TEXT, &a.token_file, "FILE", "who asks must bring the token in it", 0, 0, NULL},
      {"watch", FM_OPT_TEXT, &a.watch, "DIR",
       "score what comes into this folder, too (of several models: DIR/NAME)", 0, 0, NULL},
      {"o", FM_OPT_TEXT, &a.out, "DIR", "the folder for its results", 0, 0, NULL},
      {"move", FM_OPT_TEXT, &a.move, "DIR", "move its pictures there when they are done (default: they stay)",
       0, 0, NULL},
      {"maps", FM_OPT_FLAG, &a.files[0], NULL, "of it, write the maps as float TIFF (the default; --no-maps)",
       0, 0, NULL},
      {"masks", FM_OPT_FLAG, &a.files[1], NULL, "of it, write the masks (the default; --no-masks)", 0, 0,
       NULL},
      {"overlays", FM_OPT_FLAG, &a.files[2], NULL, "of it, write the overlays (the default; --no-overlays)",
       0, 0, NULL},
      {"repaired", FM_OPT_FLAG, &a.files[3], NULL,
       "of it, write repaired pictures (the default; --no-repaired)", 0, 0, NULL},
      {"batch", FM_OPT_INT, &a.batch, "N", "pictures scored at a time at most [8]", 1, FM_SERVE_BATCH, NULL},
      {"wait", FM_OPT_NUMBER, &a.wait_ms, "MS", "a batch waits so long to be filled [5]", 0, 1000, NULL},
      {"queue", FM_OPT_INT, &a.queue, "N", "pictures at hand at most; then 503 [256]", 1, 100000, NULL},
      {"max-request", FM_OPT_INT, &a.max_request, "MIB", "a request's size at most [64]", 1, 4096, NULL},
      {"max-pixels", FM_OPT_INT, &a.max_pixels, "M", "a picture's millions of pixels at most [64]", 1, 512,
       NULL},
      {"connections", FM_OPT_INT, &a.connections, "N", "at the same time at most [128]", 1, 10000, NULL},
      {"patience", FM_OPT_NUMBER, &a.patience, "S", "a request must arrive in so many seconds [30]", 0.5,
       3600, NULL},
      {"refine", FM_OPT_TEXT, &a.refine_text, "f2pad|off", "sharpen the maps (default: where the model can)",
       0, 0, NULL},
      FM_MIN_AREA_OPTION(&a.min_area),
      {"weights", FM_OPT_TEXT, &a.weights, "FILE", "a thin model's expert weights", 0, 0, NULL},
      {"untrained", FM_OPT_FLAG, &a.untrained, NULL, "accept models whose expert is untrained", 0, 0, NULL},
      {"device", FM_OPT_TEXT, &a.devices, "N|NAME,...", "devices, each with a worker ('flawmap devices')", 0,
       0, NULL},
      {"force", FM_OPT_FLAG, &a.force, NULL, "use a device that fails its self-test", 0, 0, NULL},
  };
  int count;
  bool help;
  char *token = NULL;
  const char **models = fm_alloc(ctx, (size_t)argc + 1, sizeof *models);
  (void)exit_status;
  if (!models) return FM_MEMORY;
  enum fm_status status =
      fm_options_parse(ctx, fm_command_find("serve"), options, sizeof options / sizeof *options, argc, argv,
                       models, &count, &help);
  if (status == FM_OK && !help && !count)
    status = fm_error(ctx, FM_USAGE, "flawmap serve takes models: flawmap serve bottle.flawmap");
  if (status == FM_OK && !help && !a.watch != !a.out)
    status =
        fm_error(ctx, FM_USAGE,
                 "a watched folder needs one for its results, and the other way round: --watch DIR -o DIR");
  if (status == FM_OK && !help && a.move && !a.watch)
    status = fm_error(ctx, FM_USAGE, "--move is for the pictures of a watched folder: --watch DIR");
  if (status == FM_OK && !help) status = fm_refine_parse(ctx, a.refine_text, &a.refine);
  if (status == FM_OK && !help && a.token_file) status = read_token(ctx, a.token_file, &token);
  if (status == FM_OK && !help) status = serve(ctx, &a, token, models, count);
  fm_free(ctx, token);
  fm_free(ctx, models);
  return status;
}
