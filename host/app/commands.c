#include "app/commands.h"

#include <string.h>

const struct fm_command fm_commands[] = {
    {"bench", "[options]", "Measures the device and whole passes of CDO on it: time, GFLOP/s, share of the peak.",
     "  flawmap bench\n  flawmap bench --backbone hrnet32,efficientnet_lite0 --passes infer1,train16 --operators", fm_cmd_bench},
    {"train", "DATA -o MODEL [options]", "Learns from good pictures alone what a product looks like, and writes a model.",
     "  flawmap train pictures/of/good/bottles -o bottle.flawmap\n"
     "  flawmap train mvtec --category bottle --recipe cdo -o bottle.flawmap", fm_cmd_train},
    {"eval", "MODEL DATA -o DIR [options]", "Scores a data set's test pictures: metrics, maps, pictures, a report.",
     "  flawmap eval bottle.flawmap mvtec -o results\n"
     "  flawmap eval models mvtec -o results --json", fm_cmd_eval},
    {"predict", "MODEL PICTURE|DIR... -o DIR [options]", "Looks at pictures: verdict, map, mask and overlay of each.",
     "  flawmap predict bottle.flawmap today/ -o results --exit-flawed\n"
     "  flawmap predict bottle.flawmap 17.png --json -o results | jq .score", fm_cmd_predict},
    {"info", "MODEL [options]", "Says what is in a model or a checkpoint.",
     "  flawmap info bottle.flawmap\n  flawmap info bottle.flawmap.checkpoint", fm_cmd_info},
    {"verify", "[GOLDEN...] [options]", "Recomputes golden files (or the two built in) on the device and compares.",
     "  flawmap verify\n  flawmap verify --device 1 resnet18-b2-s64.safetensors", fm_cmd_verify},
};
const size_t fm_command_count = sizeof fm_commands / sizeof *fm_commands;

const struct fm_command *fm_command_find(const char *name) {
  for (size_t i = 0; i < fm_command_count; i++)
    if (strcmp(fm_commands[i].name, name) == 0) return &fm_commands[i];
  return NULL;
}
