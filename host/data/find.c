#define _POSIX_C_SOURCE 200809L
#include "data/find.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/walk.h"
#include "file/sniff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MARK ".flawmap-results"

static const char *const debris[] = {
    "@eaDir",
    "@tmp",
    "@sharebin",
    "@Recycle",
    "@Recently-Snapshot",
    "#recycle",
    "#snapshot",
    "$RECYCLE.BIN",
    "RECYCLER",
    "__MACOSX",
    "System Volume Information",
    "lost+found",
    "Temporary Items",
    "Network Trash Folder",
    "__pycache__",
    "Thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    ".DS_Store",
};

static bool known_debris(const char *name) {
  for (size_t i = 0; i < sizeof debris / sizeof *debris; i++)
    if (strcasecmp(name, debris[i]) == 0) return true;
  return false;
}

bool fm_is_debris(const char *name) {
  return name[0] == '.' || known_debris(name);
}

struct search {
  struct fm_context *ctx;
  const struct fm_find_options *options;
  struct fm_finding *found;
  size_t root, first; /* bytes of the root's path; items there were before */
  size_t left_out;    /* debris, named as far as there is room */
  char names[160];
  char results[4096]; /* the folder of results that was named last */
};

static void leave_out(struct search *s, const char *name) {
  size_t used = strlen(s->names);
  int n = snprintf(s->names + used, sizeof s->names - used, "%s%s", s->left_out++ ? ", " : "", name);
  if (n < 0 || (size_t)n >= sizeof s->names - used) s->names[used] = 0;
}

static enum fm_status unread(struct search *s, const char *path) {
  struct fm_finding *f = s->found;
  f->unread++;
  if (f->first_unread && strcmp(f->first_unread, path) <= 0) return FM_OK;
  fm_free(s->ctx, f->first_unread);
  return (f->first_unread = fm_strdup(s->ctx, path)) ? FM_OK : FM_MEMORY;
}

static enum fm_status add(struct search *s, const char *path) {
  struct fm_finding *f = s->found;
  FM_TRY(fm_grow(s->ctx, (void **)&f->item, &f->capacity, f->count, sizeof *f->item));
  struct fm_found *item = &f->item[f->count];
  if (!(item->path = fm_strdup(s->ctx, path))) return FM_MEMORY;
  item->below = item->path + s->root;
  while (*item->below == '/') item->below++;
  f->deeper += strchr(item->below, '/') != NULL;
  f->count++;
  return FM_OK;
}

/* A name that says nothing: the first bytes decide. What cannot be opened is no picture that anybody meant.
 */
static enum fm_looks sniff(const char *path, const char **kind) {
  unsigned char head[FM_SNIFF_BYTES];
  return fm_looks_by_bytes(head, fm_file_head(path, head, sizeof head), kind);
}

static enum fm_status on_file(void *user, const char *path, const char *what) {
  struct search *s = user;
  const char *name = fm_path_name(path), *kind = NULL;
  enum fm_looks looks = fm_looks_by_name(name);
  if (fm_is_debris(name)) {
    if (looks != FM_LOOKS_NONE || known_debris(name)) leave_out(s, name);
    return FM_OK;
  }
  bool file = strcmp(what, "a file") == 0, lost = strcmp(what, "nothing") == 0;
  if (!file && !lost) {
    if (looks != FM_LOOKS_NONE) fm_note(s->ctx, "left out: '%s' is %s, not a file", path, what);
    return FM_OK;
  }
  if (looks == FM_LOOKS_NONE && file) looks = sniff(path, &kind);
  if (looks == FM_LOOKS_READ) return add(s, path); /* a link that leads nowhere is missed when it is read */
  if (looks == FM_LOOKS_NONE) return FM_OK;
  if (kind)
    fm_note(s->ctx, "not read: '%s' is a %s picture; convert it to PNG", path, kind);
  else
    fm_note(s->ctx,
            "not read: '%s' is named like a picture of a kind that flawmap does not read; convert it to PNG",
            path);
  return unread(s, path);
}

static enum fm_status on_locked(void *user, const char *path, const char *why) {
  struct search *s = user;
  fm_note(s->ctx, "not read: the folder '%s': %s", path, why);
  return unread(s, path);
}

static bool has(const char *folder, size_t length, const char *name, bool (*exists)(const char *path)) {
  char path[4096];
  int n = snprintf(path, sizeof path, "%.*s/%s", (int)length, folder, name);
  return n > 0 && (size_t)n < sizeof path && exists(path);
}

/* Bytes of the folder of results that path is, or is a part of; 0: it has nothing to do with results. They
 * are those of predict and eval, also of versions that left no mark. */
static size_t results_length(const char *path) {
  static const char *const kinds[] = {"maps", "masks", "overlays", "repaired"};
  const char *name = fm_path_name(path);
  size_t above = name > path ? (size_t)(name - path) - 1 : 0, all = strlen(path), there = 0;
  bool one = false;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    one |= strcmp(name, kinds[i]) == 0;
    there += i < 3 && has(path, above, kinds[i], fm_folder_exists);
  }
  if (one && (there >= 2 || has(path, above, MARK, fm_file_exists))) return above;
  bool report =
      has(path, all, "report.html", fm_file_exists) && has(path, all, "metrics.json", fm_file_exists);
  return report ? all : 0;
}

/* Maps, masks and overlays lie side by side: one word is enough for them. */
static void leave_out_results(struct search *s, const char *path, size_t length) {
  if (strlen(s->results) == length && strncmp(s->results, path, length) == 0) return;
  snprintf(s->results, sizeof s->results, "%.*s", (int)length, path);
  fm_note(s->ctx, "left out: results of flawmap in '%s'", s->results);
}

static bool on_folder(void *user, const char *path) {
  struct search *s = user;
  if (fm_is_debris(fm_path_name(path))) {
    leave_out(s, fm_path_name(path));
    return false;
  }
  if (s->options && s->options->flat) return false;
  for (const char *const *w = s->options ? s->options->without : NULL; w && *w; w++)
    if (fm_path_same(path, *w)) return false;
  size_t results = results_length(path);
  if (results) leave_out_results(s, path, results);
  return !results;
}

static int by_place(const void *a, const void *b) {
  const struct fm_found *x = a, *y = b;
  return strcmp(x->below, y->below);
}

enum fm_status fm_find_pictures(struct fm_context *ctx, const char *folder,
                                const struct fm_find_options *options, struct fm_finding *finding) {
  struct search s = {
      .ctx = ctx, .options = options, .found = finding, .root = strlen(folder), .first = finding->count};
  struct fm_walk walk = {.ctx = ctx, .user = &s, .enter = on_folder, .file = on_file, .locked = on_locked};
  enum fm_status status = fm_walk_folder(&walk, folder);
  size_t count = finding->count - s.first;
  if (count) qsort(finding->item + s.first, count, sizeof *finding->item, by_place);
  if (status == FM_OK && s.left_out)
    fm_note(ctx, "left out of '%s': %zu thing%s that desktops, editors and storage boxes leave behind (%s)",
            folder, s.left_out, s.left_out == 1 ? "" : "s", s.names);
  return status;
}

void fm_finding_free(struct fm_context *ctx, struct fm_finding *finding) {
  for (size_t i = 0; i < finding->count; i++) fm_free(ctx, finding->item[i].path);
  fm_free(ctx, finding->item);
  fm_free(ctx, finding->first_unread);
  *finding = (struct fm_finding){0};
}

enum fm_status fm_finding_complete(struct fm_context *ctx, const struct fm_finding *finding,
                                   const char *folder) {
  if (!finding->unread) return FM_OK;
  return fm_error(
      ctx, FM_FORMAT,
      "'%s' holds %zu picture%s that flawmap does not read (the first is '%s'): convert to PNG or move away "
      "what the notes above name",
      folder, finding->unread, finding->unread == 1 ? "" : "s", finding->first_unread);
}

enum fm_status fm_mark_results(struct fm_context *ctx, const char *folder) {
  static const char text[] =
      "Results of flawmap: what lies in maps, masks, overlays and repaired is never input.\n";
  char *path = fm_path_join(ctx, folder, MARK);
  if (!path) return FM_MEMORY;
  enum fm_status status = fm_file_exists(path) ? FM_OK : fm_file_write(ctx, path, text, sizeof text - 1);
  fm_free(ctx, path);
  return status;
}
