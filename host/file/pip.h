/* Python packages: what pip downloads, without installing or running anything of it. */
#ifndef FM_FILE_PIP_H
#define FM_FILE_PIP_H

#include "base/status.h"

/* The wheel of `package` ("name==version") into `folder`, which exists, is empty and belongs to nobody else;
 * *wheel: its path, the caller's (fm_free). pip's own words about a failure go to stderr; FM_USAGE with the
 * command that installs pip where there is none. */
enum fm_status fm_pip_download(struct fm_context *ctx, const char *package, const char *folder, char **wheel);

#endif
