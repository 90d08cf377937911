/* Inside the report layer: what is kept of every picture and category until the page is written. */
#ifndef FM_REPORT_RECORD_H
#define FM_REPORT_RECORD_H

#include "report/contact.h"
#include "report/plot.h"
#include "report/report.h"

/* The first FM_CONTACT_TILES are on the contact sheet, too; the others are there where maps were sharpened.
 */
enum fm_tile {
  FM_TILE_PICTURE,
  FM_TILE_MAP,
  FM_TILE_FOUND,
  FM_TILE_TRUTH,
  FM_TILE_BASE,
  FM_TILE_REPAIRED,
  FM_TILES
};

struct fm_record { /* a picture */
  char *kind, *name;
  struct fm_adjusted adjusted;
  double score, share; /* share: of its pixels that are outlined */
  struct fm_verdict found;
  bool flawed, flagged, masked; /* masked: the truth has a flawed pixel */
  char *jpeg[FM_TILES];         /* base64; NULL: no such tile */
  int width, height;            /* of the tiles */
  int own_width, own_height;    /* of the picture */
};

struct fm_fact_list {
  char **name, **value;
  size_t count;
};

struct fm_section { /* a category; owns its strings */
  struct fm_context *ctx;
  char *name, *warning, *size_official, *size_cdo1;
  struct fm_fact_list facts;
  struct fm_threshold image, pixel;
  size_t min_area;
  struct fm_heat heat;
  struct fm_metrics official, cdo1;
  bool has_cdo1, ended;
  struct fm_report_tally tally;
  struct fm_record *record;
  size_t count, capacity;
};

/* page.c: the parts of report.html. */
void fm_page_facts(struct fm_text *page, const struct fm_fact_list *facts);
void fm_page_overview(struct fm_text *page, const struct fm_section *section, size_t count,
                      const struct fm_metrics *mean);
enum fm_status fm_page_section(struct fm_text *page, const struct fm_section *section, size_t number,
                               const struct fm_histogram *pixels, size_t shown);

/* cards.c: the pictures. The order is by kind (good ones last), the worst mistakes of each kind first, then
 * by how close a call it was. The caller's (fm_free). */
enum fm_status fm_cards_order(const struct fm_section *section, const struct fm_record ***order);
void fm_cards_mistakes(struct fm_text *page, const struct fm_section *section, const struct fm_record **order,
                       size_t number);
void fm_cards_put(struct fm_text *page, const struct fm_section *section, const struct fm_record **order,
                  size_t number, size_t shown);

/* files.c: the files for programs, from all sections. */
enum fm_status fm_files_metrics_json(struct fm_context *ctx, const char *folder,
                                     const struct fm_fact_list *facts, const struct fm_section *section,
                                     size_t count);
enum fm_status fm_files_metrics_csv(struct fm_context *ctx, const char *folder,
                                    const struct fm_section *section, size_t count);
enum fm_status fm_files_images_csv(struct fm_context *ctx, const char *folder,
                                   const struct fm_section *section, size_t count);

enum fm_status fm_files_regions_csv(struct fm_context *ctx, const char *folder,
                                    const struct fm_section *section, size_t count);

/* The mean over categories of official (cdo1 false) or cdo1 metrics; NaN where one of them has none. */
struct fm_metrics fm_section_mean(const struct fm_section *section, size_t count, bool cdo1);

#endif
