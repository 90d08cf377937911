/* The last word of a program that a driver ends. OpenCL's drivers run inside this process, and some of them
 * abort it (PoCL: a damaged file in its cache, no linker, a full disk) or crash. */
#ifndef FM_APP_CRASH_H
#define FM_APP_CRASH_H

/* From now on SIGABRT, SIGSEGV, SIGBUS and SIGILL say one sentence, what to do, and end the program
 * with status 1, and so does a call of exit by anybody else before fm_crash_end. The sentence is put together
 * here, since a handler may do next to nothing. */
void fm_crash_begin(void);

/* The work is done: main returns. */
void fm_crash_end(void);

#endif
