/* Data sets on the disk: what their folders mean, and the lists of pictures in them.
 *
 *   mvtec     CATEGORY/train/good/ *.png  CATEGORY/test/KIND/ *.png  CATEGORY/ground_truth/KIND/ masks
 *             (BTAD and MVTec LOCO are of this layout, too)
 *   mvtec3d   CATEGORY/train/good/rgb/ *.png  CATEGORY/test/KIND/rgb/ *.png  CATEGORY/test/KIND/gt/ masks
 *   visa      CATEGORY/Data/Images/... as the rows of ROOT/split_csv/1cls.csv say
 *             (object,split,label,image,mask)
 *   folder    a folder of good pictures; flawed ones and masks in folders named by options
 *
 * Kinds that are called good, ok, normal, no_defect or the like (fm_kind_is_good) are good, also below train.
 * How masks are named is in marks.h. There need be no training pictures: eval does without.
 *
 * DATA is the root of a data set with several categories, or one category's own folder. Folders of pictures
 * are looked through with all folders below them, as find.h says; names sort by bytes. */
#ifndef FM_DATA_DATASET_H
#define FM_DATA_DATASET_H

#include "base/file.h"

enum fm_layout {
  FM_LAYOUT_AUTO,
  FM_LAYOUT_MVTEC,
  FM_LAYOUT_MVTEC3D,
  FM_LAYOUT_VISA,
  FM_LAYOUT_FOLDER,
  FM_LAYOUTS
};

const char *fm_layout_name(enum fm_layout layout); /* "mvtec"; "auto" for FM_LAYOUT_AUTO */
enum fm_status fm_layout_parse(struct fm_context *ctx, const char *text, enum fm_layout *layout);

/* Zeros are the defaults. */
struct fm_dataset_options {
  enum fm_layout layout; /* AUTO: found by looking at the folders */
  /* Only for the folder layout: */
  const char
      *bad; /* flawed test pictures: the files in it are of kind "bad", those in a subfolder of its name */
  const char *good;  /* good test pictures */
  const char *masks; /* masks of the flawed ones: [KIND/] and names as in marks.h */
};

struct fm_dataset {
  enum fm_layout layout; /* never AUTO */
  char *path;            /* DATA as given (visa: the root, also for one category) */
  struct fm_names categories;
  bool single; /* DATA is one category's own folder: categories has one name */
  char *bad, *good, *masks;
};

/* Finds the layout and the categories. FM_USAGE where the folder is missing, or nothing in it is a known
 * layout. */
enum fm_status fm_dataset_open(struct fm_context *ctx, const char *data,
                               const struct fm_dataset_options *options, struct fm_dataset *set);
void fm_dataset_close(struct fm_context *ctx, struct fm_dataset *set);

/* True for a folder's name that says that its pictures are good: good, ok, normal, no_defect, defect-free and
 * the like, in any case. */
bool fm_kind_is_good(const char *kind);

/* True for a folder's name that says that its pictures are flawed: defect, ng, scratches, not_good and more.
 * Many names are neither. */
bool fm_kind_is_flawed(const char *kind);

/* True where path ends as a picture does. */
bool fm_is_picture(const char *path);

struct fm_sample {
  char *path;
  char *name; /* the file's path in its kind's folder, without extension: unique in its kind */
  char *kind; /* the folder's name: "good" or the kind of flaw */
  bool flawed;
  char *mask; /* a file, or a folder of several masks; NULL for a good picture, and for a flawed one without
                 mask: only pixel metrics need it */
  int x, y;   /* where it is a tile of the picture (data/tiles.h): its first pixel */
};

/* What looks like a picture and is of no kind that is read, or lies where nobody looks; each was named in a
 * note. */
struct fm_overlooked {
  size_t count;
  char *first; /* NULL without */
};

struct fm_category {
  char *name;
  enum fm_layout layout;
  struct fm_sample *train; /* good pictures, by name */
  size_t train_count;
  struct fm_sample *test; /* by kind, then name */
  size_t test_count;
  char *stray_mask; /* the first mask that belongs to no picture, NULL: none; and how many there are */
  size_t stray_masks;
  struct fm_overlooked train_overlooked, test_overlooked;
};

/* Lists a category's pictures; nothing is decoded. An unknown name is FM_USAGE and proposes those that exist;
 * a name may be NULL where there is one category only. No picture at all is FM_FORMAT; no training pictures,
 * or no test pictures, is not. */
enum fm_status fm_category_open(struct fm_context *ctx, const struct fm_dataset *set, const char *name,
                                struct fm_category *category);
/* FM_FORMAT where something among the training pictures, or among the test pictures and their masks, was left
 * unread: for whoever learns from them, or reports about them. */
enum fm_status fm_category_complete(struct fm_context *ctx, const struct fm_category *category, bool test);
void fm_category_close(struct fm_context *ctx, struct fm_category *category);

/* FM_FORMAT, naming the place where they should be, where there are no good pictures to learn from. */
enum fm_status fm_category_needs_training(struct fm_context *ctx, const struct fm_category *category);

/* FM_FORMAT with the first flawed test picture that has no mask, and how many there are; FM_OK where there is
 * none. */
enum fm_status fm_category_needs_masks(struct fm_context *ctx, const struct fm_category *category);

/* 16 hexadecimal digits: FNV-1a (64 bits) over the file names of the training pictures, in order. The
 * same for the same list on any machine; says nothing about the content. */
void fm_category_hash(const struct fm_category *category, char out[17]);

/* Splits the training pictures: every (1 / fraction)-th one is held out (0.2: the fifth, tenth, ...; at least
 * one of three pictures and more), the others are for learning. 0 holds out none, and nor do one or two
 * pictures: they are all needed. Both lists are the caller's (fm_free), their strings the category's.
 * FM_USAGE for a fraction outside [0, 0.9]. */
struct fm_holdout {
  struct fm_sample *learn, *held;
  size_t learn_count, held_count;
};
enum fm_status fm_dataset_holdout(struct fm_context *ctx, const struct fm_category *category, double fraction,
                                  struct fm_holdout *out);
void fm_holdout_free(struct fm_context *ctx, struct fm_holdout *holdout);

#endif
