#include "net/steps.h"

#include <math.h>
#include <stdio.h>

/* Which of t[0..3] say how large the result is; names in the order of enum fm_step_kind. */
static const struct {
  const char *name;
  int shown;
} kinds[FM_STEP_KINDS] = {[FM_STEP_CONV] = {"conv", 1},           [FM_STEP_EXPAND] = {"expand", 1},
                          [FM_STEP_NORM] = {"norm", 1},           [FM_STEP_ADD] = {"add", 1},
                          [FM_STEP_POOL] = {"pool", 1},           [FM_STEP_RESIZE] = {"resize", 1},
                          [FM_STEP_MASK] = {"mask", 1},           [FM_STEP_NORM_BACK] = {"norm back", 3},
                          [FM_STEP_WGRAD] = {"conv dw", 1},       [FM_STEP_DGRAD] = {"conv dx", 1},
                          [FM_STEP_POOL_BACK] = {"pool back", 1}, [FM_STEP_RESIZE_BACK] = {"resize back", 1}};

double fm_step_bytes(const struct fm_acts *a) {
  return fm_acts_numbers(a) * sizeof(float);
}

static double bytes_of(const struct fm_tape *t, const struct fm_step *s) {
  double sum = 0;
  for (int k = 0; k < 4; k++) {
    bool again = false;
    for (int j = 0; j < k; j++) again = again || s->t[j] == s->t[k];
    if (s->t[k] < 0 || again) continue;
    sum += fm_step_bytes(&t->tensor[s->t[k]]) / (t->bytes_only[s->t[k]] ? (double)sizeof(float) : 1);
  }
  return sum;
}

static bool is_conv(enum fm_step_kind kind) {
  return kind == FM_STEP_CONV || kind == FM_STEP_EXPAND || kind == FM_STEP_WGRAD || kind == FM_STEP_DGRAD;
}

void fm_net_step_facts(const struct fm_net *net, const struct fm_step *s, struct fm_step_facts *facts) {
  const struct fm_tape *tape = fm_net_tape(net);
  const struct fm_node *n = s->node >= 0 ? &fm_net_graph(net)->node[s->node] : NULL;
  const struct fm_acts *a = &tape->tensor[s->t[kinds[s->kind].shown]];
  *facts = (struct fm_step_facts){.bytes = bytes_of(tape, s)};
  snprintf(facts->name, sizeof facts->name, "%s", kinds[s->kind].name);
  if (!n || !is_conv(s->kind)) {
    bool joins =
        ((s->kind == FM_STEP_NORM || s->kind == FM_STEP_ADD || s->kind == FM_STEP_RESIZE) && s->t[2] >= 0) ||
        (s->kind == FM_STEP_NORM_BACK && s->t[1] >= 0);
    bool masks = s->kind == FM_STEP_NORM_BACK && n && isfinite(n->limits.low);
    snprintf(facts->shape, sizeof facts->shape, "%d x %d %dx%d%s%s%s", a->n, a->c, a->h, a->w,
             joins ? " +res" : "", masks ? " relu" : "", s->accumulate ? " +=" : "");
    return;
  }
  const struct fm_conv *c = &n->conv;
  const struct fm_acts out = {.n = a->n, .h = n->h, .w = n->w};
  facts->flops = 2 * fm_conv_macs(c, &out);
  facts->bytes += (double)fm_conv_weights(c, a->block) * sizeof(float);
  if (s->kind == FM_STEP_EXPAND) { /* its expansion works at the size of the input */
    const struct fm_node *wide = &fm_net_graph(net)->node[n->in];
    const struct fm_acts middle = {.n = a->n, .h = wide->h, .w = wide->w};
    facts->flops += 2 * fm_conv_macs(&wide->conv, &middle);
    facts->bytes += (double)fm_conv_weights(&wide->conv, a->block) * sizeof(float);
    snprintf(facts->shape, sizeof facts->shape, "%d x 1x1 + %dx%d/%d depthwise %d>%d %dx%d", a->n, c->k, c->k,
             c->stride, wide->conv.cin, c->cout, n->h, n->w);
    return;
  }
  snprintf(facts->shape, sizeof facts->shape, "%d x %dx%d/%d%s %d>%d %dx%d%s%s", a->n, c->k, c->k, c->stride,
           c->depthwise ? " depthwise" : "", c->cin, c->cout, n->h, n->w,
           s->kind == FM_STEP_CONV && s->t[2] >= 0 ? " +res" : "", s->accumulate ? " +=" : "");
}
