/* flawmap metrics: scores maps made by anything. */
#include "app/commands.h"

#include "base/memory.h"
#include "base/print.h"
#include "report/table.h"

#include <stdio.h>

enum fm_status fm_cmd_metrics(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  (void)exit_status;
  const char *words[2];
  char *text;
  bool json = false, help;
  struct fm_option options[] = {
      {"json", FM_OPT_FLAG, &json, NULL, "one JSON object, every digit", 0, 0, NULL},
      {"MAPS holds KIND/NAME.tiff (float32, as large as the pictures), itself or in a folder maps or test.\n"
       "DATA is one category of a data set in MVTec's layout: ground_truth/KIND/NAME_mask.png; pictures of "
       "the\n"
       "kind good (ok, normal, ...) are good, all others flawed. Exact: every distinct score is a threshold. "
       "aupro_cdo1 is the 2023 CDO "
       "script's.",
       FM_OPT_GROUP, NULL, NULL, NULL, 0, 0, NULL},
  };
  enum fm_status status = fm_options_words(ctx, fm_command_find("metrics"), options,
                                           sizeof options / sizeof *options, argc, argv, 2, 2, words, &help);
  if (status != FM_OK || help) return status;
  FM_TRY(fm_metrics_command(ctx, words[0], words[1], json, &text));
  fm_print_data(text);
  fm_free(ctx, text);
  return FM_OK;
}
