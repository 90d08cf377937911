#include "device/queue.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "device/internal.h"
#include "device/kernel.h"
#include "device/turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fm_event_record {
  cl_event event;
  const struct fm_kernel *kernel;
};

static void record(struct fm_device *d, cl_event event, const struct fm_kernel *kernel) {
  d->live.events++;
  if (fm_grow(d->ctx, (void **)&d->records, &d->record_capacity, d->record_count, sizeof *d->records) !=
      FM_OK) {
    d->cl.clReleaseEvent(event);
    d->live.events--;
    return;
  }
  d->records[d->record_count++] = (struct fm_event_record){event, kernel};
}

void fm_launch_groups(struct fm_device *d, struct fm_kernel *k, const size_t global[3], const size_t local[3],
                      int count, const struct fm_arg *args) {
  if (!k || d->rehearsing || global[0] == 0 || global[1] == 0 || global[2] == 0 ||
      !fm_device_may(d, "clEnqueueNDRangeKernel"))
    return;
  for (int i = 0; i < count; i++) {
    cl_int code = d->cl.clSetKernelArg(k->kernel, (cl_uint)i, args[i].size, &args[i].value);
    if (code != CL_SUCCESS) {
      char detail[128];
      snprintf(detail, sizeof detail, "argument %d of %s", i, k->name);
      fm_device_fail(d, "clSetKernelArg", code, detail);
      return;
    }
  }
  if (fm_verbose("launch"))
    fm_note(d->ctx, "launch: %.*s %s %zu x %zu x %zu", (int)strcspn(k->file, " "), k->file, k->name,
            global[0], global[1], global[2]);
  cl_event event = NULL;
  fm_turn_begin(d);
  cl_int code = d->cl.clEnqueueNDRangeKernel(d->queue, k->kernel, 3, NULL, global, local, 0, NULL,
                                             d->profile ? &event : NULL);
  fm_turn_end(d);
  if (code != CL_SUCCESS) {
    fm_device_fail(d, "clEnqueueNDRangeKernel", code, k->name);
    return;
  }
  d->live.launches++;
  if (event) record(d, event, k);
  if (!k->ran) fm_kernel_mark(d, k);
}

void fm_launch(struct fm_device *d, struct fm_kernel *k, size_t gx, size_t gy, size_t gz, int count,
               const struct fm_arg *args) {
  size_t group = (size_t)d->facts.group;
  fm_launch_groups(d, k, (size_t[3]){(gx + group - 1) / group * group, gy, gz}, (size_t[3]){group, 1, 1},
                   count, args);
}

/* A line a kernel, the slowest first: FLAWMAP_VERBOSE=profile. */
static void print_profile(struct fm_device *d) {
  enum { MOST = 128 };
  struct {
    const struct fm_kernel *kernel;
    double seconds;
    long count;
  } row[MOST];
  int rows = 0;
  double total = 0;
  for (size_t i = 0; i < d->record_count; i++) {
    cl_ulong begin = 0, end = 0;
    d->cl.clGetEventProfilingInfo(d->records[i].event, CL_PROFILING_COMMAND_START, sizeof begin, &begin,
                                  NULL);
    d->cl.clGetEventProfilingInfo(d->records[i].event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL);
    int r = 0;
    while (r < rows && row[r].kernel != d->records[i].kernel) r++;
    if (r == MOST) continue;
    if (r == rows) {
      rows++;
      row[r].kernel = d->records[i].kernel;
      row[r].seconds = 0;
      row[r].count = 0;
    }
    row[r].seconds += 1e-9 * (double)(end - begin);
    row[r].count++;
    total += 1e-9 * (double)(end - begin);
  }
  for (int shown = 0; shown < rows; shown++) {
    int best = shown;
    for (int r = shown + 1; r < rows; r++)
      if (row[r].seconds > row[best].seconds) best = r;
    __typeof__(row[0]) t = row[shown];
    row[shown] = row[best];
    row[best] = t;
    fm_note(d->ctx, "profile: %-34s %6ld launches %9.3f s %5.1f %%", row[shown].kernel->name,
            row[shown].count, row[shown].seconds, 100 * row[shown].seconds / (total > 0 ? total : 1));
  }
}

/* Events as chrome://tracing and Perfetto read them: FLAWMAP_TRACE=FILE. */
static void write_trace(struct fm_device *d, const char *path) {
  bool clean = d->ctx->status == FM_OK;
  struct fm_text text;
  char *chars;
  size_t size;
  fm_text_begin(&text, d->ctx);
  fm_text_append(&text, "[");
  for (size_t i = 0; i < d->record_count; i++) {
    cl_ulong begin = 0, end = 0;
    d->cl.clGetEventProfilingInfo(d->records[i].event, CL_PROFILING_COMMAND_START, sizeof begin, &begin,
                                  NULL);
    d->cl.clGetEventProfilingInfo(d->records[i].event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL);
    fm_text_printf(&text, "%s{\"name\":\"%s\",\"ph\":\"X\",\"ts\":%.3f,\"dur\":%.3f,\"pid\":1,\"tid\":1}",
                   i ? ",\n" : "", d->records[i].kernel->name, 1e-3 * (double)begin,
                   1e-3 * (double)(end - begin));
  }
  fm_text_append(&text, "]\n");
  enum fm_status status = fm_text_take(&text, &chars, &size);
  if (status == FM_OK) status = fm_file_write(d->ctx, path, chars, size);
  if (status != FM_OK) fm_note(d->ctx, "note: the trace '%s' could not be written", path);
  if (clean) fm_error_clear(d->ctx); /* a trace is not what the user came for */
  fm_free(d->ctx, chars);
}

void fm_profile_free(struct fm_device *d) {
  if (d->record_count && fm_verbose("profile")) print_profile(d);
  if (d->record_count && getenv("FLAWMAP_TRACE")) write_trace(d, getenv("FLAWMAP_TRACE"));
  for (size_t i = 0; i < d->record_count; i++) d->cl.clReleaseEvent(d->records[i].event);
  d->live.events -= (long)d->record_count;
  fm_free(d->ctx, d->records);
  d->records = NULL;
  d->record_count = d->record_capacity = 0;
}
