/* Who may ask the service: what a request says of itself, judged. All of it is hostile. */
#ifndef FM_SERVE_GUARD_H
#define FM_SERVE_GUARD_H

#include <stdbool.h>

/* "Bearer TOKEN" in the header Authorization, which may be missing (NULL). Takes as long for any wrong one.
 */
bool fm_guard_token(const char *authorization, const char *token);

/* Without a token only this machine may ask, and no page of another site through somebody's browser: the
 * header Host names this machine (localhost, 127..., [::1]), and Origin, where a browser sends it, the same
 * host. Either may be NULL. */
bool fm_guard_local(const char *host, const char *origin);

/* Where a browser says that another site's page asks. */
bool fm_guard_foreign(const char *host, const char *origin);

/* The path of a request, segment by segment, against a pattern in which ? stands for one segment of
 * letters, digits, dots, dashes and underscores; words[0..2) get them. */
enum { FM_GUARD_WORD = 64 };
bool fm_guard_path(const char *path, const char *pattern, char words[2][FM_GUARD_WORD + 1]);

/* A whole number without sign from low to high; -1: it is none. */
long fm_guard_number(const char *text, long low, long high);

#endif
