#define _POSIX_C_SOURCE 200809L
#include "device/program.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "device/internal.h"
#include "device/kernel.h"
#include "device/turn.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CACHE_FORMAT = 1, MAX_OPTIONS = 512, KERNEL_NAMES = 1000, CACHE_MOST_FILES = 1000 };
#define CACHE_MAX_BINARY ((size_t)64 << 20)
static const char cache_magic[8] = "FMPROG1";

struct fm_program {
  struct fm_program *next;
  char *key; /* file, a space, options */
  char hash[65];
  cl_program program;
  struct fm_kernel *kernels;
  char cached[KERNEL_NAMES]; /* kernels the cached binary holds, each followed by a space */
  bool dirty;                /* a kernel ran for the first time that the cached binary does not hold */
};

/* What a cache file begins with; the binary follows. */
struct cache_header {
  char magic[8];
  uint64_t length;
  unsigned char checksum[32];
  char kernels[KERNEL_NAMES];
};

static bool hash_of(struct fm_device *d, const char *source, const char *options, char out[65]) {
  const struct fm_facts *f = &d->facts;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  char *all = fm_format(d->ctx, "%d\n%s\n%s\n%s\n%s\n%s\n%s\n%s", CACHE_FORMAT, options, f->name, f->version,
                        f->driver, f->platform, f->platform_version, source);
  if (!all) return false;
  SHA256((const unsigned char *)all, strlen(all), digest);
  fm_free(d->ctx, all);
  for (int i = 0; i < 32; i++) snprintf(out + (size_t)2 * (size_t)i, 3, "%02x", digest[i]);
  return true;
}

char *fm_program_cache_folder(struct fm_context *ctx) {
  const char *wanted = getenv("FLAWMAP_CACHE"), *home = getenv("HOME"), *xdg = getenv("XDG_CACHE_HOME");
  if (wanted && strcmp(wanted, "off") == 0) return NULL;
  if (wanted && *wanted) return fm_strdup(ctx, wanted);
  if (xdg && *xdg) return fm_format(ctx, "%s/flawmap", xdg);
  return home && *home ? fm_format(ctx, "%s/.cache/flawmap", home) : NULL;
}

static char *cache_path(struct fm_device *d, const struct fm_program *p) {
  return d->cache_folder ? fm_format(d->ctx, "%s/%s.program", d->cache_folder, p->hash) : NULL;
}

/* The first line of a compiler's log that names an error, or of all lines the first that says anything. */
static const char *telling_line(const char *log, int *length) {
  const char *first = log + strspn(log, " \r\n"), *error = strstr(first, "error");
  const char *begin = error ? error : first;
  while (begin > first && begin[-1] != '\n') begin--;
  *length = (int)strcspn(begin, "\r\n");
  return begin;
}

static void build_failed(struct fm_device *d, const struct fm_program *p, const char *call, cl_int code) {
  char log[600] = "";
  size_t size = 0;
  char *all = NULL;
  if (d->cl.clGetProgramBuildInfo(p->program, d->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) == CL_SUCCESS &&
      size < ((size_t)1 << 20) && (all = fm_alloc(d->ctx, size + 1, 1)) &&
      d->cl.clGetProgramBuildInfo(p->program, d->id, CL_PROGRAM_BUILD_LOG, size, all, NULL) == CL_SUCCESS) {
    for (char *line = all, *end; fm_verbose("build") && *line; line = end + (*end != 0)) {
      end = line + strcspn(line, "\n");
      fm_note(d->ctx, "%.*s", (int)(end - line), line);
    }
    int length;
    const char *line = telling_line(all, &length);
    snprintf(log, sizeof log, "building %s: %.*s", p->key, length < 400 ? length : 400, line);
  }
  fm_free(d->ctx, all);
  fm_device_fail(d, call, code, log[0] ? log : p->key);
}

/* Builds from a cached binary; any doubt is no cache. */
static bool load_cached(struct fm_device *d, struct fm_program *p, const char *options,
                        struct cache_header *header) {
  struct fm_context *ctx = d->ctx;
  char *path = cache_path(d, p);
  unsigned char *bytes = NULL;
  size_t size = 0;
  bool good = false, failed_before = ctx->status != FM_OK; /* by another thread: not ours to clear */
  if (path && fm_file_exists(path) && fm_file_read(ctx, path, CACHE_MAX_BINARY, &bytes, &size) == FM_OK &&
      size > sizeof *header) {
    memcpy(header, bytes, sizeof *header);
    header->kernels[sizeof header->kernels - 1] = 0;
    const unsigned char *binary = bytes + sizeof *header;
    size_t length = size - sizeof *header;
    unsigned char digest[32];
    SHA256(binary, length, digest);
    if (memcmp(header->magic, cache_magic, 8) == 0 && header->length == length &&
        memcmp(digest, header->checksum, 32) == 0) {
      cl_int state = CL_SUCCESS, code = CL_SUCCESS;
      fm_turn_begin(d);
      p->program = d->cl.clCreateProgramWithBinary(d->context, 1, &d->id, &length, &binary, &state, &code);
      good = p->program && code == CL_SUCCESS && state == CL_SUCCESS &&
             d->cl.clBuildProgram(p->program, 1, &d->id, options, NULL, NULL) == CL_SUCCESS;
      fm_turn_end(d);
      if (!good && p->program) {
        d->cl.clReleaseProgram(p->program);
        p->program = NULL;
      }
    }
  }
  if (!good && !failed_before) fm_error_clear(ctx); /* a cache that does not work is not an error */
  if (fm_verbose("cache") && path) fm_note(ctx, "cache: %s %s: %s", p->key, path, good ? "used" : "not used");
  fm_free(ctx, bytes);
  fm_free(ctx, path);
  return good;
}

/* The program's binary for the cache, behind room for the header; the caller's (fm_free), NULL where there is
 * none. */
static unsigned char *binary_of(struct fm_device *d, const struct fm_program *p, size_t header,
                                size_t *length) {
  *length = 0;
  if (d->cl.clGetProgramInfo(p->program, CL_PROGRAM_BINARY_SIZES, sizeof *length, length, NULL) !=
          CL_SUCCESS ||
      *length == 0 || *length > CACHE_MAX_BINARY)
    return NULL;
  unsigned char *file = fm_alloc(d->ctx, *length + header, 1);
  unsigned char *binary = file ? file + header : NULL;
  if (!file ||
      d->cl.clGetProgramInfo(p->program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) == CL_SUCCESS)
    return file;
  fm_free(d->ctx, file);
  return NULL;
}

static void save_cached(struct fm_device *d, const struct fm_program *p) {
  struct fm_context *ctx = d->ctx;
  struct cache_header header = {.magic = "FMPROG1"};
  size_t length, used = 0;
  for (struct fm_kernel *k = p->kernels; k; k = k->next) {
    size_t n = strlen(k->name);
    if (!(k->ran || k->cached) || used + n + 2 > sizeof header.kernels) continue;
    memcpy(header.kernels + used, k->name, n);
    header.kernels[used + n] = ' ';
    used += n + 1;
  }
  fm_turn_begin(d);
  unsigned char *file = binary_of(d, p, sizeof header, &length);
  fm_turn_end(d);
  char *path = cache_path(d, p);
  if (file && path) {
    header.length = length;
    SHA256(file + sizeof header, length, header.checksum);
    memcpy(file, &header, sizeof header);
    if (fm_folder_make(ctx, d->cache_folder) == FM_OK) fm_file_write(ctx, path, file, length + sizeof header);
  }
  fm_error_clear(ctx); /* the next run compiles again: slower, not wrong */
  fm_free(ctx, path);
  fm_free(ctx, file);
}

/* Processes that start together on a cold cache can be in each other's way: PoCL 3.1 then fails to build with
 * CL_BUILD_PROGRAM_FAILURE and no error in its log, and succeeds a moment later. A source that is wrong fails
 * every time. */
enum { BUILD_TRIES = 4, BUILD_PAUSE_MS = 100 };

static cl_int build_patiently(struct fm_device *d, struct fm_program *p, const char *source,
                              const char *options) {
  cl_int code = CL_SUCCESS;
  for (int i = 0; i < BUILD_TRIES; i++) {
    if (i) {
      long ms = (long)BUILD_PAUSE_MS << i;
      struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
      nanosleep(&pause, NULL);
      cl_program again = d->cl.clCreateProgramWithSource(d->context, 1, &source, NULL, &code);
      if (!again) return CL_BUILD_PROGRAM_FAILURE;
      d->cl.clReleaseProgram(p->program);
      p->program = again;
    }
    code = d->cl.clBuildProgram(p->program, 1, &d->id, options, NULL, NULL);
    if (code != CL_BUILD_PROGRAM_FAILURE) break;
  }
  return code;
}

static bool compile(struct fm_device *d, struct fm_program *p, const char *source, const char *options) {
  cl_int code = CL_SUCCESS;
  if (!fm_device_may(d, "clCreateProgramWithSource")) return false;
  p->program = d->cl.clCreateProgramWithSource(d->context, 1, &source, NULL, &code);
  if (!p->program) {
    fm_device_fail(d, "clCreateProgramWithSource", code, p->key);
    return false;
  }
  if (!fm_device_may(d, "clBuildProgram")) return false;
  code = build_patiently(d, p, source, options);
  if (code != CL_SUCCESS) build_failed(d, p, "clBuildProgram", code);
  return code == CL_SUCCESS;
}

static bool build(struct fm_device *d, struct fm_program *p, const char *file, const char *extra) {
  struct fm_context *ctx = d->ctx;
  char options[MAX_OPTIONS];
  /* -w: what a compiler warns about is not the user's business, and PoCL's counts it on the program's stderr.
   */
  snprintf(options, sizeof options,
           "-w -cl-std=CL1.2 -cl-denorms-are-zero -D CB=%d -D WG=%d -D FAST_FMA=%d %s", d->facts.block,
           d->facts.group, d->facts.fast_fma ? 1 : 0, extra);
  char *common = fm_program_source(d, "common.clh"), *own = common ? fm_program_source(d, file) : NULL;
  char *source = own ? fm_format(ctx, "%s\n%s", common, own) : NULL;
  struct cache_header header = {0};
  double begin = fm_seconds();
  bool done = false;
  if (source && hash_of(d, source, options, p->hash)) {
    done = load_cached(d, p, options, &header);
    if (done)
      memcpy(p->cached, header.kernels, sizeof p->cached);
    else
      header = (struct cache_header){0};
  } else if (d->status == FM_OK) {
    d->status = ctx->status != FM_OK ? ctx->status : FM_MEMORY;
  }
  if (source && !done) done = compile(d, p, source, options);
  if (p->program) d->live.programs++;
  if (done && header.length) d->live.cached++;
  if (done && !header.length) d->live.compiled++;
  if (fm_verbose("build")) fm_note(ctx, "build: %s in %.0f ms", p->key, 1e3 * (fm_seconds() - begin));
  fm_free(ctx, source);
  fm_free(ctx, own);
  fm_free(ctx, common);
  return done;
}

static struct fm_program *program_get(struct fm_device *d, const char *file, const char *options) {
  size_t n = strlen(file);
  for (struct fm_program *p = d->programs; p; p = p->next)
    if (strncmp(p->key, file, n) == 0 && p->key[n] == ' ' && strcmp(p->key + n + 1, options) == 0) return p;
  if ((d->status = fm_stop_check(d->ctx, "making the kernels ready")) != FM_OK) return NULL;
  struct fm_program *p = fm_alloc(d->ctx, 1, sizeof *p);
  if (p) p->key = fm_format(d->ctx, "%s %s", file, options);
  if (!p || !p->key) {
    fm_free(d->ctx, p);
    d->status = FM_MEMORY;
    return NULL;
  }
  p->next = d->programs;
  d->programs = p;
  return build(d, p, file, options) ? p : NULL;
}

static bool listed(const char *names, const char *name) {
  size_t n = strlen(name);
  for (const char *at = names; (at = strstr(at, name)); at += n)
    if ((at == names || at[-1] == ' ') && at[n] == ' ') return true;
  return false;
}

struct fm_kernel *fm_kernel_get(struct fm_device *d, const char *file, const char *name,
                                const char *options) {
  if (d->status != FM_OK) return NULL;
  struct fm_program *p = program_get(d, file, options);
  if (!p) return NULL;
  for (struct fm_kernel *k = p->kernels; k; k = k->next)
    if (strcmp(k->name, name) == 0) return k;
  if (!fm_device_may(d, "clCreateKernel")) return NULL;
  cl_int code = CL_SUCCESS;
  cl_kernel kernel = d->cl.clCreateKernel(p->program, name, &code);
  if (!kernel) {
    fm_device_fail(d, "clCreateKernel", code, name);
    return NULL;
  }
  d->live.kernels++;
  struct fm_kernel *k = fm_alloc(d->ctx, 1, sizeof *k);
  if (k) k->name = fm_strdup(d->ctx, name);
  if (!k || !k->name) {
    fm_free(d->ctx, k);
    d->cl.clReleaseKernel(kernel);
    d->live.kernels--;
    d->status = FM_MEMORY;
    return NULL;
  }
  k->kernel = kernel;
  k->cached = listed(p->cached, name);
  k->program = p;
  k->file = p->key;
  k->next = p->kernels;
  p->kernels = k;
  return k;
}

void fm_kernel_mark(struct fm_device *d, struct fm_kernel *k) {
  k->ran = true;
  if (k->cached) return;
  k->program->dirty = true;
  fm_slow_first(d->ctx);
}

/* A cache of very many programs (drivers and versions come and go) is emptied before more is kept. */
static void bound_cache(struct fm_device *d) {
  struct fm_context *ctx = d->ctx;
  struct fm_names names = {0};
  if (!fm_folder_exists(d->cache_folder) || fm_folder_list(ctx, d->cache_folder, &names) != FM_OK ||
      names.count <= CACHE_MOST_FILES) {
    fm_names_free(ctx, &names);
    fm_error_clear(ctx);
    return;
  }
  for (size_t i = 0; i < names.count; i++) {
    char extension[16];
    fm_path_extension(names.name[i], extension);
    char *path = strcmp(extension, "program") == 0 ? fm_path_join(ctx, d->cache_folder, names.name[i]) : NULL;
    if (path) fm_file_remove(ctx, path);
    fm_free(ctx, path);
  }
  fm_names_free(ctx, &names);
  fm_error_clear(ctx); /* what stays is only larger than it need be */
}

/* True where the cache would gain from this program's binary. */
static bool worth_saving(const struct fm_device *d, const struct fm_program *p) {
  return p->dirty && p->program && d->cache_folder && d->status == FM_OK && d->ctx->status == FM_OK;
}

void fm_program_free_all(struct fm_device *d) {
  int count = 0;
  for (const struct fm_program *p = d->programs; p; p = p->next) count += worth_saving(d, p);
  if (count) { /* PoCL compiles once more when asked for a binary: half a second each */
    fm_note(d->ctx, "keeping %d compiled kernel file%s for the next run (once)", count,
            count == 1 ? "" : "s");
    bound_cache(d);
  }
  while (d->programs) {
    struct fm_program *p = d->programs;
    d->programs = p->next;
    if (worth_saving(d, p)) save_cached(d, p);
    while (p->kernels) {
      struct fm_kernel *k = p->kernels;
      p->kernels = k->next;
      d->cl.clReleaseKernel(k->kernel);
      d->live.kernels--;
      fm_free(d->ctx, k->name);
      fm_free(d->ctx, k);
    }
    if (p->program) {
      d->cl.clReleaseProgram(p->program);
      d->live.programs--;
    }
    fm_free(d->ctx, p->key);
    fm_free(d->ctx, p);
  }
}
