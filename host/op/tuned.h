/* Tuned choices: rows and tiles (op/variant.h) that were measured to be faster than the rule's, as a text
 * file with a line each, written by `flawmap tune`.
 *
 *   flawmap tuned 1
 *   # a comment
 *   cpu16x1 | device NAME | forward 3x3/2 64>128 32x32 | 1 | conv | blocks 4 pixels 4 | 700 us | 900 us
 *
 * Fields are divided by " | ":
 *   1  class: cpu or gpu, channels of a block, work-items of a group
 *   2  device NAME, family VENDOR, as the driver says them; or class: every device of that class
 *   3  what: forward, kept (forward in training), back, weights (op/conv.h); kernel/stride, "depthwise" or
 *      "picture", channels in>out, height x width of what is computed (weights: of dy)
 *   4  pictures at a time from which it holds. A line from 1 chooses the row. A line from more chooses only
 *      another tile of that row: in inference the number of pictures never decides the bits
 *   5  row
 *   6  tile (op/tile.h)
 *   7  microseconds it took, and 8  those of the rule's choice; for people only
 * The user's file comes before the shipped one (models/tuned.txt), a device before its family before its
 * class, many pictures before few; of two lines that are equal in that the later one counts.
 *
 * Files are foreign: damaged lines are said and left out. A line whose row or tile does not exist or does not
 * fit is left out when it would be taken; FLAWMAP_VERBOSE=choose says so. */
#ifndef FM_OP_TUNED_H
#define FM_OP_TUNED_H

#include "op/variant.h"

enum fm_tuned_scope { FM_TUNED_DEVICE, FM_TUNED_FAMILY, FM_TUNED_CLASS };

struct fm_tuned_line {
  char class[16], name[128]; /* name: "" for FM_TUNED_CLASS */
  enum fm_tuned_scope scope;
  char shape[64], row[32];
  struct fm_tile tile;
  int from, us, rule_us;
  bool shipped; /* not of the user's file */
};

struct fm_tuned {
  struct fm_tuned_line *line;
  size_t count, capacity;
};

/* The user's file: FLAWMAP_TUNE, else flawmap/tuned.txt in $XDG_DATA_HOME or ~/.local/share; a new string. */
char *fm_tuned_path(struct fm_context *ctx);

/* Adds the lines of a file. name: for messages. Damaged lines are noted and left out; what is no such file at
 * all is FM_FORMAT, a file of too many lines FM_LIMIT. */
enum fm_status fm_tuned_parse(struct fm_context *ctx, const char *name, const char *text, size_t size,
                              bool shipped, struct fm_tuned *t);
/* The same of a file; one that does not exist has no lines. */
enum fm_status fm_tuned_read(struct fm_context *ctx, const char *path, struct fm_tuned *t);
/* Puts a line in the place of the one for the same device, shape and pictures, or behind the others. */
enum fm_status fm_tuned_put(struct fm_context *ctx, struct fm_tuned *t, const struct fm_tuned_line *line);
/* Takes out every line of this device for the shape. */
void fm_tuned_drop(struct fm_tuned *t, const struct fm_tuned_line *of);
/* Atomically. */
enum fm_status fm_tuned_write(struct fm_context *ctx, const char *path, const struct fm_tuned *t);
void fm_tuned_free(struct fm_context *ctx, struct fm_tuned *t);

/* Lines that hold for the device: of the user's file, and of those that flawmap brings. Nothing before
 * fm_tuned_load. */
void fm_tuned_in_force(const struct fm_device *d, int *own, int *shipped);

/* Fills class, scope, name and shape of a line for this very device; s NULL: no shape. */
void fm_tuned_begin(const struct fm_facts *f, const struct fm_shape *s, struct fm_tuned_line *line);

/* What was measured for this shape on this device: the row, or NULL for the rule's; *line: what it comes
 * from. Nothing before fm_tuned_load. */
const struct fm_variant *fm_tuned_row(struct fm_device *d, const struct fm_shape *s,
                                      const struct fm_tuned_line **line);
/* And the tile of a row that was chosen; false: the rule's. */
bool fm_tuned_tile(struct fm_device *d, const struct fm_shape *s, const struct fm_variant *row,
                   struct fm_tile *tile, const struct fm_tuned_line **line);

/* Reads both files, once for a device, which keeps what concerns it. FLAWMAP_TUNE=off: none. A file that
 * FLAWMAP_TUNE names must be good; the other one is only said to be bad. */
enum fm_status fm_tuned_load(struct fm_device *d);

#endif
