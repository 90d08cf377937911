/* A golden may hang on a rounding: an activation lies so close to zero that its side depends on the order of
 * a sum, and the gradients of whole tensors follow it by a percent and more, in exact arithmetic too. No
 * device can be asked to meet it. tests/reference/golden.py refuses most of them; some pass, and others may
 * make more.
 *
 * So before a device is called wrong for its gradients alone, it takes the same step with pictures that were
 * moved by a rounding. If its own gradients then move about as far as they were off, the golden says nothing
 * about them. What a wrong kernel gives is far from the golden, but moves as little as what a right one
 * gives; and a device that does not repeat its own step bit by bit has no such excuse. */
#include "check/golden_internal.h"

#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Steps with moved pictures; by how much of a value; how far off, in units of the largest move, is unclear.
 */
enum { MOVES = 4 };
#define MOVED 1e-7
#define UNCLEAR 2.0

/* pictures = first, each value moved by up to MOVED of itself; move 0: as they are. */
static void move_pictures(struct fm_golden *g, const float *first, size_t count, int move) {
  char stream[32];
  snprintf(stream, sizeof stream, "moved.%d", move);
  struct fm_rng rng = fm_rng_stream(g->seed, stream);
  for (size_t i = 0; i < count; i++) {
    double by = move ? MOVED * (2 * (double)fm_rng_uniform(&rng) - 1) : 0;
    g->pictures[i] = (float)((double)first[i] * (1 + by));
  }
}

/* How far this step's gradients are from the first one's, as *result. */
static enum fm_status step_again(struct fm_golden *g, struct fm_golden_result *result) {
  struct fm_golden_result *judged = g->result;
  *result = (struct fm_golden_result){0};
  g->result = result;
  g->own.used = g->stepped_off = g->stepped_all = 0;
  enum fm_status status = fm_golden_step(g);
  if (status == FM_OK) fm_golden_judge(g);
  g->result = judged;
  return status;
}

static bool repeats(const struct fm_golden_result *r) {
  for (int i = 0; i < r->groups; i++)
    if (r->group[i].largest != 0) return false;
  return true;
}

static enum fm_status measure_moves(struct fm_golden *g, const float *first, size_t count, bool *repeated) {
  struct fm_golden_result moved;
  for (int move = 0; move <= MOVES; move++) {
    move_pictures(g, first, count, move);
    FM_TRY(step_again(g, &moved));
    if (move == 0 && !(*repeated = repeats(&moved))) return FM_OK;
    for (int i = 0; i < moved.groups; i++) {
      struct fm_golden_group *group = fm_golden_group_of(g->result, moved.group[i].name);
      if (!group) continue;
      group->moves_largest = fmax(group->moves_largest, moved.group[i].largest);
      group->moves_median = fmax(group->moves_median, moved.group[i].median);
    }
  }
  return FM_OK;
}

static void excuse(struct fm_golden_result *r) {
  r->good = true;
  for (int i = 0; i < r->groups; i++) {
    struct fm_golden_group *group = &r->group[i];
    bool largest = group->largest <= fmax(group->allowed_largest, UNCLEAR * group->moves_largest),
         median = group->median <= fmax(group->allowed_median, UNCLEAR * group->moves_median);
    group->unclear = !group->good && largest && median;
    r->good = r->good && (group->good || group->unclear);
    r->unclear = r->unclear || group->unclear;
  }
}

enum fm_status fm_golden_again(struct fm_golden *g) {
  for (int i = 0; i < g->result->groups; i++) {
    const struct fm_golden_group *group = &g->result->group[i];
    if (!group->good && !(fm_golden_moves(group->name) && isfinite(group->largest))) return FM_OK;
  }
  size_t count = (size_t)g->batch * 3 * (size_t)g->size * (size_t)g->size;
  float *first = fm_alloc(g->ctx, count, sizeof *first);
  if (!first) return FM_MEMORY;
  memcpy(first, g->pictures, count * sizeof *first);
  g->own.compare = true;
  bool repeated = false;
  enum fm_status status = measure_moves(g, first, count, &repeated);
  if (status == FM_OK && repeated) excuse(g->result);
  fm_free(g->ctx, first);
  return status;
}
