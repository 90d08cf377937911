/* Numbers in ascending order, in place. Where there is a NaN, in some order. */
#ifndef FM_BASE_SORT_H
#define FM_BASE_SORT_H

#include <stddef.h>

void fm_sort_floats(float *v, size_t count);
void fm_sort_doubles(double *v, size_t count);

#endif
