/* The rows of the table in table.c, each from its own file. */
#ifndef FM_METHOD_METHODS_H
#define FM_METHOD_METHODS_H

#include "method/scorer.h"
#include "model/method.h"

extern const struct fm_method fm_method_cdo;
extern const struct fm_method fm_method_cflow;
extern const struct fm_method fm_method_padim;
extern const struct fm_method fm_method_patchcore;

#endif
