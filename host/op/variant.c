#include "op/variant.h"

#include "base/log.h"
#include "op/rows.h"
#include "op/tuned.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A row of an earlier list is asked first. */
const struct fm_variant *fm_variant_at(int i) {
  const struct {
    const struct fm_variant *row;
    int count;
  } lists[] = {{fm_gpu_rows, fm_gpu_row_count},
               {fm_depthwise_rows, fm_depthwise_row_count},
               {fm_winograd_rows, fm_winograd_row_count},
               {fm_cpu_rows, fm_cpu_row_count}};
  for (size_t k = 0; k < sizeof lists / sizeof *lists; i -= lists[k++].count)
    if (i < lists[k].count) return &lists[k].row[i];
  return NULL;
}

bool fm_variant_fits(const struct fm_facts *f, const struct fm_shape *s, const struct fm_variant *row) {
  return row->op == s->op && row->fits(f, s);
}

bool fm_variant_wished(const char *name) {
  const char *list = getenv("FLAWMAP_VARIANT");
  size_t n = strlen(name);
  for (const char *at = list; at && (at = strstr(at, name)); at += n)
    if ((at == list || at[-1] == ',') && (at[n] == ',' || at[n] == 0)) return true;
  return false;
}

/* What FLAWMAP_VARIANT asks for, or NULL. */
static const struct fm_variant *by_wish(const struct fm_facts *f, const struct fm_shape *s) {
  const struct fm_variant *v;
  for (int i = 0; (v = fm_variant_at(i)); i++)
    if (fm_variant_wished(v->name) && fm_variant_fits(f, s, v)) break;
  return v;
}

const struct fm_variant *fm_variant_rule(const struct fm_facts *f, const struct fm_shape *s) {
  const struct fm_variant *v;
  for (int i = 0; (v = fm_variant_at(i)); i++)
    if (fm_variant_fits(f, s, v) && v->pays(f, s)) break;
  return v;
}

int fm_variant_tiles(const struct fm_facts *f, const struct fm_shape *s, const struct fm_variant *row,
                     struct fm_tile list[FM_TILES]) {
  if (row->tiles) return row->tiles(f, s, list);
  list[0] = (struct fm_tile){0};
  return 1;
}

void fm_variant_take(const struct fm_facts *f, struct fm_call *call, const struct fm_tile *tile) {
  call->tile = *tile;
  call->work = (struct fm_work){0};
  call->variant->describe(f, &call->shape, &call->tile, &call->work);
}

void fm_variant_choose(struct fm_device *d, const struct fm_shape *s, const struct fm_variant *row,
                       struct fm_call *call) {
  const struct fm_facts *f = fm_device_facts(d);
  struct fm_tile list[FM_TILES];
  *call = (struct fm_call){.variant = row ? row : by_wish(f, s), .shape = *s};
  const bool asked = call->variant != NULL;
  if (!asked) call->variant = fm_tuned_row(d, s, &call->tuned);
  if (!call->variant) call->variant = fm_variant_rule(f, s);
  if (asked || !fm_tuned_tile(d, s, call->variant, &list[0], &call->tuned))
    fm_variant_tiles(f, s, call->variant, list);
  fm_variant_take(f, call, &list[0]);
}

void fm_variant_say(struct fm_device *d, const struct fm_call *call) {
  const struct fm_shape *s = &call->shape;
  const struct fm_conv *c = &s->conv;
  const struct fm_variant *v = call->variant;
  char tuned[80] = "";
  if (call->tuned)
    snprintf(tuned, sizeof tuned, "; %s, %d us where the rule takes %d us",
             call->tuned->shipped ? "measured before" : "tuned", call->tuned->us, call->tuned->rule_us);
  fm_note(fm_device_context(d), "choose: %s %d x %dx%d/%d%s %d>%d %dx%d: %s (%s)%s",
          s->op == FM_OP_WGRAD ? "conv dw"
          : s->back            ? "conv dx"
                               : "conv",
          s->out.n, c->k, c->k, c->stride, c->depthwise ? " depthwise" : "", c->cin, c->cout, s->out.h,
          s->out.w, v->name, v->why, tuned);
  for (int i = 0; i < call->work.launches; i++) {
    const struct fm_launch *l = &call->work.launch[i];
    fm_note(fm_device_context(d), "choose:   %s; %s; %zu x %zu x %zu groups of %zu", l->kernel, l->options,
            l->global[0] / l->local[0], l->global[1], l->global[2], l->local[0]);
  }
}
