/* flawmap doctor: what is missing or wrong, and the command that mends it. */
#define _POSIX_C_SOURCE 200809L
#include "app/commands.h"

#include "base/available.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/print.h"
#include "check/drivers.h"
#include "device/load.h"
#include "device/pocl.h"
#include "device/program.h"
#include "model/model.h"
#include "model/pretrained.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum verdict { GOOD, WARNING, PROBLEM };

#define LINKER_CURE "sudo apt-get install binutils   (or add the folder of ld to PATH)"

struct doctor {
  struct fm_context *ctx;
  int found[3];
  bool deadly; /* a driver ended, or hung, whoever loaded it */
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

/* Each driver that is registered is loaded, to see whether it can be. True where there is one that can. */
static bool check_drivers(struct doctor *x) {
  struct fm_driver drivers[FM_MOST_DRIVERS];
  struct fm_child_end end;
  const char *folder = fm_drivers_folder();
  int count, good = 0;
  if (fm_drivers_find(x->ctx, drivers, &count) != FM_OK) fm_error_clear(x->ctx);
  for (int i = 0; i < count && !atomic_load(&x->ctx->stop); i++) {
    const struct fm_driver *d = &drivers[i];
    const char *name = *d->file ? d->file : folder;
    if (!*d->library) {
      say(x, PROBLEM, "install that driver again, or remove the file",
          "OpenCL driver %s: '%s/%s' names no library", name, folder, d->file);
    } else if (fm_driver_load(x->ctx, d, &end) == FM_OK) {
      say(x, GOOD, NULL, "OpenCL driver %s: '%s' can be loaded", name, d->library);
      good++;
    } else if (!atomic_load(&x->ctx->stop)) {
      say(x, PROBLEM, "install the package that brings this library, or remove its .icd file",
          "OpenCL driver %s: its library '%s' cannot be loaded: %s", name, d->library, x->ctx->message);
      fm_error_clear(x->ctx);
      x->deadly |= end.signal || end.late;
    }
  }
  if (!count)
    say(x, PROBLEM, "sudo apt-get install pocl-opencl-icd   (for the CPU; for a GPU its vendor's driver)",
        "OpenCL drivers: none is registered in '%s'", folder);
  return good > 0;
}

static void check_pocl_cache(struct doctor *x) {
  char folder[4096];
  if (!fm_pocl_cache_folder(folder, sizeof folder)) return;
  if (writable(x->ctx, folder))
    say(x, GOOD, NULL, "PoCL's cache: '%s' can be written", folder);
  else
    say_error(x, PROBLEM, "export POCL_CACHE_DIR=/tmp/pocl-cache   (or make that folder writable)",
              getenv("POCL_CACHE_DIR") ? "POCL_CACHE_DIR, without which PoCL offers no device"
                                       : "PoCL's cache, without which it offers no device");
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
  char *path = fm_expert_find(x->ctx, backbone), advice[512];
  if (fm_pretrained_open(x->ctx, &list) != FM_OK || !path) {
    say_error(x, PROBLEM, NULL, "list of weights");
  } else {
    if (fm_file_exists(path))
      say(x, GOOD, NULL, "weights of %s, the default network: '%s'", backbone->name, path);
    else if (fm_pretrained_find(x->ctx, &list, backbone->name, &p) == FM_OK) {
      fm_pretrained_advice(p, advice, sizeof advice);
      say(x, WARNING, advice,
          "no pretrained weights of %s, the default network: without them far fewer flaws are found",
          backbone->name);
    }
    fm_pretrained_close(x->ctx, &list);
  }
  fm_free(x->ctx, path);
}

/* What PoCL needs to compile, and versions of it that nobody tried. */
static void check_pocl(struct doctor *x, const struct fm_facts *f) {
  if (!strstr(f->platform, FM_POCL_PLATFORM)) return;
  if (!fm_pocl_has_linker())
    say(x, PROBLEM, LINKER_CURE, "linker: there is no ld in PATH, and without it PoCL aborts the program");
  if (*f->driver >= '0' && *f->driver <= '9' && strtol(f->driver, NULL, 10) < 3)
    say(x, WARNING, "a newer PoCL (Debian 12, Ubuntu 24.04 and later have one)",
        "PoCL %s is old: flawmap has not been tested with versions before 3.0", f->driver);
}

/* A self-test that did not come to its end: the likely reason, by what there is. */
static void say_failed_test(struct doctor *x, const struct fm_facts *f, const struct fm_child_end *end) {
  char cure[4200] = "another --device, or a newer driver";
  const char *subject = "self-test";
  bool pocl = strstr(f->platform, FM_POCL_PLATFORM) != NULL;
  if (pocl && !fm_pocl_has_linker())
    snprintf(cure, sizeof cure, "%s", LINKER_CURE);
  else if (pocl && end->signal && fm_pocl_cache_cure(cure, sizeof cure))
    subject = "PoCL's cache is damaged, or its disk or the memory is full";
  say_error(x, PROBLEM, cure, subject);
}

static void self_test(struct doctor *x, const struct fm_facts *f, int index) {
  char time[32];
  struct fm_golden_result r;
  struct fm_child_end end;
  double begin = fm_seconds();
  enum fm_status status = fm_drivers_test(x->ctx, index, &r, &end);
  fm_duration(fm_seconds() - begin, time);
  if (status == FM_STOPPED) return;
  if (status != FM_OK) {
    say_failed_test(x, f, &end);
  } else if (r.good) {
    say(x, GOOD, NULL, "self-test of device %d: a training step of %s as it should be, in %s", index,
        r.backbone, time);
  } else {
    const struct fm_golden_group *wrong = fm_golden_wrong(&r);
    bool median = fm_golden_by_median(wrong);
    say(x, PROBLEM, "another --device, or a newer driver; 'flawmap verify' shows all of it",
        "device %d computes WRONG: %s%s is off by %.1e where %.1e is allowed", index,
        median ? "the median of " : "", wrong->name, median ? wrong->median : wrong->largest,
        median ? wrong->allowed_median : wrong->allowed_largest);
  }
}

static void check_memory(struct doctor *x) {
  double free = (double)fm_memory_available() / 0x1p30; /* 0: unknown */
  if (free > 0 && free < 1.5)
    say(x, WARNING, "close other programs, or use a smaller --batch and --size",
        "memory: only %.1f GiB are free; training with the defaults needs 1.5", free);
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
        "memory of device %d: %.1f GiB; training with the defaults needs %g", index, memory, least);
  else if (used)
    say(x, GOOD, NULL, "memory of device %d: %.1f GiB, largest buffer %.1f GiB", index, memory,
        (double)f->max_allocation / 0x1p30);
}

/* Mesa's newer driver registers itself and offers nothing until a variable says what for. */
static void check_rusticl(struct doctor *x, const struct fm_facts *facts, int count) {
  struct fm_driver drivers[FM_MOST_DRIVERS];
  int registered = 0;
  bool offered = false, there = false;
  if (fm_drivers_find(x->ctx, drivers, &registered) != FM_OK) fm_error_clear(x->ctx);
  for (int i = 0; i < registered; i++) there |= strstr(drivers[i].file, "rusticl") != NULL;
  for (int i = 0; i < count; i++) offered |= strstr(facts[i].platform, "rusticl") != NULL;
  if (!there || offered) return;
  if (!getenv("RUSTICL_ENABLE"))
    say(x, WARNING, "export RUSTICL_ENABLE=radeonsi   (AMD; Intel: iris; NVIDIA: nouveau; none: llvmpipe)",
        "rusticl (Mesa's driver) is installed but switched off: RUSTICL_ENABLE is not set");
  else if (!fm_folder_exists("/usr/lib/clc") && !fm_folder_exists("/usr/share/clc") &&
           !fm_folder_exists("/usr/lib64/clc"))
    say(x, WARNING, "install libclc (Debian and Ubuntu: sudo apt-get install libclc-15, or another version)",
        "rusticl (Mesa's driver) offers no device: libclc, which it compiles with, is not installed");
  else
    say(x, WARNING, "RUSTICL_ENABLE names the driver of your GPU: radeonsi, iris, nouveau, llvmpipe",
        "rusticl (Mesa's driver) offers no device for RUSTICL_ENABLE=%s", getenv("RUSTICL_ENABLE"));
}

static void say_unlisted(struct doctor *x, const struct fm_child_end *end) {
  char cure[4200];
  bool died = end->signal || end->late;
  say_error(x, PROBLEM,
            !died                                   ? NULL
            : fm_pocl_cache_cure(cure, sizeof cure) ? cure
                                                    : "a newer driver",
            died ? "devices (if PoCL is among the drivers, its cache may be damaged)" : "devices");
}

static void check_devices(struct doctor *x, const char *wanted, bool all) {
  struct fm_facts *facts;
  struct fm_child_end end;
  int count, used = -1;
  enum fm_status status = fm_drivers_list(x->ctx, &facts, &count, &end);
  if (status == FM_STOPPED) return;
  if (status != FM_OK) {
    say_unlisted(x, &end);
  } else if (fm_device_choose(x->ctx, facts, count, wanted, &used) != FM_OK) {
    say_error(x, PROBLEM, "flawmap devices", "devices");
    used = -1;
  }
  check_rusticl(x, facts, count);
  for (int i = 0; i < count; i++) check_device(x, &facts[i], i, i == used);
  if (used >= 0) check_pocl(x, &facts[used]);
  if (used >= 0 || all)
    fm_note(x->ctx, "(testing; the first test of a device compiles kernels, which takes up to a minute)");
  for (int i = 0; i < count && !atomic_load(&x->ctx->stop); i++)
    if (all || i == used) self_test(x, &facts[i], i);
  fm_free(x->ctx, facts);
}

enum fm_status fm_cmd_doctor(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  const char *device = NULL;
  bool all = false, help;
  struct fm_option options[] = {
      {"device", FM_OPT_TEXT, &device, "N|NAME", "test this device instead of the one that would be used", 0,
       0, NULL},
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
  if (x.deadly)
    say(&x, PROBLEM,
        "mend the driver above; until then OCL_ICD_VENDORS=FILE.icd names the one driver to load",
        "devices: not listed, since whatever uses OpenCL loads the driver above, too");
  else if (loader && drivers)
    check_devices(&x, device, all);
  if (atomic_load(&ctx->stop)) return fm_error(ctx, FM_STOPPED, "stopped before everything was checked");
  int problems = x.found[PROBLEM], warnings = x.found[WARNING];
  fm_print("%d problem%s, %d warning%s\n", problems, problems == 1 ? "" : "s", warnings,
           warnings == 1 ? "" : "s");
  *exit_status = problems ? 1 : 0;
  return FM_OK;
}
