/* flawmap calibrate: new thresholds for a model, from good pictures or by hand. */
#define _POSIX_C_SOURCE 200809L
#include "app/by_hand.h"
#include "app/by_name.h"
#include "app/commands.h"
#include "app/good_folder.h"
#include "app/odd_sheet.h"
#include "app/place.h"

#include "task/calibrate.h"

struct args {
  struct fm_device *given;
  const char *model, *data, *out, *weights, *device; /* data: may be NULL with a threshold by hand */
  bool force, leave_out_odd;
  double false_alarms;
  struct fm_by_hand by_hand;
};

/* Thresholds from the scores of good pictures. */
static enum fm_status choose(struct fm_context *ctx, const struct args *a, struct fm_model *model) {
  struct fm_good_folder folder = {0};
  struct fm_device *d = NULL;
  enum fm_status status = fm_good_folder_open(ctx, a->data, &folder);
  if (status == FM_OK) status = fm_by_name_open(ctx, a->given, a->device, a->force, &d);
  if (status == FM_OK)
    status = fm_model_calibrate(d, model,
                                &(struct fm_calibration){.samples = folder.good.train,
                                                         .count = folder.good.train_count,
                                                         .what = "good pictures for calibration",
                                                         .odd = fm_odd_sheet,
                                                         .user = (void *)(a->out ? a->out : a->model)});
  enum fm_status closed = fm_by_name_close(a->given, d);
  fm_good_folder_close(ctx, &folder);
  return status != FM_OK ? status : closed;
}

static enum fm_status calibrate(struct fm_context *ctx, const struct args *a) {
  const char *out = a->out ? a->out : a->model;
  struct fm_model model;
  char sentence[400];
  FM_TRY(fm_place_try(ctx, a->model, out, "the thresholds are chosen"));
  FM_TRY(fm_model_load(ctx, a->model, a->weights, &model));
  bool had = model.has_thresholds;
  double before = model.image.value;
  if (a->false_alarms > 0) model.recipe.false_alarms = a->false_alarms;
  if (a->leave_out_odd) model.recipe.leave_out_odd = true;
  enum fm_status status = a->data ? choose(ctx, a, &model) : FM_OK;
  if (status == FM_OK) status = fm_by_hand_apply(&a->by_hand, a->model, &model);
  if (status == FM_OK) status = fm_model_save(&model, out, model.thin);
  if (status == FM_OK) {
    fm_threshold_sentence(&model.image, sentence);
    fm_by_name_tell(ctx, a->given, "%s: threshold %s", out, sentence);
    if (had) fm_by_name_tell(ctx, a->given, "  it was %.6g before", before);
  }
  fm_model_free(&model);
  return status;
}

enum fm_status fm_calibrate_by_name(struct fm_context *ctx, struct fm_device *given, int argc, char **argv) {
  struct args a = {.given = given};
  struct fm_option options[] = {
      {"o", FM_OPT_TEXT, &a.out, "MODEL", "where to write the model (default: replace it)", 0, 0, NULL},
      {"false-alarms", FM_OPT_NUMBER, &a.false_alarms, "P",
       "share of good pictures that may be flagged (default: the model's)", 1e-6, 0.5, NULL},
      {"leave-out-odd", FM_OPT_FLAG, &a.leave_out_odd, NULL, "do without scores far over the others", 0, 0,
       NULL},
      FM_BY_HAND_OPTIONS(&a.by_hand),
      {"weights", FM_OPT_TEXT, &a.weights, "FILE", "a thin model's expert weights", 0, 0, NULL},
      {"device", FM_OPT_TEXT, &a.device, "N|NAME", "the device ('flawmap devices' lists them)", 0, 0, NULL},
      {"force", FM_OPT_FLAG, &a.force, NULL, "use a device that fails its self-test", 0, 0, NULL},
  };
  const char *words[2];
  bool help;
  FM_TRY(fm_options_words(ctx, fm_command_find("calibrate"), options, sizeof options / sizeof *options, argc,
                          argv, 1, 2, words, &help));
  if (help) return FM_OK;
  a.model = words[0];
  a.data = words[1];
  if (!a.data && !a.by_hand.image_given && !a.by_hand.pixel_given)
    return fm_error(
        ctx, FM_USAGE,
        "name a folder of good pictures (flawmap calibrate %s DIR), or a threshold (--threshold X)", a.model);
  return calibrate(ctx, &a);
}

enum fm_status fm_cmd_calibrate(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  (void)exit_status;
  return fm_calibrate_by_name(ctx, NULL, argc, argv);
}
