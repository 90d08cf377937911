/* What people read: messages, notes, progress and results, printed so that nothing foreign can pretend to be
 * more than it is.
 *
 * Names of files, options, a model's metadata and what drivers say are foreign. Every argument of %s and %c
 * is shown: control characters, bytes that are no UTF-8, and characters that nobody sees or that turn the
 * writing around become \n, \x1b, \u202e. The format itself is ours and stays as it is. Showing twice is the
 * same as showing once. JSON, CSV and HTML have their own rules (file/json.h, file/csv.h, report/html.h). */
#ifndef FM_BASE_PRINT_H
#define FM_BASE_PRINT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* To standard output; in one piece, so that lines of several threads do not mix. */
void fm_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fm_vprint(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* To another stream. */
void fm_print_to(FILE *stream, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fm_vprint_to(FILE *stream, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* A whole text that a program reads (JSON), that is ours, or whose parts were shown before (fm_text_show):
 * as it is. */
void fm_print_data(const char *text);

/* As vsnprintf, into a message; what does not fit is cut off between two characters. Knows the conversions
 * d i u o x X c s p e f g a % with their flags, widths, precisions and lengths. */
void fm_vshow(char *out, size_t room, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

/* The length of the UTF-8 sequence that the n bytes at s begin with, 0 where there is none (RFC 3629: no
 * overlong forms, no surrogates); *visible (may be NULL) is false for what is shown as an escape. */
size_t fm_utf8(const char *s, size_t n, bool *visible);

#endif
