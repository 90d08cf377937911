#include "file/json_read.h"

#include <string.h>

static enum fm_status broken(struct fm_context *ctx, const struct fm_json_source *s, const char *before,
                             const char *after) {
  return fm_error(ctx, FM_FORMAT, "'%s': %s%s%s%s", s->path, before, s->part, after, s->advice);
}

/* Bounds what cJSON may allocate, before it does: each value but the first follows one of these characters.
 */
static bool too_many_values(const char *json, size_t size, size_t most) {
  size_t values = 1;
  for (size_t i = 0; i < size; i++)
    values += json[i] == ',' || json[i] == ':' || json[i] == '[' || json[i] == '{';
  return values > most;
}

enum fm_status fm_json_parse(struct fm_context *ctx, const struct fm_json_source *s, const char *json,
                             size_t size, cJSON **object) {
  *object = NULL;
  if (memchr(json, 0, size)) return broken(ctx, s, "", " has a zero byte");
  if (too_many_values(json, size, s->most_values))
    return fm_error(ctx, FM_LIMIT, "'%s': %s has more than %zu entries, the limit%s", s->path, s->part,
                    s->most_values, s->advice);
  const char *end = NULL;
  *object = cJSON_ParseWithLengthOpts(json, size, &end, false);
  if (!cJSON_IsObject(*object)) return broken(ctx, s, "", " is not a JSON object");
  for (; end < json + size; end++)
    if (*end != ' ' && *end != '\n' && *end != '\r' && *end != '\t')
      return broken(ctx, s, "something follows the JSON object in ", "");
  return FM_OK;
}

const cJSON *fm_json_member(const cJSON *object, const char *name) {
  const cJSON *found = NULL, *item;
  cJSON_ArrayForEach(item, object) {
    if (!item->string || strcmp(item->string, name) != 0) continue;
    if (found) return NULL;
    found = item;
  }
  return found;
}
