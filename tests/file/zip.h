/* Makes small zip archives (stored members) in memory. */
#ifndef FM_TESTS_ZIP_H
#define FM_TESTS_ZIP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct zip {
  unsigned char bytes[1 << 16];
  size_t size;
  unsigned char directory[1 << 13];
  size_t directory_size, members;
};

static inline uint32_t crc32_of(const unsigned char *bytes, size_t size) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < size; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

/* The little-endian numbers of a record: value and how many bytes it takes. */
static inline size_t zip_record(unsigned char *out, const uint32_t (*fields)[2], size_t count) {
  size_t n = 0;
  for (size_t i = 0; i < count; i++)
    for (uint32_t b = 0; b < fields[i][1]; b++) out[n++] = (unsigned char)(fields[i][0] >> 8 * b);
  return n;
}

static inline void zip_add(struct zip *z, const char *name, const void *data, size_t size) {
  uint32_t crc = crc32_of(data, size), n = (uint32_t)size, length = (uint32_t)strlen(name),
           at = (uint32_t)z->size;
  const uint32_t local[][2] = {{0x04034b50, 4}, {20, 2}, {0, 2}, {0, 2},      {0, 2}, {0x21, 2},
                               {crc, 4},        {n, 4},  {n, 4}, {length, 2}, {0, 2}};
  const uint32_t entry[][2] = {{0x02014b50, 4}, {20, 2},  {20, 2}, {0, 2}, {0, 2},      {0, 2},
                               {0x21, 2},       {crc, 4}, {n, 4},  {n, 4}, {length, 2}, {0, 2},
                               {0, 2},          {0, 2},   {0, 2},  {0, 4}, {at, 4}};
  z->size += zip_record(z->bytes + z->size, local, sizeof local / sizeof *local);
  memcpy(z->bytes + z->size, name, length);
  z->size += length;
  memcpy(z->bytes + z->size, data, size);
  z->size += size;
  z->directory_size += zip_record(z->directory + z->directory_size, entry, sizeof entry / sizeof *entry);
  memcpy(z->directory + z->directory_size, name, length);
  z->directory_size += length;
  z->members++;
}

static inline void zip_finish(struct zip *z) {
  uint32_t members = (uint32_t)z->members, size = (uint32_t)z->directory_size, at = (uint32_t)z->size;
  const uint32_t end[][2] = {{0x06054b50, 4}, {0, 2},    {0, 2},  {members, 2},
                             {members, 2},    {size, 4}, {at, 4}, {0, 2}};
  memcpy(z->bytes + z->size, z->directory, z->directory_size);
  z->size += z->directory_size;
  z->size += zip_record(z->bytes + z->size, end, sizeof end / sizeof *end);
}

#endif
