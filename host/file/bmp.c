/* Windows bitmaps, by our own reader: Debian and Ubuntu keep no library for them alone (those that read them,
 * as gdk-pixbuf or SDL, bring a desktop along). Headers of all versions from OS/2's 12 bytes to version 5; 1,
 * 4, 8 bits with a palette, 16, 24, 32 bits in any masks, run lengths of 4 and 8 bits. Everything is checked
 * against the file's size before it is touched; tests/file/fuzz has been at it. */
#include "file/codec.h"

#include <stdint.h>
#include <string.h>

enum { FILE_HEADER = 14, CORE = 12, INFO = 40, COLOURS = 256, PIXELS_PER_BYTE = 1 << 16 };
enum compression { RGB, RLE8, RLE4, BITFIELDS, JPEG, PNG, ALPHA_BITFIELDS };

struct bmp {
  const unsigned char *bytes;
  size_t size, header, pixels; /* bytes of the header after the file's own; where the pixels begin */
  int bits;
  uint32_t compression;
  bool from_top, grey; /* grey: so is each colour of the palette */
  size_t colours;
  unsigned char palette[COLOURS][3];
  uint32_t mask[4]; /* red, green, blue, alpha */
};

static uint32_t number(const unsigned char *at, int n) {
  uint32_t v = 0;
  while (n-- > 0) v = v << 8 | at[n];
  return v;
}

/* NULL, or what is wrong. */
static const char *read_header(struct bmp *b, size_t *width, size_t *height) {
  const unsigned char *h = b->bytes + FILE_HEADER;
  if (b->size < FILE_HEADER + CORE) return "the file ends too early";
  b->pixels = number(b->bytes + 10, 4);
  b->header = number(h, 4);
  if (b->header != CORE && b->header < INFO) return "its header has no known size";
  if (b->header > b->size - FILE_HEADER) return "the file ends too early";
  bool core = b->header == CORE;
  int32_t w = core ? (int32_t)number(h + 4, 2) : (int32_t)number(h + 4, 4);
  int32_t rows = core ? (int32_t)number(h + 6, 2) : (int32_t)number(h + 8, 4);
  b->bits = (int)number(h + (core ? 10 : 14), 2);
  b->compression = core ? RGB : number(h + 16, 4);
  b->from_top = rows < 0;
  if (w <= 0 || rows == 0) return "a side is zero";
  if (rows == INT32_MIN) return "a side is too large";
  *width = (size_t)w;
  *height = (size_t)(rows < 0 ? -rows : rows);
  return NULL;
}

/* The palette lies between the header (and masks behind it) and the pixels. */
static const char *read_palette(struct bmp *b) {
  size_t entry = b->header == CORE ? 3 : 4, at = FILE_HEADER + b->header, most = (size_t)1 << b->bits;
  size_t used = b->header == CORE ? 0 : number(b->bytes + FILE_HEADER + 32, 4);
  b->colours = used && used < most ? used : most;
  if (b->pixels < at || (b->pixels - at) / entry < b->colours)
    b->colours = b->pixels < at ? 0 : (b->pixels - at) / entry;
  if (b->pixels > b->size || !b->colours) return "there is no palette";
  b->grey = true;
  for (size_t i = 0; i < b->colours; i++) {
    const unsigned char *c = b->bytes + at + i * entry;
    for (int k = 0; k < 3; k++) b->palette[i][k] = c[2 - k];
    b->grey &= c[0] == c[1] && c[1] == c[2];
  }
  return NULL;
}

static bool contiguous(uint32_t mask) {
  while (mask && !(mask & 1)) mask >>= 1;
  return (mask & (mask + 1)) == 0;
}

static const char *read_masks(struct bmp *b) {
  static const uint32_t usual[2][4] = {{0x7c00, 0x3e0, 0x1f, 0}, {0xff0000, 0xff00, 0xff, 0}};
  memcpy(b->mask, usual[b->bits == 32], sizeof b->mask);
  if (b->compression == RGB) return NULL;
  /* Inside the header of newer versions, behind the old one of 40 bytes: the same place. */
  size_t count = b->compression == ALPHA_BITFIELDS || b->header >= 56 ? 4 : 3, at = FILE_HEADER + INFO;
  if (b->size < at + 4 * count) return "the file ends too early";
  for (size_t i = 0; i < count; i++) b->mask[i] = number(b->bytes + at + 4 * i, 4);
  for (int i = 0; i < 3; i++)
    if (!b->mask[i] || !contiguous(b->mask[i])) return "its colour masks are invalid";
  return NULL;
}

/* A masked value, brought to 0..255. */
static unsigned char channel(uint32_t pixel, uint32_t mask) {
  uint32_t v = pixel & mask;
  while (!(mask & 1)) mask >>= 1, v >>= 1;
  return (unsigned char)(((uint64_t)v * 255 + mask / 2) / mask);
}

static unsigned char *row_of(const struct bmp *b, struct fm_image *image, size_t y) {
  size_t row = b->from_top ? y : (size_t)image->height - 1 - y;
  return image->pixels + row * (size_t)image->width * (size_t)image->channels;
}

static bool put_colour(const struct bmp *b, struct fm_image *image, unsigned char *row, size_t x,
                       unsigned colour) {
  if (colour >= b->colours) return false;
  memcpy(row + x * (size_t)image->channels, b->palette[colour], (size_t)image->channels);
  return true;
}

static const char *read_rows(const struct bmp *b, struct fm_image *image) {
  size_t w = (size_t)image->width, stride = (w * (size_t)b->bits + 31) / 32 * 4;
  for (size_t y = 0; y < (size_t)image->height; y++) {
    const unsigned char *in = b->bytes + b->pixels + y * stride;
    unsigned char *out = row_of(b, image, y);
    for (size_t x = 0; x < w; x++) {
      size_t bit = x * (size_t)b->bits;
      if (b->bits <= 8) {
        unsigned colour = in[bit / 8] >> (8 - (unsigned)b->bits - bit % 8) & ((1u << b->bits) - 1);
        if (!put_colour(b, image, out, x, colour)) return "a pixel has a colour that the palette lacks";
      } else if (b->bits == 24) {
        for (size_t k = 0; k < 3; k++) out[3 * x + k] = in[3 * x + 2 - k];
      } else {
        uint32_t pixel = number(in + bit / 8, b->bits / 8);
        for (size_t k = 0; k < 3; k++) out[3 * x + k] = channel(pixel, b->mask[k]);
      }
    }
  }
  return NULL;
}

/* Pairs of bytes: a length and a colour, or 0 and: 0 end of row, 1 end, 2 jump, n colours as they are. */
static const char *read_runs(const struct bmp *b, struct fm_image *image) {
  static const char *const early = "the file ends too early", *const outside = "a run leaves the picture";
  size_t at = b->pixels, x = 0, y = 0, w = (size_t)image->width, h = (size_t)image->height;
  bool four = b->compression == RLE4;
  for (;;) {
    if (b->size < at + 2) return early;
    unsigned count = b->bytes[at], value = b->bytes[at + 1];
    at += 2;
    bool literal = count == 0 && value > 2;
    if (count == 0 && value == 0) {
      x = 0;
      y++;
    } else if (count == 0 && value == 1) {
      return NULL;
    } else if (count == 0 && value == 2) {
      if (b->size < at + 2) return early;
      x += b->bytes[at];
      y += b->bytes[at + 1];
      at += 2;
      if (x > w || y > h) return outside;
    } else {
      size_t n = literal ? value : count, used = literal ? (four ? (n + 1) / 2 : n) : 0;
      if (b->size < at + used) return early;
      if (y >= h || n > w - x) return outside;
      for (size_t i = 0; i < n; i++, x++) {
        unsigned byte = literal ? b->bytes[at + (four ? i / 2 : i)] : value;
        unsigned colour = !four ? byte : i % 2 ? byte & 15 : byte >> 4;
        if (!put_colour(b, image, row_of(b, image, y), x, colour))
          return "a pixel has a colour that the palette lacks";
      }
      at += (used + 1) / 2 * 2; /* to a whole pair */
    }
  }
}

static bool known_kind(const struct bmp *b) {
  bool palette = b->bits == 1 || b->bits == 4 || b->bits == 8, masks = b->bits == 16 || b->bits == 32;
  switch (b->compression) {
  case RGB:
    return palette || masks || b->bits == 24;
  case RLE8:
    return b->bits == 8 && !b->from_top;
  case RLE4:
    return b->bits == 4 && !b->from_top;
  case BITFIELDS:
  case ALPHA_BITFIELDS:
    return masks;
  default:
    return false;
  }
}

enum fm_status fm_bmp_decode(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                             size_t size, bool pixels, struct fm_image *image) {
  struct bmp b = {.bytes = bytes, .size = size};
  size_t width = 0, height = 0;
  const char *wrong = read_header(&b, &width, &height);
  if (wrong) return fm_image_damaged(ctx, name, "BMP", wrong);
  FM_TRY(fm_image_set_size(ctx, name, width, height, image));
  if (!known_kind(&b))
    return fm_error(ctx, FM_FORMAT, "'%s' is a BMP of %d bits in the unusual form %u: convert it to PNG",
                    name, b.bits, b.compression);
  bool runs = b.compression == RLE8 || b.compression == RLE4;
  size_t stride = (width * (size_t)b.bits + 31) / 32 * 4;
  image->decode_bytes = 3;
  if (!pixels) return FM_OK;
  if (b.pixels > size || (runs ? width * height / PIXELS_PER_BYTE > size : stride * height > size - b.pixels))
    return fm_image_damaged(ctx, name, "BMP", "the file ends too early");
  wrong = b.bits <= 8 ? read_palette(&b) : b.bits != 24 ? read_masks(&b) : NULL;
  if (wrong) return fm_image_damaged(ctx, name, "BMP", wrong);
  image->had_alpha = b.mask[3] != 0;
  FM_TRY(fm_image_alloc(ctx, b.grey ? 1 : 3, image));
  wrong = runs ? read_runs(&b, image) : read_rows(&b, image);
  return wrong ? fm_image_damaged(ctx, name, "BMP", wrong) : FM_OK;
}
