/* Training, calibration and update: the commands with their options by name. */
#include "api/api.h"

#include "flawmap.h"

#include "app/by_name.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

typedef enum fm_status work(struct fm_context *ctx, struct fm_device *given, int argc, char **argv);

/* What has no place in a list of options: arguments of the function, and what prints. */
static bool is_ours(const char *name) {
  static const char *const ours[] = {"o", "h", "help", "device", "force"};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
    if (strcmp(name, ours[i]) == 0) return true;
  return false;
}

/* "--NAME=VALUE", a new string. */
static enum fm_status option(struct fm_context *ctx, const char *name, const char *value, char **word) {
  if (!value) return fm_error(ctx, FM_USAGE, "the option '%s' has no value", name);
  bool prints = strcmp(name, "recipe") == 0 && strcmp(value, "list") == 0;
  if (is_ours(name) || prints || !name[0] || strchr(name, '='))
    return fm_error(ctx, FM_USAGE,
                    "'%s' is no option of the library's; the device is the session's, and where "
                    "results go are arguments",
                    name);
  *word = fm_format(ctx, "--%s=%s", name, value);
  return *word ? FM_OK : FM_MEMORY;
}

/* The words of a command line: options, where the result goes, and the arguments. */
static enum fm_status run(struct fm_session *s, work *what, const char *const *options, const char *out,
                          const char *first, const char *second) {
  struct fm_context *ctx = &s->ctx;
  size_t pairs = 0, n = 0;
  if (!s->device) return fm_error(ctx, FM_USAGE, "the session has no device");
  if (!first) return fm_error(ctx, FM_USAGE, "what the work is for is NULL");
  while (options && options[2 * pairs]) pairs++;
  char **word = fm_alloc(ctx, pairs + 6, sizeof *word);
  if (!word) return FM_MEMORY;
  enum fm_status status = FM_OK;
  for (; status == FM_OK && n < pairs; n++)
    status = option(ctx, options[2 * n], options[2 * n + 1], &word[n]);
  if (status == FM_OK) {
    int argc = (int)n;
    if (out) word[argc++] = (char *)"-o";
    if (out) word[argc++] = (char *)out;
    word[argc++] = (char *)"--";
    word[argc++] = (char *)first;
    if (second) word[argc++] = (char *)second;
    status = what(ctx, s->device, argc, word);
  }
  for (size_t i = 0; i < n; i++) fm_free(ctx, word[i]);
  fm_free(ctx, word);
  return status;
}

int fm_train(struct fm_session *s, const char *data, const char *model, const char *const *options) {
  if (!model) return (int)fm_error(&s->ctx, FM_USAGE, "where to write the model is NULL");
  return (int)run(s, fm_train_by_name, options, model, data, NULL);
}

int fm_calibrate(struct fm_session *s, const char *model, const char *good, const char *out,
                 const char *const *options) {
  return (int)run(s, fm_calibrate_by_name, options, out, model, good);
}

int fm_update(struct fm_session *s, const char *model, const char *good, const char *out,
              const char *const *options) {
  return (int)run(s, fm_update_by_name, options, out, model, good);
}
