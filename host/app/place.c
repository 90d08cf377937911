#include "app/place.h"

#include "base/file.h"
#include "base/log.h"

enum fm_status fm_place_try(struct fm_context *ctx, const char *model, const char *out, const char *when) {
  FM_TRY(fm_writer_try(ctx, out));
  if (fm_file_exists(out) && !fm_path_same(out, model))
    fm_note(ctx, "note: '%s' exists already; it is replaced once %s", out, when);
  return FM_OK;
}
