#include "report/result_json.h"

/* What the model's standard did to the picture, where it has one. */
static void put_adjusted(struct fm_json *j, const struct fm_adjusted *a, int width, int height) {
  static const char *const gains[] = {"light_gain_red", "light_gain_green", "light_gain_blue"};
  if (a->unlit) fm_json_null(j, "light_gain");
  if (a->lit && a->gain[0] == a->gain[1] && a->gain[1] == a->gain[2])
    fm_json_number(j, "light_gain", (double)a->gain[0]);
  else
    for (int c = 0; c < 3 && a->lit; c++) fm_json_number(j, gains[c], (double)a->gain[c]);
  if (a->unplaced) fm_json_null(j, "angle");
  if (!a->placed) return;
  struct fm_lie lie = fm_adjusted_lie(a, width, height);
  fm_json_number(j, "angle", lie.angle);
  fm_json_number(j, "shift_x", lie.x);
  fm_json_number(j, "shift_y", lie.y);
  fm_json_number(j, "scale", lie.scale);
}

void fm_result_put(struct fm_json *j, const struct fm_results *r, const struct fm_score_item *item,
                   const struct fm_verdict *found) {
  fm_json_string(j, "verdict", fm_result_verdict(r, found));
  fm_json_number(j, "score", (double)item->one.score);
  fm_json_number(j, "threshold", r->rule.image.value);
  if (fm_threshold_is_by_hand(&r->rule.image)) fm_json_bool(j, "threshold_set_by_hand", true);
  fm_json_integer(j, "width", item->one.width);
  fm_json_integer(j, "height", item->one.height);
  put_adjusted(j, item->adjusted, item->one.width, item->one.height);
  fm_verdict_json(j, found);
}
