/* results.jsonl of a watched folder: a line of JSON for every picture that is done, and at the same time what
 * tells after a crash which ones are. A picture is known by its name, size, time and inode, so another one
 * under the same name is another picture. */
#ifndef FM_SERVE_JOURNAL_H
#define FM_SERVE_JOURNAL_H

#include "base/append.h"
#include "base/file.h"

struct fm_journal {
  struct fm_context *ctx;
  struct fm_append file;
  uint64_t *known; /* [capacity] hashes of pictures, 0: free */
  size_t count, capacity;
};

/* Reads what is there. To be closed on every path. */
enum fm_status fm_journal_open(struct fm_journal *j, struct fm_context *ctx, const char *path);
void fm_journal_close(struct fm_journal *j);

bool fm_journal_knows(const struct fm_journal *j, const char *name, const struct fm_file_stamp *stamp);

/* A line: members (an object as text) and what the picture is known by. Failures are reported into ctx; then
 * the picture is not known. */
enum fm_status fm_journal_add(struct fm_journal *j, struct fm_context *ctx, const char *name,
                              const struct fm_file_stamp *stamp, const char *members);

/* What a line of a journal knows a picture by; FM_FORMAT where it is none. (For the fuzzer, too.) */
enum fm_status fm_journal_parse(struct fm_context *ctx, const char *line, size_t size, uint64_t *hash);

#endif
