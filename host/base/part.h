/* Inside the base layer: the temporary files behind atomic writes, PATH.part-SPACE-PID.
 *
 * A process that is killed leaves one. The next run that writes in the same folder removes it, but never one
 * of a process that may still be there: SPACE stands for the machine (its name) and, on Linux, its space of
 * process numbers, so that another machine's or another container's files in a shared folder are left alone.
 */
#ifndef FM_BASE_PART_H
#define FM_BASE_PART_H

#include "base/status.h"

/* PATH.part-SPACE-PID of this process; a new string, or NULL without memory. */
char *fm_part_name(struct fm_context *ctx, const char *path);

/* Removes what processes that are gone left in the folder of path; once a folder and context. Never fails. */
void fm_part_sweep(struct fm_context *ctx, const char *path);

#endif
