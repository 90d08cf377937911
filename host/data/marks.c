#define _POSIX_C_SOURCE 200809L
#include "data/marks.h"

#include "base/memory.h"
#include "data/dataset.h"

#include <string.h>
#include <strings.h>

enum form { SUFFIX_MASK, SUFFIX_GT, PLAIN, FOLDER, FORMS }; /* the first that is there is taken */

size_t fm_stem_length(const char *name) {
  const char *dot = strrchr(fm_path_name(name), '.');
  return dot ? (size_t)(dot - name) : strlen(name);
}

enum fm_status fm_marks_open(struct fm_context *ctx, const char *folder, struct fm_marks *marks) {
  *marks = (struct fm_marks){0};
  if (!folder || !fm_folder_exists(folder)) return FM_OK;
  if (!(marks->folder = fm_strdup(ctx, folder))) return FM_MEMORY;
  FM_TRY(fm_folder_list(ctx, folder, &marks->names));
  marks->used = fm_alloc(ctx, marks->names.count, sizeof *marks->used);
  return marks->used ? FM_OK : FM_MEMORY;
}

void fm_marks_close(struct fm_context *ctx, struct fm_marks *marks) {
  fm_free(ctx, marks->folder);
  fm_free(ctx, marks->used);
  fm_names_free(ctx, &marks->names);
  *marks = (struct fm_marks){0};
}

/* The first name >= the first n characters of key in a sorted list. */
static size_t lower_bound(const struct fm_names *names, const char *key, size_t n) {
  size_t low = 0, high = names->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (strncmp(names->name[middle], key, n) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* How name, which begins like the picture's, could be its mask; FORMS: it could not. */
static enum form form_of(const char *name, size_t stem) {
  if (!name[stem]) return FOLDER; /* or a file without extension, which is none */
  if (!fm_is_picture(name)) return FORMS;
  size_t rest = fm_stem_length(name) - stem;
  if (rest == 5 && strncasecmp(name + stem, "_mask", 5) == 0) return SUFFIX_MASK;
  if (rest == 3 && strncasecmp(name + stem, "_gt", 3) == 0) return SUFFIX_GT;
  return rest == 0 ? PLAIN : FORMS;
}

enum fm_status fm_marks_find(struct fm_context *ctx, struct fm_marks *marks, const char *picture,
                             char **mask) {
  const struct fm_names *names = &marks->names;
  size_t stem = fm_stem_length(picture), best = 0;
  enum form found = FORMS;
  *mask = NULL;
  for (size_t i = lower_bound(names, picture, stem);
       i < names->count && strncmp(names->name[i], picture, stem) == 0; i++) {
    if (fm_stem_length(names->name[i]) < stem) continue;
    enum form form = form_of(names->name[i], stem);
    if (form >= found) continue;
    found = form;
    best = i;
  }
  if (found == FORMS) return FM_OK;
  char *path = fm_path_join(ctx, marks->folder, names->name[best]);
  if (!path) return FM_MEMORY;
  if (found == FOLDER && !fm_folder_exists(path)) {
    fm_free(ctx, path);
    return FM_OK;
  }
  marks->used[best] = true;
  *mask = path;
  return FM_OK;
}
