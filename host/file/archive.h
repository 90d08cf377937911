/* Members of zip archives (also wheels and .pth files). Everything is limited: an archive of a few bytes may
 * claim to hold gigabytes. */
#ifndef FM_FILE_ARCHIVE_H
#define FM_FILE_ARCHIVE_H

#include "base/status.h"

struct fm_archive_member {
  char *name;
  unsigned char *bytes;
  size_t size;
};

struct fm_archive_members {
  struct fm_archive_member *member;
  size_t count;
};

/* Reads every regular member of a zip archive in memory whose name `wanted` accepts. name is for messages;
 * limit bounds the sum of all sizes. After a failure nothing is to be freed. */
enum fm_status fm_zip_read(struct fm_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                           size_t limit, bool (*wanted)(const char *member),
                           struct fm_archive_members *members);
void fm_archive_free(struct fm_context *ctx, struct fm_archive_members *members);

/* The one member of that name, the caller's (fm_free); nothing else is unpacked. FM_FORMAT where there is
 * none, FM_LIMIT, before more memory is used, where it has more than limit bytes, whatever its header says.
 */
enum fm_status fm_zip_member(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                             size_t size, const char *member, size_t limit, unsigned char **content,
                             size_t *length);

#endif
