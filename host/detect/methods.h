/* The rows of the table in detector.c, each from its own file. */
#ifndef FM_DETECT_METHODS_H
#define FM_DETECT_METHODS_H

#include "detect/detector.h"

extern const struct fm_method fm_method_cdo;
extern const struct fm_method fm_method_cflow;
extern const struct fm_method fm_method_padim;
extern const struct fm_method fm_method_patchcore;

#endif
