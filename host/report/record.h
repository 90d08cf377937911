/* Inside the report layer: what is kept of every picture and category until the page is written. */
#ifndef FM_REPORT_RECORD_H
#define FM_REPORT_RECORD_H

#include "report/contact.h"
#include "report/plot.h"
#include "report/report.h"

/* The small pictures. The first FM_CONTACT_TILES are on the contact sheet, too; the others are there where
 * maps were sharpened. */
enum fm_tile {
  FM_TILE_PICTURE,
  FM_TILE_MAP,
  FM_TILE_FOUND,
  FM_TILE_TRUTH,
  FM_TILE_BASE,
  FM_TILE_REPAIRED,
  FM_TILES
};

/* Where something lies in its picture: 0 to 1 from the left and from the top. */
struct fm_point {
  double x, y;
};

struct fm_record { /* a picture */
  char *kind, *name;
  struct fm_adjusted adjusted;
  double score;
  double share, true_share; /* of its pixels that are outlined; that are flawed in truth */
  struct fm_verdict found;
  double peak; /* the largest value of its map */
  struct fm_point peak_at, truth_at;
  bool flawed, flagged, blind, masked; /* masked: the truth has a flawed pixel */
  bool tile[FM_TILES];                 /* there is such a small picture */
  char *jpeg[FM_TILES];                /* its bytes in base64, with single_file */
  int width, height;                   /* of the tiles */
  int own_width, own_height;           /* of the picture */
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
  const struct fm_ignore *ignore; /* until it ends */
  struct fm_metrics official, cdo1;
  bool blind, has_cdo1, has_overlays, has_whole;
  struct fm_report_tally tally;
  struct fm_record **record;
  size_t count, capacity;
  const char *base; /* the category's folder as seen from the page: "", or its name and "/"; not owned */
  size_t shown;     /* with single_file: how many cards have pictures, beside the mistakes; else all */
};

/* "found", "missed", "false alarm", "passed"; of a blind category "flagged", "passed". */
const char *fm_record_verdict(const struct fm_record *record);
/* The verdict is not what the picture is. */
bool fm_record_wrong(const struct fm_record *record);

/* picture.c: what is drawn and written of one picture. */
struct fm_page_place {
  struct fm_context *ctx;
  const struct fm_report_head *head;
  const char *folder; /* of the category */
  const struct fm_section *section;
};
enum fm_status fm_picture_draw(const struct fm_page_place *place, const struct fm_report_picture *picture,
                               struct fm_image tile[FM_TILES], struct fm_record **record);
/* "picture", "map", ...: the folder of these small pictures, and the word under them. */
extern const char *const fm_tile_names[FM_TILES];

/* page.c: the parts of report.html. */
void fm_page_overview(struct fm_text *page, const struct fm_section *section, size_t count,
                      const struct fm_metrics *mean);
enum fm_status fm_page_section(struct fm_text *page, const struct fm_section *section, size_t number,
                               const struct fm_histogram *pixels);
/* The words, what all was measured with, and the end of the page. */
void fm_page_end(struct fm_text *page, const struct fm_fact_list *facts);

/* verdicts.c: what came out at the threshold, and what would at another. */
void fm_verdicts_put(struct fm_text *page, const struct fm_section *section, struct fm_record *const *order,
                     size_t number);
void fm_verdicts_kinds(struct fm_text *page, const struct fm_section *section,
                       struct fm_record *const *order);

/* figures.c: the metrics in words, and the curves. */
void fm_figures_put(struct fm_text *page, const struct fm_section *section,
                    const struct fm_histogram *pixels);
/* A cell in percent with two digits, a dash where there is no value. */
void fm_figures_percent(struct fm_text *page, const char *label, double value);

/* cards.c: the pictures. The order: the worst mistakes first, then by how close a call it was. The caller's
 * (fm_free). */
enum fm_status fm_cards_order(const struct fm_section *section, struct fm_record ***order);
void fm_cards_mistakes(struct fm_text *page, const struct fm_section *section, struct fm_record *const *order,
                       size_t number);
void fm_cards_put(struct fm_text *page, const struct fm_section *section, struct fm_record *const *order,
                  size_t number);

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
