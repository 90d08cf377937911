/* The result of an evaluation or of a prediction, picture by picture: files for programs and a page for
 * people.
 *
 *   fm_report_open(ctx, &head, &report);
 *   for each category:
 *     fm_report_category_begin(report, &category);
 *     for each test picture:
 *       fm_report_add(report, &picture);
 *     fm_report_category_end(report, &official, &cdo1);
 *   fm_report_close(report);       writes what needs everything
 *   fm_report_free(report);        always, also after a failure
 *
 * In the folder (one level down, under the category's name, where head.several is set):
 *   maps/KIND/NAME.tiff      the scores, 32-bit floats at the picture's own size
 *   masks/KIND/NAME.png      255 where the score is over the pixel threshold
 *   overlays/KIND/NAME.png   the picture with map and outlines (overlay.h)
 *   contact.png              all (at most 150) pictures on a sheet
 *   report/WHAT/KIND/NAME.jpg  what the page shows: the picture at its own size ("whole") and small pictures
 * and in the folder itself:
 *   metrics.json, metrics.csv (a row a category, and the mean), images.csv, regions.csv
 *   report.html              the page: every picture has its card, mistakes first; with head.single_file the
 *                            small pictures are in it, and there is no folder report
 *
 * Every file is written atomically. The same input gives the same bytes: no date, no path. Memory: one
 * picture, and of each one so far some 400 bytes; with single_file also what the page shows of it (some
 * 60 KB). What is flawed: task/verdict.h. */
#ifndef FM_REPORT_REPORT_H
#define FM_REPORT_REPORT_H

#include "base/text.h"
#include "data/standard.h"
#include "file/image.h"
#include "report/heat.h"
#include "score/metrics.h"
#include "task/verdict.h"

struct fm_fact {
  const char *name, *value; /* "backbone", "efficientnet_lite0" */
};

struct fm_report_head {
  const char *folder;          /* made if it is missing */
  const char *title;           /* NULL: "flawmap evaluation" */
  const struct fm_fact *facts; /* what was measured: method, backbone, data set, sizes, seed, device, ... */
  size_t fact_count;
  bool several;     /* more than one category */
  bool single_file; /* the page brings its small pictures along */
  size_t shown; /* how many of a category then have pictures, mistakes first and all of them; 0: 200, or 24
                 * with several categories */
  int side;     /* longest side of the page's small pictures; 0: 256 */
  bool no_maps, no_masks, no_overlays; /* without overlays no pictures at their own size either */
  bool page_only; /* the caller writes maps, masks, overlays and repaired pictures, in the same places; there
                   * are no contact sheets and no files for programs */
};

struct fm_report_category {
  const char *name;
  const char *warning; /* stands on top of what is said about it; NULL: none */
  size_t pictures;     /* how many will be added */
  bool blind;          /* nobody knows what the pictures are: verdicts, but no mistakes and no figures */
  struct fm_verdict_rule rule;
  const struct fm_ignore *ignore; /* what is not looked at, until the category ends; NULL: nothing */
  struct fm_heat heat; /* fm_heat_make(lowest score, pixel threshold, highest score), over all pictures */
  const struct fm_fact *facts; /* of this category */
  size_t fact_count;
  const char *size_official,
      *size_cdo1; /* "the pictures' own size", "256 x 256"; for headings; may be NULL */
};

struct fm_report_picture {
  const char *kind, *name; /* kind "": none; then its files are maps/NAME.tiff and so on */
  const struct fm_image *image;
  const float *map;           /* at the image's size */
  const unsigned char *truth; /* the same size, non-zero: flawed; NULL: not known, or a good picture */
  bool flawed;                /* what the picture is; nobody looks at it in a blind category */
  double score;
  const struct fm_adjusted *adjusted; /* what came before the network did to it; NULL: nothing */
  /* Where the map was sharpened, else NULL: the detector's own map [base_height][base_width] with its
   * colours, and the picture as it should have looked, at the image's size. */
  const float *base;
  int base_width, base_height;
  const struct fm_heat *base_heat;
  const struct fm_image *repaired;
};

/* How the verdicts of a category came out. Of a blind one: alarms are flagged, passed are not. */
struct fm_report_tally {
  size_t found, missed, passed, alarms; /* flawed and flagged; flawed, not; good, not; good and flagged */
};

struct fm_report;
enum fm_status fm_report_open(struct fm_context *ctx, const struct fm_report_head *head,
                              struct fm_report **report);
enum fm_status fm_report_category_begin(struct fm_report *report, const struct fm_report_category *category);
enum fm_status fm_report_add(struct fm_report *report, const struct fm_report_picture *picture);

/* The same in two steps, for page_only: fm_report_draw by several threads at once, errors into ctx;
 * fm_report_take then in the order of the page, and the drawn picture is the report's. fm_record_free
 * where it never comes to that. */
struct fm_record;
enum fm_status fm_report_draw(struct fm_report *report, struct fm_context *ctx,
                              const struct fm_report_picture *picture, struct fm_record **drawn);
enum fm_status fm_report_take(struct fm_report *report, struct fm_record *record);
void fm_record_free(struct fm_context *ctx, struct fm_record *record); /* NULL: nothing */

/* Stands on top of what is said about the category at hand, behind what was there. */
enum fm_status fm_report_warn(struct fm_report *report, const char *text);

/* official: at the pictures' own size; cdo1: at the training size, or NULL. Of a blind category both NULL. */
enum fm_status fm_report_category_end(struct fm_report *report, const struct fm_metrics *official,
                                      const struct fm_metrics *cdo1);
enum fm_status fm_report_close(struct fm_report *report);
void fm_report_free(struct fm_report *report); /* NULL: nothing */

/* A page of several models side by side, which leads to each one's own: NAME/report.html. The whole page. */
struct fm_report_model {
  const char *name;
  struct fm_metrics metrics;
  struct fm_report_tally tally;
};
void fm_report_models(struct fm_text *page, const struct fm_report_model *models, size_t count);

/* Of the category that was ended last. */
struct fm_report_tally fm_report_tally(const struct fm_report *report);

#endif
