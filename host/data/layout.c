#define _POSIX_C_SOURCE 200809L
#include "data/layout.h"

#include "base/log.h"
#include "base/memory.h"
#include "data/find.h"
#include "data/marks.h"
#include "file/sniff.h"

#include <stdlib.h>
#include <string.h>

enum fm_status fm_samples_add(struct fm_context *ctx, struct fm_samples *list, char *path, const char *file,
                              const char *kind, bool flawed, char *mask) {
  struct fm_sample s = {.path = path, .flawed = flawed, .mask = mask};
  enum fm_status status =
      fm_grow(ctx, (void **)&list->item, &list->capacity, list->count, sizeof *list->item);
  if (status == FM_OK) {
    s.kind = fm_strdup(ctx, kind);
    s.name = fm_strdup(ctx, file);
    if (!s.kind || !s.name) status = FM_MEMORY;
  }
  if (status != FM_OK) {
    fm_free(ctx, s.kind);
    fm_free(ctx, s.name);
    fm_free(ctx, path);
    fm_free(ctx, mask);
    return status;
  }
  s.name[fm_stem_length(file)] = 0; /* what follows is kept for fm_samples_settle */
  list->item[list->count++] = s;
  return FM_OK;
}

static int by_kind_and_path(const void *a, const void *b) {
  const struct fm_sample *x = a, *y = b;
  int order = strcmp(x->kind, y->kind);
  return order ? order : strcmp(x->path, y->path);
}

static int by_kind_and_name(const void *a, const void *b) {
  const struct fm_sample *x = *(struct fm_sample *const *)a, *y = *(struct fm_sample *const *)b;
  int order = strcmp(x->kind, y->kind);
  if (!order) order = strcmp(x->name, y->name);
  return order ? order : x < y ? -1 : x > y;
}

/* A name with the extension that it lost; false where it lost none. */
static bool restore_extension(struct fm_sample *s) {
  char *end = s->name + strlen(s->name);
  const char *dot = strrchr(fm_path_name(s->path), '.');
  if (!dot || strcmp(fm_path_name(s->name), fm_path_name(s->path)) == 0) return false;
  *end = '.';
  return true;
}

enum fm_status fm_samples_settle(struct fm_context *ctx, struct fm_samples *list) {
  if (!list->count) return FM_OK;
  qsort(list->item, list->count, sizeof *list->item, by_kind_and_path);
  struct fm_sample **order = fm_alloc(ctx, list->count, sizeof(struct fm_sample *));
  if (!order) return FM_MEMORY;
  for (size_t i = 0; i < list->count; i++) order[i] = &list->item[i];
  for (bool changed = true;
       changed;) { /* an extension that is back may be another file's name: rarely twice */
    changed = false;
    qsort(order, list->count, sizeof *order, by_kind_and_name);
    for (size_t i = 1, first = 0; i < list->count; i++) {
      bool same =
          strcmp(order[i]->kind, order[first]->kind) == 0 && strcmp(order[i]->name, order[first]->name) == 0;
      if (same)
        changed |= restore_extension(order[i]);
      else
        first = i;
    }
  }
  fm_free(ctx, order);
  return FM_OK;
}

/* The names in a folder but for what desktops and storage boxes leave behind; an empty list where there is no
 * such folder. */
static enum fm_status list_if_there(struct fm_context *ctx, const char *folder, struct fm_names *names) {
  *names = (struct fm_names){0};
  if (!fm_folder_exists(folder)) return FM_OK;
  FM_TRY(fm_folder_list(ctx, folder, names));
  size_t kept = 0;
  for (size_t i = 0; i < names->count; i++)
    if (fm_is_debris(names->name[i]))
      fm_free(ctx, names->name[i]);
    else
      names->name[kept++] = names->name[i];
  names->count = kept;
  return FM_OK;
}

/* Remembers what nobody will look at; a note has named it. */
static enum fm_status overlook(struct fm_context *ctx, struct fm_samples *list, size_t count,
                               const char *first) {
  struct fm_overlooked *o = &list->overlooked;
  o->count += count;
  if (!count || o->first) return FM_OK;
  return (o->first = fm_strdup(ctx, first)) ? FM_OK : FM_MEMORY;
}

static enum fm_status find_if_there(struct fm_context *ctx, const char *folder,
                                    const struct fm_find_options *options, struct fm_samples *list,
                                    struct fm_finding *found) {
  *found = (struct fm_finding){0};
  if (!folder || !fm_folder_exists(folder)) return FM_OK;
  FM_TRY(fm_find_pictures(ctx, folder, options, found));
  return overlook(ctx, list, found->unread, found->first_unread);
}

/* Masks that belong to no picture are remembered: a name that does not fit is easily overlooked. Folders that
 * the pictures have, too, are kinds, or looked at with the pictures in them. */
static enum fm_status count_strays(struct fm_context *ctx, struct fm_samples *list, const char *folder,
                                   const struct fm_marks *masks) {
  for (size_t i = 0; i < masks->names.count; i++) {
    const char *name = masks->names.name[i];
    if (masks->used[i] || fm_is_debris(name)) continue;
    char *path = fm_path_join(ctx, masks->folder, name), *kind = fm_path_join(ctx, folder, name);
    enum fm_status status = path && kind ? FM_OK : FM_MEMORY;
    if (status == FM_OK && fm_looks_by_name(name) == FM_LOOKS_UNREAD) {
      fm_note(ctx, "not read: the mask '%s' is of a kind that flawmap does not read; convert it to PNG",
              path);
      status = overlook(ctx, list, 1, path);
    }
    bool stray =
        status == FM_OK && (fm_is_picture(name) || (fm_folder_exists(path) && !fm_folder_exists(kind)));
    list->strays += stray;
    if (stray && !list->stray)
      list->stray = path;
    else
      fm_free(ctx, path);
    fm_free(ctx, kind);
    FM_TRY(status);
  }
  return FM_OK;
}

/* Bytes of the folder in a path below another one: 0, or with the slash. */
static size_t folder_length(const char *below) {
  return (size_t)(fm_path_name(below) - below);
}

static int by_folder(const void *a, const void *b) {
  const char *x = ((const struct fm_found *)a)->below, *y = ((const struct fm_found *)b)->below;
  size_t m = folder_length(x), n = folder_length(y), least = m < n ? m : n;
  int order = memcmp(x, y, least);
  if (!order) order = m < n ? -1 : m > n;
  return order ? order : strcmp(x, y);
}

/* Adds the pictures that lie side by side in FOLDER/INSIDE; masks: the folder of masks that has the same
 * shape, or NULL. */
static enum fm_status add_group(struct fm_context *ctx, struct fm_samples *list, const char *folder,
                                const char *inside, const char *kind, const char *masks,
                                const struct fm_found *picture, size_t count) {
  bool flawed = !fm_kind_is_good(kind);
  struct fm_marks marks = {0};
  char *own = fm_path_join(ctx, folder, inside), *of_masks = masks ? fm_path_join(ctx, masks, inside) : NULL;
  enum fm_status status = own && (!masks || of_masks) ? FM_OK : FM_MEMORY;
  if (status == FM_OK && flawed) status = fm_marks_open(ctx, of_masks, &marks);
  for (size_t i = 0; status == FM_OK && i < count; i++) {
    char *mask = NULL, *path = fm_strdup(ctx, picture[i].path);
    status = path ? fm_marks_find(ctx, &marks, fm_path_name(path), &mask) : FM_MEMORY;
    if (status == FM_OK)
      status = fm_samples_add(ctx, list, path, picture[i].below, kind, flawed, mask);
    else
      fm_free(ctx, path);
  }
  if (status == FM_OK) status = count_strays(ctx, list, own, &marks);
  fm_marks_close(ctx, &marks);
  fm_free(ctx, own);
  fm_free(ctx, of_masks);
  return status;
}

/* Adds the pictures of a folder (which may be missing) and of those below it. masks: the folder of masks,
 * NULL or empty: none. */
static enum fm_status add_folder(struct fm_context *ctx, struct fm_samples *list, const char *folder,
                                 const struct fm_find_options *options, const char *kind, const char *masks) {
  struct fm_finding found;
  enum fm_status status = find_if_there(ctx, folder, options, list, &found);
  if (found.count) qsort(found.item, found.count, sizeof *found.item, by_folder);
  if (masks && !*masks) masks = NULL;
  size_t at = 0, end = 0;
  bool first = true; /* the folder itself comes first, also without pictures: it may have masks */
  for (; status == FM_OK && (first || at < found.count); at = end, first = false) {
    const char *below = first ? "" : found.item[at].below;
    size_t length = folder_length(below);
    while (end < found.count && folder_length(found.item[end].below) == length &&
           memcmp(found.item[end].below, below, length) == 0)
      end++;
    char *inside = fm_format(ctx, "%.*s", (int)length, below);
    status =
        inside ? add_group(ctx, list, folder, inside, kind, masks, found.item + at, end - at) : FM_MEMORY;
    fm_free(ctx, inside);
  }
  fm_finding_free(ctx, &found);
  return status;
}

/* The same; takes both strings. An empty masks is no folder. */
static enum fm_status add_taken(struct fm_context *ctx, struct fm_samples *list, char *folder,
                                const char *kind, char *masks) {
  enum fm_status status = folder && masks ? add_folder(ctx, list, folder, NULL, kind, masks) : FM_MEMORY;
  fm_free(ctx, folder);
  fm_free(ctx, masks);
  return status;
}

/* Pictures that lie beside the kinds' folders belong to none of them. */
static enum fm_status name_strays(struct fm_context *ctx, const char *part, struct fm_samples *list) {
  struct fm_finding strays;
  enum fm_status status = find_if_there(ctx, part, &(struct fm_find_options){.flat = true}, list, &strays);
  for (size_t i = 0; i < strays.count; i++)
    fm_note(ctx, "not looked at: '%s' lies beside the folders of the kinds, not in one of them",
            strays.item[i].path);
  if (status == FM_OK && strays.count) status = overlook(ctx, list, strays.count, strays.item[0].path);
  fm_finding_free(ctx, &strays);
  return status;
}

/* One part of a category of MVTec AD, BTAD or MVTec LOCO, or of MVTec 3D-AD (depth), whose kinds hold folders
 * rgb, gt (masks) and xyz. part: its folder ("train", "test"), good: only the good kinds. kinds: folders'
 * names. */
static enum fm_status add_kinds(struct fm_context *ctx, struct fm_samples *list, const char *base,
                                const char *part, bool good, bool depth, const struct fm_names *kinds) {
  for (size_t i = 0; i < kinds->count; i++) {
    const char *kind = kinds->name[i];
    if (good && !fm_kind_is_good(kind)) continue;
    char *folder = fm_format(ctx, depth ? "%s/%s/%s/rgb" : "%s/%s/%s", base, part, kind);
    char *masks = fm_format(ctx, depth ? "%s/test/%s/gt" : "%s/ground_truth/%s", base, kind);
    FM_TRY(add_taken(ctx, list, folder, kind, masks));
  }
  return FM_OK;
}

/* The kinds of BASE/PART, and those that only have masks. */
static enum fm_status list_part(struct fm_context *ctx, struct fm_samples *list, const char *base,
                                const char *part, bool good, bool depth) {
  char *folder = fm_path_join(ctx, base, part), *truth = fm_path_join(ctx, base, "ground_truth");
  struct fm_names kinds = {0}, masks = {0};
  enum fm_status status = folder && truth ? name_strays(ctx, folder, list) : FM_MEMORY;
  if (status == FM_OK) status = list_if_there(ctx, folder, &kinds);
  if (status == FM_OK) status = add_kinds(ctx, list, base, part, good, depth, &kinds);
  if (status == FM_OK && !good && !depth) status = list_if_there(ctx, truth, &masks);
  size_t kept = 0;
  for (size_t i = 0; i < masks.count; i++) {
    if (fm_names_have(&kinds, masks.name[i]))
      fm_free(ctx, masks.name[i]);
    else
      masks.name[kept++] = masks.name[i];
  }
  masks.count = kept;
  if (status == FM_OK) status = add_kinds(ctx, list, base, part, good, depth, &masks);
  fm_names_free(ctx, &kinds);
  fm_names_free(ctx, &masks);
  fm_free(ctx, folder);
  fm_free(ctx, truth);
  return status;
}

static enum fm_status list_mvtec(struct fm_context *ctx, const struct fm_dataset *set, const char *category,
                                 bool depth, struct fm_samples *train, struct fm_samples *test) {
  char *base = set->single ? fm_strdup(ctx, set->path) : fm_path_join(ctx, set->path, category);
  enum fm_status status = base ? list_part(ctx, train, base, "train", true, depth) : FM_MEMORY;
  if (status == FM_OK) status = list_part(ctx, test, base, "test", false, depth);
  fm_free(ctx, base);
  return status;
}

enum fm_status fm_layout_mvtec(struct fm_context *ctx, const struct fm_dataset *set, const char *category,
                               struct fm_samples *train, struct fm_samples *test) {
  return list_mvtec(ctx, set, category, false, train, test);
}

enum fm_status fm_layout_mvtec3d(struct fm_context *ctx, const struct fm_dataset *set, const char *category,
                                 struct fm_samples *train, struct fm_samples *test) {
  return list_mvtec(ctx, set, category, true, train, test);
}

static enum fm_status must_be_folder(struct fm_context *ctx, const char *path, const char *what) {
  if (!path || fm_folder_exists(path)) return FM_OK;
  return fm_error(ctx, FM_USAGE, "the folder of %s, '%s', does not exist", what, path);
}

enum fm_status fm_layout_folder(struct fm_context *ctx, const struct fm_dataset *set, const char *category,
                                struct fm_samples *train, struct fm_samples *test) {
  FM_TRY(must_be_folder(ctx, set->bad, "flawed pictures"));
  FM_TRY(must_be_folder(ctx, set->good, "good test pictures"));
  FM_TRY(must_be_folder(ctx, set->masks, "masks"));
  /* Test pictures may lie below the good ones. */
  const char *const others[] = {set->bad ? set->bad : "", set->good ? set->good : "",
                                set->masks ? set->masks : "", NULL};
  FM_TRY(add_folder(ctx, train, set->path, &(struct fm_find_options){.without = others}, "good", NULL));
  if (set->good) FM_TRY(add_folder(ctx, test, set->good, NULL, "good", NULL));
  if (!set->bad) return FM_OK;
  FM_TRY(add_folder(ctx, test, set->bad, &(struct fm_find_options){.flat = true}, "bad", set->masks));
  struct fm_names kinds;
  enum fm_status status = list_if_there(ctx, set->bad, &kinds);
  for (size_t i = 0; status == FM_OK && i < kinds.count; i++) {
    const char *kind = kinds.name[i];
    char *folder = fm_path_join(ctx, set->bad, kind);
    bool wanted = folder && fm_folder_exists(folder) && !fm_kind_is_good(kind);
    if (folder && !wanted) {
      fm_free(ctx, folder);
      continue;
    }
    status = add_taken(ctx, test, folder, kind,
                       set->masks ? fm_path_join(ctx, set->masks, kind) : fm_strdup(ctx, ""));
  }
  fm_names_free(ctx, &kinds);
  return status;
}
