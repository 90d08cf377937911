#include "file/codec.h"
#include "file/exif.h"

#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs it */
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

enum {
  MAX_SCANS = 500,           /* a progressive file may repeat scans for ever */
  PIXELS_PER_BYTE = 1 << 16, /* no real JPEG shrinks as much: what claims it is cut short */
};
#define MAX_MEMORY (3L << 30) /* of libjpeg itself: progressive files are kept as coefficients */

/* libjpeg leaves its functions by longjmp; see png.c on why all state lives here. */
struct work {
  struct fm_context *ctx;
  const char *name;
  const unsigned char *bytes;
  size_t size;
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

static void on_error(j_common_ptr jpeg) {
  struct work *w = jpeg->client_data;
  w->errors.format_message(jpeg, w->message);
  longjmp(w->jump, 1);
}

/* Damage that libjpeg would paint over with grey is an error here; harmless oddities pass. */
static void on_warning(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  int code = jpeg->err->msg_code;
  if (code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_MUST_RESYNC) on_error(jpeg);
}

/* More bytes are wanted than there are: the picture is cut short. libjpeg would go on with an end marker of
 * its own making, and its warning about that does not reach us in every build of it (Ubuntu 24.04). */
static boolean on_end(j_decompress_ptr jpeg) {
  ERREXIT(jpeg, JERR_INPUT_EOF);
  return FALSE;
}

static void on_message(j_common_ptr jpeg) {
  (void)jpeg;
}

static void on_progress(j_common_ptr jpeg) {
  if (jpeg->is_decompressor && ((j_decompress_ptr)jpeg)->input_scan_number > MAX_SCANS)
    ERREXIT1(jpeg, JERR_BAD_PROGRESSION, MAX_SCANS);
}

static int orientation(const struct jpeg_decompress_struct *jpeg) {
  for (const struct jpeg_marker_struct *m = jpeg->marker_list; m; m = m->next)
    if (m->data_length >= 6 && memcmp(m->data, "Exif\0\0", 6) == 0)
      return fm_exif_orientation(m->data, m->data_length);
  return 1;
}

static enum fm_status read_jpeg(struct work *w, bool pixels, struct fm_image *image) {
  struct jpeg_decompress_struct *jpeg = &w->jpeg;
  if (setjmp(w->jump)) {
    if (w->errors.msg_code == JERR_OUT_OF_MEMORY || w->errors.msg_code == JERR_NO_BACKING_STORE)
      return fm_error(w->ctx, FM_LIMIT,
                      "'%s' needs too much memory to decode: save it as a PNG or a baseline JPEG", w->name);
    return fm_image_damaged(w->ctx, w->name, "JPEG", w->message);
  }
  jpeg_create_decompress(jpeg);
  jpeg->client_data = w;
  jpeg->progress = &w->progress;
  jpeg->mem->max_memory_to_use = MAX_MEMORY;
  jpeg_mem_src(jpeg, w->bytes, (unsigned long)w->size);
  jpeg->src->fill_input_buffer = on_end;
  jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(jpeg, TRUE);
  image->orientation = orientation(jpeg);
  FM_TRY(fm_image_set_size(w->ctx, w->name, jpeg->image_width, jpeg->image_height, image));
  image->decode_bytes = jpeg_has_multiple_scans(jpeg) ? 9 : 3; /* 9: with all coefficients, 16 bits each */
  if (!pixels) return FM_OK;
  if (jpeg->num_components != 1 && jpeg->num_components != 3)
    return fm_error(w->ctx, FM_FORMAT, "'%s' is a JPEG of %d channels%s; convert it to RGB or grey", w->name,
                    jpeg->num_components, jpeg->num_components == 4 ? " (CMYK, for printing)" : "");
  if ((size_t)image->width * (size_t)image->height / PIXELS_PER_BYTE > w->size)
    return fm_image_damaged(w->ctx, w->name, "JPEG", "too few bytes for a picture of its size");
  jpeg->out_color_space = jpeg->num_components == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_start_decompress(jpeg);
  FM_TRY(fm_image_alloc(w->ctx, jpeg->num_components, image));
  image->lossy = true;
  size_t row = (size_t)image->width * (size_t)image->channels;
  while (jpeg->output_scanline < jpeg->output_height) {
    JSAMPROW at = image->pixels + row * jpeg->output_scanline;
    jpeg_read_scanlines(jpeg, &at, 1);
  }
  jpeg_finish_decompress(jpeg);
  return FM_OK;
}

enum fm_status fm_jpeg_decode(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                              size_t size, bool pixels, struct fm_image *image) {
  struct work w;
  memset(&w, 0, sizeof w);
  w.ctx = ctx;
  w.name = name;
  w.bytes = bytes;
  w.size = size;
  w.jpeg.err = jpeg_std_error(&w.errors);
  w.jpeg.client_data = &w; /* kept by jpeg_create_decompress */
  w.errors.error_exit = on_error;
  w.errors.emit_message = on_warning;
  w.errors.output_message = on_message;
  w.progress.progress_monitor = on_progress;
  enum fm_status status = read_jpeg(&w, pixels, image);
  jpeg_destroy_decompress(&w.jpeg);
  return status;
}
