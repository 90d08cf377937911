/* fuzz_seeds FOLDER: writes a few small inputs for each fuzzer into FOLDER/NAME. */
#include "base/file.h"
#include "base/memory.h"
#include "file/pth_sample.h"
#include "file/safetensors.h"
#include "file/samples.h"
#include "file/tiff.h"
#include "file/zip.h"
#include "model/model.h"
#include "model/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const headers[] = {
    "{}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},\"__metadata__\":{\"k\":\"v\"}}",
    "{\"a\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"BOOL\",\"shape\":[0],"
    "\"data_offsets\":"
    "[2,2]},\"c\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[2,10]}}  ",
};

static const char *const inis[] = {"a = 1\n[s]\n; note\nb = 2 # note\n", "[x.y]\r\nkey_1 =\r\n"};

static const char *const choices[] = {"flawmap tuned 1\n# note\ncpu16x1 | device a b | forward 3x3/2 64>128 "
                                      "32x32 | 1 | conv | blocks 4 pixels 4 | 7 us "
                                      "| 9 us\ngpu4x64 | class | weights 3x3/1 depthwise 24>24 9x9 | 16 | "
                                      "wgrad | blocks 1 inputs 1 lanes 8 | 1 us | 2 "
                                      "us\n",
                                      "flawmap tuned 1\r\ncpu8x1 | family c | kept 7x7/2 picture 3>64 8x8 | "
                                      "2 | conv | pixels 8 order 1 | 1 us | 1 us\r\n"
                                      "nonsense\n"};

static const char *const tables[] = {
    "object,split,label,image,mask\na,train,normal,a/Data/Images/Normal/0.png,\n"
    "a,test,anomaly,a/1.png,a/1_mask.png\nb,test,normal,../b.png,\n",
    "\xEF\xBB\xBFmask,image,label,split,object\r\n,/etc/passwd,normal,train,a\r\n"};

static const char *const names[] = {"plain", "\x1b[31m a,\"b\"\n", "\xff\xe2\x80\xae=1+1\\"};

/* What stands in a model's metadata beside its recipe. */
static const char *const metadata[][2] = {
    {"flawmap.model", "1"},
    {"flawmap.program", "0.1.0"},
    {"data.category", "gear"},
    {"data.hash", "0123456789abcdef"},
    {"data.learned", "4"},
    {"data.held", "1"},
    {"data.joined", "2"},
    {"data.real", "scratch/001\n"},
    {"device", "fuzz"},
    {"expert.trained", "no"},
    {"expert.hash", ""},
    {"expert.file", ""},
    {"expert.inside", "yes"},
    {"threshold", "no"},
    {"refine", "blend"},
    {"refine.q99", "1"},
    {"refine.q99.5", "1"},
    {"refine.q99.95", "1"},
    {"refine.rho", "1"},
    {"refine.base", "1"},
    {"refine.blur", "1"},
    {"threshold.refined.value", "1"},
    {"threshold.refined.alpha", "0.01"},
    {"threshold.refined.n", "4"},
    {"threshold.refined.k", "1"},
    {"threshold.refined.kept", "no"},
    {"threshold.refined.promised", "none"},
    {"threshold.refined.low", "none"},
    {"threshold.refined.high", "0.5"},
    {"threshold.refined.origin", "4 held-out good pictures"},
};

static enum fm_status put(struct fm_context *ctx, const char *folder, const char *kind, size_t number,
                          const void *bytes, size_t size) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, kind);
  FM_TRY(fm_folder_make(ctx, path));
  snprintf(path, sizeof path, "%s/%s/%zu", folder, kind, number);
  return fm_file_write(ctx, path, bytes, size);
}

/* The network is read last: a model that is refused for anything else leads the fuzzer nowhere. */
static enum fm_status read_to_its_network(struct fm_context *ctx, const char *folder, const void *bytes,
                                          size_t size) {
  char path[4096];
  struct fm_model model;
  snprintf(path, sizeof path, "%s/seed.flawmap", folder);
  FM_TRY(fm_file_write(ctx, path, bytes, size));
  enum fm_status status = fm_model_load(ctx, path, NULL, &model);
  remove(path);
  if (status == FM_OK) fm_model_free(&model);
  if (status != FM_FORMAT || !strstr(ctx->message, "has no tensor 'expert.")) return status;
  fm_error_clear(ctx);
  return FM_OK;
}

enum { WIDE = 64, HIGH = 32 };
static unsigned char good[WIDE * HIGH * 3];
static float ones[3 * WIDE * HIGH];

/* A reference as it is kept now, or as it was. */
static enum fm_status add_reference(struct fm_safetensors_out *out, bool old) {
  static const int bytes[] = {100, 28};
  const size_t raw[] = {1, HIGH, WIDE, 3}, features[] = {old ? 1 : 2, 6}, jpeg[] = {128}, two[] = {2};
  FM_TRY(fm_safetensors_out_tensor(out, "refine.feature", old ? FM_F32 : FM_U8, 2, features,
                                   old ? (const void *)ones : good));
  if (old) return fm_safetensors_out_tensor(out, "refine.good", FM_U8, 4, raw, good);
  FM_TRY(fm_safetensors_out_tensor(out, "refine.jpeg", FM_U8, 1, jpeg, good));
  FM_TRY(fm_safetensors_out_tensor(out, "refine.length", FM_I32, 1, two, bytes));
  FM_TRY(fm_safetensors_out_tensor(out, "refine.low", FM_F32, 1, two, ones));
  return fm_safetensors_out_tensor(out, "refine.step", FM_F32, 1, two, ones);
}

/* A model of PaDiM with all but its network; as fuzz_model reads it: header, zero byte, values. */
static enum fm_status put_model(struct fm_context *ctx, const char *folder, bool old) {
  enum { GRID_WIDE = WIDE / 4, GRID_HIGH = HIGH / 4, CHANNELS = 2 };
  static const float channel[CHANNELS] = {0, 1};
  const size_t channels[] = {CHANNELS}, mean[] = {CHANNELS, GRID_HIGH, GRID_WIDE},
               factor[] = {3, GRID_HIGH, GRID_WIDE}, plane[] = {HIGH, WIDE}, one[] = {1};
  struct fm_recipe recipe;
  struct fm_safetensors_out *out;
  unsigned char *bytes;
  size_t size;
  for (size_t i = 0; i < sizeof ones / sizeof *ones; i++) ones[i] = 1;
  FM_TRY(fm_recipe_begin(ctx, "padim", &recipe));
  FM_TRY(fm_recipe_set(ctx, &recipe, "size", "64x32", "seed"));
  FM_TRY(fm_recipe_set(ctx, &recipe, "channels", "2", "seed"));
  FM_TRY(fm_recipe_set(ctx, &recipe, "backbone", "resnet18", "seed"));
  FM_TRY(fm_safetensors_out_open(ctx, &out));
  FM_TRY(fm_recipe_save(&recipe, out));
  for (size_t i = 0; i < sizeof metadata / sizeof *metadata; i++)
    FM_TRY(fm_safetensors_out_meta(out, metadata[i][0], metadata[i][1]));
  FM_TRY(fm_safetensors_out_tensor(out, "padim.channels", FM_F32, 1, channels, channel));
  FM_TRY(fm_safetensors_out_tensor(out, "padim.mean", FM_F32, 3, mean, ones));
  FM_TRY(fm_safetensors_out_tensor(out, "padim.factor", FM_F32, 3, factor, ones));
  FM_TRY(fm_safetensors_out_tensor(out, "padim.floor", FM_F32, 1, one, ones));
  FM_TRY(add_reference(out, old));
  FM_TRY(fm_safetensors_out_tensor(out, "refine.usual", FM_F32, 2, plane, ones));
  FM_TRY(fm_safetensors_out_tensor(out, "refine.limit", FM_F32, 2, mean + 1, ones));
  FM_TRY(fm_safetensors_out_encode(out, &bytes, &size));
  fm_safetensors_out_free(out);
  FM_TRY(read_to_its_network(ctx, folder, bytes, size));
  uint64_t header;
  memcpy(&header, bytes, 8);
  memmove(bytes, bytes + 8, header);
  bytes[header] = 0;
  memmove(bytes + header + 1, bytes + header + 8, size - header - 8);
  enum fm_status status = put(ctx, folder, "model", old ? 1 : 0, bytes, size - 7);
  fm_free(ctx, bytes);
  return status;
}

static enum fm_status put_map(struct fm_context *ctx, const char *folder) {
  static const float values[] = {0, 1, 2, 3, 4, 5};
  char path[4096];
  snprintf(path, sizeof path, "%s/map", folder);
  FM_TRY(fm_folder_make(ctx, path));
  snprintf(path, sizeof path, "%s/map/0", folder);
  return fm_tiff_write(ctx, path, 3, 2, values);
}

static enum fm_status put_archive(struct fm_context *ctx, const char *folder) {
  struct zip *z = calloc(1, sizeof *z);
  if (!z) return FM_MEMORY;
  zip_add(z, "package/weights.pth", "PK\3\4", 4);
  zip_add(z, "package/readme", "text", 4);
  zip_finish(z);
  enum fm_status status = put(ctx, folder, "archive", 0, z->bytes, z->size);
  free(z);
  return status;
}

static enum fm_status put_all(struct fm_context *ctx, const char *folder) {
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
    FM_TRY(put(ctx, folder, "image", i, samples[i].bytes, samples[i].size));
  for (size_t i = 0; i < sizeof inis / sizeof *inis; i++)
    FM_TRY(put(ctx, folder, "ini", i, inis[i], strlen(inis[i])));
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    char bytes[512] = {0};
    size_t n = strlen(headers[i]), data = i == 0 ? 0 : i == 1 ? 8 : 10;
    memcpy(bytes, headers[i], n);
    FM_TRY(put(ctx, folder, "safetensors", i, bytes, n + (data ? 1 + data : 0)));
  }
  for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
    FM_TRY(put(ctx, folder, "tuned", i, choices[i], strlen(choices[i])));
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
    FM_TRY(put(ctx, folder, "csv", i, tables[i], strlen(tables[i])));
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    FM_TRY(put(ctx, folder, "quote", i, names[i], strlen(names[i])));
  FM_TRY(put_map(ctx, folder));
  FM_TRY(put_archive(ctx, folder));
  FM_TRY(put(ctx, folder, "archive", 1, pth_sample, sizeof pth_sample));
  FM_TRY(put_model(ctx, folder, false));
  FM_TRY(put_model(ctx, folder, true));
  /* the pickle of the sample lies stored in its archive: from the protocol mark to the final point */
  const unsigned char *pickle = memchr(pth_sample, 0x80, sizeof pth_sample);
  FM_TRY(put(ctx, folder, "pth", 0, pth_sample, sizeof pth_sample));
  FM_TRY(put(ctx, folder, "pth", 2, pth_old_sample, sizeof pth_old_sample));
  return pickle ? put(ctx, folder, "pth", 1, pickle, 252) : FM_OK;
}

int main(int count, char **arguments) {
  struct fm_context ctx;
  fm_context_init(&ctx);
  enum fm_status status =
      count == 2 ? put_all(&ctx, arguments[1]) : fm_error(&ctx, FM_USAGE, "fuzz_seeds FOLDER");
  if (status != FM_OK) fprintf(stderr, "%s\n", ctx.message);
  return status != FM_OK;
}
