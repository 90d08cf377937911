/* PyTorch's .pth files (also .pt, .ckpt), as torch.save writes them: a zip archive of a pickle and the
 * tensors' storages, or the format from before PyTorch 1.6 (pth_old.h). */
#ifndef FM_FILE_PTH_H
#define FM_FILE_PTH_H

#include "file/safetensors.h"

/* Reads the state dict into the container of a safetensors file; nothing in the file is executed (pickle.h).
 *
 * Where the outermost dictionary holds no tensors but a dictionary under a customary name ("state_dict",
 * "model", ...), that one is taken. What is no tensor is skipped with a note. A prefix "module." that all
 * names have is dropped. Tensors that are views get their values copied in order. */
enum fm_status fm_pth_read(struct fm_context *ctx, const char *path, struct fm_safetensors **file);

/* The same from memory; bytes stay the caller's. name is for messages and becomes the path of the result. */
enum fm_status fm_pth_parse(struct fm_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                            struct fm_safetensors **file);

/* A PyTorch file or a safetensors file, told apart by what they begin with (a .pth that begins with neither
 * is no PyTorch file). */
enum fm_status fm_tensors_read(struct fm_context *ctx, const char *path, struct fm_safetensors **file);

#endif
