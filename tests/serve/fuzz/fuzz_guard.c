/* What a request says of itself: path, Host, Origin, Authorization, a number; lines of the input. */
#include "file/fuzz/fuzz.h"

#include "serve/guard.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  char *line[4], *text = malloc(size + 1), words[2][FM_GUARD_WORD + 1];
  if (!text) return 0;
  memcpy(text, bytes, size);
  text[size] = 0;
  char *rest = text;
  for (int i = 0; i < 4; i++) {
    line[i] = rest;
    rest += strcspn(rest, "\n");
    if (*rest) *rest++ = 0;
  }
  if (fm_guard_path(line[0], "/v1/pictures/?/?", words) && (strchr(words[0], '/') || words[1][0] == '.'))
    abort();
  if (fm_guard_local(line[1], line[2]) && fm_guard_foreign(line[1], line[2])) abort();
  if (fm_guard_token(line[3], "0123456789abcdef") && strcmp(line[3], "Bearer 0123456789abcdef") != 0) abort();
  if (fm_guard_number(line[3], 1, 9) > 9) abort();
  free(text);
  return 0;
}
