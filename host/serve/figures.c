#include "serve/figures.h"

#include "base/available.h"
#include "base/log.h"
#include "base/memory.h"

#include <string.h>

/* Upper ends of the latency's buckets, seconds. */
static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
enum { BOUNDS = sizeof bounds / sizeof *bounds };

enum outcome { GOOD, FLAWED, UNKNOWN, FAILED, LATE, OUTCOMES };
static const char *const outcomes[OUTCOMES] = {"good", "flawed", "unknown", "failed", "late"};
static const char *const refusals[FM_REFUSALS] = {"full", "size", "token", "slow", "other"};

struct of_model { /* and source */
  char model[FM_SERVE_NAME + 1];
  const char *source;
  unsigned long count[OUTCOMES];
};

enum { MOST_ROWS = 2 * FM_SERVE_MODELS };

struct fm_figures {
  struct fm_context *ctx;
  pthread_mutex_t lock;
  double begin;
  struct of_model row[MOST_ROWS];
  int rows;
  unsigned long refused[FM_REFUSALS], bucket[BOUNDS + 1], done;
  double latency, scoring;
  unsigned long batches, scored;
};

enum fm_status fm_figures_make(struct fm_context *ctx, struct fm_figures **figures) {
  struct fm_figures *f = *figures = fm_alloc(ctx, 1, sizeof *f);
  if (!f) return FM_MEMORY;
  f->ctx = ctx;
  f->begin = fm_seconds();
  pthread_mutex_init(&f->lock, NULL);
  return FM_OK;
}

void fm_figures_free(struct fm_figures *f) {
  if (!f) return;
  pthread_mutex_destroy(&f->lock);
  fm_free(f->ctx, f);
}

static struct of_model *row_of(struct fm_figures *f, const char *model, const char *source) {
  for (int i = 0; i < f->rows; i++)
    if (strcmp(f->row[i].model, model) == 0 && strcmp(f->row[i].source, source) == 0) return &f->row[i];
  struct of_model *row = &f->row[f->rows < MOST_ROWS ? f->rows++ : MOST_ROWS - 1];
  memcpy(row->model, model, strlen(model) + 1);
  row->source = source;
  return row;
}

static enum outcome outcome_of(const struct fm_job *job) {
  if (job->late) return LATE;
  if (job->ctx.status != FM_OK) return FAILED;
  return !job->model->results.known ? UNKNOWN : job->flagged ? FLAWED : GOOD;
}

void fm_figures_job(struct fm_figures *f, const struct fm_job *job) {
  double latency = fm_seconds() - job->received;
  int b = 0;
  while (b < BOUNDS && latency > bounds[b]) b++;
  pthread_mutex_lock(&f->lock);
  row_of(f, job->model->name, job->source)->count[outcome_of(job)]++;
  f->bucket[b]++;
  f->done++;
  f->latency += latency;
  pthread_mutex_unlock(&f->lock);
}

void fm_figures_batch(struct fm_figures *f, int pictures, double seconds) {
  pthread_mutex_lock(&f->lock);
  f->batches++;
  f->scored += (unsigned long)pictures;
  f->scoring += seconds;
  pthread_mutex_unlock(&f->lock);
}

void fm_figures_refused(struct fm_figures *f, enum fm_refused why) {
  pthread_mutex_lock(&f->lock);
  f->refused[why]++;
  pthread_mutex_unlock(&f->lock);
}

/* ---- as text ---- */

static void head(struct fm_text *t, const char *name, const char *type, const char *help) {
  fm_text_printf(t, "# HELP flawmap_%s %s\n# TYPE flawmap_%s %s\n", name, help, name, type);
}

static void one(struct fm_text *t, const char *name, const char *type, const char *help, double value) {
  head(t, name, type, help);
  fm_text_printf(t, "flawmap_%s ", name);
  fm_text_number(t, value);
  fm_text_append(t, "\n");
}

static void write_latency(const struct fm_figures *f, struct fm_text *t) {
  unsigned long sum = 0;
  head(t, "latency_seconds", "histogram", "From a picture's last byte to its result.");
  for (int b = 0; b < BOUNDS; b++) {
    fm_text_append(t, "flawmap_latency_seconds_bucket{le=\"");
    fm_text_number(t, bounds[b]);
    fm_text_printf(t, "\"} %lu\n", sum += f->bucket[b]);
  }
  fm_text_printf(t, "flawmap_latency_seconds_bucket{le=\"+Inf\"} %lu\nflawmap_latency_seconds_sum ", f->done);
  fm_text_number(t, f->latency);
  fm_text_printf(t, "\nflawmap_latency_seconds_count %lu\n", f->done);
}

static void write_counts(const struct fm_figures *f, struct fm_text *t) {
  head(t, "pictures_total", "counter", "Pictures that were accepted and are done, by what became of them.");
  for (int i = 0; i < f->rows; i++)
    for (int k = 0; k < OUTCOMES; k++)
      fm_text_printf(t, "flawmap_pictures_total{model=\"%s\",source=\"%s\",outcome=\"%s\"} %lu\n",
                     f->row[i].model, f->row[i].source, outcomes[k], f->row[i].count[k]);
  head(t, "refused_total", "counter", "Requests that were not accepted, by why.");
  for (int k = 0; k < FM_REFUSALS; k++)
    fm_text_printf(t, "flawmap_refused_total{why=\"%s\"} %lu\n", refusals[k], f->refused[k]);
}

static void write_model(void *user, const struct fm_served *s, const char *error) {
  (void)error;
  fm_text_printf(user, "flawmap_model_version{model=\"%s\"} %ld\n", s->name, s->version);
}

void fm_figures_write(struct fm_figures *f, struct fm_queue *queue, struct fm_models *models,
                      struct fm_text *t) {
  struct fm_queue_state q = fm_queue_state(queue);
  pthread_mutex_lock(&f->lock);
  write_counts(f, t);
  write_latency(f, t);
  one(t, "batches_total", "counter", "Batches that were scored.", (double)f->batches);
  one(t, "batch_pictures_total", "counter", "Pictures in them.", (double)f->scored);
  one(t, "scoring_seconds_total", "counter", "Time that devices' workers spent on them.", f->scoring);
  pthread_mutex_unlock(&f->lock);
  one(t, "queue_pictures", "gauge", "Pictures that are accepted and not done.", (double)q.accepted);
  one(t, "queue_ready_pictures", "gauge", "Of these: decoded, waiting for a device.", (double)q.ready);
  one(t, "resident_bytes", "gauge", "Memory of the process.", (double)fm_memory_resident());
  one(t, "uptime_seconds", "gauge", "Since the service began.", fm_seconds() - f->begin);
  head(t, "model_version", "gauge", "How often the model was loaded.");
  fm_models_each(models, write_model, t);
}
