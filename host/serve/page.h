/* The files that the service shows, built into the program: page.html, openapi.json. */
#ifndef FM_SERVE_PAGE_H
#define FM_SERVE_PAGE_H

#include "base/status.h"

const char *fm_page_file(const char *name);

/* The base64 of the SHA-256 of the page's one script, by which a browser knows that it is the one to run. */
enum fm_status fm_page_hash(struct fm_context *ctx, char hash[64]);

/* The page's Content-Security-Policy: nothing from anywhere else, no script but its own. */
void fm_page_policy(const char *hash, char *out, size_t room);

#endif
