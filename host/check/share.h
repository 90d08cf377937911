/* A device's figures in one file that others can read and compare: `flawmap bench --share`, `--compare`.
 *
 * No speed without proof: the goldens that are built in come first, and a device that exceeds one has no
 * file. The suite is fixed, so that a line of one file and the line of that name in another are the same
 * work. The file says what computed (device, driver, kernels, system), but not where or whose: no names of
 * hosts, users or folders. */
#ifndef FM_CHECK_SHARE_H
#define FM_CHECK_SHARE_H

#include "base/timing.h"
#include "device/device.h"
#include "op/peak.h"

#define FM_SHARE_SCHEMA "flawmap-bench/2"
enum { FM_SHARE_ENTRIES = 64, FM_SHARE_PROOFS = 64, FM_SHARE_MOST_FILES = 16 };

/* A pass of a network: "resnet18 infer16 256", 16 pictures of 256 x 256 at a time; PatchCore's fit to 40 of
 * them, "resnet18 patchcore40 256"; a flawed one sharpened by F2PAD, "resnet18 f2pad1 256". */
struct fm_share_entry {
  char name[64], network[32], pass[16];
  int batch, size;
  struct fm_timing time;
  double gflops; /* of the median; 0: not counted */
};

/* A group of a golden: the larger of its largest and its median error, as a share of what is allowed. */
struct fm_share_proof {
  char golden[64], group[32];
  double share;
  bool judged; /* else the golden says nothing about this group (golden.h) */
};

struct fm_share {
  char flawmap[32], kernels[65], system[128], cpu[128]; /* cpu: "" where the system does not say */
  char commit[48];                                      /* "": not known */
  int tuned, shipped;     /* tuned lines that hold for the device: the user's, those that flawmap brings */
  struct fm_facts device; /* read: names, compute units, block and group only */
  char variant[64];       /* FLAWMAP_VARIANT: rows that were forced; "": the rule chose */
  bool quick;             /* one run of small pictures, to see that it works */
  bool judged;            /* the goldens judged every group */
  struct fm_share_proof proof[FM_SHARE_PROOFS]; /* not read */
  int proofs;
  struct fm_peak peak;
  struct fm_share_entry entry[FM_SHARE_ENTRIES];
  int entries;
};

/* Proves, then measures. FM_DEVICE where the device does not compute right. Shows progress. */
enum fm_status fm_share_measure(struct fm_device *d, bool quick, struct fm_share *share);

/* The file's text; *text is the caller's (fm_free). */
enum fm_status fm_share_text(struct fm_context *ctx, const struct fm_share *share, char **text, size_t *size);

/* Reads such a file, which may come from anyone: names are foreign, numbers are finite and positive.
 * FM_FORMAT names the file and what is wrong with it. */
enum fm_status fm_share_read(struct fm_context *ctx, const char *path, struct fm_share *share);

#endif
