#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "file/codec.h"
#include "file/exif.h"

#include <png.h>
#include <string.h>
#include <zlib.h>

/* libpng leaves its functions by longjmp. Everything that must survive the jump lives here, in the frame of
 * the function that calls the one with setjmp, so no local variable is in doubt. */
struct work {
  struct fm_context *ctx;
  const char *name;
  const unsigned char *at, *end; /* reading */
  struct fm_text out;            /* writing into memory */
  struct fm_writer *writer;      /* or into a file, with what went wrong there, and a row of it */
  enum fm_status status;
  unsigned char *row;
  png_structp png;
  png_infop info;
  char message[160];
};

static void on_error(png_structp png, png_const_charp text) {
  struct work *w = png_get_error_ptr(png);
  strncpy(w->message, text, sizeof w->message - 1);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
  (void)png, (void)text;
}

static void on_read(png_structp png, png_bytep out, size_t size) {
  struct work *w = png_get_io_ptr(png);
  if ((size_t)(w->end - w->at) < size) png_error(png, "the file ends too early");
  memcpy(out, w->at, size);
  w->at += size;
}

static void on_write(png_structp png, png_bytep bytes, size_t size) {
  struct work *w = png_get_io_ptr(png);
  if (w->writer) {
    w->status = fm_writer_write(w->writer, bytes, size);
    if (w->status != FM_OK) png_error(png, "the file cannot be written");
    return;
  }
  fm_text_append_bytes(&w->out, bytes, size);
  if (w->out.status != FM_OK) png_error(png, "out of memory");
}

static void on_flush(png_structp png) {
  (void)png;
}

static bool little_endian(void) {
  const unsigned short one = 1;
  unsigned char first;
  memcpy(&first, &one, 1);
  return first == 1;
}

static bool begins_with_black(const struct work *w) {
  png_colorp palette = NULL;
  int count = 0;
  if (!png_get_PLTE(w->png, w->info, &palette, &count) || count < 1) return false;
  return !palette[0].red && !palette[0].green && !palette[0].blue;
}

/* Transformations to 8 or 16 bits, grey or RGB, no alpha; returns the channels. */
static int ask_for_bytes(struct work *w, struct fm_image *image) {
  int type = png_get_color_type(w->png, w->info), depth = png_get_bit_depth(w->png, w->info);
  image->had_alpha = (type & PNG_COLOR_MASK_ALPHA) || png_get_valid(w->png, w->info, PNG_INFO_tRNS);
  image->deep = depth == 16;
  if (type == PNG_COLOR_TYPE_PALETTE && image->labels && begins_with_black(w)) {
    png_set_packing(w->png); /* an index a byte */
    return 1;
  }
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(w->png);
  if (type == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(w->png);
  if (depth == 16 && little_endian()) png_set_swap(w->png);
  png_set_strip_alpha(w->png);
  return type & PNG_COLOR_MASK_COLOR ? 3 : 1;
}

static int orientation(const struct work *w) {
  png_bytep block = NULL;
  png_uint_32 size = 0;
  return png_get_eXIf_1(w->png, w->info, &size, &block) ? fm_exif_orientation(block, size) : 1;
}

/* Frames of an animation (acTL, before the first IDAT); what libpng reads is the still picture for those who
 * do not know of it. */
static png_uint_32 frames_of(const unsigned char *bytes, const unsigned char *end) {
  for (const unsigned char *at = bytes + 8; end - at >= 16;) {
    png_uint_32 length = png_get_uint_32(at);
    if (memcmp(at + 4, "IDAT", 4) == 0) break;
    if (memcmp(at + 4, "acTL", 4) == 0 && length == 8) return png_get_uint_32(at + 8);
    if (length > (size_t)(end - at) - 12) break;
    at += 12 + length;
  }
  return 1;
}

/* Deflate shrinks at most 1032 times: a file with fewer bytes is cut short, and nothing need be allocated for
 * it. */
static bool too_short(const struct work *w, const struct fm_image *image) {
  size_t left = (size_t)(w->end - w->at);
  return png_get_rowbytes(w->png, w->info) * (size_t)image->height / 1032 > left;
}

static enum fm_status read_png(struct work *w, bool pixels, struct fm_image *image) {
  if (setjmp(png_jmpbuf(w->png))) return fm_image_damaged(w->ctx, w->name, "PNG", w->message);
  png_set_read_fn(w->png, w, on_read);
  png_set_user_limits(w->png, 0x7fffffff, 0x7fffffff); /* ours are checked below, with a better sentence */
  png_set_chunk_malloc_max(w->png, 8 << 20);
  png_set_chunk_cache_max(w->png, 64);
  png_read_info(w->png, w->info);
  FM_TRY(fm_image_set_size(w->ctx, w->name, png_get_image_width(w->png, w->info),
                           png_get_image_height(w->png, w->info), image));
  image->orientation = orientation(w);
  image->decode_bytes = png_get_bit_depth(w->png, w->info) == 16 ? 6 : 3;
  if (!pixels) return FM_OK;
  if (too_short(w, image)) png_error(w->png, "the file ends too early");
  int channels = ask_for_bytes(w, image);
  int passes = png_set_interlace_handling(w->png);
  png_read_update_info(w->png, w->info);
  size_t row = png_get_rowbytes(w->png, w->info);
  if (row != (size_t)image->width * (size_t)channels * (image->deep ? 2 : 1))
    return fm_error(w->ctx, FM_INTERNAL, "'%s': libpng gives rows of %zu bytes", w->name, row);
  FM_TRY(fm_image_alloc(w->ctx, channels, image));
  for (int pass = 0; pass < passes; pass++)
    for (size_t y = 0; y < (size_t)image->height; y++) png_read_row(w->png, image->pixels + y * row, NULL);
  png_read_end(w->png, NULL); /* the checksums of what follows, and that it is there */
  return image->deep ? fm_image_narrow(w->ctx, image) : FM_OK;
}

enum fm_status fm_png_decode(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                             size_t size, bool pixels, struct fm_image *image) {
  struct work w = {.ctx = ctx, .name = name, .at = bytes, .end = bytes + size};
  png_uint_32 frames = frames_of(bytes, w.end);
  if (frames > 1)
    return fm_error(ctx, FM_FORMAT,
                    "'%s' is an animation of %u frames, and flawmap reads one picture per file: save each "
                    "frame as a file of its own",
                    name, (unsigned)frames);
  w.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &w, on_error, on_warning);
  if (w.png) w.info = png_create_info_struct(w.png);
  enum fm_status status = w.info ? read_png(&w, pixels, image)
                                 : fm_error(ctx, FM_MEMORY, "out of memory while decoding '%s'", name);
  png_destroy_read_struct(&w.png, &w.info, NULL);
  return status;
}

static enum fm_status write_png(struct work *w, int width, int height, int channels,
                                void (*row)(void *user, int y, unsigned char *row), void *user) {
  if (setjmp(png_jmpbuf(w->png)))
    return w->status != FM_OK ? w->status
           : w->out.status != FM_OK
               ? w->out.status
               : fm_error(w->ctx, FM_INTERNAL, "a PNG could not be made: %s", w->message);
  png_set_write_fn(w->png, w, on_write, on_flush);
  /* Of differences to the row above, runs are what is worth finding: a quarter of the time of matches of any
   * length behind all five filters, for files that are 8 % larger (docs/speed.md). */
  png_set_filter(w->png, PNG_FILTER_TYPE_BASE, PNG_FILTER_UP);
  png_set_compression_strategy(w->png, Z_RLE);
  png_set_compression_level(w->png, 1);
  png_set_IHDR(w->png, w->info, (png_uint_32)width, (png_uint_32)height, 8,
               channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(w->png, w->info);
  for (int y = 0; y < height; y++) {
    row(user, y, w->row);
    png_write_row(w->png, w->row);
  }
  png_write_end(w->png, NULL);
  return FM_OK;
}

/* Into w->writer, or w->out where there is none. */
static enum fm_status encode(struct work *w, int width, int height, int channels,
                             void (*row)(void *user, int y, unsigned char *row), void *user) {
  if (width < 1 || height < 1 || (channels != 1 && channels != 3))
    return fm_error(w->ctx, FM_INTERNAL,
                    "a picture of %d x %d pixels and %d channels cannot be saved as a PNG", width, height,
                    channels);
  w->row = fm_alloc(w->ctx, (size_t)width, (size_t)channels);
  if (!w->row) return FM_MEMORY;
  w->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, w, on_error, on_warning);
  if (w->png) w->info = png_create_info_struct(w->png);
  enum fm_status status = w->info ? write_png(w, width, height, channels, row, user)
                                  : fm_error(w->ctx, FM_MEMORY, "out of memory while making a PNG");
  png_destroy_write_struct(&w->png, &w->info);
  fm_free(w->ctx, w->row);
  return status;
}

enum fm_status fm_png_write_rows(struct fm_context *ctx, const char *path, int width, int height,
                                 int channels, void (*row)(void *user, int y, unsigned char *row),
                                 void *user) {
  struct fm_writer writer;
  struct work w = {.ctx = ctx, .writer = &writer};
  enum fm_status status = fm_writer_open(&writer, ctx, path);
  if (status == FM_OK) status = encode(&w, width, height, channels, row, user);
  if (status == FM_OK) status = fm_writer_commit(&writer);
  fm_writer_discard(&writer);
  return status;
}

static void copy_row(void *user, int y, unsigned char *row) {
  const struct fm_image *image = user;
  size_t n = (size_t)image->width * (size_t)image->channels;
  memcpy(row, image->pixels + (size_t)y * n, n);
}

enum fm_status fm_png_write(struct fm_context *ctx, const char *path, const struct fm_image *image) {
  return fm_png_write_rows(ctx, path, image->width, image->height, image->channels, copy_row, (void *)image);
}

enum fm_status fm_png_encode(struct fm_context *ctx, const struct fm_image *image, unsigned char **bytes,
                             size_t *size) {
  *bytes = NULL;
  *size = 0;
  struct work w = {.ctx = ctx};
  fm_text_begin(&w.out, ctx);
  enum fm_status status = encode(&w, image->width, image->height, image->channels, copy_row, (void *)image);
  char *chars = NULL;
  if (status == FM_OK) status = fm_text_take(&w.out, &chars, size);
  fm_text_free(&w.out);
  *bytes = (unsigned char *)chars;
  return status;
}
