#include "op/loss.h"

#include "op/simple.h"

void fm_discrepancy(struct fm_device *d, const struct fm_acts *expert, const struct fm_acts *apprentice,
                    int h, int w, bool accumulate, const struct fm_buffer *distance,
                    const struct fm_buffer *ie, const struct fm_buffer *ia) {
  FM_LAUNCH(d, fm_kernel_get(d, "cdo.cl", "discrepancy", ""), fm_acts_gx(d, w), (size_t)h, (size_t)expert->n,
            fm_arg_buffer(&expert->buffer), fm_arg_buffer(&apprentice->buffer), fm_arg_buffer(distance),
            fm_arg_buffer(ie ? ie : distance), fm_arg_buffer(ia ? ia : distance), fm_acts_arg(expert),
            fm_acts_arg(apprentice), fm_arg_int4(h, w, expert->h, expert->w),
            fm_arg_int2(accumulate, ie != NULL),
            fm_arg_float2(fm_resize_step(expert->h, h, true), fm_resize_step(expert->w, w, true)));
}

enum fm_status fm_loss_scratch_make(struct fm_device *d, int n, int h, int w, struct fm_loss_scratch *s) {
  *s = (struct fm_loss_scratch){0};
  size_t positions = (size_t)n * (size_t)h * (size_t)w * sizeof(float);
  struct fm_buffer *const all[] = {&s->distance, &s->ie, &s->ia, &s->ca, &s->cb};
  enum fm_status status = fm_buffer_make(d, (size_t)n * (size_t)h * 8 * sizeof(float), &s->rows);
  for (int i = 0; i < 5 && status == FM_OK; i++) status = fm_buffer_make(d, positions, all[i]);
  if (status != FM_OK) fm_loss_scratch_free(d, s);
  return status;
}

void fm_loss_scratch_free(struct fm_device *d, struct fm_loss_scratch *s) {
  struct fm_buffer *const all[] = {&s->distance, &s->ie, &s->ia, &s->ca, &s->cb, &s->rows};
  for (int i = 0; i < 6; i++) fm_buffer_free(d, all[i]);
}

/* Factors at the grid's positions to the gradient of one tap; `other` is the tap that it is compared with. */
static void spread_back(struct fm_device *d, const struct fm_acts *other, const struct fm_acts *tap, int h,
                        int w, const struct fm_loss_scratch *s, const struct fm_acts *gradient) {
  FM_LAUNCH(d, fm_kernel_get(d, "cdo.cl", "loss_back", ""), fm_acts_gx(d, tap->w), (size_t)tap->h,
            (size_t)tap->n, fm_arg_buffer(&other->buffer), fm_arg_buffer(&tap->buffer), fm_arg_buffer(&s->ca),
            fm_arg_buffer(&s->cb), fm_arg_buffer(&gradient->buffer), fm_acts_arg(other), fm_acts_arg(tap),
            fm_acts_arg(gradient), fm_arg_int4(h, w, tap->h, tap->w),
            fm_arg_float2(fm_resize_step(tap->h, h, true), fm_resize_step(tap->w, w, true)));
}

void fm_discrepancy_back(struct fm_device *d, const struct fm_acts *expert, const struct fm_acts *apprentice,
                         int h, int w, const struct fm_buffer *slope, const struct fm_loss_scratch *s,
                         const struct fm_acts *expert_gradient, const struct fm_acts *apprentice_gradient) {
  int rows = expert->n * h;
  fm_discrepancy(d, expert, apprentice, h, w, false, &s->distance, &s->ie, &s->ia);
  for (int i = 0; i < 2; i++) { /* the distance is the same from both sides */
    FM_LAUNCH(d, fm_kernel_get(d, "cdo.cl", "slope_factors", ""), fm_acts_gx(d, w), (size_t)rows, 1,
              fm_arg_buffer(&s->distance), fm_arg_buffer(slope), fm_arg_buffer(i ? &s->ie : &s->ia),
              fm_arg_buffer(i ? &s->ia : &s->ie), fm_arg_buffer(&s->ca), fm_arg_buffer(&s->cb),
              fm_arg_int(w));
    if (i == 0)
      spread_back(d, apprentice, expert, h, w, s, expert_gradient);
    else
      spread_back(d, expert, apprentice, h, w, s, apprentice_gradient);
  }
}

void fm_loss_tap(struct fm_device *d, const struct fm_loss_options *o, const struct fm_acts *expert,
                 const struct fm_acts *apprentice, int h, int w, const struct fm_buffer *mask, int mask_h,
                 int mask_w, const struct fm_loss_scratch *s, const struct fm_buffer *result,
                 const struct fm_acts *gradient) {
  int rows = expert->n * h;
  size_t group = (size_t)fm_device_facts(d)->group;
  struct fm_arg size = fm_arg_int4(h, w, mask_h, mask_w);
  fm_discrepancy(d, expert, apprentice, h, w, false, &s->distance, &s->ie, &s->ia);
  for (int pass = 0; pass < 2; pass++) {
    FM_LAUNCH(d, fm_kernel_get(d, "cdo.cl", "loss_rows", ""), (size_t)rows * group, 1, 1,
              fm_arg_buffer(&s->distance), fm_arg_buffer(mask), fm_arg_buffer(result),
              fm_arg_buffer(&s->rows), size, fm_arg_int2(pass, o->overlap), fm_arg_float(o->gamma));
    FM_LAUNCH(d, fm_kernel_get(d, "cdo.cl", "loss_finish", ""), group, 1, 1, fm_arg_buffer(&s->rows),
              fm_arg_buffer(result), fm_arg_int2(rows, pass), fm_arg_float((float)expert->n));
  }
  FM_LAUNCH(d, fm_kernel_get(d, "cdo.cl", "loss_factors", ""), fm_acts_gx(d, w), (size_t)rows, 1,
            fm_arg_buffer(&s->distance), fm_arg_buffer(mask), fm_arg_buffer(result), fm_arg_buffer(&s->ie),
            fm_arg_buffer(&s->ia), fm_arg_buffer(&s->ca), fm_arg_buffer(&s->cb), size, fm_arg_int(o->overlap),
            fm_arg_float(o->gamma));
  spread_back(d, expert, apprentice, h, w, s, gradient);
}

/* y = x / max(|x|, 1e-12) over the channels at every position; r [n][h][w] = 1 / max(|x|, 1e-12), NULL where
 * no gradient follows. */
static void unit(struct fm_device *d, const struct fm_acts *x, const struct fm_acts *y,
                 const struct fm_buffer *r) {
  FM_LAUNCH(d, fm_kernel_get(d, "cdo.cl", "unit", ""), fm_acts_gx(d, x->w), (size_t)x->h, (size_t)x->n,
            fm_arg_buffer(&x->buffer), fm_arg_buffer(&y->buffer), fm_arg_buffer(r ? r : &y->buffer),
            fm_acts_arg(x), fm_acts_arg(y), fm_arg_int4(x->h, x->w, r != NULL, 0));
}

/* gradient: d loss / d y becomes d loss / d x, in place. */
static void unit_back(struct fm_device *d, const struct fm_acts *y, const struct fm_buffer *r,
                      const struct fm_acts *gradient) {
  FM_LAUNCH(d, fm_kernel_get(d, "cdo.cl", "unit_back", ""), fm_acts_gx(d, y->w), (size_t)y->h, (size_t)y->n,
            fm_arg_buffer(&y->buffer), fm_arg_buffer(r), fm_arg_buffer(&gradient->buffer), fm_acts_arg(y),
            fm_acts_arg(gradient), fm_arg_int2(y->h, y->w));
}

enum fm_status fm_unit_pair_make(struct fm_device *d, const struct fm_acts *tap, struct fm_unit_pair *pair) {
  *pair = (struct fm_unit_pair){0};
  enum fm_status status = fm_acts_make(d, tap->n, tap->c, tap->h, tap->w, 0, &pair->expert);
  if (status == FM_OK) status = fm_acts_make(d, tap->n, tap->c, tap->h, tap->w, 0, &pair->apprentice);
  size_t positions = (size_t)tap->n * (size_t)tap->h * (size_t)tap->w;
  if (status == FM_OK) status = fm_buffer_make(d, positions * sizeof(float), &pair->r);
  if (status != FM_OK) fm_unit_pair_free(d, pair);
  return status;
}

void fm_unit_pair_free(struct fm_device *d, struct fm_unit_pair *pair) {
  fm_acts_free(d, &pair->expert);
  fm_acts_free(d, &pair->apprentice);
  fm_buffer_free(d, &pair->r);
}

void fm_loss_tap_twice(struct fm_device *d, const struct fm_loss_options *o, const struct fm_acts *expert,
                       const struct fm_acts *apprentice, int h, int w, const struct fm_buffer *mask,
                       int mask_h, int mask_w, const struct fm_loss_scratch *scratch,
                       const struct fm_unit_pair *pair, const struct fm_buffer *result,
                       const struct fm_acts *gradient) {
  struct fm_acts e = pair->expert, a = pair->apprentice;
  e.n = a.n = expert->n; /* perhaps fewer than there is room for */
  unit(d, expert, &e, NULL);
  unit(d, apprentice, &a, &pair->r);
  fm_loss_tap(d, o, &e, &a, h, w, mask, mask_h, mask_w, scratch, result, gradient);
  unit_back(d, &a, &pair->r, gradient);
}
