/* How much memory this process has, and how much it can still have. */
#ifndef FM_BASE_AVAILABLE_H
#define FM_BASE_AVAILABLE_H

#include <stddef.h>

/* Bytes of the host's memory that this process has now; 0 where the system does not say. */
size_t fm_memory_resident(void);

/* Bytes of the host's memory that this process can still have: what the system has left, within the process's
 * own limits (ulimit -v, ulimit -d) and those of its control groups, which is how a container is limited. At
 * least 1; 0 where nothing says anything. */
size_t fm_memory_available(void);

/* What the memory limits of control groups leave, SIZE_MAX without any: of the groups that `membership` names
 * (in the form of /proc/self/cgroup), of those that they lie in, and of the one at the mount point itself,
 * which is all that a container may see. `mount` has version 2's files, and version 1's below memory/. What
 * the system can take back (files that are read and not used again) counts as left. What cannot be read or is
 * no number is no limit. */
size_t fm_memory_left_of_groups(const char *mount, const char *membership);

#endif
