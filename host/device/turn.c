#include "device/turn.h"

#include "device/internal.h"

#include <pthread.h>

/* The driver's list is one for the process, and so is what guards it. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static struct fm_device *last; /* the one whose kernels may be in flight */

void fm_turn_begin(struct fm_device *d) {
  if (!(d->quirks & FM_QUIRK_TURNS)) return;
  pthread_mutex_lock(&turn);
  if (last && last != d) last->cl.clFinish(last->queue); /* a failure is its owner's, who will see it too */
  last = d;
}

void fm_turn_end(struct fm_device *d) {
  if (d->quirks & FM_QUIRK_TURNS) pthread_mutex_unlock(&turn);
}

void fm_turn_leave(struct fm_device *d) {
  if (!(d->quirks & FM_QUIRK_TURNS)) return;
  pthread_mutex_lock(&turn);
  if (last == d) last = NULL;
  pthread_mutex_unlock(&turn);
}
