#include "file/exif.h"

#include <stdbool.h>
#include <string.h>

enum { ORIENTATION = 0x0112, SHORT = 3, ENTRY = 12 };

/* A number of n bytes in the block's byte order. */
static size_t number(const unsigned char *at, int n, bool big) {
  size_t v = 0;
  for (int i = 0; i < n; i++) v = v << 8 | at[big ? i : n - 1 - i];
  return v;
}

int fm_exif_orientation(const unsigned char *bytes, size_t size) {
  if (size >= 6 && memcmp(bytes, "Exif\0\0", 6) == 0) bytes += 6, size -= 6;
  if (size < 8) return 1;
  bool big = memcmp(bytes, "MM\0*", 4) == 0;
  if (!big && memcmp(bytes, "II*\0", 4) != 0) return 1;
  size_t at = number(bytes + 4, 4, big);
  if (at > size - 2) return 1;
  size_t entries = number(bytes + at, 2, big), room = (size - at - 2) / ENTRY;
  for (size_t i = 0; i < entries && i < room; i++) {
    const unsigned char *e = bytes + at + 2 + i * ENTRY;
    if (number(e, 2, big) != ORIENTATION || number(e + 2, 2, big) != SHORT) continue;
    size_t v = number(e + 8, 2, big);
    return v >= 1 && v <= 8 ? (int)v : 1;
  }
  return 1;
}
