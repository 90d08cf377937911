#define _POSIX_C_SOURCE 200809L
#include "app/options.h"

#include "base/memory.h"
#include "base/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Letters to change, insert or remove (Levenshtein), at most 63 letters a word. */
static int distance(const char *a, const char *b) {
  int row[64], n = (int)strnlen(b, 63);
  for (int j = 0; j <= n; j++) row[j] = j;
  for (int i = 1; a[i - 1] && i < 64; i++) {
    int diagonal = row[0];
    row[0] = i;
    for (int j = 1; j <= n; j++) {
      int above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
      if (above + 1 < best) best = above + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      diagonal = above;
      row[j] = best;
    }
  }
  return row[n];
}

const char *fm_nearest(const char *word, const char *const *names, size_t count) {
  const char *best = NULL;
  int least = (int)strlen(word) / 2 + 1;
  if (least > 4) least = 4;
  for (size_t i = 0; i < count; i++) {
    int d = distance(word, names[i]);
    if (d < least) {
      least = d;
      best = names[i];
    }
  }
  return best;
}

static const struct fm_option *find(const struct fm_option *options, size_t count, const char *name,
                                    size_t length) {
  for (size_t i = 0; i < count; i++)
    if (options[i].kind != FM_OPT_GROUP && strlen(options[i].name) == length &&
        strncmp(options[i].name, name, length) == 0)
      return &options[i];
  return NULL;
}

static enum fm_status number(struct fm_context *ctx, const struct fm_option *o, const char *text) {
  char *end;
  double v = strtod(text, &end);
  if (*end == '%' && o->kind == FM_OPT_NUMBER) {
    v /= 100;
    end++;
  }
  bool whole = o->kind != FM_OPT_INT || (v == (double)(long)v && v > -9e15 && v < 9e15);
  bool inside = (o->low == 0 && o->high == 0) || (v >= o->low && v <= o->high);
  if (end == text || *end || !whole || !inside || v != v) {
    char range[64] = "";
    if (o->low != 0 || o->high != 0) snprintf(range, sizeof range, " from %.10g to %.10g", o->low, o->high);
    return fm_error(ctx, FM_USAGE, "--%s: '%s' is not %s%s", o->name, text,
                    o->kind == FM_OPT_INT ? "a whole number" : "a number", range);
  }
  if (o->kind == FM_OPT_INT)
    *(long *)o->value = (long)v;
  else
    *(double *)o->value = v;
  return FM_OK;
}

static enum fm_status set(struct fm_context *ctx, const struct fm_option *o, const char *text) {
  if (o->kind == FM_OPT_TEXT) {
    *(const char **)o->value = text;
    return FM_OK;
  }
  if (o->kind != FM_OPT_FLAG) return number(ctx, o, text);
  if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
    return fm_error(ctx, FM_USAGE, "--%s: '%s' is neither yes nor no", o->name, text);
  *(bool *)o->value = strcmp(text, "yes") == 0;
  return FM_OK;
}

static bool is_rare(const struct fm_option *o) {
  return o->kind != FM_OPT_GROUP && (!o->help || o->help[0] == '=');
}

/* Options without a help text of their own, on as few lines as fit a screen. */
static void print_rare(const struct fm_option *options, size_t count) {
  enum { COLUMNS = 96 };
  size_t column = 0;
  for (size_t i = 0; i < count; i++) {
    const struct fm_option *o = &options[i];
    if (!is_rare(o)) continue;
    char word[96];
    snprintf(word, sizeof word, o->help ? " --%s [%s]" : " --%s", o->name, o->help ? o->help + 1 : "");
    bool wraps = column + strlen(word) > COLUMNS;
    if (!column || wraps) {
      if (wraps) fm_print("\n");
      fm_print("  also");
      column = strlen("  also");
    }
    fm_print("%s", word);
    column += strlen(word);
  }
  if (column) fm_print("\n");
}

/* A text of ours, of one line or several. */
static void print_ours(const char *text) {
  fm_print_data(text);
  fm_print("\n");
}

static void print_help(const struct fm_command *c, const struct fm_option *options, size_t count) {
  fm_print("usage: flawmap %s %s\n%s\n", c->name, c->usage, c->about);
  for (size_t i = 0; i < count; i++) {
    const struct fm_option *o = &options[i];
    if (o->kind == FM_OPT_GROUP) {
      print_ours(o->name);
      continue;
    }
    if (is_rare(o) || !o->help[0]) continue;
    char left[64];
    snprintf(left, sizeof left, "%s%s%s%s", strlen(o->name) == 1 ? "-" : "--", o->name,
             o->argument ? " " : "", o->argument ? o->argument : "");
    fm_print("  %-24s ", left);
    print_ours(o->help);
  }
  print_rare(options, count);
  if (!c->examples) return;
  print_ours("examples:");
  print_ours(c->examples);
}

/* The table for programs (completion, the manual): --name, whether it takes a value, its placeholder, the
 * help; between tabs, a line each. */
static void list_options(const struct fm_option *options, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const struct fm_option *o = &options[i];
    bool rare = is_rare(o), unnamed = rare && o->help; /* "=VALUE": the default only */
    if (o->kind == FM_OPT_GROUP || (o->help && !o->help[0])) continue;
    fm_print("%s%s\t%s\t%s\t", strlen(o->name) == 1 ? "-" : "--", o->name,
             o->kind == FM_OPT_FLAG ? "flag" : "value", o->argument ? o->argument : "");
    if (unnamed)
      fm_print("[%s]\n", o->help + 1);
    else
      print_ours(o->help ? o->help : "");
  }
}

static enum fm_status unknown(struct fm_context *ctx, const struct fm_command *c,
                              const struct fm_option *options, size_t count, const char *word) {
  const char *names[128];
  size_t n = 0;
  for (size_t i = 0; i < count && n < 128; i++)
    if (options[i].kind != FM_OPT_GROUP) names[n++] = options[i].name;
  char bare[64];
  snprintf(bare, sizeof bare, "%.*s", (int)strcspn(word + strspn(word, "-"), "="), word + strspn(word, "-"));
  const char *near = fm_nearest(bare, names, n);
  if (near)
    return fm_error(ctx, FM_USAGE, "flawmap %s has no option '%s'; did you mean --%s?", c->name, word, near);
  return fm_error(ctx, FM_USAGE, "flawmap %s has no option '%s'; 'flawmap %s --help' lists them", c->name,
                  word, c->name);
}

enum fm_status fm_options_parse(struct fm_context *ctx, const struct fm_command *command,
                                const struct fm_option *options, size_t option_count, int argc, char **argv,
                                const char **positional, int *count, bool *help) {
  *count = 0;
  *help = false;
  bool ended = false;
  for (int i = 0; i < argc; i++) {
    const char *word = argv[i];
    if (ended || word[0] != '-' || !word[1]) {
      positional[(*count)++] = word;
      continue;
    }
    if (strcmp(word, "--") == 0) {
      ended = true;
      continue;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
      print_help(command, options, option_count);
      *help = true;
      return FM_OK;
    }
    if (strcmp(word, "--list-options") == 0) {
      list_options(options, option_count);
      *help = true;
      return FM_OK;
    }
    const char *name = word + (word[1] == '-' ? 2 : 1);
    size_t length = strcspn(name, "=");
    const struct fm_option *o = find(options, option_count, name, length);
    bool no = false;
    if (!o && strncmp(name, "no-", 3) == 0) {
      o = find(options, option_count, name + 3, length - 3);
      no = o && o->kind == FM_OPT_FLAG;
      if (!no) o = NULL;
    }
    if (!o) return unknown(ctx, command, options, option_count, word);
    if (o->given) *o->given = true;
    if (o->kind == FM_OPT_FLAG && name[length] == 0) {
      *(bool *)o->value = !no;
      continue;
    }
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    if (!value) {
      if (i + 1 >= argc)
        return fm_error(ctx, FM_USAGE, "--%s needs a value: %s", o->name, o->argument ? o->argument : "");
      value = argv[++i];
    }
    FM_TRY(set(ctx, o, value));
  }
  return FM_OK;
}

enum fm_status fm_options_words(struct fm_context *ctx, const struct fm_command *command,
                                const struct fm_option *options, size_t option_count, int argc, char **argv,
                                int least, int most, const char **words, bool *help) {
  int count = 0;
  const char **all = fm_alloc(ctx, (size_t)argc + 1, sizeof *all);
  if (!all) return FM_MEMORY;
  enum fm_status status =
      fm_options_parse(ctx, command, options, option_count, argc, argv, all, &count, help);
  if (status == FM_OK && !*help && count > most)
    status = fm_error(ctx, FM_USAGE, "flawmap %s does not expect '%s'; usage: flawmap %s %s", command->name,
                      all[most], command->name, command->usage);
  if (status == FM_OK && !*help && count < least)
    status = fm_error(ctx, FM_USAGE, "an argument is missing; usage: flawmap %s %s", command->name,
                      command->usage);
  for (int i = 0; i < most; i++) words[i] = i < count ? all[i] : NULL;
  fm_free(ctx, all);
  return status;
}
