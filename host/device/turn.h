/* Drivers that bring the process down when two of its queues have the same kernel in flight.
 *
 * PoCL keeps a list of machine code, with an entry for each kernel and each size it was run over that is
 * larger than those before. Before 6.0 a command that ends gives back the first entry of its kernel in that
 * list, whichever it had taken: with one command at a time that is the right one, with two it may be the
 * other's, and an assertion fails ("found->ref_count > 0" in pocl_release_dlhandle_cache) or code is unloaded
 * while it runs. Making a binary, and a program from one, put entries into the same list.
 *
 * So the devices of such a driver (FM_QUIRK_TURNS) take turns, all those of the process together: whoever
 * enqueues a kernel first waits until the kernels of the one before have ended. A device alone never waits,
 * and every other driver costs nothing. */
#ifndef FM_DEVICE_TURN_H
#define FM_DEVICE_TURN_H

struct fm_device;

/* Around each call that runs, loads or saves kernels: between the two no other device makes such a call, and
 * no kernel of another is in flight. They do not nest. */
void fm_turn_begin(struct fm_device *d);
void fm_turn_end(struct fm_device *d);

/* Before the device's queue is released; everything in it has ended. */
void fm_turn_leave(struct fm_device *d);

#endif
