/* The program's standard streams: what is printed arrives, or the command has failed. For main only. */
#ifndef FM_BASE_STANDARD_H
#define FM_BASE_STANDARD_H

#include <stdbool.h>

/* Before anything is opened: a stream that is closed is held by one that fails, so that no file gets its
 * number and with it what is printed. */
void fm_standard_begin(void);

/* After everything was printed. False, with a sentence on stderr, where some of it never left (a full disk).
 */
bool fm_standard_end(void);

#endif
