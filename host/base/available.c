#define _POSIX_C_SOURCE 200809L
#include "base/available.h"

#include "base/file.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, TEXT_BYTES = 8192 };

static size_t lesser(size_t a, size_t b) {
  return a < b ? a : b;
}

static size_t difference(size_t whole, size_t part) {
  return part < whole ? whole - part : 0;
}

/* ---- the process ---- */

/* In bytes, zeros where the system does not say. */
struct self {
  size_t space;    /* addresses in use */
  size_t resident; /* what of them is in memory */
  size_t data;     /* what of them is data and stacks */
};

static struct self look_at_self(void) {
  char line[256], *at = line;
  line[fm_file_head("/proc/self/statm", line, sizeof line - 1)] = 0;
  size_t page = (size_t)sysconf(_SC_PAGESIZE), field[6];
  for (int i = 0; i < 6; i++) field[i] = (size_t)strtoull(at, &at, 10) * page;
  return (struct self){.space = field[0], .resident = field[1], .data = field[5]};
}

size_t fm_memory_resident(void) {
  return look_at_self().resident;
}

static size_t left_of_limits(void) {
  struct rlimit limit;
  struct self self = look_at_self();
  size_t left = SIZE_MAX;
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    left = difference((size_t)limit.rlim_cur, self.space);
  if (getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    left = lesser(left, difference((size_t)limit.rlim_cur, self.data));
  return left;
}

/* ---- its control groups ---- */

/* The files of one version. */
struct version {
  const char *limits[2], *used, *reclaimable; /* the last: a line of memory.stat */
};
static const struct version version1 = {
    {"memory.limit_in_bytes", NULL}, "memory.usage_in_bytes", "total_inactive_file "};
static const struct version version2 = {{"memory.max", "memory.high"}, "memory.current", "inactive_file "};

/* A whole number and nothing else; `otherwise` for "max", for nothing and for anything odd. */
static size_t number(const char *text, size_t otherwise) {
  size_t value = 0, digits = strspn(text, "0123456789");
  if (!digits || (text[digits] && text[digits] != '\n')) return otherwise;
  for (size_t i = 0; i < digits; i++)
    if (__builtin_mul_overflow(value, (size_t)10, &value) ||
        __builtin_add_overflow(value, (size_t)(text[i] - '0'), &value))
      return otherwise;
  return value;
}

static bool read_text(const char *folder, const char *name, char text[TEXT_BYTES]) {
  char path[PATH_BYTES];
  int n = snprintf(path, sizeof path, "%s/%s", folder, name);
  size_t size = n > 0 && (size_t)n < sizeof path ? fm_file_head(path, text, TEXT_BYTES - 1) : 0;
  text[size] = 0;
  return size > 0;
}

static size_t read_number(const char *folder, const char *name, size_t otherwise) {
  char text[TEXT_BYTES];
  return read_text(folder, name, text) ? number(text, otherwise) : otherwise;
}

/* What the system can take back from the group. */
static size_t reclaimable(const char *folder, const char *title) {
  char text[TEXT_BYTES];
  if (!read_text(folder, "memory.stat", text)) return 0;
  for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
    if (strncmp(line, title, strlen(title)) == 0) return number(line + strlen(title), 0);
  return 0;
}

static size_t left_of_group(const char *folder, const struct version *v) {
  size_t limit = SIZE_MAX;
  for (int i = 0; i < 2 && v->limits[i]; i++)
    limit = lesser(limit, read_number(folder, v->limits[i], SIZE_MAX));
  if (limit == SIZE_MAX) return SIZE_MAX;
  size_t used = read_number(folder, v->used, 0);
  return difference(limit, difference(used, reclaimable(folder, v->reclaimable)));
}

/* Of the group at `path` below `top`, and of each that it lies in, up to `top` itself. */
static size_t left_of_path(const char *top, const char *path, const struct version *v) {
  char folder[PATH_BYTES];
  size_t top_length = strlen(top), left = left_of_group(top, v);
  int n = snprintf(folder, sizeof folder, "%s%s", top, path);
  /* ".." stands for what lies outside the container. */
  if (n < 0 || (size_t)n >= sizeof folder || *path != '/' || strstr(path, "/..")) return left;
  for (char *end = folder + n; end > folder + top_length; end = strrchr(folder, '/')) {
    *end = 0;
    if (strlen(folder) > top_length) left = lesser(left, left_of_group(folder, v));
  }
  return left;
}

/* "4:cpu,memory:/path": whether memory is among the controllers. */
static bool has_memory(const char *controllers) {
  for (;; controllers++) {
    size_t n = strcspn(controllers, ",:");
    if (n == 6 && strncmp(controllers, "memory", n) == 0) return true;
    controllers += n;
    if (*controllers != ',') return false;
  }
}

size_t fm_memory_left_of_groups(const char *mount, const char *membership) {
  char line[PATH_BYTES], old[PATH_BYTES];
  size_t left = SIZE_MAX;
  int n = snprintf(old, sizeof old, "%s/memory", mount);
  FILE *f = fopen(membership, "r");
  while (f && n > 0 && (size_t)n < sizeof old && fgets(line, sizeof line, f)) {
    line[strcspn(line, "\n")] = 0;
    const char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path) continue;
    if (controllers + 1 == path)
      left = lesser(left, left_of_path(mount, path + 1, &version2));
    else if (has_memory(controllers + 1))
      left = lesser(left, left_of_path(old, path + 1, &version1));
  }
  if (f) fclose(f);
  return left;
}

/* ---- the system ---- */

static size_t left_of_system(void) {
  static const char title[] = "MemAvailable:";
  FILE *info = fopen("/proc/meminfo", "r");
  unsigned long long kib = 0;
  char line[256];
  while (info && !kib && fgets(line, sizeof line, info))
    if (strncmp(line, title, sizeof title - 1) == 0) kib = strtoull(line + sizeof title - 1, NULL, 10);
  if (info) fclose(info);
  return kib ? (size_t)kib * 1024 : SIZE_MAX;
}

size_t fm_memory_available(void) {
  size_t left = lesser(left_of_system(), left_of_limits());
  left = lesser(left, fm_memory_left_of_groups("/sys/fs/cgroup", "/proc/self/cgroup"));
  if (left == SIZE_MAX) return 0;
  return left ? left : 1;
}
