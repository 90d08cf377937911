/* New good pictures join a normal reference, without the pictures it was made of: it keeps them itself. */
#ifndef FM_REFINE_JOIN_H
#define FM_REFINE_JOIN_H

#include "refine/reference.h"

/* A reference of the old one's kind, from its pictures and those that a reference of t's pictures alone would
 * be made of; where they are more than FM_REFERENCE_PICTURES, for a blend those that stand for all of them
 * (few.h), for a quilt every n-th one. old stays the caller's. */
enum fm_status fm_reference_join(struct fm_device *d, const struct fm_train *t,
                                 const struct fm_reference *old, struct fm_reference *joined);

#endif
