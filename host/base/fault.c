#include "base/fault.h"

#include <stdlib.h>
#include <string.h>

static const char *const kind_names[FM_FAULT_KINDS] = {"alloc", "file", "device"};

bool fm_fault_hit(struct fm_context *ctx, enum fm_fault_kind kind) {
  struct fm_fault *fault = &(ctx->root ? ctx->root : ctx)->fault[kind];
  long n = atomic_fetch_add(&fault->count, 1) + 1;
  if (fault->fail_at <= 0) return false;
  return fault->once ? n == fault->fail_at : n >= fault->fail_at;
}

void fm_fault_from_environment(struct fm_context *ctx) {
  const char *text = getenv("FLAWMAP_FAULT");
  if (!text) return;
  for (int kind = 0; kind < FM_FAULT_KINDS; kind++) {
    size_t n = strlen(kind_names[kind]);
    if (strncmp(text, kind_names[kind], n) != 0 || text[n] != ':') continue;
    char *end;
    ctx->fault[kind].fail_at = strtol(text + n + 1, &end, 10);
    ctx->fault[kind].once = strcmp(end, ":once") == 0;
  }
}
