/* flawmap doctor: what is missing or wrong, and the command that mends it. */
#define _POSIX_C_SOURCE 200809L
#include "app/commands.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/print.h"
#include "check/golden.h"
#include "device/load.h"
#include "device/program.h"
#include "model/model.h"
#include "model/pretrained.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum verdict { GOOD, WARNING, PROBLEM };

struct doctor {
  struct fm_context *ctx;
  int found[3];
};

/* One line; fix is a command, or NULL. */
static void __attribute__((format(printf, 4, 5)))
say(struct doctor *x, enum verdict verdict, const char *fix, const char *format, ...) {
  static const char *const words[] = {"ok", "warning", "problem"};
  va_list args;
  va_start(args, format);
  fm_print("%-9s", words[verdict]);
  fm_vprint(format, args);
  va_end(args);
  fm_print("\n");
  if (fix) fm_print("%-9s-> %s\n", "", fix);
  fflush(stdout);
  x->found[verdict]++;
}

/* What a call reported becomes a line of the doctor's. */
static void say_error(struct doctor *x, enum verdict verdict, const char *fix, const char *subject) {
  say(x, verdict, fix, "%s: %s", subject, x->ctx->message);
  fm_error_clear(x->ctx);
}

static bool writable(struct fm_context *ctx, const char *folder) {
  char *path = fm_path_join(ctx, folder, ".flawmap-doctor");
  bool good = path && fm_folder_make(ctx, folder) == FM_OK && fm_file_write(ctx, path, "", 0) == FM_OK &&
              fm_file_remove(ctx, path) == FM_OK;
  fm_free(ctx, path);
  return good;
}

static bool check_loader(struct doctor *x) {
  struct fm_cl cl;
  if (fm_cl_load(x->ctx, &cl) != FM_OK) {
    say_error(x, PROBLEM, "sudo apt-get install ocl-icd-libopencl1 pocl-opencl-icd", "OpenCL loader");
    return false;
  }
  fm_cl_unload(&cl);
  say(x, GOOD, NULL, "OpenCL loader: found");
  return true;
}

/* Drivers register themselves by a file here. */
static bool check_drivers(struct doctor *x) {
  const char *folder = getenv("OCL_ICD_VENDORS");
  if (!folder) folder = "/etc/OpenCL/vendors";
  if (fm_file_exists(folder)) return true; /* one driver named by the variable */
  struct fm_names names = {0};
  char list[256] = "";
  size_t used = 0;
  if (fm_folder_exists(folder) && fm_folder_list(x->ctx, folder, &names) != FM_OK) fm_error_clear(x->ctx);
  for (size_t i = 0; i < names.count && used < sizeof list; i++)
    used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names.name[i]);
  bool some = names.count > 0;
  if (some)
    say(x, GOOD, NULL, "OpenCL drivers: %s", list);
  else
    say(x, PROBLEM, "sudo apt-get install pocl-opencl-icd   (for the CPU; for a GPU its vendor's driver)",
        "OpenCL drivers: none is registered in '%s'", folder);
  fm_names_free(x->ctx, &names);
  return some;
}

static void check_pocl_cache(struct doctor *x) {
  const char *own = getenv("POCL_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  char *folder = own && *own     ? fm_strdup(x->ctx, own)
                 : xdg && *xdg   ? fm_format(x->ctx, "%s/pocl/kcache", xdg)
                 : home && *home ? fm_format(x->ctx, "%s/.cache/pocl/kcache", home)
                                 : fm_strdup(x->ctx, "/tmp/pocl/kcache");
  if (folder && writable(x->ctx, folder))
    say(x, GOOD, NULL, "PoCL's cache: '%s' can be written", folder);
  else
    say_error(x, PROBLEM, "export POCL_CACHE_DIR=/tmp/pocl-cache   (or make that folder writable)",
              own ? "POCL_CACHE_DIR, without which PoCL offers no device"
                  : "PoCL's cache, without which it offers no device");
  fm_free(x->ctx, folder);
}

static void check_own_cache(struct doctor *x) {
  char *folder = fm_program_cache_folder(x->ctx);
  if (!folder)
    say(x, WARNING, "unset FLAWMAP_CACHE",
        "flawmap's cache: none, so every start compiles all kernels again");
  else if (writable(x->ctx, folder))
    say(x, GOOD, NULL, "flawmap's cache: '%s' can be written", folder);
  else
    say_error(x, WARNING, "export FLAWMAP_CACHE=/tmp/flawmap-cache   (or make that folder writable)",
              "flawmap's cache, so every start compiles all kernels again");
  fm_free(x->ctx, folder);
}

static void check_weights(struct doctor *x) {
  struct fm_pretrained_list list;
  const struct fm_backbone *backbone = &fm_backbones[0];
  const struct fm_pretrained *p;
  char *path = fm_expert_path(x->ctx, backbone), advice[512];
  if (fm_pretrained_open(x->ctx, &list) != FM_OK || !path) {
    say_error(x, PROBLEM, NULL, "list of weights");
  } else {
    if (fm_file_exists(path))
      say(x, GOOD, NULL, "weights of %s, the default network: '%s'", backbone->name, path);
    else if (fm_pretrained_find(x->ctx, &list, backbone->name, &p) == FM_OK) {
      fm_pretrained_advice(p, advice, sizeof advice);
      say(x, WARNING, advice,
          "no pretrained weights of %s, the default network: without them flaws are found much worse",
          backbone->name);
    }
    fm_pretrained_close(x->ctx, &list);
  }
  fm_free(x->ctx, path);
}

/* A whole training step of a small network against values that other software computed. */
static void self_test(struct doctor *x, int index) {
  char number[16], time[32];
  struct fm_device *d;
  struct fm_safetensors *file;
  struct fm_golden_result r = {0};
  const struct fm_embedded *golden = NULL, *e = NULL;
  while ((e = fm_golden_next(e)))
    if (!golden || e->size < golden->size) golden = e;
  snprintf(number, sizeof number, "%d", index);
  double begin = fm_seconds();
  enum fm_status status = fm_device_open(x->ctx, number, &d);
  if (status == FM_OK && !golden)
    status = fm_error(x->ctx, FM_INTERNAL, "this program was built without goldens");
  if (status == FM_OK) status = fm_golden_open(x->ctx, golden, &file);
  if (status == FM_OK) {
    status = fm_golden_verify(d, file, &r);
    fm_safetensors_free(x->ctx, file);
  }
  enum fm_status closed = fm_device_close(d);
  fm_duration(fm_seconds() - begin, time);
  if (status != FM_OK || closed != FM_OK) {
    say_error(x, PROBLEM, "another --device, or a newer driver", "self-test");
  } else if (r.good) {
    say(x, GOOD, NULL, "self-test of device %d: a training step of %s as it should be, in %s", index,
        r.backbone, time);
  } else {
    int worst = 0;
    while (r.group[worst].good) worst++;
    say(x, PROBLEM, "another --device, or a newer driver; 'flawmap verify' shows all of it",
        "device %d computes WRONG: %s is off by %.1e where %.1e is allowed", index, r.group[worst].name,
        r.group[worst].largest, r.group[worst].allowed_largest);
  }
}

static void check_memory(struct doctor *x) {
  double free = (double)fm_memory_available() / 0x1p30; /* 0: unknown */
  if (free > 0 && free < 1.5)
    say(x, WARNING, "close other programs, or use a smaller --batch and --size",
        "memory: only %.1f GiB are free; training with the defaults wants 1.5", free);
  else if (free > 0)
    say(x, GOOD, NULL, "memory: %.1f GiB are free", free);
}

static void check_device(struct doctor *x, const struct fm_facts *f, int index, bool used) {
  const double least = 2;
  double memory = (double)f->global_memory / 0x1p30;
  say(x, GOOD, NULL, "device %d: %s (%s, %s)%s", index, f->name, f->platform, f->driver,
      used ? ", would be used" : "");
  if (used && memory < least)
    say(x, WARNING, "a smaller --batch and --size",
        "memory of device %d: %.1f GiB; training with the defaults wants %g", index, memory, least);
  else if (used)
    say(x, GOOD, NULL, "memory of device %d: %.1f GiB, largest buffer %.1f GiB", index, memory,
        (double)f->max_allocation / 0x1p30);
}

static void check_devices(struct doctor *x, const char *wanted, bool all) {
  struct fm_facts *facts;
  int count, used;
  if (fm_device_list(x->ctx, &facts, &count) != FM_OK) {
    say_error(x, PROBLEM, NULL, "devices");
    return;
  }
  if (fm_device_choose(x->ctx, facts, count, wanted, &used) != FM_OK) {
    say_error(x, PROBLEM, "flawmap devices", "devices");
    used = -1;
  }
  for (int i = 0; i < count; i++) check_device(x, &facts[i], i, i == used);
  if (used >= 0 || all)
    fm_note(x->ctx, "(testing; the first test of a device compiles kernels, which takes up to a minute)");
  for (int i = 0; i < count && !atomic_load(&x->ctx->stop); i++)
    if (all || i == used) self_test(x, i);
  fm_free(x->ctx, facts);
}

enum fm_status fm_cmd_doctor(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  const char *device = NULL;
  bool all = false, help;
  struct fm_option options[] = {
      {"device", FM_OPT_TEXT, &device, "N|NAME", "test this device, not the one that would be used", 0, 0,
       NULL},
      {"all", FM_OPT_FLAG, &all, NULL, "test every device", 0, 0, NULL},
      {"Each line is ok, a warning or a problem, followed by -> and the remedy. Exit status 1 if there is a "
       "problem.",
       FM_OPT_GROUP, NULL, NULL, NULL, 0, 0, NULL},
  };
  enum fm_status status = fm_options_words(ctx, fm_command_find("doctor"), options,
                                           sizeof options / sizeof *options, argc, argv, 0, 0, NULL, &help);
  if (status != FM_OK || help) return status;
  struct doctor x = {.ctx = ctx};
  say(&x, GOOD, NULL, "flawmap %s", fm_version());
  bool loader = check_loader(&x), drivers = check_drivers(&x);
  check_pocl_cache(&x);
  check_own_cache(&x);
  check_weights(&x);
  check_memory(&x);
  if (loader && drivers) check_devices(&x, device, all);
  if (atomic_load(&ctx->stop)) return fm_error(ctx, FM_STOPPED, "stopped before everything was checked");
  int problems = x.found[PROBLEM], warnings = x.found[WARNING];
  fm_print("%d problem%s, %d warning%s\n", problems, problems == 1 ? "" : "s", warnings,
           warnings == 1 ? "" : "s");
  *exit_status = problems ? 1 : 0;
  return FM_OK;
}
