#include "app/good_folder.h"

#include "task/calibrate.h"

enum fm_status fm_good_folder_open(struct fm_context *ctx, const char *path, struct fm_good_folder *folder) {
  struct fm_dataset_options options = {.layout = FM_LAYOUT_FOLDER};
  FM_TRY(fm_dataset_open(ctx, path, &options, &folder->set));
  FM_TRY(fm_category_open(ctx, &folder->set, NULL, &folder->good));
  FM_TRY(fm_category_complete(ctx, &folder->good, false));
  fm_calibrate_look(ctx, folder->good.train, folder->good.train_count);
  return FM_OK;
}

void fm_good_folder_close(struct fm_context *ctx, struct fm_good_folder *folder) {
  fm_category_close(ctx, &folder->good);
  fm_dataset_close(ctx, &folder->set);
}
