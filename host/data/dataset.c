#define _POSIX_C_SOURCE 200809L
#include "data/dataset.h"

#include "base/memory.h"
#include "data/find.h"
#include "data/layout.h"
#include "file/sniff.h"

#include <string.h>

static const char *const layout_names[FM_LAYOUTS] = {"auto", "mvtec", "mvtec3d", "visa", "folder"};

const char *fm_layout_name(enum fm_layout layout) {
  return (unsigned)layout < FM_LAYOUTS ? layout_names[layout] : "unknown";
}

enum fm_status fm_layout_parse(struct fm_context *ctx, const char *text, enum fm_layout *layout) {
  for (int i = 0; i < FM_LAYOUTS; i++) {
    if (strcmp(text, layout_names[i]) != 0) continue;
    *layout = (enum fm_layout)i;
    return FM_OK;
  }
  return fm_error(ctx, FM_USAGE, "'%s' is not a known layout; there are mvtec, mvtec3d, visa and folder",
                  text);
}

static char lower(char c) {
  if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
  return c;
}

bool fm_kind_is_good(const char *kind) {
  static const char *const good[] = {"good",         "goods",      "ok",        "oks",          "okay",
                                     "normal",       "normals",    "nodefect",  "nodefects",    "nondefect",
                                     "nondefective", "defectfree", "noanomaly", "nonanomalous", "anomalyfree",
                                     "nonanomaly",   "noflaw",     "noflaws",   "flawless",     "faultless"};
  char letters[32]; /* the name's letters: no_defect, No-Defect and "no defect" are one */
  size_t n = 0;
  for (; *kind; kind++) {
    if (*kind == '_' || *kind == '-' || *kind == ' ') continue;
    if (n + 1 == sizeof letters) return false;
    letters[n++] = lower(*kind);
  }
  letters[n] = 0;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (strcmp(letters, good[i]) == 0) return true;
  return false;
}

static bool is_one_of(const char *word, size_t length, const char *const *list) {
  for (; *list; list++)
    if (strlen(*list) == length && strncmp(word, *list, length) == 0) return true;
  return false;
}

bool fm_kind_is_flawed(const char *kind) {
  static const char *const flaws[] = {"abnormal",  "anomalies", "anomalous", "anomaly",      "bad",
                                      "bent",      "broken",    "chipped",   "contaminated", "contamination",
                                      "crack",     "cracked",   "cracks",    "damage",       "damaged",
                                      "damages",   "defect",    "defective", "defects",      "dent",
                                      "dented",    "dents",     "fail",      "failed",       "faulty",
                                      "faults",    "flaw",      "flawed",    "flaws",        "hole",
                                      "holes",     "ko",        "missing",   "ng",           "nok",
                                      "reject",    "rejected",  "rejects",   "scrap",        "scratch",
                                      "scratched", "scratches", "stain",     "stained",      "stains",
                                      "torn",      NULL},
                           *const good[] = {"good", "normal", "ok", "okay", NULL},
                           *const negations[] = {"free", "no", "non", "not", "without", NULL};
  bool flaw = false, fine = false, negated = false;
  char name[128] = "";
  size_t n = 0;
  if (fm_kind_is_good(kind) || strlen(kind) >= sizeof name) return false;
  for (; kind[n]; n++) name[n] = lower(kind[n]);
  name[n] = 0;
  for (const char *word = name; *word;) {
    size_t length = strspn(word, "abcdefghijklmnopqrstuvwxyz");
    flaw |= is_one_of(word, length, flaws);
    fine |= is_one_of(word, length, good);
    negated |= is_one_of(word, length, negations);
    word += length ? length : 1;
  }
  return negated ? fine : flaw;
}

bool fm_is_picture(const char *path) {
  return fm_looks_by_name(path) == FM_LOOKS_READ;
}

/* *there: the folder base/part exists. */
static enum fm_status has_folder(struct fm_context *ctx, const char *base, const char *part, bool *there) {
  char *path = fm_path_join(ctx, base, part);
  if (!path) return FM_MEMORY;
  *there = fm_folder_exists(path);
  fm_free(ctx, path);
  return FM_OK;
}

static enum fm_status one_name(struct fm_context *ctx, struct fm_names *names, const char *name,
                               size_t length) {
  if (!(names->name = fm_alloc(ctx, 1, sizeof *names->name))) return FM_MEMORY;
  if (!(names->name[0] = fm_format(ctx, "%.*s", (int)length, name))) return FM_MEMORY;
  names->count = 1;
  return FM_OK;
}

/* A category is named by its folder; one given as "." or ".." has no name of its own. */
static enum fm_status name_by_folder(struct fm_context *ctx, const char *data, struct fm_names *names) {
  size_t end = strlen(data);
  while (end && data[end - 1] == '/') end--;
  size_t begin = end;
  while (begin && data[begin - 1] != '/') begin--;
  size_t n = end - begin;
  if (n == 0 || strspn(data + begin, ".") >= n) return one_name(ctx, names, "pictures", 8);
  return n > 255 ? one_name(ctx, names, data + begin, 255) : one_name(ctx, names, data + begin, n);
}

/* Keeps the names of folders in `data` that hold a folder `first` or `second` (which may be NULL). */
static enum fm_status folders_with(struct fm_context *ctx, const char *data, const char *first,
                                   const char *second, struct fm_names *names) {
  FM_TRY(fm_folder_list(ctx, data, names));
  enum fm_status status = FM_OK;
  size_t kept = 0;
  for (size_t i = 0; i < names->count; i++) {
    bool there = false;
    const char *name = names->name[i];
    bool likely = !fm_is_debris(name) && !fm_is_picture(name); /* of 60,000 pictures none is asked for */
    char *path = status == FM_OK && likely ? fm_path_join(ctx, data, name) : NULL;
    if (likely && !path)
      status = FM_MEMORY;
    else if (likely)
      status = has_folder(ctx, path, first, &there);
    if (status == FM_OK && likely && !there && second) status = has_folder(ctx, path, second, &there);
    fm_free(ctx, path);
    if (there)
      names->name[kept++] = names->name[i];
    else
      fm_free(ctx, names->name[i]);
  }
  names->count = kept;
  return status;
}

/* *found: some folder in BASE/PART holds a folder rgb. */
static enum fm_status has_depth(struct fm_context *ctx, const char *base, const char *part, bool *found) {
  char *path = fm_path_join(ctx, base, part);
  struct fm_names kinds = {0};
  enum fm_status status = !path                    ? FM_MEMORY
                          : fm_folder_exists(path) ? folders_with(ctx, path, "rgb", NULL, &kinds)
                                                   : FM_OK;
  *found |= kinds.count > 0;
  fm_names_free(ctx, &kinds);
  fm_free(ctx, path);
  return status;
}

/* Tells MVTec AD from MVTec 3D-AD by the first category. */
static enum fm_status tell_depth(struct fm_context *ctx, struct fm_dataset *set) {
  bool depth = false;
  char *base =
      set->single ? fm_strdup(ctx, set->path) : fm_path_join(ctx, set->path, set->categories.name[0]);
  enum fm_status status = base ? has_depth(ctx, base, "train", &depth) : FM_MEMORY;
  if (status == FM_OK) status = has_depth(ctx, base, "test", &depth);
  fm_free(ctx, base);
  set->layout = depth ? FM_LAYOUT_MVTEC3D : FM_LAYOUT_MVTEC;
  return status;
}

/* The functions below look for one layout; they leave categories empty where it is not there. A test set
 * without training pictures is enough: eval takes it. */
static enum fm_status look_mvtec(struct fm_context *ctx, struct fm_dataset *set) {
  FM_TRY(has_folder(ctx, set->path, "train", &set->single));
  if (!set->single) FM_TRY(has_folder(ctx, set->path, "test", &set->single));
  if (set->single)
    FM_TRY(name_by_folder(ctx, set->path, &set->categories));
  else
    FM_TRY(folders_with(ctx, set->path, "train", "test", &set->categories));
  return set->categories.count && set->layout == FM_LAYOUT_AUTO ? tell_depth(ctx, set) : FM_OK;
}

/* VisA as it is downloaded: the split's table comes apart from the pictures. category: a folder in `where`;
 * NULL: `where` itself. */
static enum fm_status without_table(struct fm_context *ctx, const char *where, const char *category) {
  return fm_error(
      ctx, FM_FORMAT,
      "'%s%s%s' is a category of VisA, but the table split_csv/1cls.csv that says which of its pictures are "
      "for training is not beside it: download it with the data set's code (spot-diff), or make the split "
      "yourself: flawmap train %s%s%s/Data/Images/Normal --layout folder",
      where, category ? "/" : "", category ? category : "", where, category ? "/" : "",
      category ? category : "");
}

static enum fm_status look_visa(struct fm_context *ctx, struct fm_dataset *set) {
  char *table = fm_visa_table(ctx, set->path);
  if (!table) return FM_MEMORY;
  bool root = fm_file_exists(table);
  fm_free(ctx, table);
  if (root) {
    set->layout = FM_LAYOUT_VISA;
    return fm_visa_categories(ctx, set->path, &set->categories);
  }
  FM_TRY(has_folder(ctx, set->path, "Data/Images", &set->single));
  if (!set->single) {
    struct fm_names found;
    enum fm_status status = folders_with(ctx, set->path, "Data/Images", NULL, &found);
    if (status == FM_OK && found.count) status = without_table(ctx, set->path, found.name[0]);
    fm_names_free(ctx, &found);
    return status;
  }
  set->layout = FM_LAYOUT_VISA;
  FM_TRY(name_by_folder(ctx, set->path, &set->categories));
  char *above = fm_path_join(ctx, set->path, "..");
  if (!above) return FM_MEMORY;
  char *there = fm_visa_table(ctx, above);
  bool split = there && fm_file_exists(there);
  fm_free(ctx, there);
  if (!there || !split) {
    fm_free(ctx, above);
    return there ? without_table(ctx, set->path, NULL) : FM_MEMORY;
  }
  fm_free(ctx, set->path);
  set->path = above;
  return FM_OK;
}

/* Unless it is asked for, a folder counts only where pictures lie in it, not merely below. */
static enum fm_status look_folder(struct fm_context *ctx, struct fm_dataset *set) {
  struct fm_finding found = {0};
  bool quiet = ctx->quiet, flat = set->layout == FM_LAYOUT_AUTO;
  ctx->quiet = true; /* what is left out is said when the pictures are listed */
  enum fm_status status = fm_find_pictures(ctx, set->path, &(struct fm_find_options){.flat = flat}, &found);
  ctx->quiet = quiet;
  bool any = found.count + found.unread > 0;
  fm_finding_free(ctx, &found);
  if (status != FM_OK || !any) return status;
  fm_names_free(ctx, &set->categories); /* those of the layouts that were looked for before */
  set->layout = FM_LAYOUT_FOLDER;
  set->single = true;
  return name_by_folder(ctx, set->path, &set->categories);
}

static enum fm_status look(struct fm_context *ctx, struct fm_dataset *set) {
  enum fm_layout wanted = set->layout;
  bool any = wanted == FM_LAYOUT_AUTO;
  if (any || wanted == FM_LAYOUT_VISA) FM_TRY(look_visa(ctx, set));
  if (!set->categories.count && (any || wanted == FM_LAYOUT_MVTEC || wanted == FM_LAYOUT_MVTEC3D))
    FM_TRY(look_mvtec(ctx, set));
  if (!set->categories.count && (any || wanted == FM_LAYOUT_FOLDER)) FM_TRY(look_folder(ctx, set));
  if (set->categories.count) return FM_OK;
  static const char every[] =
      "CATEGORY/train/good or CATEGORY/test (mvtec), CATEGORY/train/good/rgb (mvtec3d), "
      "split_csv/1cls.csv (visa), or pictures themselves (folder)",
                    pictures[] = "pictures (" FM_PICTURE_NAMES ")";
  static const char *const expected[FM_LAYOUTS] = {
      [FM_LAYOUT_AUTO] = every,
      [FM_LAYOUT_MVTEC] = "CATEGORY/train/good or train/good (for eval, test is enough)",
      [FM_LAYOUT_MVTEC3D] = "CATEGORY/train/good/rgb or train/good/rgb",
      [FM_LAYOUT_VISA] = "split_csv/1cls.csv with rows in it, or Data/Images",
      [FM_LAYOUT_FOLDER] = pictures,
  };
  return fm_error(ctx, FM_USAGE, "no data set found in '%s': it should hold %s", set->path, expected[wanted]);
}

static char *copy_or_null(struct fm_context *ctx, const char *text, bool *failed) {
  char *copy = text ? fm_strdup(ctx, text) : NULL;
  if (text && !copy) *failed = true;
  return copy;
}

enum fm_status fm_dataset_open(struct fm_context *ctx, const char *data,
                               const struct fm_dataset_options *options, struct fm_dataset *set) {
  static const struct fm_dataset_options defaults;
  if (!options) options = &defaults;
  *set = (struct fm_dataset){.layout = options->layout};
  bool own = options->bad || options->good || options->masks;
  if (own && set->layout == FM_LAYOUT_AUTO) set->layout = FM_LAYOUT_FOLDER;
  if (own && set->layout != FM_LAYOUT_FOLDER)
    return fm_error(ctx, FM_USAGE,
                    "folders of flawed pictures, good test pictures or masks are for the layout 'folder'; "
                    "the layout '%s' says where they are",
                    fm_layout_name(set->layout));
  if (!fm_folder_exists(data))
    return fm_error(ctx, FM_USAGE, "the data set '%s' %s", data,
                    fm_file_exists(data) ? "is a file; name its folder" : "does not exist");
  bool failed = false;
  set->path = copy_or_null(ctx, data, &failed);
  set->bad = copy_or_null(ctx, options->bad, &failed);
  set->good = copy_or_null(ctx, options->good, &failed);
  set->masks = copy_or_null(ctx, options->masks, &failed);
  enum fm_status status = failed ? FM_MEMORY : look(ctx, set);
  if (status != FM_OK) fm_dataset_close(ctx, set);
  return status;
}

void fm_dataset_close(struct fm_context *ctx, struct fm_dataset *set) {
  fm_free(ctx, set->path);
  fm_free(ctx, set->bad);
  fm_free(ctx, set->good);
  fm_free(ctx, set->masks);
  fm_names_free(ctx, &set->categories);
  *set = (struct fm_dataset){0};
}
