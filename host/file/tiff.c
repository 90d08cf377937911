#include "file/tiff.h"

#include "base/file.h"
#include "base/memory.h"
#include "file/image.h"
#include "file/tiff_memory.h"

#include <math.h>
#include <string.h>

enum { STRIP = 1 << 18, MAX_TILE = 1 << 28 };

static const char *reason(const struct fm_tiff_memory *m) {
  return m->message[0] ? m->message : "no reason given";
}

static enum fm_status damaged(struct fm_context *ctx, const char *path, const struct fm_tiff_memory *m) {
  return fm_error(ctx, FM_FORMAT, "'%s' is a damaged or truncated TIFF (%s): write the map again", path,
                  reason(m));
}

static void put(const unsigned char *in, size_t value, size_t count, float *out) {
  if (value == 4) {
    memcpy(out, in, count * sizeof *out);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    double v;
    memcpy(&v, in + 8 * i, sizeof v);
    out[i] = (float)v;
  }
}

/* Strips are read as tiles of one row and the picture's width. */
static enum fm_status read_values(struct fm_context *ctx, const char *path, TIFF *tiff,
                                  struct fm_tiff_memory *m, uint32_t width, uint32_t height, size_t value,
                                  float *values) {
  uint32_t w = width, h = 1;
  bool tiled = TIFFIsTiled(tiff);
  if (tiled) {
    w = h = 0;
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &w);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &h);
  }
  tmsize_t size = tiled ? TIFFTileSize(tiff) : TIFFScanlineSize(tiff);
  if (w == 0 || h == 0 || size <= 0 || size > MAX_TILE || (size_t)size / h < w * value)
    return damaged(ctx, path, m);
  unsigned char *block = fm_alloc(ctx, (size_t)size, 1);
  if (!block) return FM_MEMORY;
  bool ok = true;
  for (uint32_t y = 0; y < height && ok; y += h)
    for (uint32_t x = 0; x < width && ok; x += w) {
      ok = tiled ? TIFFReadTile(tiff, block, x, y, 0, 0) >= 0 : TIFFReadScanline(tiff, block, y, 0) == 1;
      uint32_t rows = height - y < h ? height - y : h, columns = width - x < w ? width - x : w;
      for (uint32_t r = 0; r < rows && ok; r++)
        put(block + r * (w * value), value, columns, values + (size_t)(y + r) * width + x);
    }
  fm_free(ctx, block);
  return ok ? FM_OK : damaged(ctx, path, m);
}

static enum fm_status read_map(struct fm_context *ctx, const char *path, TIFF *tiff, struct fm_tiff_memory *m,
                               int *width, int *height, float **values) {
  uint32_t w = 0, h = 0;
  uint16_t bits = 0, samples = 0, format = 0;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &w);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &h);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
  if (format != SAMPLEFORMAT_IEEEFP || (bits != 32 && bits != 64) || samples != 1)
    return fm_error(ctx, FM_FORMAT,
                    "'%s' is a TIFF of %u channels of %u bits; an anomaly map has one channel of 32-bit "
                    "floating-point numbers",
                    path, samples, bits);
  if (w == 0 || h == 0 || w > FM_IMAGE_MAX_SIDE || h > FM_IMAGE_MAX_SIDE ||
      (size_t)w * h > FM_IMAGE_MAX_PIXELS)
    return fm_error(ctx, FM_LIMIT, "'%s' has %u x %u values; the limits are %d a side and %zu in all", path,
                    w, h, FM_IMAGE_MAX_SIDE, FM_IMAGE_MAX_PIXELS);
  *values = fm_alloc(ctx, (size_t)w * h, sizeof **values);
  if (!*values) return FM_MEMORY;
  FM_TRY(read_values(ctx, path, tiff, m, w, h, bits / 8u, *values));
  for (size_t i = 0; i < (size_t)w * h; i++)
    if (!isfinite((*values)[i]))
      return fm_error(ctx, FM_FORMAT, "'%s' has a value that is not a finite number at row %zu, column %zu",
                      path, i / w, i % w);
  *width = (int)w;
  *height = (int)h;
  return FM_OK;
}

enum fm_status fm_tiff_read(struct fm_context *ctx, const char *path, int *width, int *height,
                            float **values) {
  unsigned char *bytes;
  size_t size;
  struct fm_tiff_memory memory;
  *values = NULL;
  FM_TRY(fm_file_read(ctx, path, FM_IMAGE_MAX_PIXELS * 10, &bytes, &size));
  TIFF *tiff = fm_tiff_open(&memory, ctx, bytes, size);
  enum fm_status status;
  if (tiff) {
    status = read_map(ctx, path, tiff, &memory, width, height, values);
    TIFFClose(tiff);
  } else {
    status =
        fm_error(ctx, FM_FORMAT,
                 "'%s' is not a TIFF file (%s); an anomaly map is a TIFF of 32-bit floating-point numbers",
                 path, reason(&memory));
  }
  fm_free(ctx, bytes);
  if (status == FM_OK) return FM_OK;
  fm_free(ctx, *values);
  *values = NULL;
  return status;
}

/* Strips of some rows; what libtiff gets it may change in place. Not compressed: deflate saves a sixth of a
 * map for nineteen times the time, and every reader of TIFF reads plain numbers. */
static bool write_map(TIFF *tiff, size_t width, size_t height, float *strip, size_t rows,
                      void (*row)(void *user, int y, float *row), void *user) {
  bool ok = TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, (uint32_t)width) &&
            TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, (uint32_t)height) &&
            TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 32) && TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1) &&
            TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_IEEEFP) &&
            TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK) &&
            TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_NONE) &&
            TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) &&
            TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, (uint32_t)rows);
  for (size_t y = 0, number = 0; y < height && ok; y += rows, number++) {
    size_t count = height - y < rows ? height - y : rows;
    for (size_t k = 0; k < count; k++) row(user, (int)(y + k), strip + k * width);
    ok = TIFFWriteEncodedStrip(tiff, (uint32_t)number, strip, (tmsize_t)(count * width * sizeof *strip)) >= 0;
  }
  return ok && TIFFWriteDirectory(tiff);
}

/* Through a writer that is open; path: for messages. */
static enum fm_status write_rows(struct fm_writer *writer, const char *path, int width, int height,
                                 void (*row)(void *user, int y, float *row), void *user) {
  struct fm_context *ctx = writer->ctx;
  struct fm_tiff_memory memory;
  size_t bytes = (size_t)width * sizeof(float), rows = bytes < STRIP ? STRIP / bytes : 1;
  float *strip = fm_alloc(ctx, rows, bytes);
  if (!strip) return FM_MEMORY;
  TIFF *tiff = fm_tiff_create(&memory, ctx, writer);
  bool ok = tiff && write_map(tiff, (size_t)width, (size_t)height, strip, rows, row, user);
  if (tiff) TIFFClose(tiff);
  enum fm_status status = memory.status;
  if (!ok && status == FM_OK)
    status = fm_error(ctx, FM_INTERNAL, "the map '%s' could not be made: %s", path, reason(&memory));
  fm_free(ctx, strip);
  return status;
}

static enum fm_status check_size(struct fm_context *ctx, const char *path, int width, int height) {
  if (width >= 1 && height >= 1 && width <= FM_IMAGE_MAX_SIDE && height <= FM_IMAGE_MAX_SIDE) return FM_OK;
  return fm_error(ctx, FM_INTERNAL, "a map of %d x %d values cannot be written to '%s'", width, height, path);
}

enum fm_status fm_tiff_write_rows(struct fm_context *ctx, const char *path, int width, int height,
                                  void (*row)(void *user, int y, float *row), void *user) {
  struct fm_writer writer;
  FM_TRY(check_size(ctx, path, width, height));
  enum fm_status status = fm_writer_open(&writer, ctx, path);
  if (status == FM_OK) status = write_rows(&writer, path, width, height, row, user);
  if (status == FM_OK) status = fm_writer_commit(&writer);
  fm_writer_discard(&writer);
  return status;
}

enum fm_status fm_tiff_encode_rows(struct fm_context *ctx, int width, int height,
                                   void (*row)(void *user, int y, float *row), void *user,
                                   unsigned char **bytes, size_t *size) {
  static const char path[] = "in memory";
  struct fm_writer writer;
  FM_TRY(check_size(ctx, path, width, height));
  enum fm_status status = fm_writer_open_memory(&writer, ctx);
  if (status == FM_OK) status = write_rows(&writer, path, width, height, row, user);
  if (status == FM_OK) status = fm_writer_take(&writer, bytes, size);
  fm_writer_discard(&writer);
  return status;
}

struct whole { /* a map that is held */
  const float *values;
  size_t width;
};

static void copy_row(void *user, int y, float *row) {
  const struct whole *whole = user;
  memcpy(row, whole->values + (size_t)y * whole->width, whole->width * sizeof *row);
}

enum fm_status fm_tiff_write(struct fm_context *ctx, const char *path, int width, int height,
                             const float *values) {
  struct whole whole = {values, (size_t)width};
  return fm_tiff_write_rows(ctx, path, width, height, copy_row, &whole);
}
