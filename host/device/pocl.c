#define _POSIX_C_SOURCE 200809L
#include "device/pocl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool fm_pocl_cache_folder(char *out, size_t size) {
  const char *own = getenv("POCL_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  int length = own && *own     ? snprintf(out, size, "%s", own)
               : xdg && *xdg   ? snprintf(out, size, "%s/pocl/kcache", xdg)
               : home && *home ? snprintf(out, size, "%s/.cache/pocl/kcache", home)
                               : snprintf(out, size, "/tmp/pocl/kcache");
  return length > 0 && (size_t)length < size;
}

bool fm_pocl_cache_cure(char *out, size_t size) {
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+,:@%=";
  char folder[4096];
  if (!fm_pocl_cache_folder(folder, sizeof folder) || strchr(folder, '\'')) return false;
  const char *quote = folder[strspn(folder, plain)] ? "'" : "";
  int length = snprintf(out, size, "rm -r %s%s%s", quote, folder, quote);
  return length > 0 && (size_t)length < size;
}

bool fm_pocl_has_linker(void) {
  const char *path = getenv("PATH");
  while (path && *path) {
    size_t length = strcspn(path, ":");
    char program[4096];
    int n = snprintf(program, sizeof program, "%.*s/ld", (int)length, path);
    if (n > 0 && (size_t)n < sizeof program && access(program, X_OK) == 0) return true;
    path += length + (path[length] == ':');
  }
  return false;
}

bool fm_pocl_lacks_sys(void) {
  return access("/sys/devices/system/cpu", F_OK) != 0 && access("/etc/OpenCL/vendors/pocl.icd", F_OK) == 0 &&
         !getenv("OCL_ICD_VENDORS") && !getenv("HWLOC_SYNTHETIC") && !getenv("HWLOC_XMLFILE");
}
