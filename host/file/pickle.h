/* Inside the file layer: reads the pickle of a PyTorch state dict into plain values and calls nothing.
 *
 * A pickle is a program for a small stack machine. This machine knows the operations that torch.save uses for
 * dictionaries of tensors (Python's pickletools lists them), and of the globals only those in the table of
 * pickle.c; whatever else occurs is an error that names it. */
#ifndef FM_FILE_PICKLE_H
#define FM_FILE_PICKLE_H

#include "base/status.h"

#include <stdint.h>

enum fm_pickle_kind {
  FM_PICKLE_NOTHING, /* also numbers, bytes and sets whose value nobody asks for */
  FM_PICKLE_INTEGER, /* also True and False */
  FM_PICKLE_STRING,
  FM_PICKLE_GLOBAL, /* integer: its row in the table of globals */
  FM_PICKLE_TUPLE,  /* also lists */
  FM_PICKLE_DICT,
  FM_PICKLE_STORAGE, /* a persistent id; its only item is the tuple that describes it */
  FM_PICKLE_TENSOR,  /* its only item is the tuple of arguments of torch._utils._rebuild_tensor_v2 */
};

struct fm_pickle_value {
  enum fm_pickle_kind kind;
  int64_t integer;
  const char *chars; /* of a string, inside the bytes given: `length` of them and no zero byte */
  uint32_t length;
  uint32_t first, last, count; /* items: links[first], links[links[first].next] ... */
};

struct fm_pickle_link {
  uint32_t key, value; /* in values[]; key 0 but in a dictionary */
  uint32_t next;       /* 0 ends */
};

struct fm_pickle {
  struct fm_pickle_value *values;
  struct fm_pickle_link *links;
  size_t value_count, value_capacity, link_count, link_capacity;
  uint32_t root;
  size_t size; /* bytes of the program, its end included; more may follow */
};

/* bytes must outlive the result. name is for messages. After a failure nothing is to be freed. */
enum fm_status fm_pickle_parse(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                               size_t size, struct fm_pickle *pickle);
void fm_pickle_free(struct fm_context *ctx, struct fm_pickle *pickle);

/* The n-th item of a tuple, or NULL. */
const struct fm_pickle_value *fm_pickle_item(const struct fm_pickle *pickle,
                                             const struct fm_pickle_value *tuple, uint32_t n);

/* "FloatStorage" for torch.FloatStorage, else "". */
const char *fm_pickle_storage_name(const struct fm_pickle_value *global);

#endif
