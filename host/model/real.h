/* Semi-supervised training: some of a category's flawed test pictures, with their masks, to learn from. They
 * leave the test set; models and checkpoints remember them as text, a line KIND/NAME each, in the order of
 * the category's list. NULL is the same as no line. */
#ifndef FM_MODEL_REAL_H
#define FM_MODEL_REAL_H

#include "data/dataset.h"

/* n of the flawed pictures that have masks, spread evenly over the kinds; more of them with the same seed
 * include those of fewer. A new string. FM_USAGE where there are not so many. */
enum fm_status fm_real_draw(struct fm_context *ctx, const struct fm_category *category, uint64_t seed,
                            size_t n, char **text);

/* The test pictures that a file names, a line KIND/NAME each. A new string. FM_USAGE for one that is not
 * there. */
enum fm_status fm_real_read(struct fm_context *ctx, const struct fm_category *category, const char *path,
                            char **text);

/* The samples (a new array; their strings are the category's). FM_USAGE for one that is not there, is good or
 * has no mask. */
enum fm_status fm_real_samples(struct fm_context *ctx, const struct fm_category *category, const char *text,
                               struct fm_sample **samples, size_t *count);

size_t fm_real_count(const char *text);

/* Takes them out of the category's test pictures; returns how many there were. */
size_t fm_real_leave_out(struct fm_context *ctx, struct fm_category *category, const char *text);

/* True for text as these functions make it, whoever wrote it: whole lines of printable characters with a
 * slash. */
bool fm_real_valid(const char *text);

#endif
