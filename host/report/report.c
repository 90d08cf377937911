#include "report/report.h"

#include "base/file.h"
#include "base/memory.h"
#include "report/html.h"
#include "report/record.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { SIDE = 256, SHOWN = 200, SHOWN_OF_SEVERAL = 24 };

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
  static const struct fm_ignore nothing;
  *s = (struct fm_section){.ctx = r->ctx,
                           .ignore = c->ignore ? c->ignore : &nothing,
                           .image = c->rule.image,
                           .pixel = c->rule.pixel,
                           .min_area = c->rule.min_area,
                           .heat = c->heat,
                           .blind = c->blind,
                           .has_overlays = !r->head.no_overlays,
                           .has_whole = !r->head.no_overlays && !r->head.single_file,
                           .shown = r->head.single_file ? r->head.shown : SIZE_MAX};
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

const char *fm_record_verdict(const struct fm_record *r) {
  if (r->blind) return r->flagged ? "flagged" : "passed";
  if (r->flawed) return r->flagged ? "found" : "missed";
  return r->flagged ? "false alarm" : "passed";
}

bool fm_record_wrong(const struct fm_record *r) {
  return !r->blind && r->flawed != r->flagged;
}

static void count_verdict(struct fm_report_tally *t, const struct fm_record *r) {
  size_t *count = r->flawed ? (r->flagged ? &t->found : &t->missed) : (r->flagged ? &t->alarms : &t->passed);
  ++*count;
}

static struct fm_page_place place_of(const struct fm_report *r, struct fm_context *ctx) {
  return (struct fm_page_place){
      .ctx = ctx, .head = &r->head, .folder = r->category_folder, .section = &r->section[r->count - 1]};
}

/* The record is the report's when this is over, or freed. */
enum fm_status fm_report_take(struct fm_report *r, struct fm_record *record) {
  struct fm_section *s = &r->section[r->count - 1];
  enum fm_status status = fm_grow(r->ctx, (void **)&s->record, &s->capacity, s->count, sizeof(void *));
  if (status != FM_OK) {
    fm_record_free(r->ctx, record);
    return status;
  }
  s->record[s->count++] = record;
  count_verdict(&s->tally, record);
  return FM_OK;
}

enum fm_status fm_report_draw(struct fm_report *r, struct fm_context *ctx, const struct fm_report_picture *p,
                              struct fm_record **drawn) {
  const struct fm_page_place place = place_of(r, ctx);
  struct fm_image tile[FM_TILES] = {{0}};
  enum fm_status status = fm_picture_draw(&place, p, tile, drawn);
  for (int t = 0; t < FM_TILES; t++) fm_image_free(ctx, &tile[t]);
  if (status == FM_OK) return FM_OK;
  fm_record_free(ctx, *drawn);
  *drawn = NULL;
  return status;
}

static enum fm_status add_to_contact(struct fm_report *r, const struct fm_record *record,
                                     const struct fm_image tile[FM_TILES]) {
  const bool wrong = fm_record_wrong(record);
  char *label = fm_format(r->ctx, "%s/%s %.4g%s%s", record->kind, record->name, record->score,
                          wrong ? " " : "", wrong ? fm_record_verdict(record) : "");
  enum fm_status status = label ? fm_contact_add(&r->contact, tile, label, wrong) : FM_MEMORY;
  fm_free(r->ctx, label);
  return status;
}

enum fm_status fm_report_add(struct fm_report *r, const struct fm_report_picture *p) {
  const struct fm_page_place place = place_of(r, r->ctx);
  struct fm_image tile[FM_TILES] = {{0}};
  struct fm_record *record;
  enum fm_status status = fm_picture_draw(&place, p, tile, &record);
  if (status == FM_OK && !r->head.page_only) status = add_to_contact(r, record, tile);
  for (int t = 0; t < FM_TILES; t++) fm_image_free(r->ctx, &tile[t]);
  if (status != FM_OK) {
    fm_record_free(r->ctx, record);
    return status;
  }
  FM_TRY(fm_report_take(r, record));
  if (!place.section->blind)
    fm_histogram_add(&r->pixels, (size_t)p->image->width * (size_t)p->image->height, p->map, p->truth);
  return FM_OK;
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
      fm_free(s->ctx, s->record[i]->jpeg[t]);
      s->record[i]->jpeg[t] = NULL;
    }
}

enum fm_status fm_report_warn(struct fm_report *r, const char *text) {
  struct fm_section *s = &r->section[r->count - 1];
  char *both = s->warning ? fm_format(r->ctx, "%s; %s", s->warning, text) : fm_strdup(r->ctx, text);
  if (!both) return FM_MEMORY;
  fm_free(r->ctx, s->warning);
  s->warning = both;
  return FM_OK;
}

static const struct fm_metrics no_metrics = {NAN, NAN, NAN, NAN, NAN, NAN,       NAN,
                                             NAN, NAN, NAN, NAN, NAN, .sizes = 0};

enum fm_status fm_report_category_end(struct fm_report *r, const struct fm_metrics *official,
                                      const struct fm_metrics *cdo1) {
  struct fm_section *s = &r->section[r->count - 1];
  s->official = official ? *official : no_metrics;
  s->has_cdo1 = cdo1 != NULL;
  if (cdo1) s->cdo1 = *cdo1;
  if (!r->head.page_only) FM_TRY(write_contact(r, s));
  char *base = r->head.several ? fm_format(r->ctx, "%s/", s->name) : fm_strdup(r->ctx, "");
  s->base = base;
  enum fm_status status = base ? fm_page_section(&r->body, s, r->count, &r->pixels) : FM_MEMORY;
  s->base = NULL;
  fm_free(r->ctx, base);
  FM_TRY(status);
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
  struct fm_metrics mean = fm_section_mean(r->section, r->count, false);
  if (r->count > 1) fm_page_overview(&top, r->section, r->count, &mean);
  fm_page_end(&end, &r->facts);
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
  if (r->head.page_only) return write_page(r);
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
  for (size_t i = 0; i < s->count; i++) fm_record_free(s->ctx, s->record[i]);
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
