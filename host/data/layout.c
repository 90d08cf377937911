#define _POSIX_C_SOURCE 200809L
#include "data/layout.h"

#include "base/memory.h"
#include "data/marks.h"

#include <string.h>

/* Two files that differ in the extension only (a.png, a.jpg) keep it, so that names stay apart. */
static bool name_taken(const struct fm_samples *list, const char *kind, const char *name) {
  for (size_t i = list->count; i-- > 0 && strcmp(list->item[i].kind, kind) == 0;)
    if (strcmp(list->item[i].name, name) == 0) return true;
  return false;
}

enum fm_status fm_samples_add(struct fm_context *ctx, struct fm_samples *list, char *path, const char *kind,
                              bool flawed, char *mask) {
  struct fm_sample s = {.path = path, .flawed = flawed, .mask = mask};
  const char *file = fm_path_name(path);
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
  size_t n = fm_stem_length(file);
  s.name[n] = 0;
  if (name_taken(list, kind, s.name)) s.name[n] = '.';
  list->item[list->count++] = s;
  return FM_OK;
}

/* The names in a folder; an empty list where there is no such folder. */
static enum fm_status list_if_there(struct fm_context *ctx, const char *folder, struct fm_names *names) {
  *names = (struct fm_names){0};
  return folder && fm_folder_exists(folder) ? fm_folder_list(ctx, folder, names) : FM_OK;
}

/* Adds the pictures of a folder (which may be missing). masks: the folder of masks, or NULL. */
static enum fm_status add_pictures(struct fm_context *ctx, struct fm_samples *list, const char *folder,
                                   const char *kind, bool flawed, struct fm_marks *masks) {
  struct fm_names pictures;
  enum fm_status status = list_if_there(ctx, folder, &pictures);
  for (size_t i = 0; status == FM_OK && i < pictures.count; i++) {
    if (!fm_is_picture(pictures.name[i])) continue;
    char *mask = NULL, *path = fm_path_join(ctx, folder, pictures.name[i]);
    status = path ? fm_marks_find(ctx, masks, pictures.name[i], &mask) : FM_MEMORY;
    if (status == FM_OK)
      status = fm_samples_add(ctx, list, path, kind, flawed, mask);
    else
      fm_free(ctx, path);
  }
  fm_names_free(ctx, &pictures);
  return status;
}

/* Masks that belong to no picture are remembered: a name that does not fit is easily overlooked. Folders that
 * the pictures have, too, are kinds. */
static enum fm_status count_strays(struct fm_context *ctx, struct fm_samples *list, const char *folder,
                                   const struct fm_marks *masks) {
  for (size_t i = 0; i < masks->names.count; i++) {
    const char *name = masks->names.name[i];
    if (masks->used[i]) continue;
    char *path = fm_path_join(ctx, masks->folder, name), *kind = fm_path_join(ctx, folder, name);
    enum fm_status status = path && kind ? FM_OK : FM_MEMORY;
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

static enum fm_status add_folder(struct fm_context *ctx, struct fm_samples *list, const char *folder,
                                 const char *kind, const char *masks) {
  bool flawed = !fm_kind_is_good(kind);
  struct fm_marks marks = {0};
  enum fm_status status = flawed ? fm_marks_open(ctx, masks, &marks) : FM_OK;
  if (status == FM_OK) status = add_pictures(ctx, list, folder, kind, flawed, &marks);
  if (status == FM_OK) status = count_strays(ctx, list, folder, &marks);
  fm_marks_close(ctx, &marks);
  return status;
}

/* The same; takes both strings. An empty masks is no folder. */
static enum fm_status add_taken(struct fm_context *ctx, struct fm_samples *list, char *folder,
                                const char *kind, char *masks) {
  enum fm_status status = folder && masks ? add_folder(ctx, list, folder, kind, masks) : FM_MEMORY;
  fm_free(ctx, folder);
  fm_free(ctx, masks);
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
  enum fm_status status = folder && truth ? list_if_there(ctx, folder, &kinds) : FM_MEMORY;
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
  FM_TRY(add_folder(ctx, train, set->path, "good", NULL));
  if (set->good) FM_TRY(add_folder(ctx, test, set->good, "good", NULL));
  if (!set->bad) return FM_OK;
  FM_TRY(add_folder(ctx, test, set->bad, "bad", set->masks));
  struct fm_names kinds;
  enum fm_status status = fm_folder_list(ctx, set->bad, &kinds);
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
