#include "serve/job.h"

#include "base/log.h"
#include "base/memory.h"

#include <string.h>

struct fm_job *fm_job_make(struct fm_context *root, struct fm_served *model, const char *name,
                           unsigned char *bytes, size_t size) {
  struct fm_job *job = fm_alloc(root, 1, sizeof *job);
  if (!job) {
    fm_free(root, bytes);
    fm_served_release(model);
    return NULL;
  }
  fm_context_branch(&job->ctx, root);
  job->ctx.threads = 1; /* jobs are what is worked on side by side */
  job->model = model;
  job->bytes = bytes;
  job->size = size;
  job->received = fm_seconds();
  if ((job->name = fm_strdup(&job->ctx, name))) return job;
  fm_job_free(job);
  return NULL;
}

void fm_job_free(struct fm_job *job) {
  if (!job) return;
  struct fm_context *ctx = &job->ctx;
  for (int k = 0; k < FM_RESULTS; k++) fm_free(ctx, job->file[k].bytes);
  fm_free(ctx, job->json);
  fm_free(ctx, job->rgb);
  fm_image_free(ctx, &job->image);
  fm_free(ctx, job->bytes);
  fm_free(ctx, job->name);
  fm_served_release(job->model);
  struct fm_context *root = ctx->root;
  fm_context_free(ctx);
  fm_free(root, job);
}

enum fm_status fm_job_prepare(struct fm_job *job, size_t most_pixels) {
  struct fm_context *ctx = &job->ctx;
  int width, height;
  FM_TRY(fm_image_decode_size(ctx, job->name, job->bytes, job->size, &width, &height));
  if ((size_t)width * (size_t)height > most_pixels)
    return fm_error(ctx, FM_LIMIT, "'%s' has %d x %d pixels, and the service takes pictures of at most %zu",
                    job->name, width, height, most_pixels);
  FM_TRY(fm_image_decode(ctx, job->name, job->bytes, job->size, &job->image));
  FM_TRY(fm_image_to_rgb(ctx, &job->image));
  if (job->draw) return FM_OK;
  const struct fm_preprocess *p = &job->model->preprocess;
  if (p->tile) return FM_OK;
  if (!(job->rgb = fm_alloc(ctx, fm_size_pixels(fm_preprocess_size(p)), 3))) return FM_MEMORY;
  return fm_picture_fit(ctx, p, &job->image, job->rgb, &job->adjusted);
}
