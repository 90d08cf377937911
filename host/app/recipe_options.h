/* The constants of a recipe as options of `flawmap train`: one option for each field of fm_fields, with the
 * method's default in its help, and `--recipe NAME` for published ones. */
#ifndef FM_APP_RECIPE_OPTIONS_H
#define FM_APP_RECIPE_OPTIONS_H

#include "app/options.h"
#include "model/recipe.h"

struct fm_recipe_options {
  const char *name;      /* --recipe: built in, a file, or NULL */
  bool given[FM_FIELDS]; /* fields that the command line names; all of them where --recipe is given */
  struct fm_recipe recipe;
  const char *text[FM_FIELDS]; /* values of FM_FIELD_TEXT */
  bool skip_background;
  char help[FM_FIELDS][240], methods[120];
};

/* Fills option[0..FM_FIELDS). The help shows the constants of the method (or recipe) that argv names, the
 * others are left out of it. r lives as long as the options. */
void fm_recipe_options_make(struct fm_context *ctx, struct fm_recipe_options *r, int argc, char **argv,
                            struct fm_option *option);

/* After parsing: r->recipe is the command line over the recipe over the method's defaults, checked. FM_USAGE.
 */
enum fm_status fm_recipe_options_finish(struct fm_context *ctx, struct fm_recipe_options *r);

/* `--recipe list`: the recipes that are built in, a line each, on standard output. */
void fm_recipe_options_list(void);

#endif
