#include "app/odd_sheet.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "report/contact.h"
#include "report/overlay.h"

#include <stdio.h>

struct sheet {
  struct fm_context *ctx;
  const struct fm_model *model;
  struct fm_contact contact;
  struct fm_heat heat;
};

enum { PICTURE, MAP, FOUND, TILES };

/* The map, and the picture with it and its outline. */
static enum fm_status draw(struct sheet *s, const struct fm_score_item *item, const struct fm_image *picture,
                           struct fm_image tile[FM_CONTACT_TILES]) {
  struct fm_context *ctx = s->ctx;
  const struct fm_score_one *one = &item->one;
  bool flagged = (double)one->score > s->model->image.value;
  double outline = fm_threshold_outline(&s->model->pixel, flagged, (double)one->peak);
  unsigned char *mask = NULL;
  float *map = fm_alloc(ctx, (size_t)one->width * (size_t)one->height, sizeof *map);
  if (!map) return FM_MEMORY;
  for (int y = 0; y < one->height; y++) fm_score_map_row(&one->map, y, map + (size_t)y * (size_t)one->width);
  enum fm_status status = fm_mask_from_map(ctx, map, one->width, one->height, outline, &mask);
  if (status == FM_OK) status = fm_overlay_heat(ctx, map, one->width, one->height, &s->heat, &tile[MAP]);
  if (status == FM_OK) status = fm_overlay_draw(ctx, picture, map, mask, NULL, &s->heat, &tile[FOUND]);
  fm_free(ctx, map);
  fm_free(ctx, mask);
  return status;
}

static enum fm_status take(void *user, const struct fm_score_item *item) {
  struct sheet *s = user;
  struct fm_image room, tile[FM_CONTACT_TILES] = {{0}};
  const struct fm_image *picture;
  char label[96];
  enum fm_status status = fm_score_image(s->ctx, item, &room, &picture);
  if (status == FM_OK) status = draw(s, item, picture, tile);
  if (status == FM_OK) {
    tile[PICTURE] = *picture; /* only looked at */
    snprintf(label, sizeof label, "%.4g  %.70s", (double)item->one.score, item->sample->name);
    status = fm_contact_add(&s->contact, tile, label, false);
  }
  fm_image_free(s->ctx, &tile[MAP]);
  fm_image_free(s->ctx, &tile[FOUND]);
  fm_image_free(s->ctx, &room);
  return status;
}

static enum fm_status write_sheet(struct sheet *s, struct fm_device *d, const struct fm_score_list *odd,
                                  const char *path) {
  struct fm_score_list list = *odd;
  struct fm_image image = {0};
  list.images = true;
  list.take = take;
  list.user = s;
  fm_contact_begin(&s->contact, s->ctx, odd->count);
  s->contact.tiles = TILES;
  enum fm_status status = fm_score_set(d, s->model, &list);
  if (status == FM_OK) status = fm_contact_draw(&s->contact, "good pictures that look unusual", &image);
  if (status == FM_OK) status = fm_png_write(s->ctx, path, &image);
  fm_image_free(s->ctx, &image);
  fm_contact_free(&s->contact);
  return status;
}

enum fm_status fm_odd_sheet(void *user, struct fm_device *d, const struct fm_model *model,
                            const struct fm_score_list *odd) {
  struct fm_context *ctx = fm_device_context(d);
  double threshold = model->pixel.value;
  struct sheet s = {.ctx = ctx, .model = model, .heat = fm_heat_make(0, threshold, 2 * threshold)};
  char *path = fm_format(ctx, "%s.odd.png", (const char *)user);
  if (!path) return FM_MEMORY;
  enum fm_status status = FM_OK;
  if (odd->count) status = write_sheet(&s, d, odd, path);
  if (odd->count && status == FM_OK) fm_note(ctx, "'%s' shows them", path);
  if (!odd->count && fm_file_exists(path)) status = fm_file_remove(ctx, path);
  fm_free(ctx, path);
  if (status == FM_OK || !fm_status_is_local(status)) return status;
  fm_note(ctx, "warning: there is no sheet of the unusual pictures: %s", ctx->message);
  fm_error_clear(ctx);
  return FM_OK;
}
