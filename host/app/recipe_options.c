#include "app/recipe_options.h"

#include "base/print.h"
#include "model/method.h"

#include <stdio.h>
#include <string.h>

/* The value of --NAME VALUE or --NAME=VALUE on a command line that is not parsed yet. */
static const char *early_value(int argc, char **argv, const char *name) {
  size_t n = strlen(name);
  for (int i = 0; i < argc; i++) {
    if (strncmp(argv[i], "--", 2) != 0 || strncmp(argv[i] + 2, name, n) != 0) continue;
    if (argv[i][n + 2] == '=') return argv[i] + n + 3;
    if (argv[i][n + 2] == 0 && i + 1 < argc) return argv[i + 1];
  }
  return NULL;
}

/* What the help shows: the named recipe, else the defaults of the named method, else what every method has. A
 * name that does not exist is not reported here; parsing goes on to say so. */
static void shown_recipe(struct fm_context *ctx, int argc, char **argv, struct fm_recipe *recipe) {
  const char *name = early_value(argc, argv, "recipe"), *method = early_value(argc, argv, "method");
  for (const struct fm_embedded *e = fm_recipe_next(NULL); e && name; e = fm_recipe_next(e)) {
    char known[64], about[160];
    fm_recipe_about(e, known, about);
    if (strcmp(known, name) == 0 && fm_recipe_read(ctx, name, recipe) == FM_OK) return;
  }
  for (int i = 0; i < fm_method_count; i++)
    if (method && strcmp(fm_methods[i]->name, method) == 0 && fm_recipe_begin(ctx, method, recipe) == FM_OK)
      return;
  fm_recipe_default(recipe);
  snprintf(recipe->method, sizeof recipe->method, FM_METHOD_AUTO);
}

/* What is chosen with the method. */
static bool is_chosen(const struct fm_recipe *shown, const char *key) {
  static const char *const chosen[] = {"size", "light", "align"};
  for (size_t i = 0; fm_recipe_automatic(shown) && i < sizeof chosen / sizeof *chosen; i++)
    if (strcmp(chosen[i], key) == 0) return true;
  return false;
}

static void describe(struct fm_recipe_options *r, const struct fm_recipe *shown, int i, char help[240]) {
  const struct fm_field *f = &fm_fields[i];
  char value[FM_FIELD_VALUE];
  fm_recipe_get(shown, i, value);
  if (!value[0]) snprintf(value, sizeof value, "none");
  if (is_chosen(shown, f->key)) snprintf(value, sizeof value, "chosen");
  if (!fm_recipe_has(shown, i) || (fm_recipe_automatic(shown) && f->methods != FM_EVERY))
    help[0] = 0;
  else if (!f->help)
    snprintf(help, 240, "=%.40s", value);
  else if (strcmp(f->key, "method") == 0)
    snprintf(help, 240, "[%.40s]; --method M --help shows its constants", value);
  else
    snprintf(help, 240, "%.110s [%.40s]", f->help, value);
}

/* Read by fm_recipe_set, when the recipe is known. */
static bool is_text(const struct fm_field *f) {
  return f->kind == FM_FIELD_TEXT || f->kind == FM_FIELD_SIZE;
}

static struct fm_option make_option(struct fm_recipe_options *r, int i) {
  static const enum fm_option_kind kinds[] = {
      [FM_FIELD_FLAG] = FM_OPT_FLAG,     [FM_FIELD_SWITCH] = FM_OPT_FLAG, [FM_FIELD_INT] = FM_OPT_INT,
      [FM_FIELD_NUMBER] = FM_OPT_NUMBER, [FM_FIELD_TEXT] = FM_OPT_TEXT,   [FM_FIELD_SIZE] = FM_OPT_TEXT};
  const struct fm_field *f = &fm_fields[i];
  void *place = (char *)&r->recipe + f->offset;
  if (is_text(f)) place = &r->text[i];
  if (f->kind == FM_FIELD_SWITCH) place = &r->skip_background;
  bool method = strcmp(f->key, "method") == 0;
  return (struct fm_option){f->key,     kinds[f->kind], place,   method ? r->methods : f->argument,
                            r->help[i], f->low,         f->high, &r->given[i]};
}

void fm_recipe_options_make(struct fm_context *ctx, struct fm_recipe_options *r, int argc, char **argv,
                            struct fm_option *option) {
  struct fm_recipe shown;
  size_t used = (size_t)snprintf(r->methods, sizeof r->methods, FM_METHOD_AUTO);
  fm_recipe_default(&r->recipe);
  shown_recipe(ctx, argc, argv, &shown);
  for (int i = 0; i < fm_method_count && used < sizeof r->methods; i++)
    used += (size_t)snprintf(r->methods + used, sizeof r->methods - used, "|%s", fm_methods[i]->name);
  for (int i = 0; i < FM_FIELDS; i++) {
    describe(r, &shown, i, r->help[i]);
    option[i] = make_option(r, i);
  }
}

/* A constant of the command line into the recipe. */
static enum fm_status give(struct fm_context *ctx, const struct fm_recipe_options *r, int i,
                           struct fm_recipe *recipe) {
  const struct fm_field *f = &fm_fields[i];
  if (!fm_recipe_has(recipe, i))
    return fm_error(ctx, FM_USAGE, "--%s has no effect with --method %s; leave it out", f->key,
                    recipe->method);
  if (is_text(f)) return fm_recipe_set(ctx, recipe, f->key, r->text[i], "the command line");
  if (f->kind == FM_FIELD_SWITCH)
    return fm_recipe_set(ctx, recipe, f->key, r->skip_background ? "yes" : "no", "the command line");
  memcpy((char *)recipe + f->offset, (const char *)&r->recipe + f->offset, f->size);
  return FM_OK;
}

/* The method that the options are for: an option that not every method has names its method. */
static enum fm_status find_method(struct fm_context *ctx, const struct fm_recipe_options *r,
                                  const char **method) {
  int named = fm_field_find("method"), bits = FM_EVERY, last = -1;
  *method = r->given[named] ? r->text[named] : FM_METHOD_AUTO;
  if (r->given[named]) return FM_OK;
  for (int i = 0; i < FM_FIELDS; i++) {
    if (!r->given[i] || fm_fields[i].methods == FM_EVERY) continue;
    if (!(bits & fm_fields[i].methods))
      return fm_error(ctx, FM_USAGE, "--%s and --%s belong to different methods; leave one of them out",
                      fm_fields[last].key, fm_fields[i].key);
    bits &= fm_fields[i].methods;
    last = i;
  }
  for (int i = fm_method_count - 1; bits != FM_EVERY && i >= 0; i--)
    if (fm_methods[i]->bit & bits) *method = fm_methods[i]->name;
  return FM_OK;
}

enum fm_status fm_recipe_options_finish(struct fm_context *ctx, struct fm_recipe_options *r) {
  struct fm_recipe recipe;
  int method = fm_field_find("method");
  if (r->name) {
    FM_TRY(fm_recipe_read(ctx, r->name, &recipe));
    if (r->given[method] && strcmp(recipe.method, r->text[method]) != 0)
      return fm_error(ctx, FM_USAGE, "the recipe %s is for --method %s, not for %s", r->name, recipe.method,
                      r->text[method]);
  } else {
    const char *name;
    FM_TRY(find_method(ctx, r, &name));
    if (strcmp(name, FM_METHOD_AUTO) == 0) {
      fm_recipe_default(&recipe);
      snprintf(recipe.method, sizeof recipe.method, FM_METHOD_AUTO);
      r->given[method] = false; /* the method that is chosen is none that was asked for */
    } else {
      FM_TRY(fm_recipe_begin(ctx, name, &recipe));
    }
  }
  if (fm_recipe_holds_out(r->given)) {
    int all = fm_field_find("learn-all");
    recipe.learn_all = r->recipe.learn_all = false;
    r->given[all] = fm_recipe_has(&recipe, all) && !fm_recipe_automatic(&recipe);
  }
  for (int i = 0; i < FM_FIELDS; i++)
    if (r->given[i] && i != method) FM_TRY(give(ctx, r, i, &recipe));
  if (r->given[fm_field_find("epochs")] && !r->given[fm_field_find("steps")])
    recipe.steps = 0; /* whoever names epochs means them */
  r->recipe = recipe;
  if (r->name) memset(r->given, 1, sizeof r->given); /* a recipe decides on every constant */
  return fm_recipe_automatic(&recipe) ? FM_OK : fm_recipe_check(ctx, &r->recipe);
}

void fm_recipe_options_list(void) {
  for (const struct fm_embedded *e = fm_recipe_next(NULL); e; e = fm_recipe_next(e)) {
    char name[64], about[160];
    fm_recipe_about(e, name, about);
    fm_print("%-30s %s\n", name, about);
  }
  fm_print("A recipe of your own: a file NAME.ini of lines \"option = value\" under [NAME], for --recipe "
           "NAME.ini.\n");
}
