#include "file/fuzz/fuzz.h"

#include "data/layout.h"

/* VisA's table of pictures: whatever is in it, no path leaves the data set. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  struct fm_context ctx;
  struct fm_dataset set;
  fuzz_begin(&ctx);
  fuzz_file(&ctx, "split_csv/1cls.csv", bytes, size);
  char *root = getenv("FUZZ_FOLDER");
  const struct fm_dataset_options options = {.layout = FM_LAYOUT_VISA};
  enum fm_status status = fm_dataset_open(&ctx, root ? root : ".", &options, &set);
  if (status == FM_OK) {
    for (size_t i = 0; i < set.categories.count && i < 4 && status == FM_OK; i++) {
      struct fm_category category;
      status = fm_category_open(&ctx, &set, set.categories.name[i], &category);
      if (status == FM_OK) fm_category_close(&ctx, &category);
    }
    fm_dataset_close(&ctx, &set);
  }
  return fuzz_end(&ctx, status);
}
