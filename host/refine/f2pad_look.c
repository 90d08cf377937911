#include "base/memory.h"
#include "model/method.h"
#include "op/repair.h"
#include "refine/f2pad_internal.h"

enum fm_status fm_look_make(struct fm_device *d, const struct fm_model *model,
                            const struct fm_reference *reference, double blur, int batch,
                            struct fm_look *look) {
  struct fm_context *ctx = fm_device_context(d);
  *look = (struct fm_look){.d = d, .batch = batch};
  FM_TRY(fm_scorer_make(d, model, batch, false, &look->scorer));
  const struct fm_scorer *s = look->scorer;
  size_t pixels = (size_t)batch * fm_size_pixels(s->size),
         cells = (size_t)batch * (size_t)s->height * (size_t)s->width;
  enum fm_status status = fm_composer_make(d, reference, s->net[0], batch, &look->referrer);
  if (status == FM_OK) status = fm_gaussian_make(d, blur * fm_size_side(s->size) / 256, &look->gaussian);
  look->cells = fm_alloc(ctx, cells, sizeof(float));
  look->covered = fm_alloc(ctx, (size_t)(s->height * s->width), 1);
  look->residual = fm_alloc(ctx, pixels, sizeof(float));
  look->blur = fm_alloc(ctx, pixels, sizeof(float));
  look->soft = fm_alloc(ctx, pixels, sizeof(float));
  if (status == FM_OK && !(look->cells && look->covered && look->residual && look->blur && look->soft))
    status = FM_MEMORY;
  if (status != FM_OK) fm_look_free(look);
  return status;
}

void fm_look_free(struct fm_look *look) {
  if (!look->d) return;
  struct fm_context *ctx = fm_device_context(look->d);
  float *const host[] = {look->cells, look->residual, look->blur, look->soft};
  for (size_t i = 0; i < sizeof host / sizeof *host; i++) fm_free(ctx, host[i]);
  fm_free(ctx, look->covered);
  fm_composer_free(&look->referrer);
  fm_gaussian_free(look->d, &look->gaussian);
  fm_scorer_free(look->scorer);
  look->cells = look->residual = look->blur = look->soft = NULL;
  look->covered = NULL;
  look->scorer = NULL;
}

/* What came in by turning a picture is no flaw, and says nothing of what is normal. */
static enum fm_status read_cells(struct fm_look *look, int n) {
  struct fm_scorer *s = look->scorer;
  const struct fm_size grid = {s->width, s->height};
  size_t cells = fm_size_pixels(grid);
  FM_TRY(fm_buffer_read(look->d, &s->cells, 0, look->cells, (size_t)n * cells * sizeof *look->cells));
  for (int i = 0; i < n; i++) {
    float *e = look->cells + (size_t)i * cells;
    if (!fm_scorer_covered(s, i, grid, look->covered)) continue;
    for (size_t q = 0; q < cells; q++) e[q] = look->covered[q] ? e[q] : 0;
  }
  return FM_OK;
}

enum fm_status fm_look_at(struct fm_look *look, int n, const unsigned char *rgb,
                          const struct fm_adjusted *adjusted, float *maps, float *scores) {
  struct fm_scorer *s = look->scorer;
  struct fm_device *d = look->d;
  int high = s->size.height, wide = s->size.width;
  size_t planes = (size_t)n * fm_size_pixels(s->size) * sizeof(float);
  FM_TRY(fm_scorer_load(s, n, rgb, adjusted));
  fm_scorer_cells(s);
  fm_scorer_map(s);
  FM_TRY(fm_scorer_read(s, n, maps, scores));
  FM_TRY(read_cells(look, n));
  if (!s->method->map) { /* a detector that makes its map in its own way has it there already */
    fm_root(d, &s->cells, n, s->height, s->width, &s->scratch);
    fm_enlarge(d, &s->scratch, n, s->height, s->width, &s->map, high, wide);
  }
  fm_gaussian_run(d, &look->gaussian, &s->map, &s->scratch, n, high, wide);
  FM_TRY(fm_buffer_read(d, &s->map, 0, look->soft, planes));
  FM_TRY(fm_composer_run(&look->referrer, s->net[0], &s->rgb));
  fm_residual(d, s->size, n, &s->rgb, &look->referrer.picture, &s->map);
  FM_TRY(fm_buffer_read(d, &s->map, 0, look->residual, planes));
  fm_gaussian_run(d, &look->gaussian, &s->map, &s->scratch, n, high, wide);
  return fm_buffer_read(d, &s->map, 0, look->blur, planes);
}

enum fm_status fm_look_blur(struct fm_look *look, int n, float *values) {
  struct fm_scorer *s = look->scorer;
  size_t planes = (size_t)n * fm_size_pixels(s->size) * sizeof(float);
  FM_TRY(fm_buffer_write(look->d, &s->map, 0, values, planes));
  fm_gaussian_run(look->d, &look->gaussian, &s->map, &s->scratch, n, s->size.height, s->size.width);
  return fm_buffer_read(look->d, &s->map, 0, values, planes);
}
