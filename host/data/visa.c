/* VisA: the table split_csv/1cls.csv says which picture belongs where. Its columns are object, split, label,
 * image, mask; paths are relative to the data set's root. */
#define _POSIX_C_SOURCE 200809L
#include "base/memory.h"
#include "data/layout.h"

#include <stdlib.h>
#include <string.h>

enum { TABLE_MAX = 1 << 26 };

enum column { OBJECT, SPLIT, LABEL, IMAGE, MASK, COLUMNS };
static const char *const titles[COLUMNS] = {"object", "split", "label", "image", "mask"};

struct table {
  char *path, *text;
  char *rest;                /* where the next line begins; NULL: no more */
  int place[COLUMNS];        /* the column's place in a line */
  size_t line;               /* of the row in cell, from 1 */
  const char *cell[COLUMNS]; /* inside text */
};

char *fm_visa_table(struct fm_context *ctx, const char *root) {
  return fm_format(ctx, "%s/split_csv/1cls.csv", root);
}

static void table_close(struct fm_context *ctx, struct table *t) {
  fm_free(ctx, t->text);
  fm_free(ctx, t->path);
}

/* Cuts the next line that is not empty into cells, in place. The table has no quoted cells. */
static int next_line(struct table *t, char **cell, int most) {
  while (t->rest && *t->rest) {
    char *line = t->rest, *end = strchr(line, '\n');
    t->rest = end ? end + 1 : NULL;
    t->line++;
    if (end) *end = 0;
    size_t n = strlen(line);
    if (n && line[n - 1] == '\r') line[--n] = 0;
    if (!n) continue;
    int count = 0;
    for (char *c = line; c && count < most; count++) {
      char *comma = strchr(c, ',');
      if (comma) *comma++ = 0;
      cell[count] = c;
      c = comma;
    }
    return count;
  }
  return 0;
}

static enum fm_status table_open(struct fm_context *ctx, const char *root, struct table *t) {
  enum { MOST = 16 };
  *t = (struct table){0};
  if (!(t->path = fm_visa_table(ctx, root))) return FM_MEMORY;
  unsigned char *bytes = NULL;
  size_t size;
  FM_TRY(fm_file_read(ctx, t->path, TABLE_MAX, &bytes, &size));
  t->text = t->rest = (char *)bytes;
  if (strncmp(t->rest, "\xEF\xBB\xBF", 3) == 0) t->rest += 3; /* a byte order mark, by some editors */
  char *cell[MOST];
  int count = next_line(t, cell, MOST);
  for (int c = 0; c < COLUMNS; c++) {
    t->place[c] = -1;
    for (int i = 0; i < count; i++)
      if (strcmp(cell[i], titles[c]) == 0) t->place[c] = i;
    if (t->place[c] < 0)
      return fm_error(ctx, FM_FORMAT,
                      "'%s' has no column '%s'; the first line should be object,split,label,image,mask",
                      t->path, titles[c]);
  }
  return FM_OK;
}

/* False at the end. A missing cell is empty: the mask of a good picture often is. */
static bool table_next(struct table *t) {
  enum { MOST = 16 };
  char *cell[MOST];
  int count = next_line(t, cell, MOST);
  for (int c = 0; c < COLUMNS; c++) t->cell[c] = t->place[c] < count ? cell[t->place[c]] : "";
  return count > 0;
}

static int by_bytes(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

enum fm_status fm_visa_categories(struct fm_context *ctx, const char *root, struct fm_names *names) {
  struct table t;
  size_t capacity = 0;
  *names = (struct fm_names){0};
  enum fm_status status = table_open(ctx, root, &t);
  while (status == FM_OK && table_next(&t)) {
    if (fm_names_have(names, t.cell[OBJECT])) continue;
    status = fm_grow(ctx, (void **)&names->name, &capacity, names->count, sizeof *names->name);
    if (status != FM_OK) break;
    char *copy = fm_strdup(ctx, t.cell[OBJECT]);
    if (copy)
      names->name[names->count++] = copy;
    else
      status = FM_MEMORY;
  }
  table_close(ctx, &t);
  if (status != FM_OK)
    fm_names_free(ctx, names);
  else if (names->count)
    qsort(names->name, names->count, sizeof *names->name, by_bytes);
  return status;
}

/* The table comes from outside: a path in it stays inside the data set. */
static bool leaves_root(const char *path) {
  for (size_t i = 0; path[i]; i++)
    if ((i == 0 || path[i - 1] == '/') && strncmp(path + i, "..", 2) == 0 &&
        (path[i + 2] == '/' || !path[i + 2]))
      return true;
  return path[0] == '/' || !path[0];
}

static enum fm_status add_row(struct fm_context *ctx, const char *root, const struct table *t,
                              struct fm_samples *train, struct fm_samples *test) {
  bool training = strcmp(t->cell[SPLIT], "train") == 0, flawed = strcmp(t->cell[LABEL], "anomaly") == 0;
  const char *wrong = NULL;
  if (!training && strcmp(t->cell[SPLIT], "test") != 0) wrong = "the split is neither train nor test";
  if (!flawed && strcmp(t->cell[LABEL], "normal") != 0) wrong = "the label is neither normal nor anomaly";
  if (training && flawed) wrong = "a flawed picture is marked for training";
  if (leaves_root(t->cell[IMAGE])) wrong = "the picture's path is empty or leaves the data set";
  bool masked = flawed && t->cell[MASK][0];
  if (masked && leaves_root(t->cell[MASK])) wrong = "the mask's path leaves the data set";
  if (wrong) return fm_error(ctx, FM_FORMAT, "'%s', line %zu: %s", t->path, t->line, wrong);
  char *path = fm_path_join(ctx, root, t->cell[IMAGE]), *mask = NULL;
  if (path && masked) mask = fm_path_join(ctx, root, t->cell[MASK]);
  if (!path || (masked && !mask)) {
    fm_free(ctx, path);
    return FM_MEMORY;
  }
  if (mask && !fm_file_exists(mask)) {
    fm_free(ctx, mask);
    mask = NULL;
  }
  return fm_samples_add(ctx, training ? train : test, path, fm_path_name(path), flawed ? "bad" : "good",
                        flawed, mask);
}

enum fm_status fm_layout_visa(struct fm_context *ctx, const struct fm_dataset *set, const char *category,
                              struct fm_samples *train, struct fm_samples *test) {
  struct table t;
  enum fm_status status = table_open(ctx, set->path, &t);
  while (status == FM_OK && table_next(&t))
    if (strcmp(t.cell[OBJECT], category) == 0) status = add_row(ctx, set->path, &t, train, test);
  table_close(ctx, &t);
  return status;
}
