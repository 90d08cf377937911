/* flawmap update: new good pictures join a model. */
#include "app/by_name.h"
#include "app/commands.h"
#include "app/good_folder.h"
#include "app/place.h"

#include "task/update.h"

struct args {
  struct fm_device *given;
  const char *model, *data, *old, *out, *weights, *device;
  long epochs;
  bool force;
};

static enum fm_status learn(struct fm_context *ctx, const struct args *a, struct fm_model *model) {
  struct fm_good_folder fresh = {0}, old = {0};
  struct fm_device *d = NULL;
  enum fm_status status = fm_good_folder_open(ctx, a->data, &fresh);
  if (status == FM_OK && a->old) status = fm_good_folder_open(ctx, a->old, &old);
  if (status == FM_OK) status = fm_by_name_open(ctx, a->given, a->device, a->force, &d);
  const struct fm_update u = {
      .good = &fresh.good, .old = old.good.train, .old_count = old.good.train_count, .epochs = a->epochs};
  if (status == FM_OK) status = fm_model_update(d, model, &u);
  enum fm_status closed = fm_by_name_close(a->given, d);
  fm_good_folder_close(ctx, &fresh);
  fm_good_folder_close(ctx, &old);
  return status != FM_OK ? status : closed;
}

static enum fm_status update(struct fm_context *ctx, const struct args *a) {
  const char *out = a->out ? a->out : a->model;
  struct fm_model model;
  char sentence[400];
  FM_TRY(fm_place_try(ctx, a->model, out, "the pictures have joined"));
  FM_TRY(fm_model_load(ctx, a->model, a->weights, &model));
  enum fm_status status = learn(ctx, a, &model);
  if (status == FM_OK) status = fm_model_save(&model, out, model.thin);
  if (status == FM_OK) {
    fm_by_name_tell(ctx, a->given, "%s: learned from %zu good pictures, %zu of them joined later", out,
                    model.data.learned, model.data.joined);
    if (model.has_thresholds) {
      fm_threshold_sentence(&model.image, sentence);
      fm_by_name_tell(ctx, a->given, "  threshold %s", sentence);
    }
  }
  fm_model_free(&model);
  return status;
}

enum fm_status fm_update_by_name(struct fm_context *ctx, struct fm_device *given, int argc, char **argv) {
  struct args a = {.given = given};
  struct fm_option options[] = {
      {"o", FM_OPT_TEXT, &a.out, "MODEL", "where to write the model (default: replace it)", 0, 0, NULL},
      {"old", FM_OPT_TEXT, &a.old, "DIR", "good pictures from before, not learned from: thresholds from both",
       0, 0, NULL},
      {"epochs", FM_OPT_INT, &a.epochs, "N", "of steps, for cdo and cflow (default: some 30 steps, 3 epochs)",
       1, 1000000, NULL},
      {"weights", FM_OPT_TEXT, &a.weights, "FILE", "a thin model's expert weights", 0, 0, NULL},
      {"device", FM_OPT_TEXT, &a.device, "N|NAME", "the device ('flawmap devices' lists them)", 0, 0, NULL},
      {"force", FM_OPT_FLAG, &a.force, NULL, "use a device that fails its self-test", 0, 0, NULL},
  };
  const char *words[2];
  bool help;
  FM_TRY(fm_options_words(ctx, fm_command_find("update"), options, sizeof options / sizeof *options, argc,
                          argv, 2, 2, words, &help));
  if (help) return FM_OK;
  a.model = words[0];
  a.data = words[1];
  return update(ctx, &a);
}

enum fm_status fm_cmd_update(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  (void)exit_status;
  return fm_update_by_name(ctx, NULL, argc, argv);
}
