/* Inside the library: what its files share. */
#ifndef FM_API_API_H
#define FM_API_API_H

#include "device/device.h"

struct fm_session {
  struct fm_context ctx;
  struct fm_device *device;
  void (*line)(void *user, const char *text);
  int (*progress)(void *user, const char *text, long done, long total);
  void *line_user, *progress_user;
};

#endif
