#include "app/given.h"

#include "base/memory.h"
#include "data/find.h"
#include "data/marks.h"
#include "file/sniff.h"

#include <stdlib.h>
#include <string.h>

/* The names that a picture may have, the first that nobody else has is taken. */
enum form { BELOW, BELOW_EXTENSION, WHOLE, WHOLE_EXTENSION, NUMBERED };

/* A picture while names are chosen. */
struct named {
  struct fm_sample *sample;
  const char *below; /* inside the sample's path */
  enum form form;
};

struct list {
  struct fm_context *ctx;
  struct fm_given *given;
  struct named *named; /* [given->count], in any order */
  size_t capacity;
};

/* The path without what leads out of the folder of results: "/a", "./a" and "../a" become "a". A new string.
 */
static char *inner_path(struct fm_context *ctx, const char *path) {
  char *out = fm_strdup(ctx, path), *end = out;
  for (const char *at = path; out && *at;) {
    size_t n = strcspn(at, "/");
    bool kept = n && !(n == 1 && at[0] == '.') && !(n == 2 && at[0] == '.' && at[1] == '.');
    if (kept && end > out) *end++ = '/';
    if (kept) memcpy(end, at, n);
    if (kept) end += n;
    at += n + (at[n] == '/');
  }
  if (out) *end = 0;
  return out;
}

static enum fm_status choose(struct fm_context *ctx, struct named *n, size_t number) {
  bool whole = n->form >= WHOLE;
  char *name = whole ? inner_path(ctx, n->sample->path) : fm_strdup(ctx, n->below);
  if (!name) return FM_MEMORY;
  if (n->form == BELOW || n->form == WHOLE) name[fm_stem_length(name)] = 0;
  if (n->form == NUMBERED) {
    char *numbered = fm_format(ctx, "%s_%zu", name, number);
    fm_free(ctx, name);
    if (!(name = numbered)) return FM_MEMORY;
  }
  fm_free(ctx, n->sample->name);
  n->sample->name = name;
  return FM_OK;
}

static int by_name(const void *a, const void *b) {
  const struct named *x = a, *y = b;
  int order = strcmp(x->sample->name, y->sample->name);
  return order ? order : x->sample < y->sample ? -1 : x->sample > y->sample;
}

/* All of those that share a name get the next form of it, until none do. */
static enum fm_status make_unique(struct list *l) {
  size_t count = l->given->count;
  for (size_t i = 0; i < count; i++) FM_TRY(choose(l->ctx, &l->named[i], 0));
  for (bool changed = count > 1; changed;) {
    changed = false;
    qsort(l->named, count, sizeof *l->named, by_name);
    for (size_t first = 0, end; first < count; first = end) {
      for (end = first + 1;
           end < count && strcmp(l->named[end].sample->name, l->named[first].sample->name) == 0;)
        end++;
      changed |= end - first > 1;
      /* What is numbered once more gets a longer number: the count goes on. */
      for (size_t i = end; end - first > 1 && i-- > first;) {
        if (l->named[i].form != NUMBERED) l->named[i].form++;
        FM_TRY(choose(l->ctx, &l->named[i],
                      l->named[i].form == NUMBERED ? (size_t)(l->named[i].sample - l->given->item) + 1 : 0));
      }
    }
  }
  return FM_OK;
}

static enum fm_status add(struct list *l, const char *path, size_t below) {
  struct fm_given *g = l->given;
  FM_TRY(fm_grow(l->ctx, (void **)&g->item, &g->capacity, g->count, sizeof *g->item));
  g->item[g->count] = (struct fm_sample){.path = fm_strdup(l->ctx, path)};
  if (!g->item[g->count].path) return FM_MEMORY;
  FM_TRY(fm_grow(l->ctx, (void **)&l->named, &l->capacity, g->count, sizeof *l->named));
  l->named[g->count] = (struct named){.below = g->item[g->count].path + below};
  g->count++;
  return FM_OK;
}

static enum fm_status add_folder(struct list *l, const char *folder) {
  struct fm_finding found = {0};
  enum fm_status status = fm_find_pictures(l->ctx, folder, NULL, &found);
  for (size_t i = 0; status == FM_OK && i < found.count; i++)
    status = add(l, found.item[i].path, (size_t)(found.item[i].below - found.item[i].path));
  l->given->unread += found.unread;
  fm_finding_free(l->ctx, &found);
  return status;
}

enum fm_status fm_given_list(struct fm_context *ctx, const char *const *paths, int count,
                             struct fm_given *given) {
  struct list l = {.ctx = ctx, .given = given};
  enum fm_status status = FM_OK;
  *given = (struct fm_given){0};
  for (int i = 0; i < count && status == FM_OK; i++)
    status = fm_folder_exists(paths[i]) ? add_folder(&l, paths[i])
                                        : add(&l, paths[i], (size_t)(fm_path_name(paths[i]) - paths[i]));
  for (size_t i = 0; i < given->count && l.named; i++) l.named[i].sample = &given->item[i];
  if (status == FM_OK && l.named) status = make_unique(&l);
  fm_free(ctx, l.named);
  if (status != FM_OK || given->count) return status;
  if (given->unread)
    return fm_error(ctx, FM_FORMAT,
                    "none of %zu pictures in '%s' is of a kind that flawmap reads: convert them to PNG",
                    given->unread, paths[0]);
  return fm_error(ctx, FM_USAGE, "there are no pictures (" FM_PICTURE_NAMES ") in '%s'", paths[0]);
}

void fm_given_free(struct fm_context *ctx, struct fm_given *given) {
  for (size_t i = 0; i < given->count; i++) {
    fm_free(ctx, given->item[i].path);
    fm_free(ctx, given->item[i].name);
  }
  fm_free(ctx, given->item);
  *given = (struct fm_given){0};
}
