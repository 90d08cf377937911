/* flawmap calibrate: new thresholds for a model, from good pictures. */
#define _POSIX_C_SOURCE 200809L
#include "app/commands.h"
#include "app/trusted.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/print.h"
#include "task/score_set.h"

#include <stdio.h>

struct args {
  const char *out, *weights, *device;
  bool force;
  double false_alarms;
};

static enum fm_status score_and_save(struct fm_device *d, struct fm_model *model,
                                     const struct fm_category *good, const char *path) {
  char sentence[400];
  FM_TRY(
      fm_model_calibrate(d, model, good->train, good->train_count, "good pictures for calibration", false));
  FM_TRY(fm_model_save(model, path, model->thin));
  fm_threshold_sentence(&model->image, sentence);
  fm_print("%s: threshold %s\n", path, sentence);
  return FM_OK;
}

static enum fm_status calibrate(struct fm_context *ctx, const struct args *a, const char *path,
                                const char *data) {
  struct fm_dataset_options options = {.layout = FM_LAYOUT_FOLDER};
  struct fm_dataset set = {0};
  struct fm_category good = {0};
  struct fm_model model;
  struct fm_device *d = NULL;
  if (a->out) FM_TRY(fm_writer_check(ctx, a->out)); /* before minutes of scoring */
  FM_TRY(fm_model_load(ctx, path, a->weights, &model));
  if (a->false_alarms > 0) model.recipe.false_alarms = a->false_alarms;
  enum fm_status status = fm_dataset_open(ctx, data, &options, &set);
  if (status == FM_OK) status = fm_category_open(ctx, &set, NULL, &good);
  if (status == FM_OK) status = fm_category_complete(ctx, &good, false);
  if (status == FM_OK) status = fm_trusted_device(ctx, a->device, a->force, &d);
  if (status == FM_OK) status = score_and_save(d, &model, &good, a->out ? a->out : path);
  enum fm_status closed = fm_device_close(d);
  fm_category_close(ctx, &good);
  fm_dataset_close(ctx, &set);
  fm_model_free(&model);
  return status != FM_OK ? status : closed;
}

enum fm_status fm_cmd_calibrate(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  struct args a = {0};
  struct fm_option options[] = {
      {"o", FM_OPT_TEXT, &a.out, "MODEL", "where the model goes (else it is replaced)", 0, 0, NULL},
      {"false-alarms", FM_OPT_NUMBER, &a.false_alarms, "P",
       "share of good pictures that may be flagged (else the model's)", 1e-6, 0.5, NULL},
      {"weights", FM_OPT_TEXT, &a.weights, "FILE", "a thin model's expert weights", 0, 0, NULL},
      {"device", FM_OPT_TEXT, &a.device, "N|NAME", "the device ('flawmap devices' lists them)", 0, 0, NULL},
      {"force", FM_OPT_FLAG, &a.force, NULL, "use a device that fails its self-test", 0, 0, NULL},
  };
  const char *words[2];
  bool help;
  FM_TRY(fm_options_words(ctx, fm_command_find("calibrate"), options, sizeof options / sizeof *options, argc,
                          argv, 2, 2, words, &help));
  return help ? FM_OK : calibrate(ctx, &a, words[0], words[1]);
}
