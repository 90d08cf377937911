#include "check/facts.h"

const char *fm_facts_class(const struct fm_facts *f) {
  return f->kind == FM_CLASS_CPU ? "CPU" : "GPU";
}

void fm_facts_put(struct fm_json *json, const struct fm_facts *f) {
  fm_json_string(json, "name", f->name);
  fm_json_string(json, "class", fm_facts_class(f));
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
}
