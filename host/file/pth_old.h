/* Inside the file layer: PyTorch's format from before version 1.6, in which many published weights still are.
 *
 * Five pickles, one behind the other: a magic number, the version 1001, facts about the machine, the state
 * dict, the list of its storages' keys; then for each key, in that order, the number of elements (8 bytes)
 * and the elements. */
#ifndef FM_FILE_PTH_OLD_H
#define FM_FILE_PTH_OLD_H

#include "file/archive.h"
#include "file/safetensors.h"

bool fm_pth_is_old(const unsigned char *bytes, size_t size);

/* What a new file of the same content would hold as members of its archive: old/data.pkl and old/data/KEY. */
enum fm_status fm_pth_old_members(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                                  size_t size, struct fm_archive_members *members);

/* The type of the elements of "FloatStorage" and alike. */
bool fm_pth_storage_type(const char *storage, enum fm_dtype *type);

#endif
