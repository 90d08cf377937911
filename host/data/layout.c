#define _POSIX_C_SOURCE 200809L
#include "data/layout.h"

#include "base/memory.h"

#include <string.h>

/* The length of a file's name without its extension. */
static size_t stem_length(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot ? (size_t)(dot - name) : strlen(name);
}

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
  size_t n = stem_length(file);
  s.name[n] = 0;
  if (name_taken(list, kind, s.name)) s.name[n] = '.';
  list->item[list->count++] = s;
  return FM_OK;
}

/* The first name >= key in a sorted list. */
static size_t lower_bound(const struct fm_names *names, const char *key) {
  size_t low = 0, high = names->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (strcmp(names->name[middle], key) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* A file among masks that is STEM_mask.EXT, else STEM.EXT; NULL where there is none. */
static const char *mask_for(const struct fm_names *masks, const char *picture) {
  size_t n = stem_length(picture);
  char stem[512];
  if (n >= sizeof stem) return NULL;
  memcpy(stem, picture, n);
  stem[n] = 0;
  const char *plain = NULL;
  for (size_t i = lower_bound(masks, stem); i < masks->count && strncmp(masks->name[i], stem, n) == 0; i++) {
    const char *name = masks->name[i];
    if (!fm_is_picture(name)) continue;
    size_t length = stem_length(name) - n;
    if (length == 5 && strncmp(name + n, "_mask", 5) == 0) return name;
    if (length == 0 && !plain) plain = name;
  }
  return plain;
}

/* The names in a folder; an empty list where there is no such folder. */
static enum fm_status list_if_there(struct fm_context *ctx, const char *folder, struct fm_names *names) {
  *names = (struct fm_names){0};
  return folder && fm_folder_exists(folder) ? fm_folder_list(ctx, folder, names) : FM_OK;
}

/* Adds the pictures of a folder (which may be missing). masks: the folder of masks, or NULL. */
static enum fm_status add_folder(struct fm_context *ctx, struct fm_samples *list, const char *folder,
                                 const char *kind, const char *masks) {
  bool flawed = strcmp(kind, "good") != 0;
  struct fm_names pictures, mask_names = {0};
  enum fm_status status = list_if_there(ctx, folder, &pictures);
  if (status == FM_OK && flawed) status = list_if_there(ctx, masks, &mask_names);
  for (size_t i = 0; status == FM_OK && i < pictures.count; i++) {
    if (!fm_is_picture(pictures.name[i])) continue;
    const char *mask_name = mask_for(&mask_names, pictures.name[i]);
    char *path = fm_path_join(ctx, folder, pictures.name[i]);
    char *mask = path && mask_name ? fm_path_join(ctx, masks, mask_name) : NULL;
    if (!path || (mask_name && !mask)) {
      fm_free(ctx, path);
      status = FM_MEMORY;
    } else {
      status = fm_samples_add(ctx, list, path, kind, flawed, mask);
    }
  }
  fm_names_free(ctx, &pictures);
  fm_names_free(ctx, &mask_names);
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

/* MVTec AD, and MVTec 3D-AD (depth), whose kinds hold folders rgb, gt (masks) and xyz. */
static enum fm_status list_mvtec(struct fm_context *ctx, const struct fm_dataset *set, const char *category,
                                 bool depth, struct fm_samples *train, struct fm_samples *test) {
  char *base = set->single ? fm_strdup(ctx, set->path) : fm_path_join(ctx, set->path, category);
  char *tests = base ? fm_path_join(ctx, base, "test") : NULL;
  struct fm_names kinds = {0};
  enum fm_status status = tests ? FM_OK : FM_MEMORY;
  if (status == FM_OK)
    status = add_taken(ctx, train, fm_format(ctx, "%s/train/good%s", base, depth ? "/rgb" : ""), "good",
                       fm_strdup(ctx, ""));
  if (status == FM_OK) status = list_if_there(ctx, tests, &kinds);
  for (size_t i = 0; status == FM_OK && i < kinds.count; i++) {
    const char *kind = kinds.name[i];
    char *folder = fm_format(ctx, depth ? "%s/test/%s/rgb" : "%s/test/%s", base, kind);
    char *masks = fm_format(ctx, depth ? "%s/test/%s/gt" : "%s/ground_truth/%s", base, kind);
    status = add_taken(ctx, test, folder, kind, masks);
  }
  fm_names_free(ctx, &kinds);
  fm_free(ctx, tests);
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
    bool wanted = folder && fm_folder_exists(folder) && strcmp(kind, "good") != 0;
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
