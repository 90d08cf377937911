#define _POSIX_C_SOURCE 200809L
#include "base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

void fm_standard_begin(void) {
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY); /* the wrong way round */
}

/* A flush that fails drops what it could not write, so a later one may succeed: the stream remembers. */
bool fm_standard_end(void) {
  bool lost = ferror(stdout);
  errno = 0;
  lost |= fclose(stdout) != 0;
  if (lost)
    fprintf(stderr, "flawmap: standard output could not be written%s%s: what was printed is incomplete\n",
            errno ? ": " : "", errno ? strerror(errno) : "");
  return !lost;
}
