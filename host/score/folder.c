#include "score/folder.h"

#include "base/available.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/marks.h"
#include "data/mask.h"
#include "file/sniff.h"
#include "file/tiff.h"
#include "score/scan.h"

#include <stdint.h>
#include <string.h>

struct item {
  char *kind, *name;     /* name without its extension */
  char *map, *mask;      /* paths; mask NULL: there is none */
  struct fm_drawn truth; /* what the mask is like, without its pixels */
  bool seen;             /* truth is known */
};

struct list {
  struct fm_context *ctx;
  struct item *item;
  size_t count, capacity;
};

static bool is_tiff(const char *name) {
  char extension[16];
  fm_path_extension(name, extension);
  return !strcmp(extension, "tiff") || !strcmp(extension, "tif");
}

/* The name without its extension, a new string. */
static char *stem_of(struct fm_context *ctx, const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && dot != name ? fm_format(ctx, "%.*s", (int)(dot - name), name) : fm_strdup(ctx, name);
}

static enum fm_status add_item(struct list *l, const char *root, struct fm_marks *masks, const char *kind,
                               const char *file) {
  struct fm_context *ctx = l->ctx;
  FM_TRY(fm_grow(ctx, (void **)&l->item, &l->capacity, l->count, sizeof *l->item));
  struct item *i = &l->item[l->count++];
  *i = (struct item){.kind = fm_strdup(ctx, kind), .name = stem_of(ctx, file)};
  if (!i->kind || !i->name) return FM_MEMORY;
  if (!(i->map = fm_format(ctx, "%s/%s/%s", root, kind, file))) return FM_MEMORY;
  if (l->count > 1 && !strcmp(i[-1].kind, kind) && !strcmp(i[-1].name, i->name))
    return fm_error(ctx, FM_FORMAT, "'%s' and '%s' are two maps of the same picture; remove one", i[-1].map,
                    i->map);
  return fm_marks_find(ctx, masks, file, &i->mask);
}

static enum fm_status find_kind(struct list *l, const char *root, const char *data, const char *kind) {
  char *folder = fm_path_join(l->ctx, root, kind),
       *truth = fm_format(l->ctx, "%s/ground_truth/%s", data, kind);
  struct fm_names files = {0};
  struct fm_marks masks = {0};
  enum fm_status status = folder && truth ? FM_OK : FM_MEMORY;
  if (status == FM_OK && fm_folder_exists(folder)) status = fm_folder_list(l->ctx, folder, &files);
  if (status == FM_OK && !fm_kind_is_good(kind)) status = fm_marks_open(l->ctx, truth, &masks);
  for (size_t f = 0; status == FM_OK && f < files.count; f++)
    if (is_tiff(files.name[f])) status = add_item(l, root, &masks, kind, files.name[f]);
  fm_marks_close(l->ctx, &masks);
  fm_names_free(l->ctx, &files);
  fm_free(l->ctx, folder);
  fm_free(l->ctx, truth);
  return status;
}

static enum fm_status find_maps(struct list *l, const char *root, const char *data) {
  struct fm_names kinds;
  FM_TRY(fm_folder_list(l->ctx, root, &kinds));
  enum fm_status status = FM_OK;
  for (size_t k = 0; status == FM_OK && k < kinds.count; k++)
    status = find_kind(l, root, data, kinds.name[k]);
  fm_names_free(l->ctx, &kinds);
  return status;
}

static enum fm_status read_mask(struct list *l, struct item *i, struct fm_scored *p) {
  struct fm_drawn truth;
  FM_TRY(fm_mask_read(l->ctx, i->mask, &truth));
  p->mask = truth.pixels;
  p->unmarked = !truth.set;
  i->truth = truth;
  i->truth.pixels = NULL;
  i->seen = true;
  if (truth.width == p->width && truth.height == p->height) return FM_OK;
  return fm_error(
      l->ctx, FM_FORMAT,
      "the map '%s' has %d x %d pixels, but its mask '%s' has %d x %d; maps must have the size of the "
      "pictures",
      i->map, p->width, p->height, i->mask, truth.width, truth.height);
}

static enum fm_status open_item(void *user, size_t index, bool mask, struct fm_scored *p) {
  struct list *l = user;
  struct item *i = &l->item[index];
  float *map = NULL;
  enum fm_status status = fm_tiff_read(l->ctx, i->map, &p->width, &p->height, &map);
  p->map = map;
  p->flawed = !fm_kind_is_good(i->kind);
  p->unmarked = p->flawed;
  if (status != FM_OK || !i->mask) return status;
  if (mask || !i->seen) return read_mask(l, i, p);
  p->unmarked = !i->truth.set;
  return FM_OK;
}

static void close_item(void *user, size_t index, struct fm_scored *p) {
  struct list *l = user;
  (void)index;
  fm_free(l->ctx, (void *)(uintptr_t)p->map);
  fm_free(l->ctx, (void *)(uintptr_t)p->mask);
}

static bool has_map(const struct list *l, const char *kind, const char *name) {
  for (size_t i = 0; i < l->count; i++)
    if (!strcmp(l->item[i].kind, kind) && !strcmp(l->item[i].name, name)) return true;
  return false;
}

/* Test pictures of the data set without a map: a result that leaves pictures out must say so. */
static enum fm_status count_missing(const struct list *l, const char *data, struct fm_score_folder *out) {
  struct fm_names kinds = {0};
  char *test = fm_path_join(l->ctx, data, "test");
  enum fm_status status = !test                    ? FM_MEMORY
                          : fm_folder_exists(test) ? fm_folder_list(l->ctx, test, &kinds)
                                                   : FM_OK;
  for (size_t k = 0; status == FM_OK && k < kinds.count; k++) {
    char *folder = fm_path_join(l->ctx, test, kinds.name[k]);
    struct fm_names files = {0};
    if (!folder)
      status = FM_MEMORY;
    else if (fm_folder_exists(folder))
      status = fm_folder_list(l->ctx, folder, &files);
    for (size_t f = 0; status == FM_OK && f < files.count; f++) {
      if (fm_looks_by_name(files.name[f]) != FM_LOOKS_READ) continue;
      char *name = stem_of(l->ctx, files.name[f]);
      if (!name)
        status = FM_MEMORY;
      else if (!has_map(l, kinds.name[k], name))
        out->missing++;
      fm_free(l->ctx, name);
    }
    fm_names_free(l->ctx, &files);
    fm_free(l->ctx, folder);
  }
  fm_names_free(l->ctx, &kinds);
  fm_free(l->ctx, test);
  return status;
}

static void count_pictures(const struct list *l, struct fm_score_folder *out) {
  out->pictures = l->count;
  for (size_t i = 0; i < l->count; i++) {
    const struct item *item = &l->item[i];
    bool flawed = !fm_kind_is_good(item->kind);
    out->kinds += !i || strcmp(item->kind, l->item[i - 1].kind) != 0;
    out->unmasked += flawed && !item->mask;
    out->flawed += flawed;
  }
}

/* What the masks were like, once they were read. */
static enum fm_status say_census(const struct list *l) {
  struct fm_mask_census census = {0};
  for (size_t i = 0; i < l->count; i++)
    if (l->item[i].seen) fm_mask_count(&census, &l->item[i].truth, l->item[i].mask, l->item[i].map);
  return fm_mask_census_say(l->ctx, &census);
}

/* An open map takes its file, its values and its mask; all are taken to be as large as the first. Fewer at a
 * time where memory is scarce. */
static enum fm_status say_plan(const struct list *l, struct fm_source *source) {
  enum { OPEN = 16, MIB = 20 };
  int width, height;
  float *map;
  FM_TRY(fm_tiff_read(l->ctx, l->item[0].map, &width, &height, &map));
  fm_free(l->ctx, map);
  size_t pixels = (size_t)width * (size_t)height, free = fm_memory_available(), bytes;
  source->at_once = fm_scan_lanes(l->ctx, source);
  for (;; source->at_once--) {
    bytes =
        fm_metrics_bytes(l->ctx, source, l->count * pixels, pixels) + (size_t)source->at_once * pixels * OPEN;
    if (!free || bytes < free / 4 * 3 || source->at_once == 1) break;
  }
  if (bytes >> MIB >= 256)
    fm_note(l->ctx,
            "memory: the exact metrics of %zu maps of %d x %d take %zu MiB, and the whole program up to %zu "
            "MiB; %zu MiB are free",
            l->count, width, height, bytes >> MIB, (bytes + fm_memory_resident()) >> MIB, free >> MIB);
  return FM_OK;
}

/* maps, or the subfolder of it that holds the kinds. */
static char *root_of(struct fm_context *ctx, const char *maps) {
  static const char *const inside[] = {"maps", "test"};
  for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
    char *path = fm_path_join(ctx, maps, inside[i]);
    if (!path || fm_folder_exists(path)) return path;
    fm_free(ctx, path);
  }
  return fm_strdup(ctx, maps);
}

static enum fm_status score_list(struct list *l, const char *data, struct fm_score_folder *out) {
  struct fm_source source = {.count = l->count, .open = open_item, .close = close_item, .user = l};
  count_pictures(l, out);
  FM_TRY(count_missing(l, data, out));
  if (out->unmasked)
    fm_note(
        l->ctx,
        "warning: %zu of %zu pictures are flawed but have no mask in '%s/ground_truth'; they count as flawed "
        "pictures, and their pixels are left out of the figures of pixels",
        out->unmasked, out->pictures, data);
  if (out->missing)
    fm_note(l->ctx, "%zu pictures of '%s/test' have no map and are left out", out->missing, data);
  FM_TRY(say_plan(l, &source));
  FM_TRY(fm_metrics_compute(l->ctx, &source, NULL, 0, &out->metrics));
  return say_census(l);
}

static void free_list(struct list *l) {
  for (size_t i = 0; i < l->count; i++) {
    fm_free(l->ctx, l->item[i].kind);
    fm_free(l->ctx, l->item[i].name);
    fm_free(l->ctx, l->item[i].map);
    fm_free(l->ctx, l->item[i].mask);
  }
  fm_free(l->ctx, l->item);
}

enum fm_status fm_score_folder(struct fm_context *ctx, const char *maps, const char *data,
                               struct fm_score_folder *out) {
  *out = (struct fm_score_folder){0};
  if (!fm_folder_exists(maps)) return fm_error(ctx, FM_IO, "the folder of maps '%s' does not exist", maps);
  if (!fm_folder_exists(data)) return fm_error(ctx, FM_IO, "the data set '%s' does not exist", data);
  struct list list = {.ctx = ctx};
  char *root = root_of(ctx, maps);
  enum fm_status status = root ? find_maps(&list, root, data) : FM_MEMORY;
  if (status == FM_OK && !list.count)
    status = fm_error(ctx, FM_FORMAT,
                      "'%s' holds no maps; they are expected as KIND/NAME.tiff, one channel of 32-bit floats",
                      root);
  if (status == FM_OK) status = score_list(&list, data, out);
  free_list(&list);
  fm_free(ctx, root);
  return status;
}
