/* A drawn data set of a few small pictures and a training on it that takes a second. */
#ifndef FM_TESTS_TINY_H
#define FM_TESTS_TINY_H

#include "base/memory.h"
#include "data/folder.h"
#include "data/make.h"
#include "task/fit.h"

#include <stdio.h>
#include <string.h>

struct tiny {
  struct fm_context *ctx;
  struct folder folder;
  struct fm_dataset set;
  struct fm_category category;
  struct fm_device *d;
  struct fm_fit fit;
  char model[512], checkpoint[512], log[512];
};

static inline void tiny_name(struct tiny *t, const char *name) {
  folder_path(&t->folder, name, t->model);
  snprintf(t->checkpoint, sizeof t->checkpoint, "%.490s.checkpoint", t->model);
  snprintf(t->log, sizeof t->log, "%.490s.csv", t->model);
  t->fit.path = t->model;
}

/* 11 training pictures, two of them held out: batches of 4, 4 and 1. */
static inline void tiny_open(struct fm_context *ctx, struct tiny *t) {
  char data[512];
  struct fm_make_options make = {.size = 64, .train = 11, .test_good = 1, .per_kind = 1, .product = "gear"};
  *t = (struct tiny){.ctx = ctx, .folder = folder_make()};
  setenv("XDG_DATA_HOME", t->folder.path, 1); /* no pretrained weights there */
  setenv("XDG_DATA_DIRS", t->folder.path, 1);
  ASSERT_OK(ctx, fm_make_dataset(ctx, folder_path(&t->folder, "data", data), &make));
  ASSERT_OK(ctx, fm_dataset_open(ctx, data, NULL, &t->set));
  ASSERT_OK(ctx, fm_category_open(ctx, &t->set, "gear", &t->category));
  ASSERT_OK(ctx, fm_device_open(ctx, NULL, &t->d));
  fm_recipe_default(&t->fit.recipe);
  t->fit.recipe.size = fm_square(64);
  t->fit.recipe.batch = 4;
  t->fit.recipe.epochs = 2;
  t->fit.untrained = true;
  t->fit.category = &t->category;
  tiny_name(t, "gear.flawmap");
}

static inline void tiny_close(struct tiny *t) {
  ASSERT_OK(t->ctx, fm_device_close(t->d));
  fm_category_close(t->ctx, &t->category);
  fm_dataset_close(t->ctx, &t->set);
  folder_remove(&t->folder);
}

/* Trains; the model is on the disk only. */
static inline enum fm_status tiny_fit(struct tiny *t) {
  struct fm_model model;
  enum fm_status status = fm_fit_run(t->d, &t->fit, &model);
  if (status == FM_OK) fm_model_free(&model);
  return status;
}

/* The file's bytes; the caller's. */
static inline unsigned char *read_all(struct fm_context *ctx, const char *path, size_t *size) {
  unsigned char *bytes;
  ASSERT_OK(ctx, fm_file_read(ctx, path, (size_t)1 << 30, &bytes, size));
  return bytes;
}

static inline void assert_same_file(struct fm_context *ctx, const char *a, const char *b) {
  size_t n, m;
  unsigned char *x = read_all(ctx, a, &n), *y = read_all(ctx, b, &m);
  assert_int_equal(n, m);
  assert_memory_equal(x, y, n);
  fm_free(ctx, x);
  fm_free(ctx, y);
}

/* The loss of an epoch (from 1) in the log. */
static inline double logged_loss(struct fm_context *ctx, const char *path, int epoch) {
  size_t size;
  char *text = (char *)read_all(ctx, path, &size), *line = text;
  double loss = -1;
  for (int i = 0; i < epoch && line; i++) line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL;
  int got = -1;
  if (line) assert_int_equal(sscanf(line, "%d,%*d,%*f,%lf", &got, &loss), 2);
  assert_int_equal(got, epoch);
  fm_free(ctx, text);
  return loss;
}

#endif
