/* flawmap devices: what OpenCL sees, and which device would be used. */
#include "app/commands.h"

#include "base/memory.h"
#include "base/print.h"
#include "device/device.h"
#include "file/json.h"

#include <stdio.h>

static const char *kind_name(const struct fm_facts *f) {
  return f->kind == FM_CLASS_CPU ? "CPU" : "GPU";
}

static void print_table(const struct fm_facts *facts, int count, int used) {
  for (int i = 0; i < count; i++) {
    const struct fm_facts *f = &facts[i];
    fm_print("%s%d  %s%s\n", i == used ? "* " : "  ", i, f->name, i == used ? "   <- would be used" : "");
    fm_print("     %s, %s, driver %s\n", kind_name(f), f->platform, f->driver);
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
  fm_json_string(json, "name", f->name);
  fm_json_string(json, "class", kind_name(f));
  fm_json_string(json, "vendor", f->vendor);
  fm_json_string(json, "platform", f->platform);
  fm_json_string(json, "platform_version", f->platform_version);
  fm_json_string(json, "version", f->version);
  fm_json_string(json, "driver", f->driver);
  fm_json_integer(json, "compute_units", f->compute_units);
  fm_json_integer(json, "native_float_width", f->native_float_width);
  fm_json_integer(json, "memory_bytes", (int64_t)f->global_memory);
  fm_json_integer(json, "largest_buffer_bytes", (int64_t)f->max_allocation);
  fm_json_integer(json, "local_memory_bytes", (int64_t)f->local_memory);
  fm_json_bool(json, "local_memory_real", f->local_memory_real);
  fm_json_bool(json, "unified_memory", f->unified_memory);
  fm_json_integer(json, "largest_work_group", (int64_t)f->max_group);
  fm_json_integer(json, "block", f->block);
  fm_json_integer(json, "group", f->group);
  fm_json_integer(json, "registers", f->registers);
  fm_json_bool(json, "fast_fma", f->fast_fma);
  fm_json_bool(json, "fp64", f->fp64);
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
