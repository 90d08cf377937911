#define _POSIX_C_SOURCE 200809L
#include "check/drivers.h"

#include "base/file.h"
#include "base/memory.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DEVICES = 64 };
/* Loading and listing take a second where all is well; some drivers wake up their GPUs, and a test may
 * compile every kernel on a slow machine. */
static const double load_seconds = 20, list_seconds = 60, test_seconds = 900;

const char *fm_drivers_folder(void) {
  const char *set = getenv("OCL_ICD_VENDORS");
  return set && *set ? set : "/etc/OpenCL/vendors";
}

/* The first word of the file. */
static void read_library(const char *path, char out[512]) {
  char text[512];
  size_t n = fm_file_head(path, text, sizeof text - 1);
  text[n] = 0;
  char *begin = text + strspn(text, " \t\r\n");
  begin[strcspn(begin, "\r\n")] = 0;
  snprintf(out, 512, "%s", begin);
}

static bool is_icd(const char *name) {
  size_t n = strlen(name);
  return n > 4 && strcmp(name + n - 4, ".icd") == 0;
}

enum fm_status fm_drivers_find(struct fm_context *ctx, struct fm_driver drivers[FM_MOST_DRIVERS],
                               int *count) {
  const char *where = fm_drivers_folder();
  struct fm_names names = {0};
  *count = 0;
  if (!fm_folder_exists(where)) {
    if (!getenv("OCL_ICD_VENDORS") || (!is_icd(where) && !fm_file_exists(where) && strchr(where, '/')))
      return FM_OK;
    struct fm_driver *d = &drivers[(*count)++];
    *d = (struct fm_driver){0};
    if (is_icd(where))
      read_library(where, d->library);
    else
      snprintf(d->library, sizeof d->library, "%s", where);
    return FM_OK;
  }
  FM_TRY(fm_folder_list(ctx, where, &names));
  enum fm_status status = FM_OK;
  for (size_t i = 0; i < names.count && *count < FM_MOST_DRIVERS && status == FM_OK; i++) {
    if (!is_icd(names.name[i])) continue; /* the loader does not look at others */
    struct fm_driver *d = &drivers[(*count)++];
    snprintf(d->file, sizeof d->file, "%s", names.name[i]);
    char *path = fm_path_join(ctx, where, names.name[i]);
    if (path)
      read_library(path, d->library);
    else
      status = FM_MEMORY;
    fm_free(ctx, path);
  }
  fm_names_free(ctx, &names);
  return status;
}

/* Asks, and makes a sentence of an end without an answer. */
static enum fm_status put(struct fm_context *ctx, const struct fm_question *question, const char *what,
                          void *answer, struct fm_child_end *end) {
  enum fm_status status = fm_child_ask(ctx, question, answer, end);
  if (status != FM_DEVICE || ctx->status != FM_OK) return status;
  const char *colon = *end->said ? "; its last words: " : "";
  if (end->late)
    return fm_error(ctx, FM_DEVICE, "%s did not end within %g s: the driver hangs%s%s", what,
                    question->seconds, colon, end->said);
  if (end->signal)
    return fm_error(ctx, FM_DEVICE, "%s: the driver ended the program (signal %d, %s)%s%s", what, end->signal,
                    strsignal(end->signal), colon, end->said);
  return fm_error(ctx, FM_DEVICE, "%s: the driver left the program%s%s", what, colon, end->said);
}

static enum fm_status load(struct fm_context *ctx, const void *given, void *answer) {
  const char *library = given;
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!handle) return fm_error(ctx, FM_DEVICE, "%s", dlerror());
  if (!dlsym(handle, "clGetExtensionFunctionAddress"))
    return fm_error(ctx, FM_DEVICE, "%s: it is not an OpenCL driver", library);
  return FM_OK;
}

enum fm_status fm_driver_load(struct fm_context *ctx, const struct fm_driver *driver,
                              struct fm_child_end *end) {
  char nothing;
  struct fm_question question = {load, driver->library, sizeof nothing, load_seconds};
  return put(ctx, &question, "loading it", &nothing, end);
}

struct listing {
  int count;
  struct fm_facts facts[MOST_DEVICES];
};

static enum fm_status list(struct fm_context *ctx, const void *given, void *answer) {
  struct listing *listing = answer;
  struct fm_facts *facts;
  int count;
  FM_TRY(fm_device_list(ctx, &facts, &count));
  listing->count = count < MOST_DEVICES ? count : MOST_DEVICES;
  memcpy(listing->facts, facts, (size_t)listing->count * sizeof *facts);
  fm_free(ctx, facts);
  return FM_OK;
}

enum fm_status fm_drivers_list(struct fm_context *ctx, struct fm_facts **facts, int *count,
                               struct fm_child_end *end) {
  struct listing *listing = fm_alloc(ctx, 1, sizeof *listing);
  *facts = NULL;
  *count = 0;
  if (!listing) return FM_MEMORY;
  struct fm_question question = {list, NULL, sizeof *listing, list_seconds};
  enum fm_status status = put(ctx, &question, "listing the devices", listing, end);
  if (status == FM_OK) {
    *facts = fm_alloc(ctx, (size_t)listing->count, sizeof **facts);
    if (!*facts) status = FM_MEMORY;
  }
  if (status == FM_OK) {
    *count = listing->count;
    memcpy(*facts, listing->facts, (size_t)*count * sizeof **facts);
  }
  fm_free(ctx, listing);
  return status;
}

static enum fm_status test(struct fm_context *ctx, const void *given, void *answer) {
  char number[16];
  struct fm_device *d;
  struct fm_safetensors *file;
  const struct fm_embedded *golden = NULL, *e = NULL;
  while ((e = fm_golden_next(e)))
    if (!golden || e->size < golden->size) golden = e;
  if (!golden) return fm_error(ctx, FM_INTERNAL, "this program was built without goldens");
  snprintf(number, sizeof number, "%d", *(const int *)given);
  FM_TRY(fm_device_open(ctx, number, &d));
  enum fm_status status = fm_golden_open(ctx, golden, &file);
  if (status == FM_OK) {
    status = fm_golden_verify(d, file, answer);
    fm_safetensors_free(ctx, file);
  }
  enum fm_status closed = fm_device_close(d);
  return status != FM_OK ? status : closed;
}

enum fm_status fm_drivers_test(struct fm_context *ctx, int device, struct fm_golden_result *result,
                               struct fm_child_end *end) {
  struct fm_question question = {test, &device, sizeof *result, test_seconds};
  return put(ctx, &question, "a training step", result, end);
}
