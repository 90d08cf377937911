#include "base/size.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int fm_size_side(struct fm_size size) {
  return (int)(sqrt((double)size.width * (double)size.height) + 0.5);
}

int fm_size_at_once(struct fm_size size, int most) {
  size_t pixels = fm_size_pixels(size), count = pixels ? ((size_t)16 << 16) / pixels : 1;
  if (count < 1) return 1;
  return count < (size_t)most ? (int)count : most;
}

/* A number without sign or space in front. */
static bool number(const char **text, int *out) {
  char *end;
  if (**text < '0' || **text > '9') return false;
  long n = strtol(*text, &end, 10);
  *text = end;
  *out = (int)n;
  return n <= INT_MAX;
}

bool fm_size_parse(const char *text, struct fm_size *size) {
  if (!number(&text, &size->width)) return false;
  size->height = size->width;
  if (*text == 'x') {
    text++;
    if (!number(&text, &size->height)) return false;
  }
  return !*text;
}

const char *fm_size_text(struct fm_size size, char text[FM_SIZE_TEXT]) {
  if (size.width == size.height)
    snprintf(text, FM_SIZE_TEXT, "%d", size.width);
  else
    snprintf(text, FM_SIZE_TEXT, "%dx%d", size.width, size.height);
  return text;
}
