/* The mean part from good pictures, and whether bringing parts to its pose pays. */
#ifndef FM_DATA_POSE_LEARN_H
#define FM_DATA_POSE_LEARN_H

#include "data/pose.h"

/* What good pictures said. Shares are 0 to 1. */
struct fm_pose_trial {
  float parts; /* of the pictures in which something stands out from its ground */
  float found; /* of the pictures whose pose was found */
  float again; /* of their turned copies whose turn was found again, within 3 degrees */
  float left;  /* of the variance between pictures that is left once they lie alike */
  bool pays;
};

/* learn, held: views [FM_VIEW_SIDE][FM_VIEW_SIDE][3] of good pictures, one behind another, both at least one,
 * in one light; held may be learn. *mean is made (fm_mean_part_free), also after a failure; it holds a mean
 * part where trial->parts is enough to look further. aspect: width / height of the pictures. */
enum fm_status fm_mean_part_learn(struct fm_context *ctx, const unsigned char *learn, size_t learn_count,
                                  const unsigned char *held, size_t held_count, float aspect,
                                  struct fm_mean_part *mean, struct fm_pose_trial *trial);

#endif
