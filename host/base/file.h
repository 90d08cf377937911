/* The only place that touches the disk: whole-file reads with a limit, atomic writes, folders. Every
 * operation counts for fault injection (FM_FAULT_FILE). All messages name the path. */
#ifndef FM_BASE_FILE_H
#define FM_BASE_FILE_H

#include "base/status.h"

#include <stdint.h>
#include <stdio.h>

/* Reads a whole file; *bytes is the caller's (fm_free), one zero byte follows the content. A file over limit
 * bytes is FM_LIMIT, before anything is allocated; a folder, a pipe or a device is FM_IO, and nothing waits
 * for it. */
enum fm_status fm_file_read(struct fm_context *ctx, const char *path, size_t limit, unsigned char **bytes,
                            size_t *size);

/* The same of the first `most` bytes at most, however large the file is. */
enum fm_status fm_file_read_front(struct fm_context *ctx, const char *path, size_t most,
                                  unsigned char **bytes, size_t *size);

/* An atomic write: bytes go to a temporary file in the same folder; commit flushes it to the disk, renames it
 * over path and flushes the folder. Until commit the old file is untouched; discard removes the temporary
 * one. After any failure the writer is still to be discarded. Only a file is ever replaced: a folder, a pipe
 * or a device of that name is FM_IO (as root, a rename would replace /dev/null); where path is a link, the
 * file it leads to is written, and the link stays. */
struct fm_writer {
  struct fm_context *ctx;
  FILE *stream;
  char *path, *temporary;
  char *memory; /* what was written onto memory, libc's */
  size_t memory_size;
};
enum fm_status fm_writer_open(struct fm_writer *w, struct fm_context *ctx, const char *path);
enum fm_status fm_writer_check(struct fm_context *ctx,
                               const char *path); /* only whether path may be written */
enum fm_status fm_writer_write(struct fm_writer *w, const void *bytes, size_t size);
enum fm_status fm_writer_write_at(struct fm_writer *w, size_t at, const void *bytes, size_t size);
enum fm_status fm_writer_commit(struct fm_writer *w); /* releases w when FM_OK */
void fm_writer_discard(struct fm_writer *w);          /* also after commit: then nothing happens */

/* Opens and discards: whether a file can be written there is said before long work is done for it. */
enum fm_status fm_writer_try(struct fm_context *ctx, const char *path);

/* The same onto memory: *bytes is the caller's (fm_free). Nothing is committed; discarded after take, too. */
enum fm_status fm_writer_open_memory(struct fm_writer *w, struct fm_context *ctx);
enum fm_status fm_writer_take(struct fm_writer *w, unsigned char **bytes, size_t *size);

/* open, write, commit in one call. */
enum fm_status fm_file_write(struct fm_context *ctx, const char *path, const void *bytes, size_t size);

/* The first bytes of a file, at most size of them; returns how many. 0: empty, no file, or it cannot be read.
 */
size_t fm_file_head(const char *path, void *bytes, size_t size);

bool fm_file_exists(const char *path);   /* a regular file */
size_t fm_file_size(const char *path);   /* of a regular file, else 0 */
bool fm_folder_exists(const char *path); /* a folder */

/* What tells whether a file is still the one it was. */
struct fm_file_stamp {
  bool there; /* a regular file */
  uint64_t device, inode, size;
  int64_t modified; /* nanoseconds */
};
struct fm_file_stamp fm_file_stamp(const char *path);
bool fm_file_stamp_same(const struct fm_file_stamp *a, const struct fm_file_stamp *b);

/* True where both exist and are the same file or folder, whatever they are called. */
bool fm_path_same(const char *a, const char *b);

/* "a file", "a folder", "a pipe", "a socket", "a device", or "nothing"; links are followed. */
const char *fm_path_type(const char *path);

bool fm_path_is_link(const char *path);

/* Into a folder of the same file system under its own name, or where that is taken by another file under one
 * with a number in front; never over another file. Done again after a crash it does the same. */
enum fm_status fm_file_move(struct fm_context *ctx, const char *path, const char *folder);

enum fm_status fm_file_remove(struct fm_context *ctx, const char *path);

/* mkdir -p. */
enum fm_status fm_folder_make(struct fm_context *ctx, const char *path);

/* A folder of a name that nobody has, beginning with `prefix`, for this user only; *path is the caller's
 * (fm_free). */
enum fm_status fm_folder_make_temporary(struct fm_context *ctx, const char *prefix, char **path);
/* A folder with the files in it; FM_IO where there are folders in it, too. */
enum fm_status fm_folder_remove(struct fm_context *ctx, const char *path);

/* The names in a folder, without those that begin with a dot, sorted by bytes. Freed with fm_names_free. */
struct fm_names {
  char **name;
  size_t count;
};
enum fm_status fm_folder_list(struct fm_context *ctx, const char *path, struct fm_names *names);
bool fm_names_have(const struct fm_names *names, const char *name);
void fm_names_free(struct fm_context *ctx, struct fm_names *names);

/* folder/name, a new string. */
char *fm_path_join(struct fm_context *ctx, const char *folder, const char *name);

/* The part after the last slash, inside path. */
const char *fm_path_name(const char *path);

/* The name's last extension without the dot, lower case, into out (at most 15 characters, else empty). */
void fm_path_extension(const char *path, char out[16]);

#endif
