/* A folder of good pictures that a command names beside the data set: for thresholds, or to join a model. */
#ifndef FM_APP_GOOD_FOLDER_H
#define FM_APP_GOOD_FOLDER_H

#include "data/dataset.h"

/* Zeros before it is opened. */
struct fm_good_folder {
  struct fm_dataset set;
  struct fm_category good; /* its training list: all pictures in the folder */
};

/* A warning where pictures lie in folders with the names of flaws. To be closed also after a failure. */
enum fm_status fm_good_folder_open(struct fm_context *ctx, const char *path, struct fm_good_folder *folder);
void fm_good_folder_close(struct fm_context *ctx, struct fm_good_folder *folder);

#endif
