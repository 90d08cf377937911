/* flawmap devices: what OpenCL sees, and which device would be used. */
#include "app/commands.h"

#include "base/memory.h"
#include "base/print.h"
#include "check/facts.h"

#include <stdio.h>

static void print_table(const struct fm_facts *facts, int count, int used) {
  for (int i = 0; i < count; i++) {
    const struct fm_facts *f = &facts[i];
    fm_print("%s%d  %s%s\n", i == used ? "* " : "  ", i, f->name, i == used ? "   <- would be used" : "");
    fm_print("     %s, %s, driver %s\n", fm_facts_class(f), f->platform, f->driver);
    fm_print("     %d compute units, %.1f GiB of memory, largest buffer %.1f GiB\n", f->compute_units,
             (double)f->global_memory / 0x1p30, (double)f->max_allocation / 0x1p30);
    fm_print("     kernels: blocks of %d channels, work-groups of %d, fma %s\n", f->block, f->group,
             f->fast_fma ? "fast" : "not promised (a * b + c instead)");
  }
  fm_print(
      "To use another one: --device with its number or part of its name, or the variable FLAWMAP_DEVICE.\n");
}

static void put_device(struct fm_json *json, const struct fm_facts *f, int index, bool used) {
  fm_json_object(json, NULL);
  fm_json_integer(json, "index", index);
  fm_json_bool(json, "used", used);
  fm_facts_put(json, f);
  fm_json_end(json);
}

static enum fm_status print_json(struct fm_context *ctx, const struct fm_facts *facts, int count, int used) {
  struct fm_text text;
  struct fm_json json;
  char *chars;
  fm_text_begin(&text, ctx);
  fm_json_begin(&json, &text, true);
  fm_json_object(&json, NULL);
  fm_json_string(&json, "flawmap", fm_version());
  fm_json_array(&json, "devices");
  for (int i = 0; i < count; i++) put_device(&json, &facts[i], i, i == used);
  fm_json_end(&json);
  fm_json_end(&json);
  FM_TRY(fm_text_take(&text, &chars, NULL));
  fm_print_data(chars);
  fm_free(ctx, chars);
  return FM_OK;
}

enum fm_status fm_cmd_devices(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  (void)exit_status;
  const char *device = NULL;
  bool json = false, help;
  struct fm_option options[] = {
      {"device", FM_OPT_TEXT, &device, "N|NAME", "which one would this choose?", 0, 0, NULL},
      {"json", FM_OPT_FLAG, &json, NULL, "every fact, as JSON", 0, 0, NULL},
  };
  enum fm_status status = fm_options_words(ctx, fm_command_find("devices"), options,
                                           sizeof options / sizeof *options, argc, argv, 0, 0, NULL, &help);
  if (status != FM_OK || help) return status;
  struct fm_facts *facts;
  int count, used;
  FM_TRY(fm_device_list(ctx, &facts, &count));
  status = fm_device_choose(ctx, facts, count, device, &used);
  if (status == FM_OK && json) status = print_json(ctx, facts, count, used);
  if (status == FM_OK && !json) print_table(facts, count, used);
  fm_free(ctx, facts);
  return status;
}
