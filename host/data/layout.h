/* One function a layout: lists a category's pictures. For the data layer's own files; see dataset.h for the
 * layouts. */
#ifndef FM_DATA_LAYOUT_H
#define FM_DATA_LAYOUT_H

#include "data/dataset.h"

/* A growing list. */
struct fm_samples {
  struct fm_sample *item;
  size_t count, capacity;
  char *stray; /* the first mask that belongs to no picture, and how many there are */
  size_t strays;
  struct fm_overlooked overlooked;
};

/* Takes path and mask (may be NULL), also on failure; copies kind and file, the path in the kind's folder. */
enum fm_status fm_samples_add(struct fm_context *ctx, struct fm_samples *list, char *path, const char *file,
                              const char *kind, bool flawed, char *mask);

/* Sorts by kind, then path. Files that differ in the extension only (a.png, a.jpg) keep it in their names,
 * but for the first of them. */
enum fm_status fm_samples_settle(struct fm_context *ctx, struct fm_samples *list);

/* What was listed before a failure stays in the lists. */
enum fm_status fm_layout_mvtec(struct fm_context *ctx, const struct fm_dataset *set, const char *category,
                               struct fm_samples *train, struct fm_samples *test);
enum fm_status fm_layout_mvtec3d(struct fm_context *ctx, const struct fm_dataset *set, const char *category,
                                 struct fm_samples *train, struct fm_samples *test);
enum fm_status fm_layout_visa(struct fm_context *ctx, const struct fm_dataset *set, const char *category,
                              struct fm_samples *train, struct fm_samples *test);
enum fm_status fm_layout_folder(struct fm_context *ctx, const struct fm_dataset *set, const char *category,
                                struct fm_samples *train, struct fm_samples *test);

/* The distinct objects in root/split_csv/1cls.csv, sorted; and that file's path. */
enum fm_status fm_visa_categories(struct fm_context *ctx, const char *root, struct fm_names *names);
char *fm_visa_table(struct fm_context *ctx, const char *root);

#endif
