#include "base/memory.h"
#include "file/codec.h"
#include "file/exif.h"

#include <stdint.h>
#include <webp/decode.h>
#include <webp/demux.h>

static const char *reason(VP8StatusCode status) {
  return status == VP8_STATUS_NOT_ENOUGH_DATA       ? "the file ends too early"
         : status == VP8_STATUS_UNSUPPORTED_FEATURE ? "a feature that libwebp does not know"
                                                    : "its content is not WebP";
}

/* The container says how long it is; libwebp alone would not miss what is cut off behind the pixels. */
static bool too_short(const unsigned char *bytes, size_t size) {
  size_t said = bytes[4] | (size_t)bytes[5] << 8 | (size_t)bytes[6] << 16 | (size_t)bytes[7] << 24;
  return said > size - 8;
}

/* What the container says beside the pixels: orientation, and how many frames there are. */
static void look_around(const unsigned char *bytes, size_t size, int *orientation, unsigned *frames) {
  WebPData data = {bytes, size};
  WebPDemuxer *demux = WebPDemux(&data);
  WebPChunkIterator chunk;
  *orientation = 1;
  *frames = 1;
  if (!demux) return;
  *frames = WebPDemuxGetI(demux, WEBP_FF_FRAME_COUNT);
  if (WebPDemuxGetChunk(demux, "EXIF", 1, &chunk)) {
    *orientation = fm_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
  }
  WebPDemuxDelete(demux);
}

enum fm_status fm_webp_decode(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                              size_t size, bool pixels, struct fm_image *image) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config))
    return fm_error(ctx, FM_INTERNAL, "libwebp is of another version than its header");
  if (too_short(bytes, size)) return fm_image_damaged(ctx, name, "WebP", "the file ends too early");
  VP8StatusCode code = WebPGetFeatures(bytes, size, &config.input);
  if (code != VP8_STATUS_OK) return fm_image_damaged(ctx, name, "WebP", reason(code));
  FM_TRY(fm_image_set_size(ctx, name, (size_t)config.input.width, (size_t)config.input.height, image));
  unsigned frames;
  look_around(bytes, size, &image->orientation, &frames);
  if (config.input.has_animation)
    return fm_error(ctx, FM_FORMAT,
                    "'%s' is an animation of %u frames, and flawmap reads one picture per file: save each "
                    "frame as a file of its own",
                    name, frames);
  image->decode_bytes = 7; /* lossless ones are decoded with 4 bytes a pixel first */
  if (!pixels) return FM_OK;
  image->had_alpha = config.input.has_alpha;
  image->lossy = config.input.format != 2; /* 2: lossless */
  FM_TRY(fm_image_alloc(ctx, 3, image));
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = image->pixels;
  config.output.u.RGBA.stride = 3 * image->width;
  config.output.u.RGBA.size = 3 * (size_t)image->width * (size_t)image->height;
  code = WebPDecode(bytes, size, &config);
  WebPFreeDecBuffer(&config.output);
  if (code == VP8_STATUS_OUT_OF_MEMORY)
    return fm_error(ctx, FM_MEMORY, "out of memory while decoding '%s'", name);
  return code == VP8_STATUS_OK ? FM_OK : fm_image_damaged(ctx, name, "WebP", reason(code));
}
