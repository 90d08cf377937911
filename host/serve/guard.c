#include "serve/guard.h"

#include <ctype.h>
#include <string.h>

bool fm_guard_token(const char *authorization, const char *token) {
  static const char bearer[] = "Bearer ";
  if (!authorization || strncmp(authorization, bearer, sizeof bearer - 1) != 0) return false;
  const char *given = authorization + sizeof bearer - 1;
  size_t n = strlen(token), m = strlen(given);
  unsigned different = n != m;
  for (size_t i = 0; i < m; i++) different |= (unsigned)(given[i] ^ token[n ? i % n : 0]);
  return !different && n > 0;
}

/* The length of a host's name, without the port behind it. */
static size_t name_of(const char *host) {
  if (*host == '[') return strcspn(host, "]") + (strchr(host, ']') != NULL);
  return strcspn(host, ":");
}

static bool is_number_of_loopback(const char *s, size_t n) {
  if (n < 9 || strncmp(s, "127.", 4) != 0) return false;
  for (size_t i = 0; i < n; i++)
    if (!isdigit((unsigned char)s[i]) && s[i] != '.') return false;
  return true;
}

static bool names_this_machine(const char *host) {
  size_t n = name_of(host);
  return (n == 9 && strncmp(host, "localhost", n) == 0) || (n == 5 && strncmp(host, "[::1]", n) == 0) ||
         is_number_of_loopback(host, n);
}

bool fm_guard_foreign(const char *host, const char *origin) {
  if (!origin) return false;
  const char *scheme = strstr(origin, "://");
  return !host || !scheme || strcmp(scheme + 3, host) != 0;
}

bool fm_guard_local(const char *host, const char *origin) {
  return host && names_this_machine(host) && !fm_guard_foreign(host, origin);
}

static bool is_word(const char *s, size_t n) {
  if (n == 0 || n > FM_GUARD_WORD || s[0] == '.') return false;
  for (size_t i = 0; i < n; i++)
    if (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i])) return false;
  return true;
}

bool fm_guard_path(const char *path, const char *pattern, char words[2][FM_GUARD_WORD + 1]) {
  int count = 0;
  words[0][0] = words[1][0] = 0;
  for (;;) {
    size_t n = strcspn(path, "/"), m = strcspn(pattern, "/");
    bool star = m == 1 && *pattern == '?' && count < 2;
    if (star && !is_word(path, n)) return false;
    if (!star && (n != m || strncmp(path, pattern, n) != 0)) return false;
    if (star) {
      memcpy(words[count], path, n);
      words[count++][n] = 0;
    }
    path += n;
    pattern += m;
    if (!*path || !*pattern) return !*path && !*pattern;
    path++;
    pattern++;
  }
}

long fm_guard_number(const char *text, long low, long high) {
  long value = 0;
  size_t n = strlen(text);
  if (n == 0 || n > 9) return -1;
  for (size_t i = 0; i < n; i++) {
    if (!isdigit((unsigned char)text[i])) return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value >= low && value <= high ? value : -1;
}
