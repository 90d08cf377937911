/* A picture's light beside the training's: one gain, or one a channel, that brings its brightness and colour
 * to what good parts show.
 *
 * A picture is compared place by place: in each of 8 x 8 tiles the logarithm of a middle value with what it
 * usually is there. The gain is the one that most tiles agree on, each in the width it has among good
 * pictures: a tile that always looks the same says much, one under a part that turns says little, one that is
 * black, clipped, or under a flaw says nothing. So a flaw over a third of the picture does not move it. */
#ifndef FM_DATA_LIGHT_H
#define FM_DATA_LIGHT_H

#include "base/status.h"

enum fm_light_mode { FM_LIGHT_OFF, FM_LIGHT_GAIN, FM_LIGHT_COLOUR, FM_LIGHT_MODES };

/* "off", "gain" (one for all channels), "colour" (one a channel). */
extern const char *const fm_light_names[FM_LIGHT_MODES];

enum {
  FM_LIGHT_ROWS = 8,
  FM_LIGHT_TILES = FM_LIGHT_ROWS * FM_LIGHT_ROWS,
  FM_LIGHT_NUMBERS = 3 * FM_LIGHT_TILES
};

/* Gains beyond this, or below its inverse, are not believed. */
#define FM_LIGHT_MOST 2.5f

/* What good pictures show: of each channel and tile the usual level (a logarithm) and how far pictures lie
 * from it; spread 0: this tile says nothing. */
struct fm_light {
  enum fm_light_mode mode;
  float level[FM_LIGHT_NUMBERS], spread[FM_LIGHT_NUMBERS];
};

/* The levels of one picture: rgb [side][side][3]. -INFINITY: black or clipped. */
void fm_light_measure(const unsigned char *rgb, int side, float level[FM_LIGHT_NUMBERS]);

/* The gains that bring a picture with these levels to the usual light. False, and gains of 1, where too few
 * tiles agree, or the gain is beyond belief. Mode OFF: true, and 1. */
bool fm_light_find(const struct fm_light *light, const float level[FM_LIGHT_NUMBERS], float gain[3]);

/* Multiplies; values are rounded and end at 255. A gain of 1 changes nothing. */
void fm_light_apply(const float gain[3], unsigned char *rgb, size_t pixels);

/* Learns level and spread from the levels of good pictures [count][FM_LIGHT_NUMBERS]; the mode is kept. */
enum fm_status fm_light_learn(struct fm_context *ctx, const float *levels, size_t count,
                              struct fm_light *light);

/* What held-out pictures said about a mode, and copies of them under other light, a third of some stained. */
struct fm_light_trial {
  float error[FM_LIGHT_MODES]; /* of gain and colour: what 90 of 100 gains of copies were off by at most
                                * (0.01: 1 %); INFINITY where one of ten was not found */
  float tint;                  /* how much four of five pictures differ in colour by at most */
  enum fm_light_mode best;
};

/* pictures [count][side][side][3], count > 0. */
enum fm_status fm_light_try(struct fm_context *ctx, const struct fm_light *light,
                            const unsigned char *pictures, size_t count, int side,
                            struct fm_light_trial *trial);

#endif
