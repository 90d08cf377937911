/* Command-line options as tables: parsing, help that fits a screen, the nearest name for a misspelt one. */
#ifndef FM_APP_OPTIONS_H
#define FM_APP_OPTIONS_H

#include "base/status.h"

enum fm_option_kind {
  FM_OPT_FLAG,   /* bool: --name sets it, --no-name clears it */
  FM_OPT_INT,    /* long */
  FM_OPT_NUMBER, /* double; a trailing % divides by 100 */
  FM_OPT_TEXT,   /* const char *: points into argv */
  FM_OPT_GROUP   /* a heading in the help */
};

struct fm_option {
  const char *name; /* without dashes; "o" alone is -o */
  enum fm_option_kind kind;
  void *value;
  const char *argument; /* placeholder in the help */
  const char *help; /* NULL or "=VALUE": rarely needed, in the help by name (and default); "": not there */
  double low, high; /* range of numbers; both 0: any */
  bool *given;      /* set when the option was on the command line; may be NULL */
};

struct fm_command {
  const char *name, *usage, *about, *examples; /* examples: two lines */
  enum fm_status (*run)(struct fm_context *ctx, int argc, char **argv, int *exit_status);
};

/* Parses argv[0..argc): options into their places, the rest into positional (room for argc), *count of them.
 * "--" ends the options. help: set where --help or -h was asked for, or --list-options, the same for
 * programs: a line an option, its name, "flag" or "value", placeholder and help with tabs between; it has
 * then been printed. */
enum fm_status fm_options_parse(struct fm_context *ctx, const struct fm_command *command,
                                const struct fm_option *options, size_t option_count, int argc, char **argv,
                                const char **positional, int *count, bool *help);

/* The same for a command that takes from least to most arguments: they come into words[0..most), NULL where
 * not given; another number of them is FM_USAGE. */
enum fm_status fm_options_words(struct fm_context *ctx, const struct fm_command *command,
                                const struct fm_option *options, size_t option_count, int argc, char **argv,
                                int least, int most, const char **words, bool *help);

/* The nearest of names to a word, or NULL where none is near. */
const char *fm_nearest(const char *word, const char *const *names, size_t count);

extern const struct fm_command fm_commands[];
extern const size_t fm_command_count;

#endif
