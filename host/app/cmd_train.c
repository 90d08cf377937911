/* flawmap train: learns from a category's good pictures. */
#define _POSIX_C_SOURCE 200809L
#include "app/by_name.h"
#include "app/commands.h"
#include "app/good_folder.h"
#include "app/odd_sheet.h"
#include "app/recipe_options.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/print.h"
#include "base/text.h"
#include "model/real.h"
#include "task/fit.h"

#include <stdio.h>
#include <string.h>

enum { OWN_OPTIONS = 17, OPTIONS = OWN_OPTIONS + FM_FIELDS + 4 };

/* What the command line says. */
struct args {
  struct fm_device *given;
  const char *data, *out, *category, *layout, *weights, *calibrate, *real_list, *ignore, *device;
  bool force;
  bool resume, thin, untrained;
  double minutes; /* 0: not given */
  struct fm_recipe_options recipe;
};

static bool wants_list(const struct args *a) {
  return a->recipe.name && strcmp(a->recipe.name, "list") == 0;
}

static bool every(const struct args *a) {
  return a->category && strcmp(a->category, "all") == 0;
}

static enum fm_status parse(struct fm_context *ctx, int argc, char **argv, struct args *a,
                            const char **positional, bool *help) {
  struct fm_option own[] = {
      {"o", FM_OPT_TEXT, &a->out, "MODEL", "the model to write (with --category all: a folder of models)", 0,
       0, NULL},
      {"category", FM_OPT_TEXT, &a->category, "C|all", "which category of the data set, or all of them", 0, 0,
       NULL},
      {"layout", FM_OPT_TEXT, &a->layout, "mvtec|mvtec3d|visa|folder", "default: recognised from the folders",
       0, 0, NULL},
      {"recipe", FM_OPT_TEXT, &a->recipe.name, "NAME",
       "every constant of a published run ('list' shows them), or a file.ini", 0, 0, NULL},
      {"weights", FM_OPT_TEXT, &a->weights, "FILE",
       "the expert's pretrained weights (default: those that were fetched)", 0, 0, NULL},
      {"untrained", FM_OPT_FLAG, &a->untrained, NULL, "use random weights, only to see that everything runs",
       0, 0, NULL},
      {"calibrate", FM_OPT_TEXT, &a->calibrate, "DIR",
       "a folder of other good pictures, used only for thresholds", 0, 0, NULL},
      {"real-list", FM_OPT_TEXT, &a->real_list, "FILE",
       "also learn from these flawed test pictures, one KIND/NAME per line", 0, 0, NULL},
      {"ignore", FM_OPT_TEXT, &a->ignore, "MASK", "do not look at what is white in this picture", 0, 0, NULL},
      {"minutes", FM_OPT_NUMBER, &a->minutes, "N",
       "what choosing a method and training may take on two cores [5]", 0.1, 1e5, NULL},
      {"resume", FM_OPT_FLAG, &a->resume, NULL, "continue a training that was stopped", 0, 0, NULL},
      {"thin", FM_OPT_FLAG, &a->thin, NULL, NULL, 0, 0, NULL},
      {"device", FM_OPT_TEXT, &a->device, "N|NAME", "the device ('flawmap devices' lists them)", 0, 0, NULL},
      {"force", FM_OPT_FLAG, &a->force, NULL, "use a device that fails its self-test", 0, 0, NULL},
      {"The recipe:", FM_OPT_GROUP, NULL, NULL, NULL, 0, 0, NULL},
  };
  size_t count = sizeof own / sizeof *own;
  struct fm_option options[OPTIONS];
  memcpy(options, own, sizeof own);
  fm_recipe_options_make(ctx, &a->recipe, argc, argv, options + count);
  count += FM_FIELDS;
  int n;
  FM_TRY(fm_options_parse(ctx, fm_command_find("train"), options, count, argc, argv, positional, &n, help));
  if (*help || wants_list(a)) return FM_OK;
  if (n != 1)
    return fm_error(ctx, FM_USAGE,
                    "flawmap train takes one data set; you gave %d: flawmap train DATA -o MODEL", n);
  if (!a->out)
    return fm_error(ctx, FM_USAGE, "name the model to write: flawmap train %s -o MODEL", positional[0]);
  if (a->weights && a->untrained) return fm_error(ctx, FM_USAGE, "give --weights or --untrained, not both");
  if (a->real_list && a->recipe.given[fm_field_find("real-anomalies")])
    return fm_error(ctx, FM_USAGE, "give --real-list or --real-anomalies, not both");
  if (a->real_list) a->recipe.given[fm_field_find("real-anomalies")] = true; /* it belongs to CDO, too */
  if (a->real_list && every(a))
    return fm_error(ctx, FM_USAGE,
                    "--real-list names pictures of one category; with --category all, use --real-anomalies");
  a->data = positional[0];
  return FM_OK;
}

static void tell_model(const struct fm_device *given, const char *path, const struct fm_model *m,
                       double seconds) {
  char sentence[400], time[32];
  fm_threshold_sentence(&m->image, sentence);
  fm_duration(seconds, time);
  char flawed[40] = "", held[40] = "";
  size_t real = fm_real_count(m->data.real);
  if (real) snprintf(flawed, sizeof flawed, " and %zu flawed ones", real);
  if (m->data.held) snprintf(held, sizeof held, ", %zu held out", m->data.held);
  fm_by_name_tell(m->ctx, given, "%s: %s, %zu good pictures%s learned%s, %s", path, m->data.category,
                  m->data.learned, flawed, held, time);
  fm_by_name_tell(m->ctx, given, "  threshold %s", sentence);
}

static enum fm_status train_category(struct fm_device *d, const struct args *a, struct fm_fit *fit,
                                     const struct fm_dataset *set, const char *name) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_category category;
  struct fm_model model;
  double begin = fm_seconds();
  FM_TRY(fm_category_open(ctx, set, name, &category));
  fit->category = &category;
  enum fm_status status = fm_category_complete(ctx, &category, false);
  if (status == FM_OK) status = fm_category_needs_training(ctx, &category);
  if (status == FM_OK) status = fm_fit_run(d, fit, &model);
  fm_category_close(ctx, &category);
  fit->category = NULL;
  if (status == FM_OK) tell_model(a->given, fit->path, &model, fm_seconds() - begin);
  if (status == FM_OK) fm_model_free(&model);
  return status;
}

/* One category that fails does not end the others; the command fails in the end. */
static enum fm_status train_all(struct fm_device *d, const struct args *a, struct fm_fit *fit,
                                const struct fm_dataset *set) {
  struct fm_context *ctx = fm_device_context(d);
  char first[1024] = "";
  size_t failed = 0;
  FM_TRY(fm_folder_make(ctx, a->out));
  for (size_t i = 0; i < set->categories.count; i++) {
    const char *name = set->categories.name[i];
    char *path = fm_format(ctx, "%s/%s.flawmap", a->out, name);
    if (!path) return FM_MEMORY;
    fm_note(ctx, "category %zu of %zu: %s", i + 1, set->categories.count, name);
    fit->path = fit->user = path;
    enum fm_status status = train_category(d, a, fit, set, name);
    fm_free(ctx, path);
    if (status == FM_OK) continue;
    if (!fm_status_is_local(status)) return status;
    fm_note(ctx, "no model for %s: %s", name, ctx->message);
    if (!failed++) snprintf(first, sizeof first, "%.80s: %.800s", name, ctx->message);
    fm_error_clear(ctx);
  }
  if (!failed) return FM_OK;
  return fm_error(ctx, FM_FORMAT, "%zu of %zu categories have no model; the first is %s", failed,
                  set->categories.count, first);
}

/* With the device and the data set open. */
static enum fm_status train(struct fm_device *d, const struct args *a, const struct fm_dataset *set) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_fit fit = {.recipe = a->recipe.recipe,
                       .given = a->recipe.given,
                       .real_list = a->real_list,
                       .weights = a->weights,
                       .path = a->out,
                       .odd = fm_odd_sheet,
                       .user = (void *)a->out,
                       .minutes = a->minutes,
                       .resume = a->resume,
                       .thin = a->thin,
                       .untrained = a->untrained};
  struct fm_good_folder folder = {0};
  struct fm_ignore ignore = {0};
  enum fm_status status = a->calibrate ? fm_good_folder_open(ctx, a->calibrate, &folder) : FM_OK;
  if (status == FM_OK && a->ignore) status = fm_ignore_read(ctx, a->ignore, &ignore);
  fit.ignore = fm_ignore_none(&ignore) ? NULL : &ignore;
  if (a->calibrate) fit.calibrate = folder.good.train;
  fit.calibrate_count = folder.good.train_count;
  if (status == FM_OK) {
    bool all = every(a);
    status = all ? train_all(d, a, &fit, set) : train_category(d, a, &fit, set, a->category);
  }
  fm_good_folder_close(ctx, &folder);
  fm_ignore_free(ctx, &ignore);
  return status;
}

static enum fm_status run(struct fm_context *ctx, const struct args *a) {
  struct fm_dataset_options options = {0};
  struct fm_dataset set;
  struct fm_device *d = NULL;
  if (a->layout) FM_TRY(fm_layout_parse(ctx, a->layout, &options.layout));
  FM_TRY(fm_dataset_open(ctx, a->data, &options, &set));
  enum fm_status status = fm_by_name_open(ctx, a->given, a->device, a->force, &d);
  if (status == FM_OK) status = train(d, a, &set);
  enum fm_status closed = fm_by_name_close(a->given, d);
  fm_dataset_close(ctx, &set);
  return status != FM_OK ? status : closed;
}

/* The command that goes on, as one can paste it into a shell. */
static void print_resume(struct fm_context *ctx, int argc, char **argv, bool resume) {
  struct fm_text text;
  fm_text_begin(&text, ctx);
  for (int i = 0; i < argc; i++) {
    bool plain =
        argv[i][0] &&
        strspn(argv[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,%@") ==
            strlen(argv[i]);
    fm_text_printf(&text, plain ? " %s" : " '%s'", argv[i]);
  }
  if (text.chars) fm_note(ctx, "to continue: flawmap train%s%s", text.chars, resume ? "" : " --resume");
  fm_text_free(&text);
}

enum fm_status fm_train_by_name(struct fm_context *ctx, struct fm_device *given, int argc, char **argv) {
  struct args a = {.given = given};
  bool help = false;
  const char **positional = fm_alloc(ctx, (size_t)argc + 1, sizeof *positional);
  if (!positional) return FM_MEMORY;
  enum fm_status status = parse(ctx, argc, argv, &a, positional, &help);
  fm_free(ctx, positional);
  if (status != FM_OK || help) return status;
  if (wants_list(&a)) {
    fm_recipe_options_list();
    return FM_OK;
  }
  FM_TRY(fm_recipe_options_finish(ctx, &a.recipe));
  if (a.minutes > 0 && !fm_recipe_automatic(&a.recipe.recipe))
    return fm_error(ctx, FM_USAGE, "--minutes has no effect with --method %s; leave it out",
                    a.recipe.recipe.method);
  status = run(ctx, &a);
  const struct fm_method *method = fm_method_of(&a.recipe.recipe);
  if (status == FM_STOPPED && !given && (every(&a) || (method && method->resumes)))
    print_resume(ctx, argc, argv, a.resume);
  return status;
}

enum fm_status fm_cmd_train(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  (void)exit_status;
  return fm_train_by_name(ctx, NULL, argc, argv);
}
