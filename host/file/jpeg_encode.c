#include "file/jpeg_encode.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs it */
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

/* libjpeg leaves its functions by longjmp: what must survive the jump lives in the frame below the one with
 * setjmp. */
struct work {
  struct fm_context *ctx;
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_destination_mgr target;
  struct fm_text out;
  JOCTET block[16384];
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

static void on_error(j_common_ptr jpeg) {
  struct work *w = jpeg->client_data;
  w->errors.format_message(jpeg, w->message);
  longjmp(w->jump, 1);
}

static void empty_block(struct work *w) {
  w->target.next_output_byte = w->block;
  w->target.free_in_buffer = sizeof w->block;
}

static void on_begin(j_compress_ptr jpeg) {
  empty_block(jpeg->client_data);
}

static boolean on_full(j_compress_ptr jpeg) {
  struct work *w = jpeg->client_data;
  fm_text_append_bytes(&w->out, w->block, sizeof w->block);
  if (w->out.status != FM_OK) ERREXIT1(jpeg, JERR_OUT_OF_MEMORY, 0);
  empty_block(w);
  return TRUE;
}

static void on_end(j_compress_ptr jpeg) {
  struct work *w = jpeg->client_data;
  fm_text_append_bytes(&w->out, w->block, sizeof w->block - w->target.free_in_buffer);
}

static enum fm_status write_jpeg(struct work *w, const struct fm_image *image, int quality) {
  struct jpeg_compress_struct *jpeg = &w->jpeg;
  if (setjmp(w->jump))
    return w->out.status != FM_OK ? w->out.status
                                  : fm_error(w->ctx, FM_INTERNAL, "a JPEG could not be made: %s", w->message);
  jpeg_create_compress(jpeg);
  jpeg->dest = &w->target;
  jpeg->image_width = (JDIMENSION)image->width;
  jpeg->image_height = (JDIMENSION)image->height;
  jpeg->input_components = image->channels;
  jpeg->in_color_space = image->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(jpeg);
  jpeg_set_quality(jpeg, quality, TRUE);
  jpeg->optimize_coding = TRUE;
  jpeg->dct_method = JDCT_ISLOW; /* the same bytes on every machine */
  jpeg->comp_info[0].h_samp_factor = jpeg->comp_info[0].v_samp_factor = 1; /* sharp outlines in colour */
  jpeg_start_compress(jpeg, TRUE);
  size_t row = (size_t)image->width * (size_t)image->channels;
  while (jpeg->next_scanline < jpeg->image_height) {
    JSAMPROW at = image->pixels + row * jpeg->next_scanline;
    jpeg_write_scanlines(jpeg, &at, 1);
  }
  jpeg_finish_compress(jpeg);
  return FM_OK;
}

enum fm_status fm_jpeg_encode(struct fm_context *ctx, const struct fm_image *image, int quality,
                              unsigned char **bytes, size_t *size) {
  *bytes = NULL;
  *size = 0;
  struct work w;
  memset(&w, 0, sizeof w);
  w.ctx = ctx;
  fm_text_begin(&w.out, ctx);
  w.jpeg.err = jpeg_std_error(&w.errors);
  w.jpeg.client_data = &w; /* kept by jpeg_create_compress */
  w.errors.error_exit = on_error;
  w.target.init_destination = on_begin;
  w.target.empty_output_buffer = on_full;
  w.target.term_destination = on_end;
  enum fm_status status = write_jpeg(&w, image, quality);
  jpeg_destroy_compress(&w.jpeg);
  char *chars = NULL;
  if (status == FM_OK) status = fm_text_take(&w.out, &chars, size);
  fm_text_free(&w.out);
  *bytes = (unsigned char *)chars;
  return status;
}
