#include "base/memory.h"
#include "file/codec.h"
#include "file/tiff_memory.h"

#include <stdio.h>
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
  unsigned char *out = image->pixels + (y * (size_t)image->width + x) * (size_t)l->channels * l->value;
  for (size_t i = 0; i < count; i++) {
    for (int c = first; c <= last; c++) {
      const unsigned char *sample = in + (i * l->inner + (size_t)(c - first)) * l->value;
      memcpy(out + (i * (size_t)l->channels + (size_t)c) * l->value, sample,
             l->value); /* in the machine's byte order */
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

static void invert(struct fm_image *image) {
  size_t n = (size_t)image->width * (size_t)image->height * (size_t)image->channels;
  for (size_t i = 0; i < n; i++) image->pixels[i] = (unsigned char)(255 - image->pixels[i]);
}

static enum fm_status decode(struct fm_context *ctx, const char *name, TIFF *tiff,
                             const struct fm_tiff_memory *memory, bool pixels, struct fm_image *image) {
  struct layout l = layout_of(tiff);
  uint16_t orientation = 1;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
  FM_TRY(fm_image_set_size(ctx, name, l.width, l.height, image));
  image->orientation = orientation;
  bool simple = (l.bits == 8 || l.bits == 16) && l.samples >= l.channels &&
                (l.photometric == PHOTOMETRIC_RGB || l.photometric == PHOTOMETRIC_MINISBLACK ||
                 l.photometric == PHOTOMETRIC_MINISWHITE);
  image->decode_bytes = !simple ? 7 : l.bits == 16 ? 6 : 3; /* 7: as RGBA first */
  if (!pixels) return FM_OK;
  if (l.format != SAMPLEFORMAT_UINT || l.bits > 16 || l.compression == COMPRESSION_OJPEG ||
      l.photometric == PHOTOMETRIC_SEPARATED)
    return fm_error(ctx, FM_FORMAT,
                    "'%s' is a TIFF, but not a picture of 8 or 16 bits in grey or RGB: convert it to PNG",
                    name);
  if (simple && l.samples > l.channels + 1)
    return fm_error(
        ctx, FM_FORMAT,
        "'%s' has %d channels, and flawmap reads grey or RGB (with or without transparency): save those "
        "that it should look at as a picture of their own",
        name, l.samples);
  if (!simple && (size_t)l.width * l.height > max_odd_pixels)
    return fm_error(ctx, FM_LIMIT, "'%s' is a large TIFF of an unusual kind: convert it to PNG", name);
  image->deep = simple && l.bits == 16;
  image->had_alpha =
      l.samples > l.channels && l.photometric != PHOTOMETRIC_YCBCR && l.photometric != PHOTOMETRIC_CIELAB;
  bool grey = l.photometric == PHOTOMETRIC_MINISBLACK || l.photometric == PHOTOMETRIC_MINISWHITE;
  FM_TRY(fm_image_alloc(ctx, grey ? 1 : 3, image));
  enum fm_status status = FM_OK;
  bool ok = !simple             ? read_odd(ctx, name, tiff, &l, image, &status)
            : TIFFIsTiled(tiff) ? read_tiles(ctx, tiff, &l, image, &status)
                                : read_rows(ctx, tiff, &l, image, &status);
  if (status != FM_OK) return status;
  if (!ok)
    return fm_image_damaged(ctx, name, "TIFF", memory->message[0] ? memory->message : "no reason given");
  if (image->deep) FM_TRY(fm_image_narrow(ctx, image));
  if (simple && l.photometric == PHOTOMETRIC_MINISWHITE) invert(image);
  return FM_OK;
}

/* ---- pages ---- */

struct pages {
  uint32_t count, pictures; /* directories; those that are neither a smaller copy of another one nor a mask */
  uint32_t chosen;          /* the first of the pictures */
  bool hidden;              /* the first directory has others inside, as raw files of cameras do */
  char sizes[160];          /* of the pictures: "640 x 480, 640 x 480, ..." */
};

static bool is_reduced(TIFF *tiff) {
  uint32_t type = 0;
  uint16_t old = 0;
  if (TIFFGetField(tiff, TIFFTAG_SUBFILETYPE, &type)) return type & (FILETYPE_REDUCEDIMAGE | FILETYPE_MASK);
  return TIFFGetField(tiff, TIFFTAG_OSUBFILETYPE, &old) && old == OFILETYPE_REDUCEDIMAGE;
}

static void add_size(TIFF *tiff, struct pages *p) {
  enum { SHOWN = 6 };
  uint32_t width = 0, height = 0;
  size_t used = strlen(p->sizes);
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height);
  if (p->pictures <= SHOWN)
    snprintf(p->sizes + used, sizeof p->sizes - used, "%s%u x %u", used ? ", " : "", width, height);
  else if (p->pictures == SHOWN + 1)
    snprintf(p->sizes + used, sizeof p->sizes - used, ", ...");
}

/* Looks at all directories. False: the chain of them is broken, or longer than it is looked at. */
static bool look_at_pages(TIFF *tiff, struct pages *p) {
  enum { MOST = 1000 };
  uint16_t inside = 0;
  void *places = NULL;
  *p = (struct pages){.hidden = TIFFGetField(tiff, TIFFTAG_SUBIFD, &inside, &places) && inside};
  do {
    if (!is_reduced(tiff)) {
      if (!p->pictures++) p->chosen = p->count;
      add_size(tiff, p);
    }
    if (++p->count == MOST) return false;
  } while (TIFFReadDirectory(tiff));
  return TIFFLastDirectory(tiff);
}

/* Makes the one picture in the file current. */
static enum fm_status choose_page(struct fm_context *ctx, const char *name, TIFF *tiff,
                                  const struct fm_tiff_memory *memory) {
  struct pages p;
  bool whole = look_at_pages(tiff, &p);
  if (p.pictures > 1)
    return fm_error(ctx, FM_FORMAT,
                    "'%s' has %u pages (%s), and flawmap reads one picture per file: split it into files of "
                    "one page, for example with tiffsplit",
                    name, p.pictures, p.sizes);
  if (!whole) return fm_image_damaged(ctx, name, "TIFF", "its list of pages is broken");
  if (!p.pictures && (p.count > 1 || p.hidden))
    return fm_error(ctx, FM_FORMAT,
                    "every page of '%s' is a thumbnail or a mask; flawmap does not read the picture itself, "
                    "as in cameras' raw files: convert it to PNG",
                    name);
  if (p.count > 1 && !TIFFSetDirectory(tiff, (tdir_t)p.chosen))
    return fm_image_damaged(ctx, name, "TIFF", memory->message[0] ? memory->message : "no reason given");
  return FM_OK;
}

enum fm_status fm_tiff_decode(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                              size_t size, bool pixels, struct fm_image *image) {
  struct fm_tiff_memory memory;
  TIFF *tiff = fm_tiff_open(&memory, ctx, bytes, size);
  if (!tiff)
    return fm_image_damaged(ctx, name, "TIFF", memory.message[0] ? memory.message : "no reason given");
  enum fm_status status = choose_page(ctx, name, tiff, &memory);
  if (status == FM_OK) status = decode(ctx, name, tiff, &memory, pixels, image);
  TIFFClose(tiff);
  return status;
}
