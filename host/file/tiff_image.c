#include "base/memory.h"
#include "file/codec.h"
#include "file/tiff_memory.h"

#include <string.h>

enum { MAX_TILE = 1 << 28 };                  /* bytes of a tile */
static const size_t max_odd_pixels = 1 << 26; /* of kinds that libtiff converts as a whole, 4 bytes a pixel */

struct layout {
  uint32_t width, height;
  uint16_t bits, samples, photometric, planar, format, compression;
  size_t value;   /* bytes of a sample: 1, 2 */
  int channels;   /* that are kept: 1, 3 */
  uint16_t inner; /* samples that lie interleaved: all, or one where planes are separate */
};

static struct layout layout_of(TIFF *tiff) {
  struct layout l = {0};
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &l.width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &l.height);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &l.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &l.samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &l.planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &l.format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &l.compression);
  if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &l.photometric))
    l.photometric = l.samples >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
  l.value = l.bits / 8u;
  l.channels = l.photometric == PHOTOMETRIC_RGB ? 3 : 1;
  l.inner = l.planar == PLANARCONFIG_SEPARATE ? 1 : l.samples;
  return l;
}

/* Stores `count` pixels that begin at column x of row y. in holds l->inner samples a pixel; where the planes
 * are separate it is that of channel `plane`. */
static void put_pixels(const struct layout *l, const unsigned char *in, size_t x, size_t y, size_t count,
                       int plane, struct fm_image *image) {
  int first = l->inner == 1 ? plane : 0, last = l->inner == 1 ? plane : l->channels - 1;
  bool inverted = l->photometric == PHOTOMETRIC_MINISWHITE;
  unsigned char *out = image->pixels + (y * (size_t)image->width + x) * (size_t)l->channels;
  for (size_t i = 0; i < count; i++) {
    for (int c = first; c <= last; c++) {
      const unsigned char *sample = in + (i * l->inner + (size_t)(c - first)) * l->value;
      uint16_t wide;
      unsigned char v = *sample;
      if (l->value == 2) {
        memcpy(&wide, sample, 2); /* libtiff gives the machine's byte order */
        v = (unsigned char)((wide + 128u) / 257u);
      }
      out[i * (size_t)l->channels + (size_t)c] = inverted ? (unsigned char)(255 - v) : v;
    }
  }
}

static bool read_rows(struct fm_context *ctx, TIFF *tiff, const struct layout *l, struct fm_image *image,
                      enum fm_status *status) {
  tmsize_t size = TIFFScanlineSize(tiff);
  if (size <= 0 || (size_t)size < (size_t)l->width * l->inner * l->value) return false;
  unsigned char *row = fm_alloc(ctx, (size_t)size, 1);
  if (!row) {
    *status = FM_MEMORY;
    return false;
  }
  bool ok = true;
  int planes = l->inner == 1 ? l->channels : 1;
  for (int plane = 0; plane < planes && ok; plane++)
    for (uint32_t y = 0; y < l->height && ok; y++) {
      ok = TIFFReadScanline(tiff, row, y, (uint16_t)plane) == 1;
      if (ok) put_pixels(l, row, 0, y, l->width, plane, image);
    }
  fm_free(ctx, row);
  return ok;
}

static bool read_tiles(struct fm_context *ctx, TIFF *tiff, const struct layout *l, struct fm_image *image,
                       enum fm_status *status) {
  uint32_t w = 0, h = 0;
  TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &w);
  TIFFGetField(tiff, TIFFTAG_TILELENGTH, &h);
  tmsize_t size = TIFFTileSize(tiff);
  size_t row = (size_t)w * l->inner * l->value;
  if (w == 0 || h == 0 || w > MAX_TILE || h > MAX_TILE || size <= 0 || size > MAX_TILE ||
      (size_t)size / h < row)
    return false;
  unsigned char *tile = fm_alloc(ctx, (size_t)size, 1);
  if (!tile) {
    *status = FM_MEMORY;
    return false;
  }
  bool ok = true;
  int planes = l->inner == 1 ? l->channels : 1;
  for (int plane = 0; plane < planes && ok; plane++)
    for (uint32_t y = 0; y < l->height && ok; y += h)
      for (uint32_t x = 0; x < l->width && ok; x += w) {
        ok = TIFFReadTile(tiff, tile, x, y, 0, (uint16_t)plane) >= 0;
        uint32_t rows = l->height - y < h ? l->height - y : h, columns = l->width - x < w ? l->width - x : w;
        for (uint32_t r = 0; r < rows && ok; r++)
          put_pixels(l, tile + r * row, x, y + r, columns, plane, image);
      }
  fm_free(ctx, tile);
  return ok;
}

/* Palettes, YCbCr, one to four bits, CIE Lab: libtiff converts the whole picture to 8-bit RGBA. */
static bool read_odd(struct fm_context *ctx, const char *name, TIFF *tiff, const struct layout *l,
                     struct fm_image *image, enum fm_status *status) {
  TIFFRGBAImage all;
  char why[1024] = "";
  if (!TIFFRGBAImageBegin(&all, tiff, 1, why)) {
    *status =
        fm_error(ctx, FM_FORMAT,
                 "'%s' is a TIFF of a kind that flawmap does not read (%s): convert it to PNG", name, why);
    return false;
  }
  size_t count = (size_t)l->width * l->height;
  uint32_t *raster = fm_alloc(ctx, count, sizeof *raster);
  bool ok = false;
  if (raster) {
    all.req_orientation = all.orientation; /* rows as they are stored, as everywhere else */
    ok = TIFFRGBAImageGet(&all, raster, l->width, l->height) == 1;
    for (size_t i = 0; i < count && ok; i++) {
      unsigned char rgb[3] = {(unsigned char)TIFFGetR(raster[i]), (unsigned char)TIFFGetG(raster[i]),
                              (unsigned char)TIFFGetB(raster[i])};
      memcpy(image->pixels + i * (size_t)image->channels, rgb, (size_t)image->channels);
    }
    fm_free(ctx, raster);
  } else {
    *status = FM_MEMORY;
  }
  TIFFRGBAImageEnd(&all);
  return ok;
}

static enum fm_status decode(struct fm_context *ctx, const char *name, TIFF *tiff,
                             const struct fm_tiff_memory *memory, bool pixels, struct fm_image *image) {
  struct layout l = layout_of(tiff);
  FM_TRY(fm_image_set_size(ctx, name, l.width, l.height, image));
  if (!pixels) return FM_OK;
  bool simple = (l.bits == 8 || l.bits == 16) && l.samples >= l.channels &&
                (l.photometric == PHOTOMETRIC_RGB || l.photometric == PHOTOMETRIC_MINISBLACK ||
                 l.photometric == PHOTOMETRIC_MINISWHITE);
  if (l.format != SAMPLEFORMAT_UINT || l.bits > 16 || l.compression == COMPRESSION_OJPEG ||
      l.photometric == PHOTOMETRIC_SEPARATED)
    return fm_error(ctx, FM_FORMAT,
                    "'%s' is a TIFF that is no picture of 8 or 16 bits in grey or RGB: convert it to PNG",
                    name);
  if (!simple && (size_t)l.width * l.height > max_odd_pixels)
    return fm_error(ctx, FM_LIMIT, "'%s' is a large TIFF of an unusual kind: convert it to PNG", name);
  image->deep = l.bits == 16;
  image->had_alpha =
      l.samples > l.channels && l.photometric != PHOTOMETRIC_YCBCR && l.photometric != PHOTOMETRIC_CIELAB;
  bool grey = l.photometric == PHOTOMETRIC_MINISBLACK || l.photometric == PHOTOMETRIC_MINISWHITE;
  FM_TRY(fm_image_alloc(ctx, grey ? 1 : 3, image));
  enum fm_status status = FM_OK;
  bool ok = !simple             ? read_odd(ctx, name, tiff, &l, image, &status)
            : TIFFIsTiled(tiff) ? read_tiles(ctx, tiff, &l, image, &status)
                                : read_rows(ctx, tiff, &l, image, &status);
  if (ok || status != FM_OK) return status;
  return fm_image_damaged(ctx, name, "TIFF", memory->message[0] ? memory->message : "no reason given");
}

enum fm_status fm_tiff_decode(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                              size_t size, bool pixels, struct fm_image *image) {
  struct fm_tiff_memory memory;
  TIFF *tiff = fm_tiff_open(&memory, ctx, bytes, size);
  if (!tiff)
    return fm_image_damaged(ctx, name, "TIFF", memory.message[0] ? memory.message : "no reason given");
  enum fm_status status = decode(ctx, name, tiff, &memory, pixels, image);
  TIFFClose(tiff);
  return status;
}
