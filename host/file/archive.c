#include "file/archive.h"

#include "base/memory.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

enum { MAX_MEMBERS = 1 << 17, FIRST_ROOM = 1 << 16 };

static enum fm_status damaged(struct fm_context *ctx, const char *name, struct archive *zip) {
  const char *why = archive_error_string(zip);
  return fm_error(ctx, FM_FORMAT, "'%s' is a damaged or truncated archive (%.200s): get it again", name,
                  why ? why : "no reason given");
}

/* The current member's bytes, whatever size its header claims. *left is what may still be used. */
static enum fm_status read_member(struct fm_context *ctx, const char *name, struct archive *zip, size_t *left,
                                  struct fm_archive_member *member) {
  size_t room = 0;
  for (;;) {
    FM_TRY(fm_stop_check(ctx, "unpacking '%s'", name));
    if (member->size == room) {
      room = room ? room * 2 : FIRST_ROOM;
      if (room > member->size + *left)
        room = member->size + *left + 1; /* one more shows that it is too many */
      unsigned char *more = fm_realloc(ctx, member->bytes, room, 1);
      if (!more) return FM_MEMORY;
      member->bytes = more;
    }
    la_ssize_t n = archive_read_data(zip, member->bytes + member->size, room - member->size);
    if (n < 0) return damaged(ctx, name, zip);
    if (n == 0) return FM_OK;
    if ((size_t)n > *left)
      return fm_error(ctx, FM_LIMIT,
                      "'%s': its contents are far larger than they should be, probably on purpose; get the "
                      "file from a source you trust",
                      name);
    *left -= (size_t)n;
    member->size += (size_t)n;
  }
}

static enum fm_status read_members(struct fm_context *ctx, const char *name, struct archive *zip,
                                   size_t limit, bool (*wanted)(const char *member),
                                   struct fm_archive_members *members) {
  size_t capacity = 0;
  struct archive_entry *entry;
  for (long seen = 0;; seen++) {
    int got = archive_read_next_header(zip, &entry);
    if (got == ARCHIVE_EOF) return FM_OK;
    if (got != ARCHIVE_OK && got != ARCHIVE_WARN) return damaged(ctx, name, zip);
    if (seen == MAX_MEMBERS)
      return fm_error(ctx, FM_LIMIT, "'%s' has more than %d members, the limit", name, MAX_MEMBERS);
    const char *path = archive_entry_pathname(entry);
    if (!path || archive_entry_filetype(entry) != AE_IFREG || !wanted(path)) continue;
    FM_TRY(fm_grow(ctx, (void **)&members->member, &capacity, members->count, sizeof *members->member));
    struct fm_archive_member *member = members->member + members->count++;
    *member = (struct fm_archive_member){.name = fm_strdup(ctx, path)};
    if (!member->name) return FM_MEMORY;
    FM_TRY(read_member(ctx, name, zip, &limit, member));
  }
}

enum fm_status fm_zip_read(struct fm_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                           size_t limit, bool (*wanted)(const char *member),
                           struct fm_archive_members *members) {
  *members = (struct fm_archive_members){0};
  struct archive *zip = archive_read_new();
  if (!zip) return fm_error(ctx, FM_MEMORY, "out of memory while reading '%s'", name);
  archive_read_support_format_zip_seekable(zip);
  enum fm_status status = archive_read_open_memory(zip, bytes, size) == ARCHIVE_OK
                              ? read_members(ctx, name, zip, limit, wanted, members)
                              : damaged(ctx, name, zip);
  archive_read_free(zip);
  if (status != FM_OK) fm_archive_free(ctx, members);
  return status;
}

void fm_archive_free(struct fm_context *ctx, struct fm_archive_members *members) {
  for (size_t i = 0; i < members->count; i++) {
    fm_free(ctx, members->member[i].name);
    fm_free(ctx, members->member[i].bytes);
  }
  fm_free(ctx, members->member);
  *members = (struct fm_archive_members){0};
}

static enum fm_status find_member(struct fm_context *ctx, const char *path, struct archive *zip,
                                  const char *member) {
  struct archive_entry *entry;
  for (;;) {
    int got = archive_read_next_header(zip, &entry);
    if (got == ARCHIVE_EOF) return fm_error(ctx, FM_FORMAT, "'%s' has no member '%s'", path, member);
    if (got != ARCHIVE_OK && got != ARCHIVE_WARN) return damaged(ctx, path, zip);
    const char *name = archive_entry_pathname(entry);
    if (name && strcmp(name, member) == 0 && archive_entry_filetype(entry) == AE_IFREG) return FM_OK;
  }
}

enum fm_status fm_zip_member(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                             size_t size, const char *member, size_t limit, unsigned char **content,
                             size_t *length) {
  struct fm_archive_member found = {0};
  struct archive *zip = archive_read_new();
  *content = NULL;
  if (!zip) return fm_error(ctx, FM_MEMORY, "out of memory while reading '%s'", name);
  archive_read_support_format_zip_seekable(zip);
  enum fm_status status =
      archive_read_open_memory(zip, bytes, size) == ARCHIVE_OK ? FM_OK : damaged(ctx, name, zip);
  if (status == FM_OK) status = find_member(ctx, name, zip, member);
  if (status == FM_OK) status = read_member(ctx, name, zip, &limit, &found);
  archive_read_free(zip);
  if (status != FM_OK) {
    fm_free(ctx, found.bytes);
    return status;
  }
  *content = found.bytes;
  *length = found.size;
  return FM_OK;
}
