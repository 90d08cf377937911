/* The commands: one file each, a function that parses its own options. */
#ifndef FM_APP_COMMANDS_H
#define FM_APP_COMMANDS_H

#include "app/options.h"

#define FM_COMMAND(name)                                                                                     \
  enum fm_status fm_cmd_##name(struct fm_context *ctx, int argc, char **argv, int *exit_status)

FM_COMMAND(bench);
FM_COMMAND(train);
FM_COMMAND(eval);
FM_COMMAND(predict);
FM_COMMAND(info);
FM_COMMAND(calibrate);
FM_COMMAND(convert);
FM_COMMAND(devices);
FM_COMMAND(doctor);
FM_COMMAND(fetch);
FM_COMMAND(metrics);
FM_COMMAND(refine);
FM_COMMAND(serve);
FM_COMMAND(synth);
FM_COMMAND(tune);
FM_COMMAND(update);
FM_COMMAND(verify);

const struct fm_command *fm_command_find(const char *name); /* or NULL */

#endif
