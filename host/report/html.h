/* Small parts of an HTML page: escaping, data addresses, head and style. */
#ifndef FM_REPORT_HTML_H
#define FM_REPORT_HTML_H

#include "base/text.h"

/* For text and for attributes in double quotes. Bytes that are no UTF-8, and control characters, become
 * U+FFFD. */
void fm_html_escape(struct fm_text *text, const char *string);

/* printf with every %s escaped is not to be had in C; this writes before, the escaped string, after. */
void fm_html_wrap(struct fm_text *text, const char *before, const char *string, const char *after);

void fm_base64(struct fm_text *text, const unsigned char *bytes, size_t size);

/* The hash of a script as a content policy names it, without "sha256-". */
void fm_html_hash(struct fm_text *text, const void *script, size_t size);

/* A path for an address: letters, digits and -._~/ as they are, all other bytes as %XX. */
void fm_html_path(struct fm_text *text, const char *path);

/* A file of host/report/page, as it is. */
void fm_html_part(struct fm_text *text, const char *name);

/* <!doctype html> up to <main>, with the style inline: light or dark as the reader's system wants it, nothing
 * from outside. The browser is told to take pictures from beside the page, and no script but fm_html_end's
 * (by its hash). */
void fm_html_begin(struct fm_text *text, const char *title);
/* The script, and the end. */
void fm_html_end(struct fm_text *text);

#endif
