#include "report/plot.h"

#include "report/html.h"

#include <math.h>

enum { WIDTH = 560, HEIGHT = 340, LEFT = 58, RIGHT = 20, TOP = 14, BOTTOM = 34 };

/* The frame: what the ends of both axes stand for. */
struct frame {
  double x0, x1, y0, y1;
};

static double at_x(const struct frame *f, double x) {
  return LEFT + (x - f->x0) / (f->x1 - f->x0) * (WIDTH - RIGHT - LEFT);
}

static double at_y(const struct frame *f, double y) {
  return HEIGHT - BOTTOM - (y - f->y0) / (f->y1 - f->y0) * (HEIGHT - BOTTOM - TOP);
}

static struct frame frame_of(const struct fm_curve *c) {
  if (c->percent) return (struct frame){0, c->x_high, 0, 1};
  struct frame f = {c->x[0], c->x[c->count - 1], c->y[0], c->y[0]};
  for (size_t i = 0; i < c->count; i++) {
    f.y0 = fmin(f.y0, c->y[i]);
    f.y1 = fmax(f.y1, c->y[i]);
  }
  if (f.y0 > 0 && f.y0 < f.y1 / 2) f.y0 = 0;
  if (!(f.x1 > f.x0)) f.x1 = f.x0 + 1;
  if (!(f.y1 > f.y0)) f.y1 = f.y0 + 1;
  return f;
}

static void put_tick(struct fm_text *t, const struct fm_curve *c, double value, double x, double y,
                     const char *anchor) {
  fm_text_printf(t, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%.4g%s</text>\n", x, y, anchor,
                 c->percent ? 100 * value : value, c->percent ? " %" : "");
}

/* Four lines across, and ticks under the ends and quarters of the other axis. */
static void draw_frame(struct fm_text *t, const struct fm_curve *c, const struct frame *f) {
  for (int i = 0; i <= 4; i++) {
    double y = f->y0 + (f->y1 - f->y0) * i / 4, x = f->x0 + (f->x1 - f->x0) * i / 4;
    fm_text_printf(t, "<line class=\"axis\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", LEFT,
                   at_y(f, y), WIDTH - RIGHT, at_y(f, y));
    put_tick(t, c, y, LEFT - 7, at_y(f, y) + 4, "end");
    put_tick(t, c, x, at_x(f, x), HEIGHT - BOTTOM + 20, i == 4 ? "end" : "middle");
  }
}

static void draw_points(struct fm_text *t, const struct fm_curve *c, const struct frame *f) {
  for (size_t i = 0; i < c->count; i++)
    fm_text_printf(t, "%c%.1f %.1f", i ? 'L' : 'M', at_x(f, c->x[i]), at_y(f, c->y[i]));
}

void fm_plot_curve(struct fm_text *t, const struct fm_curve *c) {
  if (!c->count) return;
  const struct frame f = frame_of(c);
  fm_text_printf(
      t, "<svg class=\"curve\" data-box=\"%d %d %d %d\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
      LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, TOP, WIDTH, HEIGHT);
  fm_html_wrap(t, "", c->label, "\">\n");
  draw_frame(t, c, &f);
  if (c->filled) {
    fm_text_append(t, "<path class=\"under\" d=\"");
    draw_points(t, c, &f);
    fm_text_printf(t, "V%.1fH%.1fZ\"/>\n", at_y(&f, f.y0), at_x(&f, c->x[0]));
  }
  if (isfinite(c->line_x))
    fm_text_printf(t, "<line class=\"f1\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n",
                   at_x(&f, c->line_x), TOP, at_x(&f, c->line_x), HEIGHT - BOTTOM);
  fm_text_append(t, "<path class=\"line\" d=\"");
  draw_points(t, c, &f);
  fm_text_append(t, "\"/>\n");
  if (isfinite(c->mark_x))
    fm_text_printf(t, "<circle class=\"now\" cx=\"%.1f\" cy=\"%.1f\" r=\"6\"/>\n", at_x(&f, c->mark_x),
                   at_y(&f, c->mark_y));
  fm_text_append(t, "</svg>\n<figcaption>");
  fm_html_wrap(t, "Across: ", c->x_name, ". ");
  fm_html_wrap(t, "Up: ", c->y_name, ".</figcaption>\n");
}
