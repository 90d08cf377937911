/* flawmap refine: a model that was trained without it learns to sharpen its maps, from good pictures. */
#define _POSIX_C_SOURCE 200809L
#include "app/commands.h"
#include "app/given.h"
#include "app/place.h"
#include "app/trusted.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/print.h"
#include "model/seen.h"
#include "task/calibrate.h"
#include "task/sharpen.h"

struct args {
  const char *model, *out, *weights, *device;
  bool force;
};

/* The pictures given: those that references are made of, and those to judge with, which the model must not
 * have learned from. */
struct parts {
  struct fm_sample *reference, *held; /* their strings are the list's */
  size_t references, helds;
};

enum { FEWEST_HELD = 2, FEWEST_REFERENCES = 2, SHARE = 5 };

/* Where the model learned from none of them, every fifth (of few: every other or so) is held back from the
 * references. */
static enum fm_status divide(struct fm_context *ctx, const struct fm_model *m, const struct fm_given *given,
                             struct parts *p) {
  size_t found = 0;
  bool *seen = fm_alloc(ctx, given->count, sizeof *seen);
  p->reference = fm_alloc(ctx, given->count, sizeof *p->reference);
  p->held = fm_alloc(ctx, given->count, sizeof *p->held);
  enum fm_status status = seen && p->reference && p->held ? FM_OK : FM_MEMORY;
  if (status == FM_OK) status = fm_seen_find(ctx, m->data.pictures, given->item, given->count, seen, &found);
  bool known = found >= FEWEST_REFERENCES;
  size_t share = given->count < 2 ? 1 : given->count / 2 < SHARE ? given->count / 2 : SHARE;
  for (size_t i = 0; status == FM_OK && i < given->count; i++) {
    bool reference = known || seen[i] ? seen[i] : i % share != 0;
    if (reference)
      p->reference[p->references++] = given->item[i];
    else
      p->held[p->helds++] = given->item[i];
  }
  fm_free(ctx, seen);
  FM_TRY(status);
  if (found == given->count)
    return fm_error(
        ctx, FM_USAGE,
        "the model learned from all %zu pictures, so nothing is left to judge with what is normal; "
        "add good pictures that it did not learn from",
        found);
  if (p->helds < FEWEST_HELD || p->references < FEWEST_REFERENCES)
    return fm_error(ctx, FM_USAGE,
                    "%zu good pictures are too few to learn to sharpen maps from; it takes %d for references "
                    "and %d that the model did not learn from",
                    given->count, FEWEST_REFERENCES, FEWEST_HELD);
  fm_note(ctx, "%zu good pictures are references%s, %zu that the model did not learn from say what is normal",
          p->references, known ? "" : " (it learned from none of them, so any can be)", p->helds);
  return FM_OK;
}

static enum fm_status learn(struct fm_device *d, struct fm_model *m, const struct parts *p) {
  struct fm_train t = fm_train_of(m, p->reference, p->references);
  FM_TRY(fm_sharpen_fit(d, m, &t, p->held, p->helds));
  m->recipe.refine = true;
  return FM_OK;
}

static enum fm_status refine(struct fm_context *ctx, const struct args *a, const char *const *paths,
                             int count) {
  const char *out = a->out ? a->out : a->model;
  struct fm_given given;
  struct fm_model model = {0};
  struct parts parts = {0};
  struct fm_device *d = NULL;
  FM_TRY(fm_place_try(ctx, a->model, out, "the model is made"));
  enum fm_status status = fm_given_list(ctx, paths, count, &given);
  if (status == FM_OK) fm_calibrate_look(ctx, given.item, given.count);
  if (status == FM_OK) status = fm_model_load(ctx, a->model, a->weights, &model);
  if (status == FM_OK) status = divide(ctx, &model, &given, &parts);
  if (status == FM_OK) status = fm_trusted_device(ctx, a->device, a->force, &d);
  if (status == FM_OK) status = learn(d, &model, &parts);
  enum fm_status closed = fm_device_close(d);
  if (status == FM_OK) status = closed;
  if (status == FM_OK) status = fm_model_save(&model, out, model.thin);
  if (status == FM_OK)
    fm_print(model.refinement.there ? "%s: it sharpens its maps now (--refine f2pad)\n"
                                    : "%s: its maps stay as they are\n",
             out);
  fm_model_free(&model);
  fm_given_free(ctx, &given);
  fm_free(ctx, parts.reference);
  fm_free(ctx, parts.held);
  return status;
}

enum fm_status fm_cmd_refine(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  struct args a = {0};
  struct fm_option options[] = {
      {"o", FM_OPT_TEXT, &a.out, "MODEL", "where to write the model (default: replace it)", 0, 0, NULL},
      {"weights", FM_OPT_TEXT, &a.weights, "FILE", "a thin model's expert weights", 0, 0, NULL},
      {"device", FM_OPT_TEXT, &a.device, "N|NAME", "the device ('flawmap devices' lists them)", 0, 0, NULL},
      {"force", FM_OPT_FLAG, &a.force, NULL, "use a device that fails its self-test", 0, 0, NULL},
  };
  int count;
  bool help;
  const char **given = fm_alloc(ctx, (size_t)argc + 1, sizeof *given);
  if (!given) return FM_MEMORY;
  enum fm_status status =
      fm_options_parse(ctx, fm_command_find("refine"), options, sizeof options / sizeof *options, argc, argv,
                       given, &count, &help);
  if (status == FM_OK && !help) {
    if (count < 2)
      status = fm_error(ctx, FM_USAGE,
                        "flawmap refine takes a model and good pictures: flawmap refine MODEL DIR...");
    a.model = given[0];
    if (status == FM_OK) status = refine(ctx, &a, given + 1, count - 1);
  }
  fm_free(ctx, given);
  return status;
}
