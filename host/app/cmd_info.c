/* flawmap info: what is in a model or a checkpoint. */
#define _POSIX_C_SOURCE 200809L
#include "app/commands.h"
#include "app/evaluate.h"

#include "base/memory.h"
#include "base/print.h"
#include "file/json.h"
#include "model/checkpoint.h"

#include <stdio.h>
#include <string.h>

static void print_recipe(const struct fm_recipe *recipe) {
  fm_print("recipe:\n");
  for (int i = 0; i < FM_FIELDS; i++) {
    if (!fm_recipe_has(recipe, i)) continue;
    char value[FM_FIELD_VALUE];
    fm_recipe_get(recipe, i, value);
    fm_print("  %-16s %s\n", fm_fields[i].key, value);
  }
}

/* F2PAD's references are an extra: a model may have been asked for them and be without. */
static void print_sharpening(const struct fm_model *m) {
  const struct fm_reference *r = &m->refinement.reference;
  char sentence[400];
  if (m->refinement.there)
    fm_print("%-14s with the reference '%s' from %zu good pictures (--refine f2pad)\n", "sharpening",
             fm_reference_names[r->kind], r->count);
  else if (m->recipe.refine && !m->refinement.off)
    fm_print("%-14s none: the training was asked for it (--refine), but could not learn it\n", "sharpening");
  if (m->refinement.worth.known) {
    fm_refinement_sentence(&m->refinement, sentence);
    fm_print("%-14s %s\n", m->refinement.there ? "" : "sharpening", sentence);
  }
}

static void print_model(const struct fm_model *m) {
  struct fm_model_facts facts;
  char sentence[400];
  fm_model_facts(m, &facts);
  for (size_t i = 0; i < facts.count; i++) fm_print("%-14s %s\n", facts.fact[i].name, facts.fact[i].value);
  fm_print("%-14s %zu numbers in the expert, %zu learned in %zu tensors\n", "tensors",
           m->expert.weights.total, m->learned.total, m->learned.count);
  for (const char *line = m->data.choice; line && *line; line += strcspn(line, "\n") + 1) {
    fm_print("%-14s %.*s\n", line == m->data.choice ? "choice" : "", (int)strcspn(line, "\n"), line);
    if (!line[strcspn(line, "\n")]) break;
  }
  for (const char *line = m->data.real; line && *line; line += strcspn(line, "\n") + 1)
    fm_print("%-14s %.*s\n", line == m->data.real ? "flawed ones" : "", (int)strcspn(line, "\n"), line);
  if (m->has_thresholds) {
    fm_threshold_sentence(&m->image, sentence);
    fm_print("%-14s %s\n", "threshold", sentence);
  } else {
    fm_print("%-14s none; 'flawmap calibrate' chooses one\n", "threshold");
  }
  print_sharpening(m);
  print_recipe(&m->recipe);
}

static void put_threshold(struct fm_json *j, const char *key, const struct fm_threshold *t) {
  fm_json_object(j, key);
  fm_json_number(j, "value", t->value);
  fm_json_number(j, "false_alarms_asked", t->alpha);
  fm_json_number(j, "false_alarms_promised", t->promised);
  fm_json_string(j, "origin", t->origin);
  fm_json_end(j);
}

/* The flawed pictures it learned from, as an array. */
static enum fm_status put_flawed(struct fm_json *j, const struct fm_model *m) {
  char *copy = fm_strdup(m->ctx, m->data.real);
  if (!copy) return FM_MEMORY;
  fm_json_array(j, "learned_flawed");
  for (char *line = copy, *end; *line; line = end + 1) {
    end = line + strcspn(line, "\n");
    *end = 0;
    fm_json_string(j, NULL, line);
  }
  fm_json_end(j);
  fm_free(m->ctx, copy);
  return FM_OK;
}

static enum fm_status print_json(const struct fm_model *m) {
  struct fm_text text;
  struct fm_json j;
  char *chars;
  fm_text_begin(&text, m->ctx);
  fm_json_begin(&j, &text, true);
  fm_json_object(&j, NULL);
  fm_json_object(&j, "recipe");
  for (int i = 0; i < FM_FIELDS; i++) {
    if (!fm_recipe_has(&m->recipe, i)) continue;
    char value[FM_FIELD_VALUE];
    fm_recipe_get(&m->recipe, i, value);
    fm_json_string(&j, fm_fields[i].key, value);
  }
  fm_json_end(&j);
  fm_json_object(&j, "data");
  fm_json_string(&j, "category", m->data.category);
  fm_json_string(&j, "hash", m->data.hash);
  fm_json_integer(&j, "learned", (int64_t)m->data.learned);
  fm_json_integer(&j, "held_out", (int64_t)m->data.held);
  if (m->data.joined) fm_json_integer(&j, "joined", (int64_t)m->data.joined);
  if (m->data.real && put_flawed(&j, m) != FM_OK) {
    fm_text_free(&text);
    return FM_MEMORY;
  }
  fm_json_end(&j);
  fm_json_object(&j, "expert");
  fm_json_bool(&j, "trained", m->expert.trained);
  fm_json_string(&j, "file", m->expert.file);
  fm_json_string(&j, "hash", m->expert.hash);
  fm_json_end(&j);
  if (m->data.choice) fm_json_string(&j, "choice", m->data.choice);
  fm_json_string(&j, "device", m->device);
  fm_json_bool(&j, "sharpens", m->refinement.there);
  if (m->has_thresholds) {
    put_threshold(&j, "image_threshold", &m->image);
    put_threshold(&j, "pixel_threshold", &m->pixel);
  }
  fm_json_end(&j);
  FM_TRY(fm_text_take(&text, &chars, NULL));
  fm_print_data(chars);
  fm_free(m->ctx, chars);
  return FM_OK;
}

static enum fm_status info_checkpoint(struct fm_context *ctx, const char *path) {
  struct fm_checkpoint c;
  FM_TRY(fm_checkpoint_read(ctx, path, &c));
  fm_print(
      "an unfinished training: %ld steps done, in epoch %ld; 'flawmap train ... --resume' continues it\n",
      c.step, c.epoch + 1);
  print_recipe(&c.recipe);
  fm_checkpoint_free(ctx, &c);
  return FM_OK;
}

static enum fm_status info(struct fm_context *ctx, const char *path, const char *weights, bool json) {
  struct fm_model model;
  size_t n = strlen(path);
  if (n > 11 && strcmp(path + n - 11, ".checkpoint") == 0) return info_checkpoint(ctx, path);
  FM_TRY(fm_model_load(ctx, path, weights, &model));
  enum fm_status status = FM_OK;
  if (json)
    status = print_json(&model);
  else
    print_model(&model);
  fm_model_free(&model);
  return status;
}

enum fm_status fm_cmd_info(struct fm_context *ctx, int argc, char **argv, int *exit_status) {
  const char *weights = NULL;
  bool json = false, help = false;
  struct fm_option options[] = {
      {"json", FM_OPT_FLAG, &json, NULL, "as JSON", 0, 0, NULL},
      {"weights", FM_OPT_TEXT, &weights, "FILE", "a thin model's expert weights", 0, 0, NULL},
  };
  int count;
  const char **given = fm_alloc(ctx, (size_t)argc + 1, sizeof *given);
  if (!given) return FM_MEMORY;
  enum fm_status status =
      fm_options_parse(ctx, fm_command_find("info"), options, sizeof options / sizeof *options, argc, argv,
                       given, &count, &help);
  if (status == FM_OK && !help && count != 1)
    status = fm_error(ctx, FM_USAGE, "flawmap info takes one model: flawmap info MODEL");
  if (status == FM_OK && !help) status = info(ctx, given[0], weights, json);
  fm_free(ctx, given);
  return status;
}
