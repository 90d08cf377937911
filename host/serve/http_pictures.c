/* GET /v1/pictures: the last ones; GET /v1/pictures/ID/FILE: what one of them looks like. */
#include "serve/http_internal.h"

#include "base/memory.h"
#include "data/resize.h"
#include "file/jpeg_encode.h"

#include <string.h>

enum { MOST_LISTED = 500, QUALITY = 88, MOST_SIDE = 8192 };

enum MHD_Result fm_http_pictures(struct fm_exchange *e) {
  struct fm_text text;
  fm_text_begin(&text, &e->ctx);
  fm_text_append(&text, "{\"pictures\":[");
  unsigned long last = fm_recent_write(e->http->o.recent, 0, MOST_LISTED, FM_RECENT_ARRAY, &text);
  fm_text_printf(&text, "],\"last\":%lu}\n", last);
  return fm_http_reply_text(e, 200, "application/json", &text);
}

/* ---- what needs no picture ---- */

/* The network's map, grey: 128 at the pixel threshold, 255 at twice that; the page colours it. */
static enum MHD_Result reply_heat(struct fm_exchange *e, const struct fm_recent_picture *p) {
  size_t pixels = fm_size_pixels(p->map_size), size;
  struct fm_image grey = {.width = p->map_size.width, .height = p->map_size.height, .channels = 1};
  unsigned char *png = NULL;
  if ((grey.pixels = fm_alloc(&e->ctx, pixels, 1))) {
    for (size_t i = 0; i < pixels; i++)
      grey.pixels[i] = (unsigned char)(255 * fm_heat_position(&p->results.heat, (double)p->map[i]) + 0.5);
    fm_png_encode(&e->ctx, &grey, &png, &size);
  }
  fm_image_free(&e->ctx, &grey);
  if (!png) return fm_http_refuse(e, 503, "there is no memory for the map");
  return fm_http_reply(e, 200, "image/png", (char *)png, size);
}

/* ---- what does ---- */

static enum fm_status encode_result(struct fm_job *job, const struct fm_recent_picture *p,
                                    enum fm_result kind) {
  struct fm_context *ctx = &job->ctx;
  struct fm_score_item item = {.image = &job->image};
  struct fm_score_one *one = &item.one;
  *one = (struct fm_score_one){.width = p->width,
                               .height = p->height,
                               .size = p->map_size,
                               .small = p->map,
                               .score = p->score,
                               .peak = p->peak,
                               .repaired = p->repaired,
                               .rgb = p->rgb};
  struct fm_job_file *f = &job->file[0];
  FM_TRY(fm_score_map_open(ctx, &one->map, p->map, p->map_size, &p->preprocess, p->width, p->height));
  struct fm_verdict found = {0};
  enum fm_status status = fm_verdict_make(ctx, &p->results.rule, one, &found);
  if (status == FM_OK)
    status = fm_result_encode(ctx, &p->results, &item, &found, &job->image, kind, &f->bytes, &f->size);
  fm_verdict_free(ctx, &found);
  fm_score_map_close(ctx, &one->map);
  return status;
}

/* The picture itself, as a JPEG, no side longer than `side`. */
static enum fm_status encode_picture(struct fm_job *job, long side) {
  struct fm_context *ctx = &job->ctx;
  struct fm_image *image = &job->image;
  struct fm_job_file *f = &job->file[0];
  int longer = image->width > image->height ? image->width : image->height;
  if (longer <= side) return fm_jpeg_encode(ctx, image, QUALITY, &f->bytes, &f->size);
  struct fm_image small = {.width = (int)(((long)image->width * side + longer - 1) / longer),
                           .height = (int)(((long)image->height * side + longer - 1) / longer),
                           .channels = 3};
  if (!(small.pixels = fm_alloc(ctx, (size_t)small.width * (size_t)small.height, 3))) return FM_MEMORY;
  enum fm_status status = fm_resize_pil(ctx, image->pixels, image->width, image->height, 3, small.pixels,
                                        small.width, small.height);
  if (status == FM_OK) status = fm_jpeg_encode(ctx, &small, QUALITY, &f->bytes, &f->size);
  fm_image_free(ctx, &small);
  return status;
}

static int kind_of(const char *word) {
  for (int k = 0; k < FM_RESULTS; k++)
    if (strcmp(word, fm_result_name((enum fm_result)k)) == 0) return k;
  return -1;
}

/* On a preparing thread; the exchange waits. */
static enum fm_status draw(struct fm_job *job) {
  struct fm_exchange *e = job->user;
  struct fm_recent_picture *p = fm_recent_hold(e->http->o.recent, e->word[0]);
  const char *side = fm_http_query(e, "side");
  int kind = kind_of(e->word[1]);
  if (!p) return fm_error(&job->ctx, FM_IO, "the picture is no longer kept");
  enum fm_status status = kind < 0
                              ? encode_picture(job, side ? fm_guard_number(side, 16, MOST_SIDE) : MOST_SIDE)
                              : encode_result(job, p, (enum fm_result)kind);
  fm_recent_release(p);
  return status;
}

static enum MHD_Result begin(struct fm_exchange *e, const struct fm_recent_picture *p) {
  unsigned char *bytes = fm_alloc(&e->ctx, p->size, 1);
  if (!bytes) return fm_http_refuse(e, 503, "there is no memory for the picture");
  memcpy(bytes, p->bytes, p->size);
  struct fm_job *job = fm_job_make(&e->ctx, NULL, p->name, bytes, p->size);
  if (!job) return fm_http_refuse(e, 503, "there is no memory for the picture");
  job->source = "page";
  job->draw = draw;
  e->job[e->jobs++] = job;
  return fm_http_give(e);
}

static enum MHD_Result answer(struct fm_exchange *e) {
  struct fm_job *job = e->job[0];
  if (e->refused) return fm_http_refuse(e, 503, "the queue is full: try again in a second");
  if (job->ctx.status != FM_OK) return fm_http_refuse(e, fm_http_status_of(job), "%s", job->ctx.message);
  int kind = kind_of(e->word[1]);
  const char *type = kind < 0 ? "image/jpeg" : kind == FM_RESULT_MAP ? "image/tiff" : "image/png";
  char *bytes = (char *)job->file[0].bytes;
  job->file[0].bytes = NULL;
  return fm_http_reply(e, 200, type, bytes, job->file[0].size);
}

enum MHD_Result fm_http_picture(struct fm_exchange *e) {
  if (e->given) return answer(e);
  const char *side = fm_http_query(e, "side");
  struct fm_recent_picture *p = fm_recent_hold(e->http->o.recent, e->word[0]);
  if (!p)
    return fm_http_refuse(e, 404, "there is no picture '%s' (any more): /v1/pictures lists them", e->word[0]);
  int kind = kind_of(e->word[1]);
  bool heat = strcmp(e->word[1], "heat") == 0;
  enum MHD_Result result;
  if (side && fm_guard_number(side, 16, MOST_SIDE) < 0)
    result = fm_http_refuse(e, 400, "'side' is a whole number from 16 to %d", MOST_SIDE);
  else if (heat)
    result = reply_heat(e, p);
  else if (kind == FM_RESULT_REPAIRED && !p->repaired)
    result = fm_http_refuse(e, 404, "the model does not repair pictures");
  else if (kind < 0 && strcmp(e->word[1], "picture") != 0)
    result = fm_http_refuse(e, 404, "of a picture there are picture, heat, map, mask, overlay and repaired");
  else
    result = begin(e, p);
  fm_recent_release(p);
  return result;
}
