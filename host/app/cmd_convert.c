/* flawmap convert: weights of other programs, without executing anything in them. */
#include "app/commands.h"

#include "base/file.h"
#include "base/log.h"
#include "base/print.h"
#include "file/pth.h"
#include "model/model.h"

#include <stdio.h>
#include <string.h>

struct args {
  const char *out, *method, *expert, *apprentice, *backbone, *size;
  bool list;
};

static void print_tensors(const struct fm_safetensors *file) {
  size_t values = 0;
  for (size_t i = 0; i < fm_safetensors_count(file); i++) {
    const struct fm_tensor *t = fm_safetensors_at(file, i);
    fm_print("%-4s ", fm_dtype_name(t->type));
    char shape[128] = "1";
    size_t used = 0;
    for (int k = 0; k < t->dims && used < sizeof shape; k++)
      used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%zu", k ? "x" : "", t->shape[k]);
    fm_print("%-18s %s\n", shape, t->name);
    values += t->count;
  }
  fm_print("%zu tensors, %zu values\n", fm_safetensors_count(file), values);
}

/* Before the work, while Ctrl-C still keeps what is there. */
static void note_replaced(struct fm_context *ctx, const char *path) {
  if (path && fm_file_exists(path)) fm_note(ctx, "note: '%s' exists already and will be replaced", path);
}

static enum fm_status write_all(struct fm_context *ctx, const struct fm_safetensors *file, const char *path) {
  struct fm_safetensors_out *out;
  FM_TRY(fm_safetensors_out_open(ctx, &out));
  enum fm_status status = FM_OK;
  for (size_t i = 0; i < fm_safetensors_count(file) && status == FM_OK; i++) {
    if ((status = fm_stop_check(ctx, "converting '%s'", fm_safetensors_path(file))) != FM_OK) break;
    const struct fm_tensor *t = fm_safetensors_at(file, i);
    status = fm_safetensors_out_tensor(out, t->name, t->type, t->dims, t->shape, t->bytes);
  }
  if (status == FM_OK) status = fm_safetensors_out_write(out, path);
  fm_safetensors_out_free(out);
  return status;
}

/* Fails where the file lacks a tensor of the backbone. */
static enum fm_status check_backbone(struct fm_context *ctx, const struct fm_safetensors *file,
                                     const char *name) {
  const struct fm_backbone *backbone;
  struct fm_weights weights;
  FM_TRY(fm_backbone_find(ctx, name, &backbone));
  FM_TRY(fm_backbone_weights(ctx, backbone, &weights));
  enum fm_status status = fm_weights_load(&weights, file, "");
  if (status == FM_OK) status = fm_weights_check(&weights, fm_safetensors_path(file), "");
  fm_weights_free(&weights);
  return status;
}

static enum fm_status convert(struct fm_context *ctx, const char *from, const struct args *a) {
  struct fm_safetensors *file;
  note_replaced(ctx, a->out);
  FM_TRY(fm_tensors_read(ctx, from, &file));
  enum fm_status status = fm_stop_check(ctx, "reading '%s'", from);
  if (status == FM_OK && a->backbone) status = check_backbone(ctx, file, a->backbone);
  if (status == FM_OK && (a->list || !a->out)) print_tensors(file);
  if (status == FM_OK && a->out) status = write_all(ctx, file, a->out);
  if (status == FM_OK && a->out) fm_print("%s: %zu tensors\n", a->out, fm_safetensors_count(file));
  fm_safetensors_free(ctx, file);
  return status;
}

static enum fm_status join(struct fm_context *ctx, const char *extra, const struct args *a) {
  if (extra)
    return fm_error(ctx, FM_USAGE,
                    "with --method, name the files with --expert and --apprentice; leave '%s' out", extra);
  if (!a->expert || !a->apprentice || !a->backbone || !a->out)
    return fm_error(ctx, FM_USAGE,
                    "--method %s needs --expert FILE, --apprentice FILE, --backbone NAME and -o MODEL",
                    a->method);
  struct fm_recipe recipe;
  struct fm_model model;
  fm_recipe_default(&recipe);
  if (strcmp(a->method, "cdo") != 0)
    return fm_error(ctx, FM_USAGE, "only cdo has two networks to join; '%.60s' has not", a->method);
  FM_TRY(fm_recipe_set(ctx, &recipe, "backbone", a->backbone, "--backbone"));
  if (a->size) FM_TRY(fm_recipe_set(ctx, &recipe, "size", a->size, "--size"));
  note_replaced(ctx, a->out);
  FM_TRY(fm_model_join(ctx, &recipe, a->expert, a->apprentice, &model));
  enum fm_status status = fm_stop_check(ctx, "joining '%s' and '%s'", a->expert, a->apprentice);
  if (status == FM_OK) status = fm_model_save(&model, a->out, false);
  if (status == FM_OK)
    fm_print("%s: %s with %s, no thresholds yet; 'flawmap calibrate' sets them\n", a->out, a->method,
             a->backbone);
  fm_model_free(&model);
  return status;
}

enum fm_status fm_cmd_convert(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  (void)exit_status;
  const char *file;
  struct args a = {0};
  bool help;
  struct fm_option options[] = {
      {"o", FM_OPT_TEXT, &a.out, "FILE", "the file to write; without it the tensors are listed", 0, 0, NULL},
      {"list", FM_OPT_FLAG, &a.list, NULL, "list the tensors too", 0, 0, NULL},
      {"backbone", FM_OPT_TEXT, &a.backbone, "NAME", "fail if a tensor of this network is missing", 0, 0,
       NULL},
      {"Joining an expert and an apprentice (.pth or .safetensors) into a model:", FM_OPT_GROUP, NULL, NULL,
       NULL, 0, 0, NULL},
      {"method", FM_OPT_TEXT, &a.method, "cdo", "the method they were trained for", 0, 0, NULL},
      {"expert", FM_OPT_TEXT, &a.expert, "FILE", "weights of the pretrained network", 0, 0, NULL},
      {"apprentice", FM_OPT_TEXT, &a.apprentice, "FILE", "weights of the network that was trained", 0, 0,
       NULL},
      {"size", FM_OPT_TEXT, &a.size, "N", "width and height they were trained at (256)", 0, 0, NULL},
      {"FILE is a PyTorch state dict (.pth, .pt; nothing in it is executed) or safetensors.", FM_OPT_GROUP,
       NULL, NULL, NULL, 0, 0, NULL},
  };
  const char **word = &file;
  enum fm_status status = fm_options_words(ctx, fm_command_find("convert"), options,
                                           sizeof options / sizeof *options, argc, argv, 0, 1, word, &help);
  if (status != FM_OK || help) return status;
  if (a.method) return join(ctx, file, &a);
  if (!file)
    return fm_error(ctx, FM_USAGE, "name the file to convert: flawmap convert FILE.pth -o FILE.safetensors");
  if (a.expert || a.apprentice)
    return fm_error(ctx, FM_USAGE, "--expert and --apprentice belong to --method cdo");
  return convert(ctx, file, &a);
}
