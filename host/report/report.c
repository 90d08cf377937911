#include "report/report.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/thread.h"
#include "file/jpeg_encode.h"
#include "file/tiff.h"
#include "report/html.h"
#include "report/overlay.h"
#include "report/record.h"

#include <math.h>
#include <string.h>

enum { SIDE = 256, SHOWN = 200, SHOWN_OF_SEVERAL = 24, QUALITY = 85 };

struct fm_report {
  struct fm_context *ctx;
  struct fm_report_head head; /* its strings are copied below */
  char *folder, *title;
  struct fm_fact_list facts;
  struct fm_section *section;
  size_t count, capacity;
  char *category_folder; /* of the category in work */
  struct fm_contact contact;
  struct fm_histogram pixels;
  struct fm_text body; /* finished categories of the page */
};

static void free_facts(struct fm_context *ctx, struct fm_fact_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    fm_free(ctx, list->name[i]);
    fm_free(ctx, list->value[i]);
  }
  fm_free(ctx, list->name);
  fm_free(ctx, list->value);
  *list = (struct fm_fact_list){0};
}

/* What was copied before a failure is in list and freed with it. */
static enum fm_status copy_facts(struct fm_context *ctx, const struct fm_fact *facts, size_t count,
                                 struct fm_fact_list *list) {
  list->name = fm_alloc(ctx, count, sizeof *list->name);
  list->value = fm_alloc(ctx, count, sizeof *list->value);
  if (!list->name || !list->value) return FM_MEMORY;
  for (list->count = 0; list->count < count;) {
    size_t i = list->count++;
    list->name[i] = fm_strdup(ctx, facts[i].name);
    list->value[i] = fm_strdup(ctx, facts[i].value ? facts[i].value : "");
    if (!list->name[i] || !list->value[i]) return FM_MEMORY;
  }
  return FM_OK;
}

enum fm_status fm_report_open(struct fm_context *ctx, const struct fm_report_head *head,
                              struct fm_report **report) {
  struct fm_report *r = *report = fm_alloc(ctx, 1, sizeof *r);
  if (!r) return FM_MEMORY;
  r->ctx = ctx;
  r->head = *head;
  if (!r->head.side) r->head.side = SIDE;
  if (!r->head.shown) r->head.shown = head->several ? SHOWN_OF_SEVERAL : SHOWN;
  fm_text_begin(&r->body, ctx);
  r->folder = fm_strdup(ctx, head->folder);
  r->title = fm_strdup(ctx, head->title ? head->title : "flawmap evaluation");
  enum fm_status status =
      r->folder && r->title ? copy_facts(ctx, head->facts, head->fact_count, &r->facts) : FM_MEMORY;
  if (status == FM_OK) status = fm_folder_make(ctx, r->folder);
  if (status == FM_OK) return FM_OK;
  fm_report_free(r);
  *report = NULL;
  return status;
}

enum fm_status fm_report_category_begin(struct fm_report *r, const struct fm_report_category *c) {
  FM_TRY(fm_grow(r->ctx, (void **)&r->section, &r->capacity, r->count, sizeof *r->section));
  struct fm_section *s = &r->section[r->count++];
  *s = (struct fm_section){.ctx = r->ctx,
                           .image = c->rule.image,
                           .pixel = c->rule.pixel,
                           .min_area = c->rule.min_area,
                           .heat = c->heat};
  s->name = fm_strdup(r->ctx, c->name);
  if (c->warning && !(s->warning = fm_strdup(r->ctx, c->warning))) return FM_MEMORY;
  if (c->size_official) s->size_official = fm_strdup(r->ctx, c->size_official);
  if (c->size_cdo1) s->size_cdo1 = fm_strdup(r->ctx, c->size_cdo1);
  if (!s->name || (c->size_official && !s->size_official) || (c->size_cdo1 && !s->size_cdo1))
    return FM_MEMORY;
  FM_TRY(copy_facts(r->ctx, c->facts, c->fact_count, &s->facts));
  fm_free(r->ctx, r->category_folder);
  r->category_folder =
      r->head.several ? fm_path_join(r->ctx, r->folder, c->name) : fm_strdup(r->ctx, r->folder);
  if (!r->category_folder) return FM_MEMORY;
  FM_TRY(fm_folder_make(r->ctx, r->category_folder));
  fm_contact_begin(&r->contact, r->ctx, c->pictures);
  return fm_histogram_begin(&r->pixels, r->ctx);
}

/* The files of one picture at its own size. They are independent, so threads share them. */
struct full_size {
  struct fm_report *report;
  const struct fm_report_picture *picture;
  const struct fm_heat *heat;
  unsigned char *mask;
};

/* WHAT/KIND/NAME.EXTENSION in the category's folder, which is made; a new string. */
static enum fm_status picture_path(const struct full_size *f, const char *what, const char *extension,
                                   char **path) {
  struct fm_context *ctx = f->report->ctx;
  *path = fm_format(ctx, "%s/%s/%s/%s.%s", f->report->category_folder, what, f->picture->kind,
                    f->picture->name, extension);
  if (!*path) return FM_MEMORY;
  char *slash = strrchr(*path, '/');
  *slash = 0;
  enum fm_status status = fm_folder_make(ctx, *path);
  *slash = '/';
  return status;
}

static enum fm_status write_map(const struct full_size *f, const char *path) {
  const struct fm_image *image = f->picture->image;
  return fm_tiff_write(f->report->ctx, path, image->width, image->height, f->picture->map);
}

static enum fm_status write_mask(const struct full_size *f, const char *path) {
  const struct fm_image *image = f->picture->image;
  struct fm_image mask = {.width = image->width, .height = image->height, .channels = 1, .pixels = f->mask};
  return fm_png_write(f->report->ctx, path, &mask);
}

static enum fm_status write_overlay(const struct full_size *f, const char *path) {
  struct fm_context *ctx = f->report->ctx;
  const struct fm_report_picture *p = f->picture;
  struct fm_image overlay;
  enum fm_status status = fm_overlay_draw(ctx, p->image, p->map, f->mask, p->truth, f->heat, &overlay);
  if (status == FM_OK) status = fm_png_write(ctx, path, &overlay);
  fm_image_free(ctx, &overlay);
  return status;
}

static enum fm_status write_repaired(const struct full_size *f, const char *path) {
  return fm_png_write(f->report->ctx, path, f->picture->repaired);
}

static enum fm_status write_file(void *user, size_t index) {
  struct full_size *f = user;
  static const struct {
    const char *folder, *extension;
    enum fm_status (*write)(const struct full_size *, const char *);
  } file[] = {{"overlays", "png", write_overlay},
              {"maps", "tiff", write_map},
              {"masks", "png", write_mask},
              {"repaired", "png", write_repaired}};
  const struct fm_report_head *head = &f->report->head;
  const bool left_out[] = {head->no_overlays, head->no_maps, head->no_masks, !f->picture->repaired};
  if (left_out[index]) return FM_OK;
  char *path;
  enum fm_status status = picture_path(f, file[index].folder, file[index].extension, &path);
  if (status == FM_OK) status = file[index].write(f, path);
  fm_free(f->report->ctx, path);
  return status;
}

/* What sharpening adds to the small pictures of the page. */
static enum fm_status draw_refined(struct fm_report *r, const struct fm_report_picture *p, int u, int v,
                                   struct fm_image tile[FM_TILES]) {
  float *map = NULL;
  enum fm_status status = fm_canvas_shrink(r->ctx, p->repaired, u, v, &tile[FM_TILE_REPAIRED]);
  if (status == FM_OK)
    status = fm_canvas_shrink_map(r->ctx, p->base, p->base_width, p->base_height, u, v, &map);
  if (status == FM_OK) status = fm_overlay_heat(r->ctx, map, u, v, p->base_heat, &tile[FM_TILE_BASE]);
  fm_free(r->ctx, map);
  return status;
}

/* The small pictures of the page. */
static enum fm_status draw_tiles(struct fm_report *r, const struct fm_report_picture *p,
                                 const struct fm_heat *heat, const unsigned char *mask, bool masked,
                                 struct fm_image tile[FM_TILES]) {
  struct fm_context *ctx = r->ctx;
  int w = p->image->width, h = p->image->height, u, v;
  fm_canvas_fit(w, h, r->head.side, &u, &v);
  float *map = NULL;
  unsigned char *found = NULL, *truth = NULL;
  enum fm_status status = fm_canvas_shrink(ctx, p->image, u, v, &tile[FM_TILE_PICTURE]);
  if (status == FM_OK) status = fm_canvas_shrink_map(ctx, p->map, w, h, u, v, &map);
  if (status == FM_OK) status = fm_canvas_shrink_mask(ctx, mask, w, h, u, v, &found);
  if (status == FM_OK && masked) status = fm_canvas_shrink_mask(ctx, p->truth, w, h, u, v, &truth);
  if (status == FM_OK) status = fm_overlay_heat(ctx, map, u, v, heat, &tile[FM_TILE_MAP]);
  if (status == FM_OK)
    status = fm_overlay_draw(ctx, &tile[FM_TILE_PICTURE], map, found, truth, heat, &tile[FM_TILE_FOUND]);
  if (status == FM_OK && masked)
    status = fm_overlay_truth(ctx, &tile[FM_TILE_PICTURE], truth, &tile[FM_TILE_TRUTH]);
  if (status == FM_OK && p->base) status = draw_refined(r, p, u, v, tile);
  fm_free(ctx, map);
  fm_free(ctx, found);
  fm_free(ctx, truth);
  return status;
}

static enum fm_status keep_tiles(struct fm_report *r, const struct fm_image tile[FM_TILES],
                                 struct fm_record *record) {
  record->width = tile[FM_TILE_PICTURE].width;
  record->height = tile[FM_TILE_PICTURE].height;
  for (int t = 0; t < FM_TILES; t++) {
    if (!tile[t].pixels) continue;
    unsigned char *jpeg;
    size_t size;
    FM_TRY(fm_jpeg_encode(r->ctx, &tile[t], QUALITY, &jpeg, &size));
    struct fm_text text;
    fm_text_begin(&text, r->ctx);
    fm_base64(&text, jpeg, size);
    fm_free(r->ctx, jpeg);
    FM_TRY(fm_text_take(&text, &record->jpeg[t], NULL));
  }
  return FM_OK;
}

static enum fm_status show_picture(struct fm_report *r, const struct fm_report_picture *p,
                                   const struct fm_heat *heat, const unsigned char *mask,
                                   struct fm_record *record) {
  struct fm_image tile[FM_TILES] = {{0}};
  char *label = fm_format(r->ctx, "%s/%s %.4g%s", p->kind, p->name, p->score,
                          record->flawed == record->flagged ? ""
                          : record->flawed                  ? " missed"
                                                            : " false alarm");
  enum fm_status status = label ? draw_tiles(r, p, heat, mask, record->masked, tile) : FM_MEMORY;
  if (status == FM_OK) status = keep_tiles(r, tile, record);
  if (status == FM_OK) status = fm_contact_add(&r->contact, tile, label, record->flawed != record->flagged);
  for (int t = 0; t < FM_TILES; t++) fm_image_free(r->ctx, &tile[t]);
  fm_free(r->ctx, label);
  return status;
}

static void count_verdict(struct fm_report_tally *t, const struct fm_record *r) {
  size_t *count = r->flawed ? (r->flagged ? &t->found : &t->missed) : (r->flagged ? &t->alarms : &t->passed);
  ++*count;
}

static void map_row(void *user, int y, float *row) {
  const struct fm_report_picture *p = user;
  size_t width = (size_t)p->image->width;
  memcpy(row, p->map + (size_t)y * width, width * sizeof *row);
}

/* The verdict, its regions, and those as a mask. */
static enum fm_status judge(struct fm_context *ctx, const struct fm_section *s,
                            const struct fm_report_picture *p, struct fm_verdict *found,
                            unsigned char **mask) {
  const struct fm_verdict_rule rule = {s->image, s->pixel, s->min_area};
  const struct fm_spot_map map = {p->image->width, p->image->height, map_row, (void *)p};
  size_t width = (size_t)map.width, pixels = width * (size_t)map.height;
  float peak = p->map[0];
  for (size_t i = 1; i < pixels; i++) peak = fmaxf(peak, p->map[i]);
  FM_TRY(fm_verdict_of_map(ctx, &rule, &map, p->score, (double)peak, found));
  if (!(*mask = fm_alloc(ctx, pixels, 1))) return FM_MEMORY;
  struct fm_spot_mask cut;
  enum fm_status status = fm_spot_mask_open(ctx, &cut, &found->spots);
  for (size_t at = 0; at < pixels && status == FM_OK; at += width)
    fm_spot_mask_row(&cut, p->map + at, *mask + at);
  fm_spot_mask_close(ctx, &cut);
  return status;
}

enum fm_status fm_report_add(struct fm_report *r, const struct fm_report_picture *p) {
  struct fm_section *s = &r->section[r->count - 1];
  FM_TRY(fm_grow(r->ctx, (void **)&s->record, &s->capacity, s->count, sizeof *s->record));
  struct fm_record *record = &s->record[s->count++];
  *record = (struct fm_record){.score = p->score, .flawed = p->flawed};
  if (p->adjusted) record->adjusted = *p->adjusted;
  record->own_width = p->image->width;
  record->own_height = p->image->height;
  record->kind = fm_strdup(r->ctx, p->kind);
  record->name = fm_strdup(r->ctx, p->name);
  if (!record->kind || !record->name) return FM_MEMORY;
  struct full_size full = {.report = r, .picture = p, .heat = &s->heat};
  size_t pixels = (size_t)p->image->width * (size_t)p->image->height;
  enum fm_status status = judge(r->ctx, s, p, &record->found, &full.mask);
  for (size_t i = 0; i < pixels; i++) record->masked |= p->truth && p->truth[i];
  record->flagged = record->found.flagged;
  record->share = fm_verdict_share(&record->found);
  count_verdict(&s->tally, record);
  fm_histogram_add(&r->pixels, pixels, p->map, p->truth);
  if (status == FM_OK) status = fm_parallel(r->ctx, 4, write_file, &full);
  if (status == FM_OK) status = show_picture(r, p, &s->heat, full.mask, record);
  fm_free(r->ctx, full.mask);
  return status;
}

static enum fm_status write_contact(struct fm_report *r, const struct fm_section *s) {
  struct fm_image sheet = {0};
  char *path = fm_path_join(r->ctx, r->category_folder, "contact.png");
  char *title = fm_format(r->ctx, "%s: %s", r->title, s->name);
  enum fm_status status = path && title ? fm_contact_draw(&r->contact, title, &sheet) : FM_MEMORY;
  if (status == FM_OK) status = fm_png_write(r->ctx, path, &sheet);
  fm_image_free(r->ctx, &sheet);
  fm_free(r->ctx, path);
  fm_free(r->ctx, title);
  return status;
}

static void free_tiles(struct fm_section *s) {
  for (size_t i = 0; i < s->count; i++)
    for (int t = 0; t < FM_TILES; t++) {
      fm_free(s->ctx, s->record[i].jpeg[t]);
      s->record[i].jpeg[t] = NULL;
    }
}

enum fm_status fm_report_category_end(struct fm_report *r, const struct fm_metrics *official,
                                      const struct fm_metrics *cdo1) {
  struct fm_section *s = &r->section[r->count - 1];
  s->official = *official;
  s->has_cdo1 = cdo1 != NULL;
  if (cdo1) s->cdo1 = *cdo1;
  FM_TRY(write_contact(r, s));
  FM_TRY(fm_page_section(&r->body, s, r->count, &r->pixels, r->head.shown));
  free_tiles(s);
  fm_contact_free(&r->contact);
  fm_histogram_free(&r->pixels, r->ctx);
  return FM_OK;
}

static enum fm_status write_page(struct fm_report *r) {
  struct fm_text top, end;
  fm_text_begin(&top, r->ctx);
  fm_text_begin(&end, r->ctx);
  fm_html_begin(&top, r->title);
  fm_html_wrap(&top, "<h1>", r->title, "</h1>\n");
  fm_page_facts(&top, &r->facts);
  struct fm_metrics mean = fm_section_mean(r->section, r->count, false);
  if (r->count > 1) fm_page_overview(&top, r->section, r->count, &mean);
  fm_html_end(&end);
  struct fm_writer w = {.ctx = r->ctx};
  char *path = fm_path_join(r->ctx, r->folder, "report.html");
  enum fm_status status = !path ? FM_MEMORY : top.status != FM_OK ? top.status : end.status;
  if (status == FM_OK) status = fm_writer_open(&w, r->ctx, path);
  if (status == FM_OK) status = fm_writer_write(&w, top.chars, top.size);
  if (status == FM_OK && r->body.size) status = fm_writer_write(&w, r->body.chars, r->body.size);
  if (status == FM_OK) status = fm_writer_write(&w, end.chars, end.size);
  if (status == FM_OK) status = fm_writer_commit(&w);
  fm_writer_discard(&w);
  fm_text_free(&top);
  fm_text_free(&end);
  fm_free(r->ctx, path);
  return status;
}

enum fm_status fm_report_close(struct fm_report *r) {
  FM_TRY(fm_files_metrics_json(r->ctx, r->folder, &r->facts, r->section, r->count));
  FM_TRY(fm_files_metrics_csv(r->ctx, r->folder, r->section, r->count));
  FM_TRY(fm_files_images_csv(r->ctx, r->folder, r->section, r->count));
  FM_TRY(fm_files_regions_csv(r->ctx, r->folder, r->section, r->count));
  return write_page(r);
}

struct fm_report_tally fm_report_tally(const struct fm_report *r) {
  return r->count ? r->section[r->count - 1].tally : (struct fm_report_tally){0};
}

static void free_section(struct fm_section *s) {
  free_tiles(s);
  for (size_t i = 0; i < s->count; i++) {
    fm_free(s->ctx, s->record[i].kind);
    fm_free(s->ctx, s->record[i].name);
    fm_verdict_free(s->ctx, &s->record[i].found);
  }
  free_facts(s->ctx, &s->facts);
  fm_free(s->ctx, s->record);
  fm_free(s->ctx, s->name);
  fm_free(s->ctx, s->warning);
  fm_free(s->ctx, s->size_official);
  fm_free(s->ctx, s->size_cdo1);
}

void fm_report_free(struct fm_report *r) {
  if (!r) return;
  for (size_t i = 0; i < r->count; i++) free_section(&r->section[i]);
  free_facts(r->ctx, &r->facts);
  fm_contact_free(&r->contact);
  fm_histogram_free(&r->pixels, r->ctx);
  fm_text_free(&r->body);
  fm_free(r->ctx, r->section);
  fm_free(r->ctx, r->category_folder);
  fm_free(r->ctx, r->folder);
  fm_free(r->ctx, r->title);
  fm_free(r->ctx, r);
}
