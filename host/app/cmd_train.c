/* flawmap train: learns from a category's good pictures. */
#define _POSIX_C_SOURCE 200809L
#include "app/commands.h"
#include "app/trusted.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/print.h"
#include "base/text.h"
#include "model/real.h"
#include "task/fit.h"

#include <stdio.h>
#include <string.h>

enum { OWN_OPTIONS = 16, OPTIONS = OWN_OPTIONS + FM_FIELDS + 4 };

/* What the command line says. */
struct args {
  const char *data, *out, *category, *layout, *recipe_name, *weights, *calibrate, *real_list, *device;
  bool force;
  bool resume, thin, untrained;
  struct fm_recipe recipe;
  bool given[FM_FIELDS], skip_background;
  const char *text[FM_FIELDS];
};

static bool every(const struct args *a) {
  return a->category && strcmp(a->category, "all") == 0;
}

/* The option of a recipe's field. */
static struct fm_option field_option(struct args *a, int i, int methods) {
  static const enum fm_option_kind kinds[] = {[FM_FIELD_FLAG] = FM_OPT_FLAG,
                                              [FM_FIELD_SWITCH] = FM_OPT_FLAG,
                                              [FM_FIELD_INT] = FM_OPT_INT,
                                              [FM_FIELD_NUMBER] = FM_OPT_NUMBER,
                                              [FM_FIELD_TEXT] = FM_OPT_TEXT};
  const struct fm_field *f = &fm_fields[i];
  void *place = (char *)&a->recipe + f->offset;
  if (f->kind == FM_FIELD_TEXT) place = &a->text[i];
  if (f->kind == FM_FIELD_SWITCH) place = &a->skip_background;
  const char *help = f->methods & methods ? f->help : "";
  return (struct fm_option){f->key, kinds[f->kind], place, f->argument, help, f->low, f->high, &a->given[i]};
}

/* The method whose constants the help shows. */
static int named_method(int argc, char **argv) {
  struct fm_recipe recipe;
  fm_recipe_default(&recipe);
  for (int i = 0; i + 1 < argc; i++)
    if (strcmp(argv[i], "--method") == 0) snprintf(recipe.method, sizeof recipe.method, "%.15s", argv[i + 1]);
  const struct fm_method *method = fm_method_of(&recipe);
  return method ? method->bit : FM_CDO;
}

static enum fm_status parse(struct fm_context *ctx, int argc, char **argv, struct args *a,
                            const char **positional, bool *help) {
  struct fm_option own[] = {
      {"o", FM_OPT_TEXT, &a->out, "MODEL", "the model to write; with --category all a folder of models", 0, 0,
       NULL},
      {"category", FM_OPT_TEXT, &a->category, "C|all", "one of several categories, or each of them", 0, 0,
       NULL},
      {"layout", FM_OPT_TEXT, &a->layout, "L", "mvtec, mvtec3d, visa or folder (else found by looking)", 0, 0,
       NULL},
      {"recipe", FM_OPT_TEXT, &a->recipe_name, "NAME", "a published run to the constant (cdo), or a file.ini",
       0, 0, NULL},
      {"weights", FM_OPT_TEXT, &a->weights, "FILE",
       "the expert's pretrained weights (else those that were fetched)", 0, 0, NULL},
      {"untrained", FM_OPT_FLAG, &a->untrained, NULL,
       "random weights instead: only to see that everything runs", 0, 0, NULL},
      {"calibrate", FM_OPT_TEXT, &a->calibrate, "DIR", "more good pictures, for thresholds only", 0, 0, NULL},
      {"real-list", FM_OPT_TEXT, &a->real_list, "FILE",
       "learn from these flawed test pictures, too: a line KIND/NAME each", 0, 0, NULL},
      {"resume", FM_OPT_FLAG, &a->resume, NULL, "go on where a stopped training left off", 0, 0, NULL},
      {"thin", FM_OPT_FLAG, &a->thin, NULL, "leave the expert out of the model's file", 0, 0, NULL},
      {"device", FM_OPT_TEXT, &a->device, "N|NAME", "the device ('flawmap devices' lists them)", 0, 0, NULL},
      {"force", FM_OPT_FLAG, &a->force, NULL, "use a device that fails its self-test", 0, 0, NULL},
      {"The recipe:", FM_OPT_GROUP, NULL, NULL, NULL, 0, 0, NULL},
  };
  size_t count = sizeof own / sizeof *own;
  struct fm_option options[OPTIONS];
  memcpy(options, own, sizeof own);
  int methods = named_method(argc, argv);
  for (int i = 0; i < FM_FIELDS; i++) options[count++] = field_option(a, i, methods);
  int n;
  FM_TRY(fm_options_parse(ctx, fm_command_find("train"), options, count, argc, argv, positional, &n, help));
  if (*help) return FM_OK;
  if (n != 1)
    return fm_error(ctx, FM_USAGE,
                    "flawmap train takes one data set; you gave %d: flawmap train DATA -o MODEL", n);
  if (!a->out)
    return fm_error(ctx, FM_USAGE, "say where the model goes: flawmap train %s -o MODEL", positional[0]);
  if (a->weights && a->untrained) return fm_error(ctx, FM_USAGE, "give --weights or --untrained, not both");
  if (a->real_list && a->given[fm_field_find("real-anomalies")])
    return fm_error(ctx, FM_USAGE, "give --real-list or --real-anomalies, not both");
  if (a->real_list && every(a))
    return fm_error(ctx, FM_USAGE,
                    "--real-list names pictures of one category; with all of them use "
                    "--real-anomalies");
  a->data = positional[0];
  return FM_OK;
}

/* A constant of the command line into the recipe. */
static enum fm_status give(struct fm_context *ctx, const struct args *a, int i, struct fm_recipe *recipe) {
  const struct fm_field *f = &fm_fields[i];
  if (!fm_recipe_has(recipe, i))
    return fm_error(ctx, FM_USAGE, "--%s means nothing to the method %s", f->key, recipe->method);
  if (f->kind == FM_FIELD_TEXT) return fm_recipe_set(ctx, recipe, f->key, a->text[i], "the command line");
  if (f->kind == FM_FIELD_SWITCH)
    return fm_recipe_set(ctx, recipe, f->key, a->skip_background ? "yes" : "no", "the command line");
  memcpy((char *)recipe + f->offset, (const char *)&a->recipe + f->offset, f->size);
  return FM_OK;
}

/* Command line over recipe over the method's defaults. */
static enum fm_status finish_recipe(struct fm_context *ctx, struct args *a) {
  struct fm_recipe recipe;
  int method = fm_field_find("method");
  if (a->recipe_name) {
    FM_TRY(fm_recipe_read(ctx, a->recipe_name, &recipe));
    if (a->given[method] && strcmp(recipe.method, a->text[method]) != 0)
      return fm_error(ctx, FM_USAGE, "the recipe %s is one of the method %s, not of %s", a->recipe_name,
                      recipe.method, a->text[method]);
  } else {
    FM_TRY(fm_recipe_begin(ctx, a->given[method] ? a->text[method] : "cdo", &recipe));
  }
  for (int i = 0; i < FM_FIELDS; i++)
    if (a->given[i] && i != method) FM_TRY(give(ctx, a, i, &recipe));
  a->recipe = recipe;
  if (a->recipe_name) memset(a->given, 1, sizeof a->given); /* a recipe says something about every constant */
  return fm_recipe_check(ctx, &a->recipe);
}

static void print_model(const char *path, const struct fm_model *m, double seconds) {
  char sentence[400], time[32];
  fm_threshold_sentence(&m->image, sentence);
  fm_duration(seconds, time);
  char flawed[40] = "";
  size_t real = fm_real_count(m->data.real);
  if (real) snprintf(flawed, sizeof flawed, " and %zu flawed ones", real);
  fm_print("%s: %s, %zu good pictures%s learned, %zu held out, %s\n  threshold %s\n", path, m->data.category,
           m->data.learned, flawed, m->data.held, time, sentence);
  fflush(stdout);
}

static enum fm_status train_category(struct fm_device *d, struct fm_fit *fit, const struct fm_dataset *set,
                                     const char *name) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_category category;
  struct fm_model model;
  double begin = fm_seconds();
  FM_TRY(fm_category_open(ctx, set, name, &category));
  fit->category = &category;
  enum fm_status status = fm_category_needs_training(ctx, &category);
  if (status == FM_OK) status = fm_fit_run(d, fit, &model);
  fm_category_close(ctx, &category);
  if (status == FM_OK) print_model(fit->path, &model, fm_seconds() - begin);
  if (status == FM_OK) fm_model_free(&model);
  return status;
}

static enum fm_status train_all(struct fm_device *d, struct fm_fit *fit, const struct fm_dataset *set,
                                const char *folder) {
  struct fm_context *ctx = fm_device_context(d);
  FM_TRY(fm_folder_make(ctx, folder));
  for (size_t i = 0; i < set->categories.count; i++) {
    const char *name = set->categories.name[i];
    char *path = fm_format(ctx, "%s/%s.flawmap", folder, name);
    if (!path) return FM_MEMORY;
    fm_note(ctx, "category %zu of %zu: %s", i + 1, set->categories.count, name);
    fit->path = path;
    enum fm_status status = train_category(d, fit, set, name);
    fm_free(ctx, path);
    FM_TRY(status);
  }
  return FM_OK;
}

/* With the device and the data set open. */
static enum fm_status train(struct fm_device *d, const struct args *a, const struct fm_dataset *set) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_fit fit = {.recipe = a->recipe,
                       .given = a->given,
                       .real_list = a->real_list,
                       .weights = a->weights,
                       .path = a->out,
                       .resume = a->resume,
                       .thin = a->thin,
                       .untrained = a->untrained};
  struct fm_dataset more = {0};
  struct fm_category good = {0};
  enum fm_status status = FM_OK;
  if (a->calibrate) {
    struct fm_dataset_options folder = {.layout = FM_LAYOUT_FOLDER};
    status = fm_dataset_open(ctx, a->calibrate, &folder, &more);
    if (status == FM_OK) status = fm_category_open(ctx, &more, NULL, &good);
    fit.calibrate = good.train;
    fit.calibrate_count = good.train_count;
  }
  if (status == FM_OK) {
    bool all = every(a);
    status = all ? train_all(d, &fit, set, a->out) : train_category(d, &fit, set, a->category);
  }
  fm_category_close(ctx, &good);
  fm_dataset_close(ctx, &more);
  return status;
}

static enum fm_status run(struct fm_context *ctx, const struct args *a) {
  struct fm_dataset_options options = {0};
  struct fm_dataset set;
  struct fm_device *d = NULL;
  if (a->layout) FM_TRY(fm_layout_parse(ctx, a->layout, &options.layout));
  FM_TRY(fm_dataset_open(ctx, a->data, &options, &set));
  enum fm_status status = fm_trusted_device(ctx, a->device, a->force, &d);
  if (status == FM_OK) status = train(d, a, &set);
  enum fm_status closed = fm_device_close(d);
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
  if (text.chars) fm_note(ctx, "to go on: flawmap train%s%s", text.chars, resume ? "" : " --resume");
  fm_text_free(&text);
}

enum fm_status fm_cmd_train(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  struct args a = {0};
  bool help = false;
  const char **positional = fm_alloc(ctx, (size_t)argc + 1, sizeof *positional);
  if (!positional) return FM_MEMORY;
  fm_recipe_default(&a.recipe);
  enum fm_status status = parse(ctx, argc, argv, &a, positional, &help);
  if (status == FM_OK && !help) status = finish_recipe(ctx, &a);
  if (status == FM_OK && !help) status = run(ctx, &a);
  bool keeps = every(&a) || (fm_method_of(&a.recipe) && fm_method_of(&a.recipe)->resumes);
  if (status == FM_STOPPED && keeps) print_resume(ctx, argc, argv, a.resume);
  fm_free(ctx, positional);
  return status;
}
