/* Which tuned choice holds for a shape on a device: tuned.h. */
#include "op/tuned.h"

#include "base/embedded.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A driver's name as a field of a line: nothing that would divide it. */
static void name_of(char to[128], const char *from) {
  snprintf(to, 128, "%s", from);
  for (char *c = to; *c; c++)
    if (*c == '|' || (unsigned char)*c < ' ') *c = ' ';
}

static void class_of(const struct fm_facts *f, char to[16]) {
  snprintf(to, 16, "%s%dx%d", f->kind == FM_CLASS_GPU ? "gpu" : "cpu", f->block, f->group);
}

void fm_tuned_begin(const struct fm_facts *f, const struct fm_shape *s, struct fm_tuned_line *line) {
  *line = (struct fm_tuned_line){.scope = FM_TUNED_DEVICE, .from = 1};
  class_of(f, line->class);
  name_of(line->name, f->name);
  if (!s) return;
  const struct fm_conv *c = &s->conv;
  snprintf(line->shape, sizeof line->shape, "%s %dx%d/%d%s %d>%d %dx%d",
           s->op == FM_OP_WGRAD ? "weights"
           : s->back            ? "back"
           : s->kept            ? "kept"
                                : "forward",
           c->k, c->k, c->stride,
           c->depthwise                 ? " depthwise"
           : s->in.c == 3 && c->picture ? " picture"
                                        : "",
           c->cin, c->cout, s->out.h, s->out.w);
}

static bool concerns(const struct fm_facts *f, const struct fm_tuned_line *l) {
  char class[16], device[128], vendor[128];
  class_of(f, class);
  name_of(device, f->name);
  name_of(vendor, f->vendor);
  return strcmp(l->class, class) == 0 &&
         (l->scope == FM_TUNED_CLASS || strcmp(l->name, l->scope == FM_TUNED_DEVICE ? device : vendor) == 0);
}

/* Whether a comes before b. */
static bool better(const struct fm_tuned_line *a, const struct fm_tuned_line *b) {
  if (!b) return true;
  if (a->shipped != b->shipped) return !a->shipped;
  if (a->scope != b->scope) return a->scope < b->scope;
  return a->from >= b->from;
}

static const struct fm_variant *row_of(const struct fm_tuned_line *l) {
  const struct fm_variant *row = NULL;
  for (int i = 0; (row = fm_variant_at(i)); i++)
    if (strcmp(row->name, l->row) == 0) break;
  return row;
}

/* Why a line cannot be taken, or NULL. */
static const char *unfit(const struct fm_facts *f, const struct fm_shape *s, const struct fm_tuned_line *l) {
  struct fm_tile list[FM_TILES];
  const struct fm_variant *row = row_of(l);
  if (!row) return "there is no such row";
  if (!fm_variant_fits(f, s, row)) return "that row does not fit";
  if (s->kept && row->error > FM_KEPT_ERROR) return "that row's rounding error is too large for training";
  int count = fm_variant_tiles(f, s, row, list);
  for (int i = 0; i < count; i++)
    if (fm_tile_same(&list[i], &l->tile)) return NULL;
  return "that row takes no such tile";
}

/* The best line for this shape; row NULL: one that chooses a row, else one that chooses a tile of it. */
static const struct fm_tuned_line *find(struct fm_device *d, const struct fm_shape *s,
                                        const struct fm_variant *row) {
  const struct fm_tuned *t = fm_device_kept(d);
  const struct fm_tuned_line *found = NULL;
  struct fm_tuned_line wanted;
  if (!t || !t->count) return NULL;
  fm_tuned_begin(fm_device_facts(d), s, &wanted);
  for (size_t i = 0; i < t->count; i++) {
    const struct fm_tuned_line *l = &t->line[i];
    if (strcmp(l->shape, wanted.shape) != 0 || l->from > (row ? s->made_for : 1) ||
        (row && strcmp(l->row, row->name) != 0) || !better(l, found))
      continue;
    const char *why = unfit(fm_device_facts(d), s, l);
    if (why && fm_verbose("choose"))
      fm_note(fm_device_context(d), "choose: the tuned '%s' for %s is left out: %s", l->row, l->shape, why);
    if (!why) found = l;
  }
  return found;
}

const struct fm_variant *fm_tuned_row(struct fm_device *d, const struct fm_shape *s,
                                      const struct fm_tuned_line **line) {
  const struct fm_tuned_line *found = find(d, s, NULL);
  if (found) *line = found;
  return found ? row_of(found) : NULL;
}

bool fm_tuned_tile(struct fm_device *d, const struct fm_shape *s, const struct fm_variant *row,
                   struct fm_tile *tile, const struct fm_tuned_line **line) {
  const struct fm_tuned_line *found = find(d, s, row);
  if (!found) return false;
  *line = found;
  *tile = found->tile;
  return true;
}

/* Keeps the lines from `first` on that concern this device. */
static void keep(const struct fm_facts *f, struct fm_tuned *t, size_t first) {
  size_t kept = first;
  for (size_t i = first; i < t->count; i++)
    if (concerns(f, &t->line[i])) t->line[kept++] = t->line[i];
  t->count = kept;
}

static enum fm_status read_both(struct fm_device *d, struct fm_tuned *t) {
  struct fm_context *ctx = fm_device_context(d), branch;
  const struct fm_embedded *shipped = fm_embedded_find(fm_embedded_models, "tuned.txt");
  const char *wish = getenv("FLAWMAP_TUNE");
  char *path = fm_tuned_path(ctx);
  if (!path) return FM_MEMORY;
  bool named = wish && *wish;
  if (named && strcmp(fm_path_type(path), "nothing") == 0) {
    enum fm_status status = fm_error(ctx, FM_IO,
                                     "FLAWMAP_TUNE names '%s', which does not exist; 'flawmap tune' writes "
                                     "it, FLAWMAP_TUNE=off does without",
                                     path);
    fm_free(ctx, path);
    return status;
  }
  fm_context_branch(&branch, ctx); /* a file nobody asked for is no reason to stop */
  enum fm_status status = fm_tuned_read(named ? ctx : &branch, path, t);
  if (!named && fm_status_is_local(status)) {
    fm_note(ctx, "%s; going on without it", branch.message);
    status = FM_OK;
  } else if (!named && status != FM_OK) {
    status = fm_error(ctx, status, "%s", branch.message);
  }
  fm_context_free(&branch);
  fm_free(ctx, path);
  keep(fm_device_facts(d), t, 0);
  size_t own = t->count;
  if (status == FM_OK && shipped)
    status = fm_tuned_parse(ctx, shipped->name, (const char *)shipped->bytes, shipped->size, true, t);
  keep(fm_device_facts(d), t, own);
  return status;
}

void fm_tuned_in_force(const struct fm_device *d, int *own, int *shipped) {
  const struct fm_tuned *t = fm_device_kept(d);
  *own = *shipped = 0;
  for (size_t i = 0; t && i < t->count; i++) (*(t->line[i].shipped ? shipped : own))++;
}

static void free_tuned(struct fm_context *ctx, void *kept) {
  fm_tuned_free(ctx, kept);
  fm_free(ctx, kept);
}

enum fm_status fm_tuned_load(struct fm_device *d) {
  struct fm_context *ctx = fm_device_context(d);
  const char *wish = getenv("FLAWMAP_TUNE");
  if (fm_device_kept(d) || (wish && strcmp(wish, "off") == 0)) return FM_OK;
  struct fm_tuned *t = fm_alloc(ctx, 1, sizeof *t);
  if (!t) return FM_MEMORY;
  enum fm_status status = read_both(d, t);
  if (status == FM_OK)
    fm_device_keep(d, t, free_tuned);
  else
    free_tuned(ctx, t);
  return status;
}
