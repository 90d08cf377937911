#include "file/pth.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "file/archive.h"
#include "file/pickle.h"
#include "file/pth_old.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PICKLE = 1 << 24, MAX_FOLLOW = 8 };

/* Where checkpoints of common training programs keep the state dict. */
static const char *const nests[] = {"state_dict", "model_state_dict", "model",  "net",    "network",
                                    "module",     "params_ema",       "params", "weights"};

static const struct {
  const char *storage;
  enum fm_dtype type;
} storages[] = {{"FloatStorage", FM_F32},  {"HalfStorage", FM_F16}, {"BFloat16Storage", FM_BF16},
                {"DoubleStorage", FM_F64}, {"LongStorage", FM_I64}, {"IntStorage", FM_I32},
                {"ShortStorage", FM_I16},  {"CharStorage", FM_I8},  {"ByteStorage", FM_U8},
                {"BoolStorage", FM_BOOL}};

bool fm_pth_storage_type(const char *storage, enum fm_dtype *type) {
  for (size_t i = 0; i < sizeof storages / sizeof *storages; i++)
    if (strcmp(storages[i].storage, storage) == 0) {
      *type = storages[i].type;
      return true;
    }
  return false;
}

struct entry { /* a tensor of the state dict */
  char *name;
  unsigned char *values;
  enum fm_dtype type;
  int dims;
  size_t shape[FM_MAX_DIMS];
};

struct reader {
  struct fm_context *ctx;
  const char *path;
  struct fm_archive_members members;
  const struct fm_archive_member *pickle_member;
  size_t folder; /* length of "NAME/", which all members begin with */
  struct fm_pickle pickle;
  struct entry *entries;
  size_t count, capacity;
  size_t left; /* bytes of values that may still be made */
};

#define AGAIN                                                                                                \
  "; the file is damaged or not a PyTorch state dict: get it again, or save model.state_dict() again"

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), k = strlen(end);
  return n >= k && strcmp(text + n - k, end) == 0;
}

/* NAME/data.pkl, NAME/byteorder, NAME/data/KEY */
static bool wanted(const char *member) {
  const char *slash = strchr(member, '/');
  return slash && (strcmp(slash, "/data.pkl") == 0 || strcmp(slash, "/byteorder") == 0 ||
                   strncmp(slash, "/data/", 6) == 0);
}

static int by_member(const void *a, const void *b) {
  return strcmp(((const struct fm_archive_member *)a)->name, ((const struct fm_archive_member *)b)->name);
}

static enum fm_status open_members(struct reader *r) {
  struct fm_archive_members *members = &r->members;
  if (members->count) qsort(members->member, members->count, sizeof *members->member, by_member);
  for (size_t i = 0; i < members->count; i++) {
    const struct fm_archive_member *m = members->member + i;
    if (ends_with(m->name, "/byteorder") && (m->size != 6 || memcmp(m->bytes, "little", 6) != 0))
      return fm_error(r->ctx, FM_FORMAT, "'%s' was saved by a big-endian machine; save it again on another",
                      r->path);
    if (!ends_with(m->name, "/data.pkl") || r->pickle_member) continue;
    r->pickle_member = m;
    r->folder = strlen(m->name) - strlen("data.pkl");
  }
  if (!r->pickle_member)
    return fm_error(r->ctx, FM_FORMAT, "'%s' is a zip archive but not a PyTorch file: it has no data.pkl",
                    r->path);
  if (r->pickle_member->size > MAX_PICKLE)
    return fm_error(r->ctx, FM_LIMIT, "'%s': its data.pkl has %zu bytes; the limit is %d", r->path,
                    r->pickle_member->size, MAX_PICKLE);
  return FM_OK;
}

/* The member FOLDER/data/KEY. */
static const struct fm_archive_member *storage_member(const struct reader *r,
                                                      const struct fm_pickle_value *key) {
  size_t low = 0, high = r->members.count;
  while (low < high) { /* in place of bsearch: key ends in no zero byte */
    size_t middle = low + (high - low) / 2;
    const struct fm_archive_member *m = r->members.member + middle;
    const char *folder = r->pickle_member->name;
    int order = strncmp(folder, m->name, r->folder);
    if (order == 0) order = strncmp("data/", m->name + r->folder, 5);
    if (order == 0) order = strncmp(key->chars, m->name + r->folder + 5, key->length);
    if (order == 0) order = m->name[r->folder + 5 + key->length] ? -1 : 0;
    if (order == 0) return m;
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

static enum fm_status bad_tensor(const struct reader *r, const char *name, const char *what) {
  return fm_error(r->ctx, FM_FORMAT, "'%s': tensor '%.200s' %s" AGAIN, r->path, name, what);
}

static bool whole(const struct fm_pickle_value *value, size_t *out) {
  if (!value || value->kind != FM_PICKLE_INTEGER || value->integer < 0) return false;
  *out = (size_t)value->integer;
  return true;
}

static bool text_is(const struct fm_pickle_value *value, const char *text) {
  return value && value->kind == FM_PICKLE_STRING && value->length == strlen(text) &&
         memcmp(value->chars, text, value->length) == 0;
}

/* A persistent id: ("storage", type, key, place, number of elements). Gives the bytes and how many elements
 * they hold. */
static enum fm_status find_storage(const struct reader *r, const struct fm_pickle_value *id, struct entry *e,
                                   const unsigned char **bytes, size_t *elements) {
  const struct fm_pickle *p = &r->pickle;
  const struct fm_pickle_value *tuple = id && id->kind == FM_PICKLE_STORAGE ? fm_pickle_item(p, id, 0) : NULL;
  if (!tuple || tuple->kind != FM_PICKLE_TUPLE || !text_is(fm_pickle_item(p, tuple, 0), "storage"))
    return bad_tensor(r, e->name, "has no storage");
  const char *type = fm_pickle_storage_name(fm_pickle_item(p, tuple, 1));
  if (!fm_pth_storage_type(type, &e->type)) return bad_tensor(r, e->name, "has a storage of an unknown type");
  const struct fm_pickle_value *key = fm_pickle_item(p, tuple, 2);
  const struct fm_archive_member *member = NULL;
  if (key && key->kind == FM_PICKLE_STRING && !memchr(key->chars, 0, key->length))
    member = storage_member(r, key);
  if (!member) return bad_tensor(r, e->name, "has a storage that is not in the file");
  size_t bytes_needed;
  if (!whole(fm_pickle_item(p, tuple, 4), elements) ||
      !fm_mul(*elements, fm_dtype_size(e->type), &bytes_needed) || bytes_needed > member->size)
    return bad_tensor(r, e->name, "has a storage shorter than it should be");
  *bytes = member->bytes;
  return FM_OK;
}

/* Shape and strides; *count elements, the last of which is *reach behind the first. */
static enum fm_status read_shape(const struct reader *r, const struct fm_pickle_value *shape,
                                 const struct fm_pickle_value *strides, struct entry *e,
                                 size_t stride[FM_MAX_DIMS], size_t *count, size_t *reach) {
  if (!shape || !strides || shape->kind != FM_PICKLE_TUPLE || strides->kind != FM_PICKLE_TUPLE ||
      shape->count != strides->count)
    return bad_tensor(r, e->name, "has no shape");
  if (shape->count > FM_MAX_DIMS) return bad_tensor(r, e->name, "has more than 8 dimensions");
  *count = 1;
  *reach = 0;
  e->dims = (int)shape->count;
  bool fits = true, empty = false;
  for (uint32_t i = 0; i < shape->count; i++) {
    size_t n, s, span;
    if (!whole(fm_pickle_item(&r->pickle, shape, i), &n) ||
        !whole(fm_pickle_item(&r->pickle, strides, i), &s))
      return bad_tensor(r, e->name, "has a shape that is not made of whole numbers");
    e->shape[i] = n;
    stride[i] = s;
    empty = empty || n == 0;
    fits = fits && fm_mul(*count, n, count) &&
           (n == 0 || (fm_mul(n - 1, s, &span) && fm_add(*reach, span, reach)));
  }
  if (empty) *count = *reach = 0;
  return fits || empty ? FM_OK : bad_tensor(r, e->name, "has too large a shape");
}

/* Copies elements in the order of the last dimension fastest, as a tensor without strides has them. */
static void copy_strided(const unsigned char *in, size_t size, const struct entry *e, const size_t *stride,
                         size_t count, unsigned char *out) {
  size_t index[FM_MAX_DIMS] = {0}, at = 0, step = 1;
  bool plain = true;
  for (int d = e->dims - 1; d >= 0; d--) {
    plain = plain && (stride[d] == step || e->shape[d] == 1);
    step *= e->shape[d];
  }
  if (plain) {
    memcpy(out, in, count * size);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    memcpy(out + i * size, in + at * size, size);
    for (int d = e->dims - 1; d >= 0; d--) {
      at += stride[d];
      if (++index[d] < e->shape[d]) break;
      at -= stride[d] * e->shape[d];
      index[d] = 0;
    }
  }
}

/* arguments: (storage, offset, shape, strides, ...) */
static enum fm_status read_tensor(struct reader *r, const struct fm_pickle_value *tensor, struct entry *e) {
  const struct fm_pickle *p = &r->pickle;
  const struct fm_pickle_value *arguments = fm_pickle_item(p, tensor, 0);
  const unsigned char *bytes = NULL;
  size_t elements = 0, offset, stride[FM_MAX_DIMS] = {0}, count = 0, reach = 0, last;
  FM_TRY(find_storage(r, fm_pickle_item(p, arguments, 0), e, &bytes, &elements));
  FM_TRY(read_shape(r, fm_pickle_item(p, arguments, 2), fm_pickle_item(p, arguments, 3), e, stride, &count,
                    &reach));
  if (!whole(fm_pickle_item(p, arguments, 1), &offset) || !fm_add(offset, reach, &last) ||
      (count > 0 && last >= elements))
    return bad_tensor(r, e->name, "reaches past the end of its storage");
  size_t size = fm_dtype_size(e->type), total;
  if (!fm_mul(count, size, &total) || total > r->left)
    return fm_error(r->ctx, FM_LIMIT,
                    "'%s': its tensors are far larger than the file, probably on purpose; get the file from "
                    "a source you trust",
                    r->path);
  r->left -= total;
  e->values = fm_alloc(r->ctx, count, size);
  if (!e->values) return FM_MEMORY;
  if (count) copy_strided(bytes + offset * size, size, e, stride, count, e->values);
  return FM_OK;
}

/* The dictionary under one of the customary names, or NULL. */
static const struct fm_pickle_value *nested(const struct fm_pickle *p, const struct fm_pickle_value *dict) {
  for (size_t i = 0; i < sizeof nests / sizeof *nests; i++)
    for (uint32_t link = dict->first; link; link = p->links[link].next) {
      const struct fm_pickle_value *value = p->values + p->links[link].value;
      if (value->kind == FM_PICKLE_DICT && text_is(p->values + p->links[link].key, nests[i])) return value;
    }
  return NULL;
}

static bool has_tensor(const struct fm_pickle *p, const struct fm_pickle_value *dict) {
  for (uint32_t link = dict->first; link; link = p->links[link].next)
    if (p->values[p->links[link].value].kind == FM_PICKLE_TENSOR) return true;
  return false;
}

static enum fm_status find_state_dict(const struct reader *r, const struct fm_pickle_value **dict) {
  const struct fm_pickle *p = &r->pickle;
  *dict = p->values + p->root;
  for (int level = 0; level < MAX_FOLLOW && *dict && (*dict)->kind == FM_PICKLE_DICT; level++) {
    if (has_tensor(p, *dict)) return FM_OK;
    *dict = nested(p, *dict);
  }
  return fm_error(r->ctx, FM_FORMAT,
                  "'%s' does not hold a dictionary of tensors; in PyTorch, save one: "
                  "torch.save(model.state_dict(), 'new.pth')",
                  r->path);
}

static enum fm_status read_entries(struct reader *r) {
  const struct fm_pickle *p = &r->pickle;
  const struct fm_pickle_value *dict;
  FM_TRY(find_state_dict(r, &dict));
  long skipped = 0;
  for (uint32_t link = dict->first; link; link = p->links[link].next) {
    const struct fm_pickle_value *key = p->values + p->links[link].key,
                                 *value = p->values + p->links[link].value;
    if (value->kind != FM_PICKLE_TENSOR) {
      skipped++;
      continue;
    }
    if (key->kind != FM_PICKLE_STRING || key->length == 0 || key->length > 1000 ||
        memchr(key->chars, 0, key->length))
      return fm_error(r->ctx, FM_FORMAT, "'%s': a tensor has no proper name" AGAIN, r->path);
    FM_TRY(fm_grow(r->ctx, (void **)&r->entries, &r->capacity, r->count, sizeof *r->entries));
    FM_TRY(fm_stop_check(r->ctx, "reading '%s'", r->path));
    struct entry *e = r->entries + r->count++;
    *e = (struct entry){.name = fm_format(r->ctx, "%.*s", (int)key->length, key->chars)};
    if (!e->name) return FM_MEMORY;
    FM_TRY(read_tensor(r, value, e));
  }
  if (skipped) fm_note(r->ctx, "'%s': %ld entries that are not tensors were skipped", r->path, skipped);
  return FM_OK;
}

static int by_string(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum fm_status refuse_duplicates(const struct reader *r) {
  const char **names = fm_alloc(r->ctx, r->count, sizeof *names);
  if (!names) return FM_MEMORY;
  for (size_t i = 0; i < r->count; i++) names[i] = r->entries[i].name;
  qsort(names, r->count, sizeof *names, by_string);
  enum fm_status status = FM_OK;
  for (size_t i = 1; i < r->count && status == FM_OK; i++)
    if (strcmp(names[i - 1], names[i]) == 0) status = bad_tensor(r, names[i], "is there twice");
  fm_free(r->ctx, names);
  return status;
}

/* The tensors as a safetensors file in memory, read by the one reader that checks everything. */
static enum fm_status make_container(const struct reader *r, struct fm_safetensors **file) {
  size_t prefix = strlen("module."), size = 0;
  for (size_t i = 0; i < r->count; i++)
    if (strncmp(r->entries[i].name, "module.", prefix) != 0 || !r->entries[i].name[prefix]) prefix = 0;
  struct fm_safetensors_out *out;
  unsigned char *bytes = NULL;
  FM_TRY(refuse_duplicates(r));
  FM_TRY(fm_safetensors_out_open(r->ctx, &out));
  enum fm_status status = FM_OK;
  for (size_t i = 0; i < r->count && status == FM_OK; i++) {
    const struct entry *e = r->entries + i;
    status = fm_safetensors_out_tensor(out, e->name + prefix, e->type, e->dims, e->shape, e->values);
  }
  if (status == FM_OK) status = fm_safetensors_out_encode(out, &bytes, &size);
  fm_safetensors_out_free(out);
  return status == FM_OK ? fm_safetensors_parse(r->ctx, r->path, bytes, size, file) : status;
}

static bool is_zip(const unsigned char *bytes, size_t size) {
  return size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0;
}

/* The pickle and the storages, from either of the two formats. */
static enum fm_status get_members(struct reader *r, const unsigned char *bytes, size_t size, size_t limit) {
  if (fm_pth_is_old(bytes, size)) return fm_pth_old_members(r->ctx, r->path, bytes, size, &r->members);
  if (is_zip(bytes, size)) return fm_zip_read(r->ctx, r->path, bytes, size, limit, wanted, &r->members);
  return fm_error(r->ctx, FM_FORMAT,
                  "'%s' is not a PyTorch file: it is neither a zip archive nor in PyTorch's old format",
                  r->path);
}

enum fm_status fm_pth_parse(struct fm_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                            struct fm_safetensors **file) {
  *file = NULL;
  size_t limit = size < FM_SAFETENSORS_MAX / 16 ? 16 * size + (1 << 20) : FM_SAFETENSORS_MAX;
  struct reader r = {.ctx = ctx, .path = name, .left = limit};
  FM_TRY(get_members(&r, bytes, size, limit));
  enum fm_status status = open_members(&r);
  if (status == FM_OK)
    status = fm_pickle_parse(ctx, name, r.pickle_member->bytes, r.pickle_member->size, &r.pickle);
  if (status == FM_OK) status = read_entries(&r);
  fm_pickle_free(ctx, &r.pickle);
  fm_archive_free(ctx, &r.members);
  if (status == FM_OK) status = make_container(&r, file);
  for (size_t i = 0; i < r.count; i++) {
    fm_free(ctx, r.entries[i].name);
    fm_free(ctx, r.entries[i].values);
  }
  fm_free(ctx, r.entries);
  return status;
}

enum fm_status fm_pth_read(struct fm_context *ctx, const char *path, struct fm_safetensors **file) {
  unsigned char *bytes;
  size_t size;
  *file = NULL;
  FM_TRY(fm_file_read(ctx, path, FM_SAFETENSORS_MAX, &bytes, &size));
  enum fm_status status = fm_pth_parse(ctx, path, bytes, size, file);
  fm_free(ctx, bytes);
  return status;
}

enum fm_status fm_tensors_read(struct fm_context *ctx, const char *path, struct fm_safetensors **file) {
  unsigned char *bytes;
  size_t size;
  *file = NULL;
  char extension[16];
  fm_path_extension(path, extension);
  FM_TRY(fm_file_read(ctx, path, FM_SAFETENSORS_MAX, &bytes, &size));
  bool torch = is_zip(bytes, size) || fm_pth_is_old(bytes, size) || strcmp(extension, "pth") == 0;
  if (!torch) return fm_safetensors_parse(ctx, path, bytes, size, file);
  enum fm_status status = fm_pth_parse(ctx, path, bytes, size, file);
  fm_free(ctx, bytes);
  return status;
}
