#include "file/pip.h"

#include "base/child.h"
#include "base/file.h"
#include "base/memory.h"

#include <string.h>

/* pip runs inside the folder: where it does not, Python would take a pip.py that lies around for it. */
static enum fm_status run_pip(struct fm_context *ctx, const char *folder, bool quiet, const char *const *argv,
                              int *status) {
  const struct fm_child pip = {.argv = argv, .folder = folder, .quiet = quiet};
  return fm_child_run(ctx, &pip, status);
}

static enum fm_status find_pip(struct fm_context *ctx, const char *package, const char *folder) {
  static const char *const version[] = {"python3", "-m", "pip", "--version", NULL};
  int status;
  FM_TRY(run_pip(ctx, folder, true, version, &status));
  if (status == 0) return FM_OK;
  return fm_error(ctx, FM_USAGE,
                  "%s is a Python package, and pip, which downloads those, is not installed; on Debian and "
                  "Ubuntu this installs it: sudo apt-get install --no-install-recommends python3-pip",
                  package);
}

enum fm_status fm_pip_download(struct fm_context *ctx, const char *package, const char *folder,
                               char **wheel) {
  /* Wheels only: to learn about any other kind of package, pip runs what is in it. */
  const char *const download[] = {"python3",  "-m",      "pip",           "--disable-pip-version-check",
                                  "download", "--quiet", "--no-input",    "--no-deps",
                                  "--dest",   ".",       "--only-binary", ":all:",
                                  package,    NULL};
  int status;
  *wheel = NULL;
  FM_TRY(find_pip(ctx, package, folder));
  FM_TRY(run_pip(ctx, folder, false, download, &status));
  if (status != 0)
    return fm_error(ctx, FM_IO, "pip could not download %s (it ended with status %d; its messages are above)",
                    package, status);
  struct fm_names names;
  char extension[16];
  FM_TRY(fm_folder_list(ctx, folder, &names));
  for (size_t i = 0; i < names.count && !*wheel; i++) {
    fm_path_extension(names.name[i], extension);
    if (strcmp(extension, "whl") == 0) *wheel = fm_path_join(ctx, folder, names.name[i]);
  }
  fm_names_free(ctx, &names);
  if (*wheel) return FM_OK;
  return ctx->status != FM_OK ? ctx->status
                              : fm_error(ctx, FM_FORMAT, "pip did not deliver a wheel of %s", package);
}
